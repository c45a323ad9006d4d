"""What each modality's recipe makes of a generated picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generated_dicom import write_dicom
from PIL import Image
from preprocessing.generated_pictures import mammogram, save, speckle

from mmxai_core.cohorts.case import Case, Channel, read_grey
from mmxai_core.errors import CohortError
from mmxai_core.preprocessing.breast import breast_mask, chest_wall
from mmxai_core.preprocessing.intensity import robust_scale
from mmxai_core.preprocessing.prepared import Prepared, prepare_case
from mmxai_core.preprocessing.settings import Modality, PreprocessSettings
from mmxai_core.preprocessing.source import modality_of

PLAIN = PreprocessSettings(on=True)


def _prepare(path: Path, modality: Modality, settings: PreprocessSettings = PLAIN, **more: object) -> Prepared:
    return prepare_case(Case("c", "p", path, **more), modality, settings)  # type: ignore[arg-type]


def _ct(path: Path, **tags: object) -> np.ndarray:
    """Writes HU: air, a body of 40 HU, lungs of -850, a bone of 900, a table below that is not the body. Gives HU."""
    hu = np.full((128, 128), -1000.0)
    rows, cols = np.mgrid[:128, :128]
    hu[((rows - 60) / 40) ** 2 + ((cols - 64) / 50) ** 2 < 1] = 40
    hu[((rows - 60) / 22) ** 2 + ((np.abs(cols - 64) - 24) / 14) ** 2 < 1] = -850
    hu[55:65, 60:68] = 900
    hu[112:116, 10:118] = 60
    stored = ((hu + 1024) / 2).astype(np.uint16)
    write_dicom(path, stored, Modality="CT", RescaleSlope="2", RescaleIntercept="-1024", **tags)
    return stored * 2.0 - 1024


def test_ct_is_windowed_hounsfield_units_with_the_cohorts_constants(tmp_path: Path) -> None:
    hu = _ct(tmp_path / "a.dcm")
    uncut = PreprocessSettings(on=True, crop=False)
    got = _prepare(tmp_path / "a.dcm", "CT", uncut)
    low, high = got.account["numbers"]["z_of_grey"]
    z = got.planes[0] * (high - low) + low
    for y, x in ((60, 64), (30, 64), (60, 40)):  # bone, above the window; soft tissue; lung
        wanted = (np.clip(hu[y, x], PLAIN.ct_low, PLAIN.ct_high) - PLAIN.ct_mean) / PLAIN.ct_sd
        assert z[y, x] == pytest.approx(wanted, abs=1e-3)
    assert got.planes[0][113, 60] == 0.0 and got.planes[0][2, 2] == 0.0  # the table and the air are not the patient
    cut = _prepare(tmp_path / "a.dcm", "CT")
    assert cut.account["shape"][0] < 90 and "cut to the foreground" in cut.account["steps"]
    assert any(s.startswith("HU, window -1000 to 400") for s in cut.account["steps"])


def test_pixels_that_are_not_square_become_so(tmp_path: Path) -> None:
    _ct(tmp_path / "a.dcm", PixelSpacing=[1.0, 0.5])
    uncut = PreprocessSettings(on=True, crop=False)
    assert _prepare(tmp_path / "a.dcm", "CT", uncut).levels.shape == (1, 256, 128)
    wide = PreprocessSettings(on=True, crop=False, spacing_mm=2.0)
    got = _prepare(tmp_path / "a.dcm", "CT", wide, boxes=((20.0, 40.0, 60.0, 80.0),))
    assert got.levels.shape == (1, 64, 32) and got.boxes == ((5.0, 20.0, 15.0, 40.0),)
    off = PreprocessSettings(on=True, crop=False, isotropic=False)
    assert _prepare(tmp_path / "a.dcm", "CT", off).levels.shape == (1, 128, 128)


def test_mr_is_a_z_score_within_the_head(tmp_path: Path) -> None:
    rows, cols = np.mgrid[:128, :128]
    head = (rows - 64) ** 2 + (cols - 64) ** 2 < 50**2
    rng = np.random.default_rng(0)
    signal = np.where(head, 500 + 60 * rng.normal(size=head.shape), 4 + np.abs(rng.normal(size=head.shape)))
    signal[60:64, 60:64] = 4000  # a vessel, which must not set the scale
    write_dicom(tmp_path / "a.dcm", signal.astype(np.uint16), Modality="MR")
    settings = PreprocessSettings(on=True, n4=False, crop=False)
    got = _prepare(tmp_path / "a.dcm", "MR", settings)
    low, high = got.account["numbers"]["z_of_grey"]
    z = got.planes[0] * (high - low) + low
    inner = (rows - 64) ** 2 + (cols - 64) ** 2 < 45**2
    assert abs(np.median(z[inner])) < 0.1 and 0.9 < z[inner & (z < 4.9)].std() < 1.25
    assert got.planes[0][62, 62] == 1.0 and got.planes[0][2, 2] == 0.0
    cut = _prepare(tmp_path / "a.dcm", "MR", PreprocessSettings(on=True, n4=False, margin=0.0))
    assert all(96 <= side <= 104 for side in cut.account["shape"])


def test_phases_share_field_and_scale_while_sequences_do_not(tmp_path: Path) -> None:
    rows, cols = np.mgrid[:96, :96]
    head = (rows - 48) ** 2 + (cols - 48) ** 2 < 40**2
    bands = np.zeros((96, 96, 3), np.uint8)
    for band, level in enumerate((60, 120, 90)):
        bands[..., band] = np.where(head, level + np.random.default_rng(band).integers(-8, 9, head.shape), 0)
    Image.fromarray(bands).save(tmp_path / "a.png")

    def medians(names: tuple[str, ...], settings: PreprocessSettings) -> list[float]:
        planes = tuple(Channel(n, tmp_path / "a.png", i) for i, n in enumerate(names))
        got = _prepare(tmp_path / "a.png", "MR", settings, channels=planes)
        return [float(np.median(p[30:66, 30:66])) for p in got.planes]

    settings = PreprocessSettings(on=True, crop=False)
    pre, early, late = medians(("pre", "early", "late"), settings)
    assert early - pre > 0.15 and (late - pre) / (early - pre) == pytest.approx(0.5, abs=0.1)  # the rise is kept
    assert np.ptp(medians(("pre", "flair", "post"), settings)) < 0.03  # each its own scale


def test_n4_is_left_out_of_a_picture_too_small_for_it_and_it_says_so(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", np.arange(24 * 20).reshape(24, 20).astype(np.uint16), Modality="MR")
    assert "N4 left out: a side is below 32 pixels" in _prepare(tmp_path / "a.dcm", "MR").account["steps"]
    save(tmp_path / "b.png", np.zeros((64, 64), np.float32))
    black = _prepare(tmp_path / "b.png", "MR")
    assert "N4 left out: the plane is empty" in black.account["steps"] and np.isfinite(black.planes).all()


def test_a_mammogram_of_the_other_side_comes_out_equal(tmp_path: Path) -> None:
    left = mammogram((401, 299))
    mask = np.zeros(left.shape, np.float32)
    mask[180:220, 60:100] = 1
    for name, flip in (("l", False), ("r", True)):
        save(tmp_path / f"{name}.png", left[:, ::-1] if flip else left)
        save(tmp_path / f"{name}_mask.png", mask[:, ::-1] if flip else mask)
    a, b = (_prepare(tmp_path / f"{n}.png", "MG", masks=(tmp_path / f"{n}_mask.png",)) for n in "lr")
    assert np.array_equal(a.levels, b.levels)
    assert a.lesion is not None and b.lesion is not None and np.array_equal(a.lesion, b.lesion)
    assert a.lesion.sum() == 1600 and a.account["numbers"]["lesion_cut_off"] == 0.0
    assert not a.account["mirrored"] and b.account["mirrored"]
    assert "mirrored: the chest wall is on the left" in b.account["steps"]
    kept = _prepare(tmp_path / "r.png", "MG", PreprocessSettings(on=True, chest_wall_left=False))
    assert np.array_equal(kept.levels, a.levels[:, :, ::-1]) and not kept.account["mirrored"]
    (box,) = _prepare(tmp_path / "r.png", "MG", boxes=((199.0, 180.0, 239.0, 220.0),)).boxes
    (same,) = _prepare(tmp_path / "l.png", "MG", boxes=((60.0, 180.0, 100.0, 220.0),)).boxes
    assert box == pytest.approx(same)


def test_labels_and_markers_beside_the_breast_go_black(tmp_path: Path) -> None:
    film = mammogram()
    save(tmp_path / "a.png", film)
    got = _prepare(tmp_path / "a.png", "MG", PreprocessSettings(on=True, crop=False))
    assert film[20:50, 220:285].min() > 0.9 and got.planes[0][20:50, 220:285].max() == 0.0
    assert got.planes[0][350:362, 250:258].max() == 0.0
    assert got.account["numbers"]["bright_pixels_outside"] > 1900
    mask = breast_mask(film)
    assert mask[200, :150].all() and 0.2 < mask.mean() < 0.6


def test_a_mammogram_from_dicom_is_read_as_it_is_shown(tmp_path: Path) -> None:
    stored = np.round(mammogram() * 4095).astype(np.uint16)
    tags = {"Modality": "MG", "WindowCenter": "2048", "WindowWidth": "4096"}
    write_dicom(tmp_path / "a.dcm", stored, BitsStored=12, HighBit=11, **tags)
    write_dicom(
        tmp_path / "b.dcm", (4095 - stored).astype(np.uint16), BitsStored=12, HighBit=11, **tags,
        PhotometricInterpretation="MONOCHROME1",
    )  # fmt: skip
    a, b = (_prepare(tmp_path / f"{n}.dcm", "MG") for n in "ab")
    assert a.levels.shape == b.levels.shape
    assert np.abs(a.planes - b.planes).max() < 0.01 and a.account["numbers"]["chest_wall"] == "left"


def test_a_side_that_is_not_clear_is_not_guessed(tmp_path: Path) -> None:
    rows, cols = np.mgrid[:300, :300]
    middle = (0.03 + 0.5 * ((rows - 150) ** 2 + (cols - 150) ** 2 < 90**2)).astype(np.float32)
    assert chest_wall(breast_mask(middle)) is None
    save(tmp_path / "a.png", middle)
    got = _prepare(tmp_path / "a.png", "MG")
    assert not got.account["mirrored"]
    assert "not mirrored: the side of the chest wall is not clear" in got.account["steps"]


def test_a_clean_ultrasound_picture_keeps_its_grey_to_the_bit(tmp_path: Path) -> None:
    save(tmp_path / "a.png", speckle())
    got = _prepare(tmp_path / "a.png", "US")
    assert np.array_equal(got.planes[0], read_grey(tmp_path / "a.png"))
    assert got.account["steps"] == ["no burned-in marks found"]


def test_a_fan_is_cut_to_its_scan_area_and_the_mask_goes_along(tmp_path: Path) -> None:
    grey = np.zeros((240, 320), np.float32)
    grey[40:200, 60:280] = speckle((160, 220))
    mask = np.zeros(grey.shape, np.float32)
    mask[90:120, 100:140] = 1
    save(tmp_path / "a.png", grey)
    save(tmp_path / "m.png", mask)
    got = _prepare(tmp_path / "a.png", "US", PreprocessSettings(on=True, margin=0.0), masks=(tmp_path / "m.png",))
    assert got.levels.shape == (1, 160, 220) and got.lesion is not None
    assert got.lesion[50:80, 40:80].all() and got.lesion.sum() == 1200
    assert np.array_equal(got.planes[0], read_grey(tmp_path / "a.png")[40:200, 60:280])
    padded = _prepare(tmp_path / "a.png", "US", PreprocessSettings(on=True, margin=0.5))
    assert padded.account["window"][0] < 0 and padded.levels.shape == (1, 380, 440)  # padded beyond the edge


def test_a_flat_picture_has_a_scale() -> None:
    flat = np.full((8, 8), 3.0, np.float32)
    scale = robust_scale([flat], np.ones((8, 8), bool))
    assert scale.sd == 1.0 and np.isfinite(scale.grey(flat)).all()


def test_the_file_says_its_modality_before_anybody_else(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.zeros((8, 8), np.uint8), Modality="CT")
    assert modality_of(Case("c", "p", path), cohort="duke_breast_mri", stated="") == "CT"
    picture = Case("c", "p", save(tmp_path / "a.png", np.zeros((8, 8), np.float32)))
    assert modality_of(picture, cohort="duke_breast_mri", stated="") == "MR"
    assert modality_of(picture, cohort="manifest", stated="US") == "US"
    with pytest.raises(CohortError, match="set the preprocessing setting modality"):
        modality_of(picture, cohort="manifest", stated="")
    nuclear = write_dicom(tmp_path / "n.dcm", np.zeros((8, 8), np.uint8), Modality="NM")
    with pytest.raises(CohortError, match=r"n\.dcm has NM"):
        modality_of(Case("c", "p", nuclear), cohort="tcga_luad", stated="")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"n4_shrink": 0}, "n4_shrink must be from 1 to 16; got 0"),
        ({"ct_low": 500.0}, "ct_low must lie below ct_high"),
        ({"modality": "XA"}, "must be one of MR, CT, MG, US; got 'XA'"),
        ({"margin": float("nan")}, "margin must be from 0 to 1; got nan"),
    ],
)
def test_settings_out_of_range_are_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(CohortError, match=said):
        PreprocessSettings(**values)  # type: ignore[arg-type]
