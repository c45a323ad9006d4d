"""Every choice on the Explanation page does something, raises nothing, and is there when the reader comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.jobs import Analysis
from dashboard.state import ReadingSession
from mmxai_core.explain.explainer import Explainer
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor
from mmxai_core.study import PixelGeometry, Study, StudyImage

WAIT_S = 120
KINDS = ("button_group", "selectbox", "radio", "toggle", "checkbox", "multiselect", "slider", "select_slider")


@pytest.fixture(scope="module")
def case(tiny_bundle: Path) -> Analysis:
    predictor = Predictor(load_bundle(tiny_bundle), device="cpu", deadline_s=600)
    explainer = Explainer(predictor)
    pixels = np.random.default_rng(0).rayleigh(0.2, (80, 96)).clip(0, 1).astype(np.float32)
    pixels[30:50, 30:60] *= 0.2
    study = Study((StudyImage(pixels, PixelGeometry((80, 96), (0.1, 0.1), "test")),), "png", "cd" * 32)
    record = predictor.bundle.schema.record({"age": 51.0, "palpable": True})
    encoded = predictor.encode(study)
    prediction = predictor.predict(study, record, encoded=encoded)
    found = explainer.explain(study, record, prediction=prediction, encoded=encoded)
    return Analysis(study, record, None, 0, encoded, prediction, found, 1.0)


def calm(app: AppTest) -> AppTest:
    end = time.monotonic() + WAIT_S
    while any(b.label == "Cancel" for b in app.button) and time.monotonic() < end:
        time.sleep(0.05)
        app.run()
    assert not app.exception, app.exception
    return app


WIDGETS = {k.replace("_", "") for k in KINDS}


def fingerprint(app: AppTest) -> list[bytes]:
    """Everything on the page, without what a widget itself says of its value."""

    def leaves(block: Any) -> Iterator[Any]:
        for child in block.children.values():
            if hasattr(child, "children"):
                yield from leaves(child)
            # A file to download has another address in each run.
            elif child.type != "download_button" and type(child).__name__.lower() not in WIDGETS:
                yield child

    return [leaf.proto.SerializeToString() for leaf in leaves(app.main)]


#: (view, the choice's key, another value of it)
CHOICES: tuple[tuple[str, str, Any], ...] = (
    ("account", "account-scale", "probability"), ("account", "account-image", "grid"),
    ("account", "account-image", "whole"), ("account", "account-removed", "background"),
    ("together", "account-scale", "probability"), ("together", "account-image", "whole"),
    ("joint_map", "joint-map-field-*", "age"), ("attention", "audit-field--*", "palpable"),
    ("what_if", "what-if-*-palpable", "no"), ("what_if", "what-if-*-margin", "rough"),
    ("what_if", "what-if-curve-*-", "margin"), ("what_if", "what-if-image-*", False),
    ("what_if", "what-if-*-age-known", False), ("what_if", "what-if-????????-age", 80.0),
    ("what_if", "what-if-view-*", "turn"), ("ask", "questions-by", "entropy"),
    ("methods", "method-A", "eigen_cam"), ("methods", "method-class-A", "benign"),
    ("methods", "method-layer-A-3", "stride_16"),
)  # fmt: skip


def shown(app: AppTest, case: Analysis, view: str) -> AppTest:
    app.session_state["reading"] = ReadingSession(
        study=case.study, study_name="case", values=dict(case.record.values), opened=True, analysis=case
    )
    app.switch_page("views/explanation.py").run()
    take(app, "explanation-view", view)
    return calm(app)


def find(app: AppTest, key: str) -> Any:
    """The choice with this key; keys carry the explanation's id, so that no other case meets what was chosen."""
    return next(w for kind in KINDS for w in getattr(app, kind) if w.key and fnmatch(w.key, key))


def take(app: AppTest, key: str, value: Any) -> None:
    widget = find(app, key)
    if widget.value != value:
        widget.set_value(value).run()


@pytest.mark.parametrize(("view", "key", "value"), CHOICES)
def test_another_choice_shows_another_page(app: AppTest, case: Analysis, view: str, key: str, value: Any) -> None:
    before = fingerprint(shown(app, case, view))
    assert fingerprint(app.run()) == before, "nothing was chosen yet"
    take(app, key, value)
    calm(app)
    assert not app.error, [e.value for e in app.error]
    assert fingerprint(app) != before
    leave_and_return(app)
    assert find(app, key).value == value


def leave_and_return(app: AppTest) -> None:
    app.switch_page("views/model.py").run()
    app.switch_page("views/explanation.py").run()
    calm(app)
