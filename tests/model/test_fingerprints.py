"""Copies of training images are known again, other images are not, and no row of what is kept is an image."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.transform import resize

from mmxai_core.io import read_study
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.fingerprints import ENOUGH, GROUPS, TrainingImages, fingerprint
from mmxai_core.model.reference import load_reference
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.types import FloatMap, GreyImage

ROOT = Path(__file__).resolve().parents[2]
CANVAS = 128
#: First hashes of `picture(0)`.
GOLDEN = [3942415835, 2826619867, 3158480859]


def of_grey(grey: GreyImage, *, canvas: int = CANVAS) -> np.ndarray:  # type: ignore[type-arg]
    """The fingerprint of a display picture, as the app and training take it."""
    geometry = CanvasGeometry.letterbox((grey.shape[0], grey.shape[1]), canvas)
    placed: FloatMap = np.round(geometry.to_canvas(grey) * 255).astype(np.float32) / np.float32(255)
    return fingerprint(placed, (*geometry.offset, *geometry.content))


def picture(seed: int) -> GreyImage:
    """(360, 480): soft structure with fine noise, another one for each seed."""
    rng = np.random.default_rng(seed)
    soft = resize(rng.random((18, 24)), (360, 480), order=1)
    grey: GreyImage = np.clip(0.1 + 0.7 * soft + rng.normal(0, 0.05, soft.shape), 0, 1).astype(np.float32)
    return grey


def compressed(grey: GreyImage, quality: int) -> GreyImage:
    file = io.BytesIO()
    Image.fromarray(np.round(grey * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def known() -> TrainingImages:
    return TrainingImages.of({"first": [of_grey(picture(i)) for i in range(5)], "second": [of_grey(picture(9))]})


def cohort_of(known: TrainingImages, grey: GreyImage, *, canvas: int = CANVAS) -> str | None:
    found = known.known(of_grey(grey, canvas=canvas))
    return None if found is None else found[0]


def dark_fields() -> list[GreyImage]:
    """Even pictures and discs on black: what every scanner makes at the ends of a series."""
    y, x = np.mgrid[:96, :96]
    even = [np.full((96, 96), v, np.float32) for v in (0.0, 0.03, 0.1, 0.5, 1.0)]
    discs = [((x - 48) ** 2 + (y - 48) ** 2 < r * r) * np.float32(v) for r in (10, 20, 30, 45) for v in (0.1, 0.4, 0.9)]
    return [*even, *(d.astype(np.float32) for d in discs)]


@pytest.mark.parametrize("quality", [95, 75])
def test_a_copy_is_known_whatever_its_compression(known: TrainingImages, quality: int) -> None:
    assert {cohort_of(known, compressed(picture(i), quality)) for i in range(5)} == {"first"}
    assert cohort_of(known, picture(9)) == "second"


def test_other_images_and_changed_ones_are_not(known: TrainingImages) -> None:
    assert {cohort_of(known, picture(i)) for i in range(20, 60)} == {None}
    assert cohort_of(known, np.ascontiguousarray(picture(0)[:, ::-1])) is None


def test_an_even_picture_has_no_fingerprint_and_a_disc_on_black_a_short_one() -> None:
    found = [len(of_grey(g)) for g in dark_fields()]
    assert found[:5] == [0] * 5 and max(found[5:]) <= GROUPS // 4


def test_the_hashes_are_those_of_this_version() -> None:
    """Shipped hashes are compared with these: where they change, VERSION must."""
    assert of_grey(picture(0))[:3].tolist() == GOLDEN


def test_what_is_kept_is_one_flat_set_without_order(known: TrainingImages) -> None:
    hashes = known.hashes["first"]
    assert hashes.ndim == 1 and hashes.dtype == np.uint32 and (np.diff(hashes.astype(np.int64)) > 0).all()
    assert 3 * GROUPS < len(hashes) <= 5 * GROUPS


def test_a_few_hashes_in_common_are_not_enough(known: TrainingImages) -> None:
    own = of_grey(picture(0))
    for share, expected in ((ENOUGH - 1, None), (ENOUGH, ("first", ENOUGH))):
        mixed = own.copy()
        mixed[share:] = np.arange(len(own) - share)
        assert known.known(mixed) == expected


@pytest.mark.data
def test_the_shipped_bundle_knows_its_training_images_as_they_are_uploaded(data_dir: Path) -> None:
    """Files with transparent regions and JPEG files, through the reader of uploads; an outsider's scan is unknown."""
    found = load_reference(load_bundle(ROOT / "pretrained" / "breast-us")).training_images
    assert found is not None

    def told(path: Path) -> str | None:
        return cohort_of(found, read_study(path.read_bytes(), path.name).images[0].grey, canvas=448)

    rgba = [told(p) for p in sorted((data_dir / "breast_lesions_usg" / "originals_rgba").glob("*.png"))]
    assert len(rgba) >= 10 and rgba.count("breast_lesions_usg") >= len(rgba) - 2, rgba  # some are of normal breasts
    jpeg = sorted((data_dir / "bus_bra" / "Images").glob("*"))[:40:4]
    assert [told(p) for p in jpeg] == ["bus_bra"] * 10
    others = [*sorted((data_dir / "duke_breast_mri" / "images").glob("*"))[:8],
              *sorted((data_dir / "tcga_luad_ct_dicom").glob("*.dcm"))[:3],
              *sorted((ROOT / "assets").rglob("*.dcm"))[:4]]  # fmt: skip
    assert len(others) >= 11 and {told(p) for p in others} == {None}


@pytest.mark.parametrize("name", ["breast-us", "duke-mri", "lgg-mri"])
def test_no_shipped_bundle_takes_a_dark_or_even_picture_for_its_own(name: str) -> None:
    found = load_reference(load_bundle(ROOT / "pretrained" / name)).training_images
    assert found is not None and {cohort_of(found, g, canvas=448) for g in dark_fields()} == {None}
