"""Cases as arrays: planes as luminance, boxes as lesions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.cohorts.case import Case, Channel, read_grey
from mmxai_core.training.data import box_mask, case_grey


def test_planes_are_read_as_an_upload_of_the_rgb_slice(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    path = tmp_path / "slice.png"
    Image.fromarray(rgb).save(path)
    planes = tuple(Channel(name, path, band) for band, name in enumerate(("pre", "early", "late")))
    grey = case_grey(Case("c", "p", path, channels=planes))
    assert grey.shape == (40, 50) and np.abs(grey - read_grey(path)).max() <= 0.5 / 255 + 1e-6
    assert np.array_equal(case_grey(Case("c", "p", path)), read_grey(path))


def test_boxes_are_filled_and_cut_at_the_edge() -> None:
    mask = box_mask([(2, 1, 5, 3), (-4, 6, 1, 20)], (8, 8))
    assert mask.sum() == 3 * 2 + 1 * 2 and mask[1, 2] and not mask[3, 2] and mask[7, 0]


def test_one_plane_is_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((40, 40), 51, np.uint8)).save(path)
    assert case_grey(Case("c", "p", path, channels=(Channel("flair", path, 0),))) == pytest.approx(0.2)
