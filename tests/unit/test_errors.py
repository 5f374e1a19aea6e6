from __future__ import annotations

from engine.errors import (
    AlertEngineError,
    ExpressionError,
    Fault,
    Place,
    Problem,
    RulesError,
    StoreInUseError,
)


def classes(root: type[AlertEngineError]) -> list[type[AlertEngineError]]:
    return [root, *(each for sub in root.__subclasses__() for each in classes(sub))]


def test_a_docstring_is_the_default_message() -> None:
    assert str(StoreInUseError()) == "Another alert engine uses this store already."


def test_every_error_has_a_code_of_its_own_and_a_docstring() -> None:
    ours = [each for each in classes(AlertEngineError) if each.__module__ == "engine.errors"]
    assert len({each.code for each in ours}) == len(ours)
    assert all(each.__doc__ for each in ours)


def test_a_fault_reads_place_what_remedy() -> None:
    fault = Fault(Place("rules/a.yaml", 3, 7), "unknown-key", "unknown key `pirority`", "mean it?")
    assert str(fault) == "rules/a.yaml:3:7: unknown key `pirority`, mean it?"
    assert str(Fault(Place("a.yaml"), "empty", "is empty")) == "a.yaml:1:1: is empty"


def test_a_rules_error_tells_all_faults() -> None:
    faults = tuple(Fault(Place("a.yaml", line), "c", f"fault {line}") for line in (1, 2))
    assert str(RulesError(faults)) == "a.yaml:1:1: fault 1\na.yaml:2:1: fault 2"


def test_an_expression_error_tells_all_problems_with_columns() -> None:
    error = ExpressionError((Problem(0, "a", "first", "fix"), Problem(4, "b", "second")))
    assert str(error) == "1: first, fix; 5: second"
