"""How much of the drawn colour lies inside the outline: from the very scale that the pictures use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_results import explanation

from mmxai_core.figures.evidence_colour import coloured_inside, counted
from mmxai_core.results import EvidenceScale, Explanation

LESION, BOX = "Evidence inside the lesion region", "Evidence inside the drawn region"


def case(*, floor: float, lesion: float = 0.9) -> Explanation:
    """Strong evidence in the lesion, faint evidence everywhere else."""
    base = explanation(shape=(40, 60))
    assert base.saliency is not None
    source, outline = np.full((40, 60), 0.1, np.float32), np.zeros((40, 60), np.float32)
    source[10:20, 10:20], outline[10:20, 10:20] = 0.8, lesion
    prediction = replace(base.prediction, lesion_box=(10.0, 10.0, 20.0, 15.0), lesion_box_source="reader")
    return replace(
        base, prediction=prediction, saliency=replace(base.saliency, source=source), lesion_map=outline,
        evidence_scale=EvidenceScale(floor, 1.0, 100),
    )  # fmt: skip


def test_what_is_below_the_floor_is_not_counted_as_colour() -> None:
    assert coloured_inside(case(floor=0.2)) == pytest.approx(1.0)
    assert coloured_inside(case(floor=0.0)) == pytest.approx(
        100 * 0.8**0.5 / (100 * 0.8**0.5 + 2300 * 0.1**0.5), rel=1e-5
    )


def test_nothing_is_said_where_nothing_is_coloured_or_outlined() -> None:
    assert coloured_inside(case(floor=0.9)) is None
    assert coloured_inside(case(floor=0.2, lesion=0.3)) is None
    assert coloured_inside(explanation(image=False)) is None


def test_a_large_image_gives_the_same_share_from_every_third_pixel() -> None:
    small = case(floor=0.05)
    assert small.saliency is not None and small.lesion_map is not None
    large = replace(
        small, saliency=replace(small.saliency, source=np.kron(small.saliency.source, np.ones((30, 30), np.float32))),
        lesion_map=np.kron(small.lesion_map, np.ones((30, 30), np.float32)),
    )  # fmt: skip
    assert coloured_inside(large) == pytest.approx(coloured_inside(small), rel=1e-3)


def test_the_note_says_what_is_counted_and_what_is_seen() -> None:
    made = case(floor=0.2)
    said = counted(made, LESION)
    assert "too faint to be coloured" in said and "100 % lies inside the outline" in said
    assert counted(made, BOX) == "Counts all evidence, also what is too faint to be coloured."
    assert counted(made, "Map stability under noise (SSIM)") == ""
    assert "Of the colour" not in counted(case(floor=0.9), LESION)
