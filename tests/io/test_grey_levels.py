from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from generated_dicom import write_dicom

from mmxai_core.errors import StudyReadError
from mmxai_core.io import read_study
from mmxai_core.io.grey_levels import grey_levels
from mmxai_core.io.grey_rule import GreyRule
from mmxai_core.study import GreyLevels, PixelGeometry, StudyImage


def values(levels: GreyLevels) -> np.ndarray:
    return levels.slope * levels.stored.astype(float) + levels.intercept


@pytest.mark.parametrize(
    "stored",
    [
        np.array([[0, 4095], [65535, 7]], np.uint16),
        np.array([[-1024, 3071], [0, -1]], np.int16),
        np.array([[-32768, 32767]], np.int16),
        np.array([[70_000, 70_900]], np.int32),
    ],
)
def test_levels_give_the_modality_values_back_exactly(stored: np.ndarray) -> None:
    levels = grey_levels(stored, GreyRule(slope=2.0, intercept=-10.0, bits=16, unit="HU"))
    assert levels is not None and levels.unit == "HU"
    assert np.array_equal(values(levels), 2.0 * stored.astype(float) - 10.0)


def test_slices_of_one_series_share_one_scale() -> None:
    first, second = (grey_levels(np.array([[low, 900]], np.int16), GreyRule(bits=16)) for low in (-1000, -50))
    assert first is not None and second is not None and first.intercept == second.intercept


@pytest.mark.parametrize(
    ("stored", "rule"),
    [
        (np.zeros((2, 2), np.uint8), GreyRule()),
        (np.zeros((2, 2), np.float32), GreyRule(bits=0)),
        (np.array([[0, 100_000]], np.int32), GreyRule(bits=32)),
    ],
)
def test_no_levels_where_16_bits_add_nothing_or_lose_something(stored: np.ndarray, rule: GreyRule) -> None:
    assert grey_levels(stored, rule) is None


def test_padding_is_carried_in_stored_steps() -> None:
    rule = GreyRule(bits=16, padding=(-2000.0, -1990.0))
    levels = grey_levels(np.array([[-2000, 100]], np.int16), rule)
    assert levels is not None and levels.padding == (30768, 30778)


def test_a_ct_slice_keeps_what_lies_outside_its_window(tmp_path: Any) -> None:
    stored = np.array([[24, 1064, 3024], [1024, 2024, 0]], np.uint16)
    path = write_dicom(
        tmp_path / "a.dcm", stored, RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU", Modality="CT",
        WindowCenter=40, WindowWidth=400,
    )  # fmt: skip
    (image,) = read_study(path.read_bytes(), "a.dcm").images
    assert image.pixels[0, 0] == 0.0 and image.pixels[0, 2] == 1.0
    assert image.levels is not None and not image.levels.inverted
    assert np.array_equal(values(image.levels), stored.astype(float) - 1024)


def test_levels_of_another_shape_are_refused() -> None:
    with pytest.raises(StudyReadError, match="Grey levels are"):
        StudyImage(np.zeros((2, 3), np.float32), PixelGeometry((2, 3)), levels=GreyLevels(np.zeros((3, 2), np.uint16)))
    with pytest.raises(StudyReadError, match="Slope"):
        GreyLevels(np.zeros((3, 2), np.uint16), slope=0.0)
