"""``python -m sims.hil`` writes the conformance suite anew, after a change of wire or codec."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from shared.system.interrupt import guard_module
from sims.hil.suite import FOLDER, check_complete, write_suite

if __name__ == "__main__":
    guard_module()
    shutil.rmtree(FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        made = write_suite(FOLDER, Path(scratch))
    check_complete(made.cases)
    print(f"{len(made.cases)} cases in {FOLDER}")
