"""Copies of training images are known again, other images are not, and no row of what is kept is an image."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.io import read_study
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.fingerprints import BANDS, ENOUGH, TrainingImages, fingerprint
from mmxai_core.model.reference import load_reference
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.types import FloatMap, GreyImage
from tests.tiny_bundle import tiny_study

ROOT = Path(__file__).resolve().parents[2]
CANVAS = 128


def of_grey(grey: GreyImage, *, canvas: int = CANVAS) -> np.ndarray:  # type: ignore[type-arg]
    """The fingerprint of a display picture, as the app and training take it."""
    geometry = CanvasGeometry.letterbox((grey.shape[0], grey.shape[1]), canvas)
    placed: FloatMap = np.round(geometry.to_canvas(grey) * 255).astype(np.float32) / np.float32(255)
    return fingerprint(placed, (*geometry.offset, *geometry.content))


def picture(seed: int) -> GreyImage:
    return tiny_study(seed=seed).images[0].grey


def compressed(grey: GreyImage, quality: int) -> GreyImage:
    file = io.BytesIO()
    Image.fromarray(np.round(grey * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def known() -> TrainingImages:
    return TrainingImages.of({"first": [of_grey(picture(i)) for i in range(5)], "second": [of_grey(picture(9))]})


@pytest.mark.parametrize("quality", [95, 75])
def test_a_copy_is_known_whatever_its_compression(known: TrainingImages, quality: int) -> None:
    assert {known.cohort_of(of_grey(compressed(picture(i), quality))) for i in range(5)} == {"first"}
    assert known.cohort_of(of_grey(picture(9))) == "second"


def test_other_images_and_changed_ones_are_not(known: TrainingImages) -> None:
    assert {known.cohort_of(of_grey(picture(i))) for i in range(20, 60)} == {None}
    mirrored = np.ascontiguousarray(picture(0)[:, ::-1])
    assert known.cohort_of(of_grey(mirrored)) is None
    assert known.cohort_of(of_grey(np.zeros((90, 120), np.float32))) is None, "black is no one's picture"


def test_what_is_kept_is_one_flat_set_without_order(known: TrainingImages) -> None:
    hashes = known.hashes["first"]
    assert hashes.ndim == 1 and hashes.dtype == np.uint32 and (np.diff(hashes.astype(np.int64)) > 0).all()
    assert 4 * BANDS < len(hashes) <= 5 * BANDS


def test_a_few_hashes_in_common_are_not_enough(known: TrainingImages) -> None:
    own = of_grey(picture(0))
    for share, expected in ((ENOUGH - 1, None), (ENOUGH, "first")):
        mixed = own.copy()
        mixed[share:] = np.arange(BANDS - share)
        assert known.cohort_of(mixed) == expected


@pytest.mark.data
def test_the_shipped_bundle_knows_its_training_images_as_they_are_uploaded(data_dir: Path) -> None:
    """Files with transparent regions and JPEG files, through the reader of uploads; an outsider's scan is unknown."""
    found = load_reference(load_bundle(ROOT / "pretrained" / "breast-us")).training_images
    assert found is not None

    def cohort_of(path: Path) -> str | None:
        return found.cohort_of(of_grey(read_study(path.read_bytes(), path.name).images[0].grey, canvas=448))

    rgba = sorted((data_dir / "breast_lesions_usg" / "originals_rgba").glob("*.png"))
    told = [cohort_of(p) for p in rgba]
    assert len(told) >= 10 and told.count("breast_lesions_usg") >= len(told) - 2, told  # some are of normal breasts
    jpeg = sorted((data_dir / "bus_bra" / "Images").glob("*"))[:40:4]
    assert [cohort_of(p) for p in jpeg] == ["bus_bra"] * 10
    others = [*sorted((data_dir / "duke_breast_mri" / "images").glob("*"))[:8],
              *sorted((data_dir / "tcga_luad_ct_dicom").glob("*.dcm"))[:3],
              *sorted((ROOT / "assets").rglob("*.dcm"))[:4]]  # fmt: skip
    assert len(others) >= 11 and {cohort_of(p) for p in others} == {None}
