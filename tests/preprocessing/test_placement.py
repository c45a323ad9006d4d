"""Picture, mask and box go the same way."""

from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.preprocessing.foreground import body, head_or_breast, scan_area, window_around
from mmxai_core.preprocessing.placement import Placement


def test_picture_mask_and_box_stay_together() -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:30, 10:26] = True
    place = Placement((60, 80), (5, -4, 65, 76), (120, 160), mirrored=True)
    x0, y0, x1, y1 = place.move_box((10.0, 20.0, 26.0, 30.0))
    moved = place.move_mask(mask)
    rows, cols = np.flatnonzero(moved.any(1)), np.flatnonzero(moved.any(0))
    assert (x0, y0, x1, y1) == (116.0, 30.0, 148.0, 50.0)
    assert (cols[0], rows[0], cols[-1] + 1, rows[-1] + 1) == pytest.approx((x0, y0, x1, y1), abs=1)
    bright = place.move(mask.astype(np.float32))
    assert np.array_equal(bright > 0.5, moved) and bright.shape == (120, 160)


def test_the_whole_picture_is_itself() -> None:
    plane = np.random.default_rng(0).random((7, 9)).astype(np.float32)
    place = Placement.whole((7, 9))
    assert np.array_equal(place.move(plane), plane)
    assert np.array_equal(Placement.whole((7, 9), mirrored=True).move(plane), plane[:, ::-1])
    assert place.square_pixels(None, 1.0) is place


def test_a_window_beyond_the_edge_is_padded() -> None:
    plane = np.ones((4, 4), np.float32)
    out = Placement.whole((4, 4)).cut((-2, -1, 6, 5)).move(plane, fill=0.25)
    assert out.shape == (8, 6) and out[0, 0] == 0.25 and out[2:6, 1:5].min() == 1.0
    assert (out == 0.25).sum() == 48 - 16


def test_shrinking_smooths_first() -> None:
    stripes = np.tile(np.array([0.0, 1.0], np.float32), (64, 32))
    small = Placement((64, 64), (0, 0, 64, 64), (16, 16)).move(stripes)
    assert np.abs(small[4:12, 4:12] - 0.5).max() < 0.1


def test_a_foreground_that_is_everything_or_nothing_is_the_whole_picture() -> None:
    flat = np.full((40, 40), 5.0, np.float32)
    assert head_or_breast(flat).all() and head_or_breast(np.zeros((40, 40), np.float32)).all()
    assert body(np.full((40, 40), -1000.0, np.float32)).all()
    assert scan_area(np.zeros((40, 40), np.float32)).all() and scan_area(np.ones((40, 40), np.float32)).all()
    assert window_around(np.ones((40, 50), bool), 0.1) == (0, 0, 40, 50)


def test_no_rim_is_added_where_the_foreground_ends_at_the_edge() -> None:
    mask = np.zeros((40, 50), bool)
    mask[4:36, :30] = True
    assert window_around(mask, 0.25) == (-4, 0, 44, 38)


def test_dark_tissue_next_to_bright_is_foreground() -> None:
    """A crop that is all tissue: Otsu alone would drop the darker half."""
    rng = np.random.default_rng(0)
    values = np.where(np.arange(100) < 50, 40.0, 200.0)[None].repeat(100, 0) + rng.normal(0, 4, (100, 100))
    assert head_or_breast(values.astype(np.float32)).mean() > 0.98


def test_a_shadow_inside_a_fan_belongs_to_the_scan_area() -> None:
    grey = np.zeros((200, 200), np.float32)
    grey[20:180, 20:180] = 0.4
    grey[120:180, 90:110] = 0.0
    grey[150, 100] = 0.6  # a speck in the shadow
    area = scan_area(grey)
    assert area[150, 100] and not area[5, 100] and not area[100, 10]
    grey += 6 / 255  # around the lit part it is dark, not black: this is tissue in shadow, not the screen
    assert scan_area(grey).all()
