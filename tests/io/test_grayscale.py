"""The grey pipeline against pydicom's own windowing, and its order."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing

from mmxai_core.io.grayscale import display, robust_range
from mmxai_core.io.grey_rule import GreyRule, grey_rule


def lut_item(first: int, entries: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = entries
    item["LUTData"].VR = "US"
    return item


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(40.0, 400.0), (100.0, 1.0), (-50.5, 77.0)])
def test_windows_match_pydicom(make_dataset, ramp16, function, centre, width):
    ds = make_dataset(
        ramp16, WindowCenter=centre, WindowWidth=width, VOILUTFunction=function, RescaleSlope=2, RescaleIntercept=-24
    )
    shown = display(ramp16, grey_rule(ds))
    theirs = apply_windowing(apply_modality_lut(ramp16, ds), ds)
    low, high = -32768 * 2 - 24, 32767 * 2 - 24
    np.testing.assert_allclose(shown.pixels, (theirs - low) / (high - low), atol=2e-6)


def test_value_range_names_the_values_of_black_and_white(make_dataset, ramp16):
    shown = display(ramp16, grey_rule(make_dataset(ramp16, WindowCenter=40, WindowWidth=400)))
    low, high = shown.value_range
    assert (low, high) == (-160.0, 239.0)
    inside = (ramp16 > low) & (ramp16 < high)
    np.testing.assert_allclose(shown.pixels[inside], (ramp16[inside] - low) / (high - low), atol=1e-6)


def test_voi_lut_beats_the_window_and_follows_the_rescale(make_dataset, ramp16):
    ds = make_dataset(ramp16, WindowCenter=40, WindowWidth=1, RescaleSlope=1, RescaleIntercept=100)
    ds.VOILUTSequence = [lut_item(-200, list(range(0, 4000, 4)), 12)]
    shown = display(ramp16, grey_rule(ds))
    expected = apply_voi((ramp16 + 100).astype(np.int32), ds) / 4095
    np.testing.assert_allclose(shown.pixels, expected, atol=1e-6)
    assert shown.value_range is None
    assert any("VOI LUT" in step for step in shown.steps)


def test_wide_table_of_8_bit_entries_does_not_wrap(make_dataset):
    stored = np.arange(0, 512, 2, dtype=np.uint16).reshape(16, 16)
    ds = make_dataset(stored)
    ds.VOILUTSequence = [lut_item(0, [value // 2 for value in range(512)], 8)]
    np.testing.assert_allclose(display(stored, grey_rule(ds)).pixels * 255, stored // 2, atol=1e-4)


def test_modality_lut_replaces_the_rescale(make_dataset, ramp8):
    ds = make_dataset(ramp8)
    ds.ModalityLUTSequence = [lut_item(0, [255 - value for value in range(256)], 8)]
    ds.ModalityLUTSequence[0].ModalityLUTType = "US"
    shown = display(ramp8, grey_rule(ds))
    np.testing.assert_allclose(shown.pixels * 255, 255 - ramp8.astype(float), atol=1e-4)


def test_monochrome1_is_inverted_after_the_window(make_dataset, ramp16):
    plain = display(ramp16, grey_rule(make_dataset(ramp16, WindowCenter=40, WindowWidth=400)))
    ds = make_dataset(ramp16, WindowCenter=40, WindowWidth=400, PhotometricInterpretation="MONOCHROME1")
    turned = display(ramp16, grey_rule(ds))
    np.testing.assert_allclose(turned.pixels, 1.0 - plain.pixels, atol=1e-6)
    assert turned.value_range == (plain.value_range[1], plain.value_range[0])
    assert "Inverted" in turned.steps[-1]


def test_8_bit_without_window_is_shown_as_stored(make_dataset):
    stored = np.full((4, 4), 100, np.uint8)
    shown = display(stored, grey_rule(make_dataset(stored)))
    np.testing.assert_allclose(shown.pixels, 100 / 255, atol=1e-6)
    assert shown.value_range == (0.0, 255.0)


def test_16_bit_without_window_takes_percentiles_and_says_so(make_dataset):
    rng = np.random.default_rng(3)
    stored = rng.normal(1000, 50, (100, 100)).astype(np.uint16)
    stored[0, 0] = 65535
    rule = grey_rule(make_dataset(stored))
    assert rule.needs_range
    shown = display(stored, rule, pixel_range=robust_range([stored]))
    np.testing.assert_allclose(shown.value_range, np.percentile(stored, [0.5, 99.5]))
    assert "percentiles 0.5 and 99.5" in shown.steps[-1]


def test_padding_is_black_even_when_inverted(make_dataset, ramp16):
    ds = make_dataset(
        ramp16, WindowCenter=40, WindowWidth=400, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=-400,
        PixelPaddingRangeLimit=-388,
    )  # fmt: skip
    shown = display(ramp16, grey_rule(ds)).pixels
    assert shown[ramp16 <= -388].max() == 0.0
    assert shown[(ramp16 > -388) & (ramp16 < -160)].min() == 1.0


def test_impossible_window_is_ignored_and_said(make_dataset, ramp16):
    rule = grey_rule(make_dataset(ramp16, WindowCenter=40, WindowWidth=0))
    assert rule.window is None
    assert "ignored" in rule.remarks[0]


def test_first_of_several_windows_is_named(make_dataset, ramp16):
    rule = grey_rule(make_dataset(ramp16, WindowCenter=[40, -600], WindowWidth=[400, 1500]))
    assert (rule.window.centre, rule.window.width) == (40.0, 400.0)
    assert "first of 2" in rule.remarks[0]


def test_non_finite_values_are_black():
    stored = np.array([[0.0, np.nan], [np.inf, 4.0]], dtype=np.float32)
    shown = display(stored, GreyRule(bits=0), pixel_range=(0.0, 4.0))
    np.testing.assert_array_equal(shown.pixels, [[0.0, 0.0], [0.0, 1.0]])


def test_robust_range_samples_large_input_evenly():
    many = (np.full(2_000_000, value, np.int16) for value in range(12))
    assert robust_range(many) == (0.0, 11.0)


@pytest.mark.parametrize("values", [np.full((3, 3), 7.0), np.full((2, 2), np.nan), np.zeros((0,))])
def test_robust_range_of_nothing_is_still_a_range(values):
    low, high = robust_range([values])
    assert high > low
