#!/usr/bin/env python3
"""Set up pipesim and run it: `python3 run.py demo` for the demo, `python3 run.py test` for the tests.

Needs nothing but Python 3.11 or newer. What the project depends on is installed, at the versions and hashes of the lock
file, into the virtual environment that is active, else into `.venv` beside this file; a second run finds it there.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKS = {"demo": "requirements.lock", "test": "requirements-dev.lock"}


def main() -> int:
    """Install what a command needs, then run it with the arguments that follow its name."""
    if sys.version_info < (3, 11):  # noqa: UP036 - it is here that an older Python must be told
        print("pipesim needs Python 3.11 or newer; this is", sys.version.split()[0], file=sys.stderr)
        return 2
    if len(sys.argv) < 2 or sys.argv[1] not in LOCKS:
        print("usage: python3 run.py demo|test [argument ...]", file=sys.stderr)
        return 2
    command, arguments = sys.argv[1], sys.argv[2:]
    python = environment()
    install(python, HERE / LOCKS[command])
    module = ["pipesim", "demo"] if command == "demo" else ["pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    return subprocess.call([str(python), "-m", *module, *arguments], cwd=HERE if command == "test" else None)


def environment() -> Path:
    """Return the interpreter of the active virtual environment, or of `.venv`, which is made if need be."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.executable)
    folder = HERE / ".venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"making a virtual environment in {folder}", file=sys.stderr)
        try:
            venv.create(folder, with_pip=True)
        except subprocess.CalledProcessError:
            sys.exit("this Python cannot make virtual environments; install its venv package (Debian: python3-venv)")
    return python


def install(python: Path, lock: Path) -> None:
    """Install the locked dependencies and the project itself, unless that very lock file was installed there before."""
    wanted = fingerprint(lock)
    stamp = python.parent.parent / f"pipesim-{lock.stem}.stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"installing what {lock.name} lists (once)", file=sys.stderr)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for arguments in (["--require-hashes", "-r", str(lock)], ["--no-deps", "--no-build-isolation", "-e", str(HERE)]):
        if subprocess.call([*pip, *arguments], stdout=sys.stderr) != 0:
            sys.exit("the installation failed; see the messages above")
    stamp.write_text(wanted)
    if lock.name == LOCKS["test"]:  # which lists all that the demo needs, at the same versions
        demo = HERE / LOCKS["demo"]
        (stamp.parent / f"pipesim-{demo.stem}.stamp").write_text(fingerprint(demo))


def fingerprint(lock: Path) -> str:
    """Return what an installation was made from."""
    return hashlib.sha256(lock.read_bytes() + (HERE / "pyproject.toml").read_bytes() + str(HERE).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
