from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmxai_core.cli.main import main
from mmxai_core.cohorts import fetch as fetching
from mmxai_core.errors import CohortError


def test_json_and_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def pretend(cohort: str, out: Path, **options: Any) -> fetching.Fetched:
        options["progress"]("Downloading", 10, None)  # a server that does not say how large the file is
        options["progress"]("Unpacking", 3, 3)
        assert options["base_url"] == "http://mirror"
        return fetching.Fetched(root=out, files=3, kept=1, downloaded_bytes=10)

    monkeypatch.setattr(fetching, "fetch", pretend)
    assert main(["fetch", "bus_bra", "--out", str(tmp_path), "--base-url", "http://mirror", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "cohort": "bus_bra", "root": str(tmp_path), "files": 3, "already_there": 1, "downloaded_bytes": 10,
    }  # fmt: skip
    assert "fetch bus_bra" in err and "100%" in err


def test_a_failed_download_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise CohortError("No connection.\nTry again.")

    monkeypatch.setattr(fetching, "fetch", fail)
    assert main(["fetch", "bus_bra"]) == 2
    assert capsys.readouterr() == ("", "error: No connection. Try again.\n")
