"""`python -m pipesim.sample [FOLDER]`: write the sample logs, byte for byte the ones that ship with pipesim."""

from __future__ import annotations

import sys
from pathlib import Path

from pipesim.sample.log import write_sample
from pipesim.shipped import shipped


def main() -> int:
    """Write the logs and say what was written."""
    if len(sys.argv) > 2:
        print("usage: python -m pipesim.sample [FOLDER]", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else shipped("traces", "sample")
    try:
        log = write_sample(folder)
    except OSError as error:
        print(f"{folder}: cannot write here ({error.strerror}); name a folder that can be written", file=sys.stderr)
        return 2
    size = sum(len(content) for content in log.files.values())
    print(f"{folder}: {log.accounting['files']} files, {log.accounting['lines']} lines, {size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
