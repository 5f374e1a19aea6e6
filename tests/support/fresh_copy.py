"""A fresh copy of the working tree, as a clone has it, and an environment in which it runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_COMMAND: Final = """\
#!{python}
import sys
from engine.cli import main
sys.exit(main())
"""


def copy_tree(target: Path) -> Path:
    """Copy every file that git has or would add: no state, no caches, no environments."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def install(copy: Path) -> None:
    """Make the copy's `.venv` as `make install` does, but with the packages of this environment.

    The engine in it is the copy's own: nothing is fetched, and nothing of ours is changed.
    """
    environment = make_environment(copy / ".venv", [copy])
    command = environment / "bin" / "alert-engine"
    command.write_text(_COMMAND.format(python=environment / "bin" / "python"))
    command.chmod(0o755)
    (environment / ".installed").touch()


def make_environment(folder: Path, first: list[Path], *, with_pip: bool = False) -> Path:
    """A virtual environment that finds packages in `first`, then those of this environment.

    The engine of this environment is not among them: an editable install counts only where its
    hook is run.
    """
    options = [] if with_pip else ["--without-pip"]
    subprocess.run([sys.executable, "-m", "venv", *options, folder], check=True)
    scheme = {"base": str(folder), "platbase": str(folder)}
    (packages,) = {
        Path(sysconfig.get_path(name, "venv", scheme)) for name in ("purelib", "platlib")
    }
    ours = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    paths = [*map(str, first), *ours]
    (packages / "outer.pth").write_text("".join(f"{path}\n" for path in paths))
    return folder
