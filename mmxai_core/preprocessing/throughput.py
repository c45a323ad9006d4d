"""How many generated pictures a second each modality's recipe prepares, from the files and from the cache."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from scipy import ndimage

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.preprocessing.run import preprocess_cohort
from mmxai_core.preprocessing.settings import MODALITIES, Modality, PreprocessSettings
from mmxai_core.types import Json

#: Rows and columns of the generated pictures: about what the cohorts hold, the mammogram smaller than a film.
SIZES: dict[Modality, tuple[int, int]] = {"MR": (256, 256), "CT": (512, 512), "MG": (1024, 768), "US": (480, 640)}


def measure_throughput(
    *, pictures: int = 4, seed: int = 0, progress: Callable[[str, float], None] = lambda what, done: None
) -> Json:
    """Prepares a few pictures of each modality twice in one process: first from their files, then from the cache.

    Args:
        pictures: Of each modality.
        seed: Of the pictures.
        progress: Called with what comes now and the part done.

    Returns:
        By modality: "size", "pictures", "uncached_per_second", "cached_per_second", and "times_faster_cached", which
        alone holds across machines.
    """
    out: Json = {}
    with tempfile.TemporaryDirectory(prefix="mmxai-preprocessing-") as name:
        root = Path(name)
        for k, modality in enumerate(MODALITIES):
            progress(f"Preprocessing {modality}", k / len(MODALITIES))
            cohort = _cohort(root / modality, modality, pictures, np.random.default_rng(seed + k))
            settings = PreprocessSettings(on=True, modality=modality)
            # One more picture, not counted, so that no library's first call is in the figure.
            preprocess_cohort(_part(cohort, 0, 1), root / "warm", settings=settings)
            timed = _part(cohort, 1, pictures + 1)
            seconds = []
            for _ in range(2):
                start = time.perf_counter()
                preprocess_cohort(timed, root / "cache", settings=settings)
                seconds.append(time.perf_counter() - start)
            out[modality] = {
                "size": list(SIZES[modality]), "pictures": pictures,
                "uncached_per_second": round(pictures / seconds[0], 2),
                "cached_per_second": round(pictures / seconds[1], 2),
                "times_faster_cached": round(seconds[0] / seconds[1], 2),
            }  # fmt: skip
    return out


def _part(cohort: Cohort, start: int, stop: int) -> Cohort:
    return replace(cohort, cases=cohort.cases[start:stop])


def _cohort(folder: Path, modality: Modality, pictures: int, rng: np.random.Generator) -> Cohort:
    folder.mkdir(parents=True)
    cases = []
    for i in range(pictures + 1):
        plane = _DRAW[modality](SIZES[modality], rng)
        path = folder / (f"{i}.dcm" if modality == "CT" else f"{i}.png")
        if modality == "CT":
            _write_ct(path, plane)
        else:
            Image.fromarray((np.clip(plane, 0, 1) * 255).astype(np.uint8)).save(path)
        cases.append(Case(f"{modality}-{i}", f"{modality}-{i}", path))
    return Cohort(
        "generated", tuple(cases), ClinicalSchema(()), ("benign", "malignant"), "malignant", "None: generated.", (), (),
        "CC0", "Generated", "Nowhere",
    )  # fmt: skip


def _disc(size: tuple[int, int], y: float, x: float, radius: float) -> NDArray[np.float64]:
    rows, cols = np.mgrid[: size[0], : size[1]]
    inside = ((rows / size[0] - y) ** 2 + (cols / size[1] - x) ** 2) < radius**2
    disc: NDArray[np.float64] = ndimage.gaussian_filter(inside.astype(np.float64), 2.0)
    return disc


def _head(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """A disc with a brighter core under a coil's slope, in Rician-like noise."""
    shade = 0.6 + 0.8 * np.mgrid[: size[0], : size[1]][1] / size[1]
    clean = (0.5 * _disc(size, 0.5, 0.5, 0.42) + 0.2 * _disc(size, 0.5, 0.45, 0.15)) * shade
    noisy: NDArray[np.float64] = np.abs(clean + rng.normal(0, 0.01, size))
    return noisy


def _chest(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """HU: air, a body of soft tissue, two lungs."""
    lungs = _disc(size, 0.5, 0.35, 0.13) + _disc(size, 0.5, 0.65, 0.13)
    return -1000.0 + 1040.0 * _disc(size, 0.5, 0.5, 0.4) - 850.0 * lungs + rng.normal(0, 15, size)


def _breast(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """A half-disc at the right edge, and a film label away from it."""
    film = 0.03 + 0.5 * _disc(size, 0.5, 1.0, 0.45) + rng.normal(0, 0.01, size)
    film[20:70, 20:140] = 0.95
    return film


def _speckle(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smoothed speckle with a dark disc and two callipers."""
    picture: NDArray[np.float64] = (
        2.0 * ndimage.gaussian_filter(rng.rayleigh(0.2, size), 1.2) * (1 - 0.7 * _disc(size, 0.45, 0.5, 0.15))
    )
    for x in (size[1] // 3, 2 * size[1] // 3):
        picture[size[0] // 2, x - 6 : x + 7] = picture[size[0] // 2 - 6 : size[0] // 2 + 7, x] = 1.0
    return picture


_DRAW: dict[Modality, Callable[[tuple[int, int], np.random.Generator], NDArray[np.float64]]] = {
    "MR": _head, "CT": _chest, "MG": _breast, "US": _speckle,
}  # fmt: skip


def _write_ct(path: Path, hu: NDArray[np.float64]) -> None:
    """HU as a CT object with the usual rescale: stored = HU + 1024."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = UID(f"2.25.{int(path.stem) + 1}")
    ds.Modality, ds.PhotometricInterpretation = "CT", "MONOCHROME2"
    ds.Rows, ds.Columns = hu.shape
    ds.SamplesPerPixel, ds.PixelRepresentation = 1, 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.RescaleSlope, ds.RescaleIntercept, ds.PixelSpacing = "1", "-1024", [0.7, 0.7]
    ds.PixelData = np.clip(hu + 1024, 0, 4095).astype(np.uint16).tobytes()
    ds.save_as(path, enforce_file_format=True)
