"""`alert-engine check` says what is wrong with rule files, where, and what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.command import alert_engine, alert_engine_process

DATA = Path(__file__).parents[1] / "data"
BAD_FOLDER = DATA / "bad_rules"
REAL = DATA / "good_rules" / "alert_rules_real.yaml"
FAULT = re.compile(r"^[\w./-]+\.yaml:\d+:\d+: ", re.MULTILINE)
GOOD_RULE = "rules:\n  - {id: gate, when: camera_id == 'cam-1', notify: []}\n"


# As the command prints them; tests/integration/test_bad_rules.py has all of them.
SAMPLE = ("bad_test", "faults_in_every_part", "unset_variable")


@pytest.mark.parametrize("name", SAMPLE)
def test_a_bad_file_is_told_as_written_beside_it(name: str) -> None:
    report = alert_engine(BAD_FOLDER, "check", f"{name}.yaml")
    expected = (BAD_FOLDER / f"{name}.expected").read_text()
    told = [line for line in report.stdout.splitlines() if FAULT.match(line)]
    assert told == expected.splitlines()
    assert (report.status, report.stderr) == (1, "")
    warnings = sum(": warning: " in line for line in told)
    counts = re.findall(r"\d+", report.stdout.splitlines()[-1])
    assert [int(count) for count in counts] == [len(told) - warnings, *[warnings] * bool(warnings)]


WARNED = "  - {id: a, when: 'vehicle.color.startsWith(\"b\")', notify: []}\n"
WRONG = "  - {id: b, when: 'plate', notify: []}\n"


@pytest.mark.parametrize(
    ("rules", "ending"),
    [
        (WRONG, "1 fault: the rules can't be loaded"),
        (WRONG + WRONG.replace("b,", "c,"), "2 faults: the rules can't be loaded"),
        (WRONG + WARNED, "1 fault, 1 warning: the rules can't be loaded"),
        (
            WRONG + WRONG.replace("b,", "c,") + WARNED + WARNED.replace("a,", "d,"),
            "2 faults, 2 warnings: the rules can't be loaded",
        ),
    ],
)
def test_a_count_of_faults_counts_no_warnings(rules: str, ending: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"rules:\n{rules}")
    report = alert_engine(tmp_path, "check", "r.yaml")
    assert (report.status, report.stdout.splitlines()[-1]) == (1, ending), report.stdout


def test_a_fault_shows_its_line_and_column() -> None:
    report = alert_engine(BAD_FOLDER, "check", "bad_id.yaml")
    lines = report.stdout.splitlines()
    assert lines[1:3] == ["      - id: Gate 1", "            ^"]


def test_a_terminal_without_unicode_gets_escapes(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("rules:\n  - {id: ü, when: true}\n", encoding="utf-8")
    report = alert_engine_process(
        tmp_path, "check", "r.yaml", variables={"PYTHONIOENCODING": "ascii"}
    )
    assert (report.status, report.stderr) == (1, "")
    assert r"the rule's id can't be `\xfc`" in report.stdout


def test_json_tells_the_faults_as_data() -> None:
    report = alert_engine(BAD_FOLDER, "check", "--format", "json", "bad_id.yaml")
    assert report.status == 1
    faults = json.loads(report.stdout)["faults"]
    assert [(fault["line"], fault["column"], fault["severity"]) for fault in faults] == [
        (2, 9, "error"),
        (5, 8, "error"),
        (8, 9, "error"),
    ]
    assert faults[1] == {
        "file": "bad_id.yaml",
        "line": 5,
        "column": 8,
        "severity": "error",
        "code": "bad-value",
        "what": "`id` is empty",
        "remedy": "give it a value, or remove it",
    }


def test_github_gets_annotations() -> None:
    report = alert_engine(BAD_FOLDER, "check", "--format", "github", "duplicate_key.yaml")
    assert report.status == 1
    (line,) = report.stdout.splitlines()
    assert line.startswith("::error file=duplicate_key.yaml,line=4,col=5,title=")
    assert line.endswith("::the key `when` is given twice, first in line 3, remove one of them")


def test_the_shipped_rules_are_good(repository: Path) -> None:
    report = alert_engine_process(repository, "check")
    assert (report.status, report.stderr) == (0, "")
    assert re.match(r"good: \d+ rules, 0 disabled, ", report.stdout.splitlines()[-1])


def test_a_real_file_of_the_plans_form_is_good_and_warned_of() -> None:
    report = alert_engine(REAL.parent, "check", REAL.name)
    assert report.status == 0
    assert report.stdout.count(": warning: ") == 4
    assert report.stdout.splitlines()[-1].startswith("good: 3 rules, 1 disabled, ")


def test_conditions_are_shown_as_cel() -> None:
    report = alert_engine(REAL.parent, "check", "--show-cel", REAL.name)
    assert report.status == 0
    assert (
        "high_confidence_truck\n"
        '    plate.confidence > 0.9 && vehicle.type != null && lower(vehicle.type) == "truck"\n'
    ) in report.stdout
    shown = alert_engine(REAL.parent, "check", "--show-cel", "--format", "json", REAL.name)
    rules = {rule["id"]: rule["cel"] for rule in json.loads(shown.stdout)["rules"]}
    assert rules["on_by_name"].startswith('lower(camera_id) == "on" && ')
    assert set(rules) == {"watchlist_plate", "high_confidence_truck", "on_by_name"}


def test_text_messages_are_shown_with_their_segments(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "channels: {phones: 'twilio://AC00000000000000000000000000000000:0@ACME/+15550002222'}\n"
        "rules:\n"
        "  - {id: plain, when: 'camera_id == \"gate\"', notify: [phones],\n"
        "     message_template: 'at {camera_id}',\n"
        "     tests: [{event: {camera_id: door}, expect: no_match},\n"
        "             {event: {camera_id: gate}, expect: match}]}\n"
        "  - {id: loud, when: 'camera_id == \"gate\"', notify: [phones],\n"
        f"     message_template: '🚨 {'x' * 70}',\n"
        "     tests: [{event: {camera_id: gate}, expect: match}]}\n"
        "  - {id: untested, when: 'camera_id == \"gate\"', notify: [phones]}\n"
        "  - {id: elsewhere, when: 'camera_id == \"gate\"', notify: []}\n"
    )
    report = alert_engine(tmp_path, "check", "--show-sms", "rules.yaml")
    assert report.status == 0
    assert report.stdout.splitlines()[-4:-1] == [
        "plain: 1 segment of GSM-7: at gate",
        f"loud: 2 segments of UCS-2 because of 🚨: 🚨 {'x' * 70}",
        "untested: no test that expects a match shows its text message",
    ]


def test_the_index_is_shown_with_the_rules_that_it_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "rules:\n"
        '  - {id: watched, name: W, when: \'plate.normalized_text in ["A", "B"]\', notify: []}\n'
        "  - {id: other, name: O, when: 'camera_id != \"gate\"', notify: []}\n"
    )
    report = alert_engine(tmp_path, "check", "--show-index", "rules.yaml")
    assert report.status == 0
    assert (
        "2 rules, of which 1 is evaluated on every event\n"
        "plate.normalized_text\n"
        "    one of 2 values: 1 rule\n"
        "on every event\n"
        "    other: camera_id is unequal to a constant on most events\n"
    ) in report.stdout


def test_faults_of_all_files_come_in_one_report() -> None:
    report = alert_engine(BAD_FOLDER, "check", "yaml_syntax.yaml", "not_utf8.yaml", "nowhere.yaml")
    assert report.status == 2
    assert [line.split(":")[0] for line in FAULT.findall(report.stdout)] == [
        "not_utf8.yaml",
        "nowhere.yaml",
        "yaml_syntax.yaml",
    ]


@pytest.mark.parametrize(
    "command",
    [
        "test",
        pytest.param("demo", marks=pytest.mark.slow),
        "check",
        "run",
    ],
)
def test_a_path_that_is_missing_is_unusable(command: str, tmp_path: Path) -> None:
    arguments = {"demo": ["--rules", "nowhere"], "run": []}.get(command, ["nowhere"])
    start = alert_engine_process if command in ("run", "demo") else alert_engine
    report = start(tmp_path, command, *arguments, variables={"RULES_PATH": "nowhere"})
    assert report.status == 2
    assert "nowhere:1:1: there is no such file, give a rule file or a folder" in report.output
    assert "Traceback" not in report.output


@pytest.mark.parametrize("name", ["RULES_PATH", "RULES_CONFIG_PATH"])
def test_rules_path_is_the_default(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD_RULE)
    report = alert_engine(tmp_path, "check", variables={name: "mine.yaml"})
    assert (report.status, report.stdout.splitlines()[-1][:13]) == (0, "good: 1 rule,")


def test_all_bad_settings_are_told_at_once(tmp_path: Path) -> None:
    variables = {
        "KAFKA_TOPIC": "plates of cars",
        "METRICS_PORT": "http",
        "MAX_RETRIES": "-1",
        "EVENT_TIMEZONE": "Mars/Olympus",
        "KAFKA_CONFIG_ENABLE_AUTO_COMMIT": "true",
        "KAFKA_CONFIG_ACKS": "1",
        "KAFKA_CONFIG_NO_SUCH_OPTION": "x",
        "KAFKA_CONFIG_SESSION_TIMEOUT_MS": "soon",
        "STATE_URL": "mysql://somewhere",
    }
    report = alert_engine_process(tmp_path, "run", variables=variables)
    assert (report.status, report.stdout) == (2, "")
    for name in variables:
        assert f"{name}" in report.stderr
    assert "Traceback" not in report.stderr


def test_unusable_costs_of_plates_are_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD_RULE)
    (tmp_path / "costs.txt").write_text("# ours\n10 0O\n1O 1I\n")
    variables = {"RULES_PATH": "mine.yaml", "PLATE_COSTS": "costs.txt"}
    report = alert_engine(tmp_path, "check", variables=variables)
    assert report.status == 2
    assert report.stderr.splitlines()[-1] == (
        "alert-engine: costs.txt, line 3: `1O` is no cost, begin the line with a whole number "
        "from 1 to 100"
    )


def test_an_unusable_command_line_is_told() -> None:
    report = alert_engine(DATA, "check", "--format", "xml")
    assert report.status == 2
    assert "invalid choice: 'xml'" in report.stderr


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("'" + "a == b && " * 100_000 + "true'", "65,536 is the limit"),
        ("(" * 10_000 + "true" + ")" * 10_000, "nested"),
    ],
    ids=["a megabyte", "10,000 deep"],
)
def test_an_expression_without_bounds_is_one_fault(when: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text(f"rules:\n  - id: big\n    notify: []\n    when: {when}\n")
    report = alert_engine(tmp_path, "check", "big.yaml")
    assert report.status == 1
    assert told in report.stdout
    assert len(report.stdout) < 1_000


@pytest.mark.slow
def test_a_file_of_ten_megabytes_is_checked(tmp_path: Path) -> None:
    rule = "  - {{id: r{0}, when: 'plate.text == \"{0}\"', notify: [], description: {1}}}\n"
    rules = "".join(rule.format(number, "x" * 3_000) for number in range(3_300))
    assert len(rules) > 10_000_000
    (tmp_path / "big.yaml").write_text(f"rules:\n{rules}")
    report = alert_engine(tmp_path, "check", "big.yaml")
    assert (report.status, report.stdout.splitlines()[-1][:16]) == (0, "good: 3300 rules")


def test_watchlists_are_told_in_json(tmp_path: Path) -> None:
    (tmp_path / "stolen.csv").write_text("plate,valid_until\nABC1,2020-01-01\nABC2,\n-,\n")
    (tmp_path / "rules.yaml").write_text(
        "watchlists: {stolen: stolen.csv}\nrules:\n"
        "  - {id: a, when: 'plate.normalized_text in watchlist(\"stolen\")', notify: []}\n"
    )
    report = alert_engine(tmp_path, "check", "--format", "json", "rules.yaml")
    assert report.status == 0
    told = json.loads(report.stdout)
    assert told["watchlists"] == [
        {
            "name": "stolen",
            "file": "stolen.csv",
            "rows": 2,
            "plates": 2,
            "in_force": 1,
            "skipped": 1,
        }
    ]
    assert [fault["line"] for fault in told["faults"]] == [1, 4]


def test_a_missing_list_is_an_unusable_input(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(f"watchlists: {{stolen: none.csv}}\n{GOOD_RULE}")
    report = alert_engine(tmp_path, "check", "rules.yaml")
    assert report.status == 2
    assert "rules.yaml:1:22: the watchlist stolen: there is no file none.csv" in report.stdout
