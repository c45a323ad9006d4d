"""The images of TCGA patients: converted slices named by barcode, or TCIA's DICOM folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmxai_core.cohorts.case import IMAGE_SUFFIXES, Channel, find_raster
from mmxai_core.cohorts.dicom_tree import Series, at_depths, in_order, read_series
from mmxai_core.cohorts.tcga_tables import BARCODE

#: Key slices of a series without any lesion mark, as shares of its depth.
KEY_DEPTHS = (0.35, 0.5, 0.65)
_NAMED = re.compile(r"TCGA[-_][A-Z0-9]{2}[-_][A-Z0-9]{4}(?=$|[-_.])")
_MASK_FOLDERS = ("masks", "labels")


@dataclass(frozen=True)
class Located:
    """One image of one patient.

    Attributes:
        barcode: "TCGA-XX-NNNN".
        case_id: Unique among the images.
        image: The file.
        masks: Its lesion masks.
        channels: Its planes.
        strata: Facts of the acquisition.
    """

    barcode: str
    case_id: str
    image: Path
    masks: tuple[Path, ...] = ()
    channels: tuple[Channel, ...] = ()
    strata: Mapping[str, str] = field(default_factory=dict)


Chooser = Callable[[Sequence[Series]], "Series | None"]


def find_images(root: Path, choose: Chooser, *, bands: tuple[str, ...] = ()) -> tuple[tuple[Located, ...], int]:
    """Slices where there are any, else key slices of one DICOM series a patient.

    Args:
        root: Folder of the images.
        choose: Picks a patient's series, or None where none fits.
        bands: What the colour bands of a slice are, red first; empty for grey slices.

    Returns:
        The images, and the number of patients whose series did not fit.

    Raises:
        CohortError: A DICOM file cannot be read.
    """
    if slices := slice_images(root, bands=bands):
        return slices, 0
    return dicom_images(root, choose)


def slice_images(root: Path, *, bands: tuple[str, ...] = ()) -> tuple[Located, ...]:
    """Rasters whose stem starts with a barcode, with the mask of the same stem.

    `images/STEM.png` with `masks/STEM_mask.png` or `masks/STEM.png`; or, as on Kaggle, `FOLDER/STEM.tif` beside
    `FOLDER/STEM_mask.tif`. Where there is a folder `images`, no other is looked at.
    """
    folder = root / "images" if (root / "images").is_dir() else root
    found: dict[str, Located] = {}
    for path in sorted(folder.rglob("TCGA*")):
        name = _NAMED.match(path.stem)
        if name is None or path.suffix.lower() not in IMAGE_SUFFIXES or path.stem.endswith("_mask"):
            continue
        if path.parent.name in _MASK_FOLDERS or path.stem in found:
            continue
        mask = _mask_of(path)
        found[path.stem] = Located(
            barcode=name.group().replace("_", "-"),
            case_id=path.stem,
            image=path,
            masks=(mask,) if mask else (),
            channels=tuple(Channel(band, path, i) for i, band in enumerate(bands)),
        )
    return tuple(found.values())


def dicom_images(root: Path, choose: Chooser) -> tuple[tuple[Located, ...], int]:
    """Key slices of one series a patient, of patients whose PatientID is a barcode; and how many had no such series.

    Nobody marked the lesion in these series, so a key slice may not show it.

    Raises:
        CohortError: A DICOM file cannot be read.
    """
    by_patient: dict[str, list[Series]] = {}
    for series in read_series(root):
        if BARCODE.fullmatch(series.patient_id):
            by_patient.setdefault(series.patient_id, []).append(series)
    out: list[Located] = []
    unfit = 0
    for barcode, held in by_patient.items():
        series_chosen = choose(held)
        if series_chosen is None:
            unfit += 1
            continue
        strata = {"manufacturer": series_chosen.manufacturer, "series": series_chosen.description}
        ordered = in_order(series_chosen)
        out += [
            Located(
                barcode, f"{barcode}_slice_{ordered.index(f) + 1:03d}", f, strata={k: v for k, v in strata.items() if v}
            )
            for f in at_depths(ordered, KEY_DEPTHS)
        ]
    return tuple(out), unfit


def prefer(modality: str, *patterns: str, never: str = r"$^") -> Chooser:
    """A chooser: the series of that modality whose description fits the earliest pattern, the longest of them.

    Args:
        modality: DICOM code.
        patterns: Regular expressions, best first, upper and lower case alike; ".*" last takes any series.
        never: Descriptions that are never taken (localisers, scouts).
    """

    def choose(held: Sequence[Series]) -> Series | None:
        usable = [s for s in held if s.modality == modality and not re.search(never, s.description, re.IGNORECASE)]
        for pattern in patterns:
            if fitting := [s for s in usable if re.search(pattern, s.description, re.IGNORECASE)]:
                return max(fitting, key=lambda s: len(s.files))
        return None

    return choose


def _mask_of(image: Path) -> Path | None:
    folders = [image.parent, *(image.parent.parent / name for name in _MASK_FOLDERS)]
    for folder in folders:
        if mask := find_raster(folder, f"{image.stem}_mask"):
            return mask
    return next((m for f in folders[1:] if (m := find_raster(f, image.stem))), None)
