from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from synthetic_results import blob, explanation, grey

from mmxai_core.figures.toward import Toward, toward
from mmxai_core.figures.unified import signed_blend, unified_png
from mmxai_core.results import SourceGrid, UnifiedMap


def test_sign_is_colour_and_nothing_is_nothing() -> None:
    image = grey()
    values = np.zeros_like(image)
    values[:, :30], values[:, 60:] = 2.0, -2.0
    seen = signed_blend(image, values, reference=2.0, opacity=1.0)
    assert np.array_equal(seen[:, 45], np.repeat(np.round(image[:, 45] * 255).astype(np.uint8)[:, None], 3, 1))
    assert (seen[:, 10, 0] > seen[:, 10, 2]).all()
    assert (seen[:, 80, 2] > seen[:, 80, 0]).all()
    with pytest.raises(ValueError, match="pixels"):
        signed_blend(image, values[:5], reference=1.0)
    with pytest.raises(ValueError, match="above 0"):
        signed_blend(image, values, reference=0.0)


def test_the_map_and_the_difference_of_a_field_are_pictures() -> None:
    grid = blob((28, 28), 3.0)
    eye = SourceGrid(np.kron(np.eye(28, dtype=np.float32), np.ones((2, 1), np.float32)),
                     np.kron(np.eye(28, dtype=np.float32), np.ones((3, 1), np.float32)))  # fmt: skip
    unified = UnifiedMap(
        fields=("age",), grid=grid, field_grids=grid[None], without=-grid[None], source=eye, target_class="malignant",
        reference=2.0, unit="unit", semantics="What it means.",
    )  # fmt: skip
    image = grey((56, 84))
    drawn = Toward("malignant", 1.0)
    whole = unified_png(image, unified, drawn=drawn, provenance="bundle")
    toggled = unified_png(image, unified, drawn=drawn, field="age", label="Age")
    turned = unified_png(image, unified, drawn=Toward("malignant", -1.0), provenance="bundle")
    for png in (whole, toggled, turned):
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.format == "PNG"
            assert "Research use only" in picture.info["Description"]
    assert len({whole, toggled, turned}) == 3


def test_of_two_classes_every_signed_map_is_drawn_toward_the_positive_one() -> None:
    two = explanation()
    assert (two.prediction.classes, two.target_class) == (("benign", "malignant"), "malignant")
    assert toward("malignant", two) == Toward("malignant", 1.0)
    assert toward("benign", two) == Toward("malignant", -1.0)
    other = replace(two, target_class="benign")  # contributions asked for of the other class: pictures beside them too
    assert toward("benign", other) == Toward("benign", 1.0) and toward("malignant", other) == Toward("benign", -1.0)
    three = replace(two, prediction=replace(two.prediction, classes=("benign", "malignant", "not_sure")))
    assert toward("not_sure", three) == Toward("not sure", 1.0), "what speaks against one of three names no other"
