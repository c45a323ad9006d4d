"""Answers written by several processes at once, each killed again and again. See `kill_driver`.

MMXAI_KILL_ANSWERS=10000 is the full run; the suite does a part of it on each database.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

DRIVER = Path(__file__).with_name("kill_driver.py")
ANSWERS = int(os.environ.get("MMXAI_KILL_ANSWERS", "400"))


WRITERS = 3


def driver() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_driver", DRIVER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(60 + ANSWERS)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer is forked")
def test_no_acknowledged_answer_is_lost_and_none_is_there_twice(location: Path | str, tmp_path: Path) -> None:
    log = tmp_path / "acknowledged.log"
    command = [sys.executable, str(DRIVER), str(location), str(log), str(ANSWERS), "1", str(WRITERS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=DRIVER.parents[2], timeout=50 + ANSWERS)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 3
    expected = {"acknowledged": ANSWERS, "kept": ANSWERS}
    assert found == {
        **expected, "lost": 0, "duplicated": 0, "half_written": 0, "of_another_reader": 0, "kills": found["kills"],
        "seconds": found["seconds"],
    }  # fmt: skip
    logs = [tmp_path / f"acknowledged.log.{w}" for w in range(WRITERS)]
    with logs[-1].open("a") as told:  # a lost answer would be seen
        told.write(f"{ANSWERS + 5}\n")
    assert driver().report(location, logs)["lost"] == 1
