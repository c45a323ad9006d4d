"""The opening page says what kind of image the model in use was trained for."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import services

ROOT = Path(__file__).resolve().parents[2]


def _captions(reads: str | None, planes: tuple[str, ...] = ()) -> str:
    script = (
        "from dashboard.components.study_input import choose_study\n"
        f"choose_study((), lambda file: None, version=0, reads={reads!r}, planes={planes!r})\n"
    )
    at = AppTest.from_string(script).run()
    assert not at.exception
    return " ".join(c.value for c in at.caption)


def test_the_kind_of_image_is_named() -> None:
    assert "Brain MRI with FLAIR is what the model in use was trained for" in _captions("Brain MRI with FLAIR")
    assert "red pre, green flair, blue post" in _captions("Brain MRI with FLAIR", ("pre", "flair", "post"))
    assert "colour" not in _captions("Brain MRI with FLAIR")
    assert "One kind of image is what the model in use was trained for" in _captions(None)


def test_it_is_that_of_the_bundles_cohorts(monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> None:
    monkeypatch.setenv("MMXAI_BUNDLE", str(ROOT / "pretrained" / "breast-us"))
    assert services.trained_for() == "B-mode breast ultrasound"
    monkeypatch.setenv("MMXAI_BUNDLE", str(tiny_bundle))
    assert services.trained_for() is None
