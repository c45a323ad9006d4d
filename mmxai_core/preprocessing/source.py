"""What a recipe starts from: a case's planes in the unit its modality is worked on, and what the file states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmxai_core.cohorts import (
    breast_lesions_usg,
    bus_bra,
    cbis_ddsm,
    duke_breast_mri,
    tcga_brca,
    tcga_gbm,
    tcga_lgg,
    tcga_luad,
)
from mmxai_core.cohorts.case import Case, is_raster, read_grey
from mmxai_core.cohorts.channels import read_channels
from mmxai_core.errors import CohortError
from mmxai_core.preprocessing.settings import MODALITIES, Modality

#: For pictures that state no modality: what the cohort's are.
COHORTS: Mapping[str, Modality] = {
    bus_bra.NAME: "US", breast_lesions_usg.NAME: "US", cbis_ddsm.NAME: "MG", duke_breast_mri.NAME: "MR",
    tcga_brca.NAME: "MR", tcga_luad.NAME: "CT", tcga_gbm.NAME: "MR", tcga_lgg.NAME: "MR",
}  # fmt: skip
#: Planes with these names are one sequence before and after contrast: they share a coil field and a scale.
_PHASES = {"pre", "early", "late"}
_SPACING_TAGS = (
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio",
    "SequenceOfUltrasoundRegions", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Source:
    """A case's pixels before preprocessing.

    Attributes:
        planes: (C, H, W) float32: HU for CT, signal for MR, display grey in [0, 1] for MG and US. Rasters of MR are
            display grey too, and rasters of CT display grey over the window: there are no HU in them.
        spacing_mm: (row, column) spacing, or None.
        shared: The planes share one intensity scale.
        hounsfield: The values are HU.
    """

    planes: NDArray[np.float32]
    spacing_mm: tuple[float, float] | None
    shared: bool
    hounsfield: bool = False


def files_of(case: Case) -> tuple[Path, ...]:
    """The files a case's pixels come from, masks last, each once."""
    return tuple(dict.fromkeys((*((c.path for c in case.channels) if case.channels else (case.image,)), *case.masks)))


def modality_of(case: Case, *, cohort: str, stated: str) -> Modality:
    """What a case's picture is: the file's own word, else the settings', else the cohort's.

    Args:
        case: The case.
        cohort: Name of its cohort.
        stated: `PreprocessSettings.modality`.

    Raises:
        CohortError: Nothing says it, or the file says a modality there is no recipe for.
    """
    picture = case.channels[0].path if case.channels else case.image
    if not is_raster(picture):
        from mmxai_core.cohorts.dicom_pixels import read_header
        from mmxai_core.io.header import text

        word = text(read_header(picture, ("Modality",)), "Modality", 16)
        if word in MODALITIES:
            return word
        if word and word != "OT" and not stated:
            raise CohortError(
                f"Modality (0008,0060) must be one of {', '.join(MODALITIES)}; {picture.name} has {word}."
            )
    found = stated or COHORTS.get(cohort, "")
    if found not in MODALITIES:
        raise CohortError(
            f"Nothing states the modality of cohort {cohort}'s pictures: set the preprocessing setting modality to "
            f"{', '.join(MODALITIES[:-1])} or {MODALITIES[-1]}."
        )
    return found


def read_source(case: Case, modality: Modality) -> Source:
    """Decodes a case's planes.

    Raises:
        CohortError: A file cannot be read, or the planes differ in size.
    """
    shared = {c.name for c in case.channels} <= _PHASES
    picture = case.channels[0].path if case.channels else case.image
    if is_raster(picture):
        return Source(read_channels(case), None, shared)
    spacing = _spacing(picture)
    if modality in ("MG", "US"):
        # As shown: the modality, the window and MONOCHROME1's inversion all count.
        return Source(read_grey(case.image)[None], spacing, shared)
    from mmxai_core.cohorts.dicom_pixels import modality_values

    paths = [c.path for c in case.channels] or [case.image]
    if any(is_raster(p) for p in paths):
        raise CohortError(f"Case {case.case_id} mixes DICOM and raster planes, which share no intensity scale.")
    planes = [np.asarray(modality_values(p), np.float32) for p in paths]
    if len({p.shape for p in planes}) > 1:
        raise CohortError(
            f"The planes of case {case.case_id} differ in size: {', '.join(str(p.shape) for p in planes)}."
        )
    stacked = np.stack(planes)
    if not np.isfinite(stacked).all():
        raise CohortError(f"Image {picture.name} holds values that are not finite.")
    return Source(stacked, spacing, shared, hounsfield=modality == "CT")


def _spacing(path: Path) -> tuple[float, float] | None:
    from mmxai_core.cohorts.dicom_pixels import read_header
    from mmxai_core.io.limits import ReadLimits
    from mmxai_core.io.reading import Reading
    from mmxai_core.io.spacing import geometry

    # The shape is of no account here; the tags alone are asked.
    return geometry(read_header(path, _SPACING_TAGS), (1, 1), 0, Reading(ReadLimits())).spacing_mm
