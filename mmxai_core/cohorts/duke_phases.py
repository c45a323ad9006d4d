"""Contrast phases of Duke-Breast-Cancer-MRI among a patient's DICOM series, and the slice that a box counts.

Series are named by several habits: "ax dyn pre", "ax dyn 1st pass" ...; "ax 3d dyn" before contrast and "Ph1/ax 3d dyn"
... after; "1st ax dyn"; "Ax Vibrant MultiPhase" with "Ph1/" ... The undynamic T1 series ("ax t1") is none of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmxai_core.cohorts.dicom_tree import Series, at_depths, by_instance
from mmxai_core.cohorts.duke_tables import LesionBox

_PHASE_NUMBER = re.compile(r"\bph(\d)")
_ORDINAL = re.compile(r"(1st|2nd|3rd|4th)")
_BEFORE = re.compile(r"(?<![a-z])pre(?![a-z])")
_DYNAMIC = re.compile(r"dyn|vibrant|multiphase")
_PLAIN_T1 = re.compile(r"\bt1\b")
#: The late phase where there are that many: the third after contrast, as in the BreastDCEDL slices; else the last.
_LATE = 3


@dataclass(frozen=True)
class KeySlice:
    """One place in three phases.

    Attributes:
        number: The slice, counted from 1 as the boxes count.
        pre: File before contrast.
        early: First phase after contrast.
        late: Third phase after contrast, or the last.
    """

    number: int
    pre: Path
    early: Path
    late: Path


def phase_of(description: str) -> int | None:
    """0 before contrast, 1 to 4 after it, or None for a series that is not part of the dynamic study."""
    words = description.lower()
    if number := _PHASE_NUMBER.search(words):
        return int(number.group(1))
    if ordinal := _ORDINAL.search(words):
        return int(ordinal.group(1)[0])
    if _DYNAMIC.search(words) or (_BEFORE.search(words) and not _PLAIN_T1.search(words)):
        return 0
    return None


def key_slices(held: Sequence[Series], box: LesionBox, depths: Sequence[float]) -> tuple[KeySlice, ...] | str:
    """The slices at shares of the box's depth in three phases.

    Args:
        held: One patient's series.
        box: The patient's box.
        depths: 0 the first slice of the box, 1 the last.

    Returns:
        The slices, or the reason why there are none.
    """
    phases: dict[int, Series] = {}
    for series in held:
        phase = phase_of(series.description) if series.modality == "MR" else None
        if phase is not None and len(series.files) > len(phases[phase].files if phase in phases else ()):
            phases[phase] = series
    after = sorted(p for p in phases if p > 0)
    if 0 not in phases or 1 not in phases or len(after) < 2:
        return "series before contrast, first and a later one after it not all found"
    chosen = [phases[p] for p in (0, 1, _LATE if _LATE in phases else after[-1])]
    if len({len(s.files) for s in chosen}) > 1:
        return "phases differ in their number of slices"
    if box.end_slice > len(chosen[0].files):
        return "annotation box beyond the last slice"
    pre, early, late = (by_instance(s) for s in chosen)
    numbers = at_depths(range(box.start_slice, box.end_slice + 1), depths)
    return tuple(KeySlice(n, pre[n - 1], early[n - 1], late[n - 1]) for n in numbers)
