#!/usr/bin/env python3
"""Always answers, never in the way: fault, figure promised, figure measured.

`tests/e2e/robust` prepares the machine and starts this program. A row is a function in a file `checks_*.py`
beside it, as `tests/faults/row.py` says, and runs as a process in a world of its own.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "faults"))

import faults  # noqa: E402

# Two cores are what the promises are made for, and most rows measure time.
AT_ONCE = 2

if __name__ == "__main__":
    sys.exit(faults.main(__file__, __doc__, AT_ONCE))
