from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from synthetic_results import grey

from mmxai_core.study import PixelGeometry, Study, StudyImage


@pytest.fixture
def make_study() -> Callable[..., Study]:
    """A study of seeded noise; `laterality` goes to its image, the rest to the study."""

    def make(*, laterality: Any = None, shape: tuple[int, int] = (60, 90), **facts: Any) -> Study:
        image = StudyImage(grey(shape), PixelGeometry(shape), laterality=laterality)
        return Study((image,), "png", "ab" * 32, **facts)

    return make
