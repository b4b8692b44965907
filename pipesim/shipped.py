"""Where the files that ship with pipesim lie: SQL, scenarios and sample logs, in a checkout or an installed copy."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(*parts: str) -> Path:
    """Return the path of a shipped file or folder, for example `shipped("traces", "sample")`.

    A checkout keeps them at its top for people to find; a wheel carries copies inside the package.
    """
    installed = _PACKAGE / "_shipped"
    return (installed if installed.is_dir() else _PACKAGE.parent).joinpath(*parts)
