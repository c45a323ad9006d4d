"""Facts that a DICOM header states about the patient and the image, read so that a damaged tag only loses itself.

A file is marked synthetic where ImageType (0008,0008) has the value SYNTHETIC, or ImageComments (0020,4000) starts
with SYNTHETIC. Laterality and view are taken as stated, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

from mmxai_core.io.reading import Reading, Sex
from mmxai_core.io.refusal import READ_FAILURES, printable
from mmxai_core.study import Laterality

_DAYS_A_UNIT = {"D": 1.0, "W": 7.0, "M": 365.25 / 12.0, "Y": 365.25}
_OLDEST_YEARS = 130.0
#: CID 4014 View for Mammography (PS3.16): SNOMED CT and the older SRT codes -> ViewPosition's own words.
_VIEW_CODES = {
    "399162004": "CC", "R-10242": "CC",
    "399368009": "MLO", "R-10226": "MLO",
    "399260004": "ML", "R-10224": "ML",
    "399352003": "LM", "R-10228": "LM",
    "399099002": "LMO", "R-10230": "LMO",
    "399196006": "FB", "R-10244": "FB",
    "399192008": "XCCL", "Y-X1770": "XCCL",
    "399101009": "XCCM", "Y-X1771": "XCCM",
    "399188001": "SIO", "Y-X1772": "SIO",
}  # fmt: skip


def value(dataset: Dataset, keyword: str) -> Any:
    """Read one element.

    Args:
        dataset: A data set or sequence item.
        keyword: DICOM keyword.

    Returns:
        Its value; None where it is absent, empty or cannot be converted.
    """
    try:
        found = dataset.get(keyword)
    except READ_FAILURES:
        return None
    return None if found is None or (isinstance(found, str | bytes) and not found) else found


def text(dataset: Dataset, keyword: str, limit: int = 64) -> str:
    """Read one element as a safe word: printable ASCII, the first of several values, "" where absent."""
    found = value(dataset, keyword)
    if isinstance(found, Sequence) and not isinstance(found, str | bytes):
        found = found[0] if len(found) else None
    return "" if found is None else printable(found, limit)


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Read one element's values as numbers; () where one of them is not."""
    found = value(dataset, keyword)
    if found is None:
        return ()
    several = found if isinstance(found, Sequence) and not isinstance(found, str | bytes) else [found]
    try:
        return tuple(float(v) for v in several)
    except (TypeError, ValueError, OverflowError):
        return ()


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Read a sequence's items; [] where it is absent or damaged."""
    found = value(dataset, keyword)
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        return []
    return [item for item in found if isinstance(item, Dataset)]


def functional_group(dataset: Dataset, keyword: str, frame: int) -> Dataset | None:
    """Find a multi-frame functional group macro (PS3.3 C.7.6.16): the frame's own, else the shared one.

    Args:
        dataset: The whole object.
        keyword: The macro's sequence, e.g. "PixelMeasuresSequence".
        frame: Index from 0.

    Returns:
        The macro's first item, or None.
    """
    for sequence, at in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        groups = value(dataset, sequence)
        if isinstance(groups, Sequence) and not isinstance(groups, str | bytes) and at < len(groups):
            group = groups[at]
            if isinstance(group, Dataset) and (found := items(group, keyword)):
                return found[0]
    return None


def gather_facts(dataset: Dataset, reading: Reading) -> None:
    """Put modality, age, sex, transfer syntax and the synthetic mark of one object into the reading.

    Args:
        dataset: The object.
        reading: Filled; facts that an earlier object of the study gave are kept.
    """
    reading.modality = reading.modality or (text(dataset, "Modality", 16) or None)
    if reading.age_years is None:
        reading.age_years = age_years(dataset, reading)
    reading.sex = reading.sex or sex(dataset)
    syntax = value(dataset.file_meta, "TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    reading.transfer_syntax = reading.transfer_syntax or (printable(UID(str(syntax)).name, 100) if syntax else None)
    reading.synthetic = reading.synthetic or is_synthetic(dataset)


def age_years(dataset: Dataset, reading: Reading) -> float | None:
    """Age at the study, years: PatientAge (0010,1010), else birth date to study date.

    Args:
        dataset: The object.
        reading: Gets a note where the stated age is impossible.

    Returns:
        Years in [0, 130], or None.
    """
    stated = re.fullmatch(r"(\d{1,3})([DWMY]?)", text(dataset, "PatientAge", 8))
    if stated:
        years = int(stated[1]) * _DAYS_A_UNIT[stated[2] or "Y"] / 365.25
        if years <= _OLDEST_YEARS:
            return round(years, 3)
        reading.note(f"PatientAge (0010,1010) says {years:g} years, above {_OLDEST_YEARS:g}; age is left unknown.")
        return None
    born = _date(text(dataset, "PatientBirthDate", 10))
    seen = next(
        (
            d
            for k in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
            if (d := _date(text(dataset, k, 10)))
        ),
        None,
    )
    if born is None or seen is None:
        return None
    years = (seen - born).days / 365.25
    # Equal dates are what de-identification leaves, not a newborn.
    return round(years, 3) if 0.0 < years <= _OLDEST_YEARS else None


def sex(dataset: Dataset) -> Sex | None:
    """PatientSex (0010,0040): "F", "M", "O", or None for anything else."""
    stated = text(dataset, "PatientSex", 8).upper()[:1]
    return stated if stated in ("F", "M", "O") else None  # type: ignore[return-value]  # narrowed by the test


def is_synthetic(dataset: Dataset) -> bool:
    """Whether the object says that it holds a phantom (see the module's first lines)."""
    kinds = value(dataset, "ImageType") or []
    words = [kinds] if isinstance(kinds, str) else list(kinds) if isinstance(kinds, Sequence) else []
    return "SYNTHETIC" in (str(w).strip().upper() for w in words) or text(dataset, "ImageComments").upper().startswith(
        "SYNTHETIC"
    )


def laterality(dataset: Dataset, frame: int = 0) -> Laterality | None:
    """Side: the frame's FrameLaterality (0020,9072), else ImageLaterality (0020,0062), else Laterality (0020,0060)."""
    anatomy = functional_group(dataset, "FrameAnatomySequence", frame)
    stated = (text(anatomy, "FrameLaterality", 2) if anatomy is not None else "") or (
        text(dataset, "ImageLaterality", 2) or text(dataset, "Laterality", 2)
    )
    return stated.upper() if stated.upper() in ("L", "R", "B") else None  # type: ignore[return-value]  # as above


def view(dataset: Dataset) -> str | None:
    """View: ViewPosition (0018,5101), else the code or meaning in ViewCodeSequence (0054,0220)."""
    if stated := text(dataset, "ViewPosition", 16).upper():
        return stated
    for item in items(dataset, "ViewCodeSequence")[:1]:
        return _VIEW_CODES.get(text(item, "CodeValue", 16)) or text(item, "CodeMeaning", 32) or None
    return None


def side_and_view(dataset: Dataset) -> str:
    """Side and view, e.g. "L CC"; "" where no view is stated: a side alone does not tell images apart."""
    position = view(dataset)
    return f"{laterality(dataset) or ''} {position}".strip() if position else ""


def _date(stated: str) -> date | None:
    digits = stated.replace(".", "").replace("-", "")
    if not re.fullmatch(r"\d{8}", digits):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
