"""The opening page says what kind of image the model in use was trained for."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import services

ROOT = Path(__file__).resolve().parents[2]


def _captions(reads: str | None, planes: tuple[str, ...] = (), *, samples: int = 0, checked: str = "") -> str:
    script = (
        "from dashboard import services\n"
        "from dashboard.components.study_input import choose_study\n"
        f"choose_study(services.every_sample()[:{samples}], services.sample_study, version=0, reads={reads!r}, "
        f"planes={planes!r}, checked={checked!r})\n"
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


def test_what_the_check_will_say_of_the_samples_is_said_once() -> None:
    told = "The check will say so."
    assert _captions(None, samples=2, checked=told).count(told) == 1
    assert told not in _captions(None, checked=told), "no samples, nothing to say of them"


def test_the_opening_page_says_it_of_the_model_in_use(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.sample_index.check_told", lambda metadata: f"Told of {metadata['name']}.")
    app.switch_page("views/case.py").run()
    assert not app.exception and any("Told of tiny." in c.value for c in app.caption)
