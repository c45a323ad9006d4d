"""Synthetic MRI slices: the physics that can be measured, the lesion that is there, and the four that ship."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import config

from mmxai_core.cohorts import breast_lesions_usg, duke_breast_mri, tcga_lgg
from mmxai_core.errors import ClinicalValueError
from mmxai_core.io import read_study
from mmxai_core.phantom import MRI_SAMPLES, MriPicture, colour_dataset, colour_dicom
from mmxai_core.phantom.brain_anatomy import build_head
from mmxai_core.phantom.brain_mri import BrainSpec, make_brain
from mmxai_core.phantom.breast_mri import BreastMriSpec, make_breast_mri
from mmxai_core.phantom.mr_signal import RELAXIVITY, Tissue, inversion_recovery, rician, spin_echo, spoiled_echo
from mmxai_core.phantom.plane import Plane
from mmxai_core.phantom.shares import Shares
from mmxai_core.types import Mask

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "samples"
SCHEMAS = {m.NAME: m.schema for m in (breast_lesions_usg, tcga_lgg, duke_breast_mri)}
BY_FILE = {s.file: s for s in MRI_SAMPLES}
BT_601 = np.array([0.299, 0.587, 0.114])
BRAINS, BREASTS = ("brain-a.dcm", "brain-b.dcm"), ("breast-mri-a.dcm", "breast-mri-b.dcm")

# Of the Secondary Capture Image IOD, PS3.3 A.8.1-1, with the modules' own tables: Patient, General Study, General
# Series, SC Equipment, General Image, Image Pixel, SOP Common.
TYPE_1 = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "ConversionType",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "PixelSpacing",
]
TYPE_2 = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "SeriesNumber",
    "InstanceNumber",
    "PatientOrientation",
]


@pytest.fixture(scope="module")
def pictures() -> dict[str, MriPicture]:
    return {s.file: s.picture() for s in MRI_SAMPLES}


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydicom raises on every value that breaks its VR's rule, on reading and on writing."""
    monkeypatch.setattr(config.settings, "_writing_validation_mode", config.RAISE)
    monkeypatch.setattr(config.settings, "_reading_validation_mode", config.RAISE)


def luma(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(float) @ BT_601


def means(pixels: np.ndarray, where: Mask) -> np.ndarray:
    """Mean of each channel there."""
    return pixels[where].astype(float).mean(axis=0)


# --- physics ---------------------------------------------------------------------------------------------------------


def test_flair_nulls_the_tissue_whose_t1_fits_its_inversion_time() -> None:
    # With full recovery between pulses the null lies at T1 x ln 2 (Bernstein et al., eq. 14.32).
    water = Tissue(4000.0, 2000.0, 1.0)
    at = {"repetition_ms": 1e6, "echo_ms": 120.0}
    assert inversion_recovery(water, inversion_ms=4000.0 * np.log(2), **at) == pytest.approx(0.0, abs=1e-12)
    assert inversion_recovery(water, inversion_ms=1e6, **at) == pytest.approx(np.exp(-120 / 2000))


def test_spin_echo_reaches_density_and_a_spoiled_echo_peaks_at_the_ernst_angle() -> None:
    tissue = Tissue(800.0, 80.0, 0.7)
    assert spin_echo(tissue, repetition_ms=1e6, echo_ms=0.0) == pytest.approx(0.7)
    ernst = float(np.degrees(np.arccos(np.exp(-20 / 800))))
    best = spoiled_echo(tissue, repetition_ms=20.0, flip_degrees=ernst)
    assert all(best > spoiled_echo(tissue, repetition_ms=20.0, flip_degrees=ernst + d) for d in (-1.0, 1.0))


def test_contrast_agent_adds_its_relaxation_rate() -> None:
    rate = 1e3 / Tissue(1000.0, 80.0, 1.0).with_agent(0.5).t1_ms
    assert rate == pytest.approx(1.0 + 0.5 * RELAXIVITY)
    assert Tissue(1000.0, 80.0, 1.0).with_agent(0.0) == Tissue(1000.0, 80.0, 1.0)


def test_noise_is_rayleigh_in_air_and_gaussian_in_bright_tissue() -> None:
    rng = np.random.default_rng(3)
    air = rician(np.zeros((400, 400)), 2.0, rng)
    assert air.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.01)
    assert air.std() == pytest.approx(2.0 * np.sqrt(2 - np.pi / 2), rel=0.02)
    bright = rician(np.full((400, 400), 100.0), 2.0, rng)
    assert bright.mean() == pytest.approx(100.0, rel=0.001) and bright.std() == pytest.approx(2.0, rel=0.02)


def test_tissue_shares_add_to_one_whatever_is_painted_and_pushed() -> None:
    plane = Plane(256, 0.9375)
    head = build_head(plane, "basal_ganglia", np.random.default_rng(1))
    head.shares.push((-36.0, 30.0), 5.0, 18.0, np.zeros_like(plane.x))
    total = sum(head.shares.all.values())
    assert np.allclose(total, 1.0, atol=1e-9) and all(v.min() > -1e-12 for v in head.shares.all.values())
    for tissue in ("air", "fat", "bone", "csf", "grey", "white", "deep_grey", "sinus"):
        assert head.shares.of(tissue).sum() > 20, tissue


def test_a_push_moves_tissue_away_from_the_point_and_leaves_what_is_stiff() -> None:
    plane = Plane(200, 0.5)
    for stiff, expected in ((0.0, 24.0), (1.0, 20.0)):
        shares = Shares(plane, "white")
        shares.paint("csf", plane.share(3.0 - np.hypot(plane.x - 20.0, plane.y)))
        shares.push((0.0, 0.0), 4.0, 20.0, np.full_like(plane.x, stiff))
        fluid = shares.of("csf")
        assert (fluid * plane.x).sum() / fluid.sum() == pytest.approx(expected, abs=0.4)
        assert (fluid * plane.y).sum() / fluid.sum() == pytest.approx(0.0, abs=0.1)


# --- what is in the pictures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [*BRAINS, *BREASTS])
def test_same_seed_same_pixels_other_seed_other_pixels(file: str, pictures: dict[str, MriPicture]) -> None:
    sample = BY_FILE[file]
    assert np.array_equal(pictures[file].pixels, sample.picture().pixels)
    assert not np.array_equal(pictures[file].pixels, replace(sample, seed=sample.seed + 1).picture().pixels)


@pytest.mark.parametrize("file", BRAINS)
def test_the_brain_lesion_is_bright_on_flair_and_dark_on_t1(file: str, pictures: dict[str, MriPicture]) -> None:
    picture = pictures[file]
    (t1, flair, _), (t1_around, flair_around, _) = (means(picture.pixels, m) for m in (picture.lesion, picture.around))
    assert picture.lesion.sum() * picture.spacing_mm**2 > 400  # mm2: more than 2 cm across
    assert picture.around.sum() > 500
    assert flair > 1.4 * flair_around and t1 < 0.95 * t1_around
    assert luma(picture.pixels)[picture.lesion].mean() > 1.1 * luma(picture.pixels)[picture.around].mean()


def test_only_the_rim_enhances(pictures: dict[str, MriPicture]) -> None:
    quiet, rim = (pictures[f] for f in BRAINS)
    for picture, low, high in ((quiet, 0.8, 1.35), (rim, 1.8, 4.0)):
        rise = picture.pixels[..., 2].astype(float) / np.maximum(picture.pixels[..., 0], 1)
        assert low < np.percentile(rise[picture.lesion], 90) / np.median(rise[picture.around]) < high
    middle = rim.pixels[..., 2][rim.lesion].astype(float)
    assert np.percentile(middle, 15) < 0.6 * np.percentile(middle, 85)  # the necrosis does not


@pytest.mark.parametrize(("file", "washes_out"), list(zip(BREASTS, (False, True), strict=True)))
def test_the_breast_mass_takes_up_early_and_then_follows_its_curve(
    file: str, washes_out: bool, pictures: dict[str, MriPicture]
) -> None:
    picture = pictures[file]
    pre, early, _ = means(picture.pixels, picture.lesion)
    background = means(picture.pixels, picture.around)
    assert early > 1.5 * pre
    # The tissue around takes up too, little and late.
    assert 0 < background[1] - background[0] < background[2] - background[0] < 0.2 * (early - pre)
    assert early > 3 * background[1]
    hottest = picture.lesion & (picture.pixels[..., 1] > np.percentile(picture.pixels[..., 1][picture.lesion], 75))
    _, hot_early, hot_late = means(picture.pixels, hottest)
    assert hot_late < 0.95 * hot_early if washes_out else hot_late > 1.05 * hot_early
    middle = np.hypot(*(np.indices(picture.lesion.shape) - (picture.lesion.shape[0] - 1) / 2)) < 5
    assert picture.lesion[middle].all(), "the crop is centred on the lesion"
    if washes_out:
        assert picture.pixels[..., 1][middle].mean() < 0.75 * hot_early, "the rim enhances, its middle less"


def test_the_irregular_mass_has_the_longer_outline(pictures: dict[str, MriPicture]) -> None:
    def edge_per_root_area(mask: Mask) -> float:
        inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        return float((mask.sum() - inner.sum()) / np.sqrt(mask.sum()))

    smooth, irregular = (edge_per_root_area(pictures[f].lesion) for f in BREASTS)
    assert irregular > 1.15 * smooth


# 5th to 95th centile of these over 176 slices of the LGG cohort and 436 of the Duke cohort.
REAL = {
    "BRAIN": {"mean": (15.8, 39.4), "p50": (1.4, 36.6), "p75": (24.3, 72.7), "p95": (51.9, 110.6), "p99": (82, 168.5)},
    "BREAST": {"mean": (15.4, 43.8), "p50": (9.2, 41.2), "p75": (17.9, 65.0), "p95": (43.4, 108.6), "p99": (61, 142.5)},
}


@pytest.mark.parametrize("file", [*BRAINS, *BREASTS])
def test_grey_levels_lie_where_those_of_real_slices_do(file: str, pictures: dict[str, MriPicture]) -> None:
    picture = pictures[file]
    grey = luma(picture.pixels)
    seen = {"mean": grey.mean()} | {f"p{q}": np.percentile(grey, q) for q in (50, 75, 95, 99)}
    for name, (low, high) in REAL[picture.region].items():
        assert low < seen[name] < high, name


def test_brain_lesion_lies_on_the_side_that_its_values_say(pictures: dict[str, MriPicture]) -> None:
    for file in BRAINS:
        picture = pictures[file]
        rows, cols = np.nonzero(picture.lesion)
        assert colour_dataset(picture).PatientOrientation == ["L", "P"]  # columns run to the patient's left, rows back
        assert picture.clinical["tumour_side"] == ("left" if cols.mean() > 128 else "right")
        assert picture.clinical["tumour_lobe"] == ("frontal" if rows.mean() < 128 else "temporal")


@pytest.mark.parametrize("file", [*BRAINS, *BREASTS])
def test_the_mark_is_burned_in_beside_the_tissue(file: str, pictures: dict[str, MriPicture]) -> None:
    pixels = pictures[file].pixels
    corners = [pixels[y, x] for y in (np.s_[:16], np.s_[-16:]) for x in (np.s_[:62], np.s_[-62:])]
    marked = [c for c in corners if (c == 110).all(axis=-1).sum() > 100]  # glyphs
    assert len(marked) == 1
    assert np.median(luma(marked[0])) < 20


def test_planes_and_masks_cannot_be_written_to(pictures: dict[str, MriPicture]) -> None:
    picture = pictures["brain-a.dcm"]
    for array in (picture.pixels, picture.lesion, picture.around):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: replace(BY_FILE["brain-a.dcm"].spec, radii_mm=(40.0, 10.0)), "radii_mm.*40"),
        (lambda: replace(BY_FILE["brain-a.dcm"].spec, mass_effect_mm=float("nan")), "mass_effect_mm.*nan"),
        (lambda: replace(BY_FILE["brain-a.dcm"].spec, level="pons"), "pons"),
        (lambda: replace(BY_FILE["breast-mri-a.dcm"].spec, radii_mm=(2.0, 5.0)), "radii_mm.*2"),
        (lambda: replace(BY_FILE["breast-mri-a.dcm"].spec, curve="plateau"), "plateau"),
        (lambda: brain(centre_mm=(0.0, -110.0)), "lie in the brain"),
        (lambda: breast(nipple_mm=(0.0, 20.0)), "nipple's y.*20"),
        (lambda: breast(chest_mm=float("nan")), "chest_mm.*nan"),
        (lambda: breast(nipple_mm=(32.0, -10.0), width_mm=20.0), "lie inside the breast"),
        (lambda: replace(BY_FILE["brain-a.dcm"], seed=-1).picture(), "-1"),
        (lambda: replace(BY_FILE["breast-mri-a.dcm"], seed=-1).picture(), "-1"),
    ],
)  # fmt: skip
def test_an_impossible_design_is_refused_in_one_sentence(make: object, words: str) -> None:
    with pytest.raises(ClinicalValueError, match=words):
        make()


def brain(**changes: object) -> MriPicture:
    spec = BY_FILE["brain-a.dcm"].spec
    assert isinstance(spec, BrainSpec)
    return make_brain(replace(spec, **changes), seed=1, clinical={})


def breast(**changes: object) -> MriPicture:
    spec = BY_FILE["breast-mri-a.dcm"].spec
    assert isinstance(spec, BreastMriSpec)
    return make_breast_mri(replace(spec, shape=replace(spec.shape, **changes)), seed=1, clinical={})


# --- as DICOM objects and as samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [*BRAINS, *BREASTS])
def test_object_is_valid_and_complete(file: str, pictures: dict[str, MriPicture], strict: None) -> None:
    content = colour_dicom(pictures[file], number=9)
    assert len(content) < 200_000
    ds = pydicom.dcmread(io.BytesIO(content))
    for keyword in TYPE_1:
        assert keyword in ds and not ds[keyword].is_empty, keyword
    for keyword in TYPE_2:
        assert keyword in ds, keyword
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert ds.file_meta.MediaStorageSOPClassUID.name == "Secondary Capture Image Storage"
    for uid in (ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.file_meta.ImplementationClassUID):
        assert uid.is_valid and uid.startswith("2.25.")
    for element in ds.iterall():
        assert element.VR != "UN" and not element.tag.is_private
    assert np.array_equal(ds.pixel_array, pictures[file].pixels)
    assert ("Laterality" in ds) == (file in BREASTS)  # Type 2C: of paired organs


def test_tags_say_that_it_is_synthetic_and_what_its_colours_are(pictures: dict[str, MriPicture]) -> None:
    ds = colour_dataset(pictures["brain-b.dcm"], number=7)
    assert ds.ImageType == ["DERIVED", "SECONDARY", "SYNTHETIC"] and ds.SyntheticData == "YES"
    assert ds.ImageComments == "SYNTHETIC phantom, not a patient" and ds.ConversionType == "SYN"
    assert (ds.PatientName, ds.PatientID, ds.PatientSex) == ("SYNTHETIC^PHANTOM", "SYNTH-0007", "M")
    assert (ds.Modality, ds.BodyPartExamined, ds.PatientAge) == ("MR", "BRAIN", "057Y")
    assert "red T1 before contrast, green FLAIR, blue T1 after contrast" in ds.DerivationDescription
    breast_object = colour_dataset(pictures["breast-mri-b.dcm"])
    assert (breast_object.Laterality, breast_object.PatientSex) == ("L", "F")
    with pytest.raises(ClinicalValueError, match="10000"):
        colour_dataset(pictures["brain-b.dcm"], number=10000)


def test_sex_is_left_empty_where_it_is_unknown(pictures: dict[str, MriPicture]) -> None:
    quiet = replace(pictures["brain-a.dcm"], clinical={})
    assert colour_dataset(quiet).PatientSex == "" and "PatientAge" not in colour_dataset(quiet)


@pytest.mark.parametrize("file", [*BRAINS, *BREASTS])
def test_the_reader_shows_the_shipped_file_as_the_network_sees_the_cohort(
    file: str, pictures: dict[str, MriPicture]
) -> None:
    study = read_study((ASSETS / file).read_bytes(), file)
    (image,) = study.images
    assert study.synthetic and study.modality == "MR" and not study.notes
    assert study.patient_age_years == BY_FILE[file].clinical["age"]
    assert study.patient_sex == ("M" if file == "brain-b.dcm" else "F")
    assert image.pixels.shape == (*((256, 256) if file in BRAINS else (224, 224)), 3)
    assert image.display == ("RGB, 8 bits a channel",)
    assert image.geometry.spacing_mm == pytest.approx(
        (0.9375, 0.9375) if file in BRAINS else (80 / 224, 80 / 224), 1e-5
    )
    assert image.laterality == pictures[file].laterality
    assert np.array_equal(np.round(image.pixels * 255).astype(np.uint8), pictures[file].pixels)
    assert np.allclose(image.grey, luma(pictures[file].pixels) / 255, atol=1e-6)


def index() -> list[dict[str, object]]:
    return json.loads((ASSETS / "samples.json").read_text(encoding="utf-8"))["samples"]


def test_every_entry_names_its_cohort_and_the_ultrasound_comes_first() -> None:
    cohorts = [e["cohort"] for e in index()]
    assert cohorts == ["breast_lesions_usg"] * 6 + ["tcga_lgg"] * 2 + ["duke_breast_mri"] * 2
    assert [e["file"] for e in index()[6:]] == [*BRAINS, *BREASTS]


@pytest.mark.parametrize("entry", index(), ids=lambda e: e["file"])
def test_the_values_are_valid_in_the_cohorts_own_schema(entry: dict[str, dict[str, object]]) -> None:
    schema = SCHEMAS[entry["cohort"]]()
    assert set(entry["clinical"]) <= set(schema.ids)
    record = schema.record(entry["clinical"])
    assert dict(record.values) == pytest.approx(entry["clinical"])
    for field in schema.fields:
        if field.kind == "numeric" and field.plausible and field.id in record.values:
            low, high = field.plausible
            assert low <= record.values[field.id] <= high, field.id


def test_no_class_is_claimed_for_an_mri_sample() -> None:
    words = {"benign", "malignant", "grade", "g2", "g3", "nodal", "positive", "negative", "oligodendroglioma"}
    for entry in index()[6:]:
        assert entry["truth"] == ""
        assert "not a patient" in entry["expected"] and "no true class" in entry["expected"]
        assert not words & set(f"{entry['title']} {entry['description']}".lower().replace(",", "").split())
