from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from synthetic_results import grey

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.study import PixelGeometry, Study, StudyImage
from mmxai_core.worklist import WorklistStore
from mmxai_core.worklist.database import worklist_url

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ClinicalSchema(
    (
        Field("age", "Age", "numeric", "history", "At examination.", "years", (0, 120), (10, 90)),
        Field("palpable", "Palpable lump", "yes_no", "history"),
        Field("margin", "Margin", "categorical", "descriptor", categories=(("smooth", "Smooth"), ("rough", "Rough"))),
        Field("birads", "BI-RADS", "ordinal", "assessment", categories=(("3", "3"), ("4", "4"))),
    )
)


@pytest.fixture
def make_study() -> Callable[..., Study]:
    """A study of seeded noise; `laterality` goes to its image, the rest to the study."""

    def make(*, laterality: Any = None, shape: tuple[int, int] = (60, 90), **facts: Any) -> Study:
        image = StudyImage(grey(shape), PixelGeometry(shape), laterality=laterality)
        return Study((image,), "png", "ab" * 32, **facts)

    return make


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a small network of random weights: right shapes, no knowledge."""
    import torch

    from mmxai_core.model.bundle import write_bundle
    from mmxai_core.model.config import Architecture
    from mmxai_core.model.network import FusedNetwork

    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    arch = Architecture(canvas=96, glance=64, width=32, heads=2, depth=1, queries=2)
    torch.manual_seed(0)
    write_bundle(
        folder, name="tiny", network=FusedNetwork(arch, SCHEMA), arch=arch, schema=SCHEMA,
        classes=("benign", "malignant"), positive_class="malignant", temperature=1.2, threshold=0.4,
        intended_use="tests", training_data={}, background=pd.DataFrame(columns=list(SCHEMA.ids)),
        model_card="# A card for tests\n\nRandom weights.", extra={"saliency_reference": 0.5},
        results={"external_test": {"auc": {"value": 0.5, "low": 0.4, "high": 0.6}, "n": 10}},
    )  # fmt: skip
    return folder


@pytest.fixture
def app(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The dashboard with the tiny bundle and a store of its own."""
    monkeypatch.setenv("MMXAI_BUNDLE", str(tiny_bundle))
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "ratings.sqlite"))
    return AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=240)


@pytest.fixture
def store(app: AppTest, tmp_path: Path) -> Iterator[WorklistStore]:
    """The worklist that the dashboard of `app` keeps."""
    made = WorklistStore(worklist_url(str(tmp_path / "ratings.sqlite")), tmp_path / "worklist")
    yield made
    made.close()
