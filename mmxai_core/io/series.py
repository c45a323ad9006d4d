"""The order of slices: position along the slice normal, duplicates found, spacing checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Two slices closer than this along the normal lie at the same place, mm.
SAME_PLACE_MM = 1e-3
#: Gaps that differ by more than this share of the median gap are uneven.
UNEVEN_SHARE = 0.05
#: Row and column cosines that differ by less than this belong to one orientation (about half a degree).
SAME_ORIENTATION = 0.01


@dataclass(frozen=True, eq=False)
class Slice:
    """Where one image lies.

    Attributes:
        position: (3,) ImagePositionPatient (0020,0032), mm, or None.
        orientation: (6,) ImageOrientationPatient (0020,0037), cosines, or None.
        number: InstanceNumber (0020,0013), or the place in the upload.
    """

    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    number: float

    @property
    def placed(self) -> bool:
        """Whether position and orientation are both usable."""
        if self.position is None or self.orientation is None:
            return False
        usable = len(self.position) == 3 and len(self.orientation) == 6
        return usable and bool(np.isfinite([*self.position, *self.orientation]).all())


@dataclass(frozen=True)
class Order:
    """The slices to show, in order.

    Attributes:
        indices: Into the input.
        by_position: False where positions are missing and instance numbers were used.
        notes: Duplicates, other orientations, uneven spacing, in words.
    """

    indices: tuple[int, ...]
    by_position: bool
    notes: tuple[str, ...]


def order_slices(slices: Sequence[Slice]) -> Order:
    """Sort slices by position projected on the normal of the row and column cosines (PS3.3 C.7.6.2.1.1).

    Args:
        slices: At least one.

    Returns:
        The order. Without position in every slice: by number, and said so.
    """
    if not all(s.placed for s in slices):
        indices = sorted(range(len(slices)), key=lambda i: slices[i].number)
        said = "Slices without position (0020,0032) were sorted by Instance Number (0020,0013)."
        return Order(tuple(indices), by_position=False, notes=(said,) if len(slices) > 1 else ())
    kept, remarks = _largest_orientation(slices)
    distance = _along_normal(slices, kept)
    # At one place the lowest instance number comes first, and is the one that is kept.
    kept.sort(key=lambda i: (round(distance[i] / SAME_PLACE_MM), slices[i].number))
    unique = [i for n, i in enumerate(kept) if n == 0 or distance[i] - distance[kept[n - 1]] > SAME_PLACE_MM]
    sentences = list(remarks)
    if len(unique) < len(kept):
        sentences.append(
            f"Images left out, because their position is already shown: {len(kept) - len(unique)}; "
            "the lowest Instance Number (0020,0013) was kept."
        )
    gaps = np.diff([distance[i] for i in unique])
    if gaps.size > 1 and float(np.abs(gaps - np.median(gaps)).max()) > UNEVEN_SHARE * float(np.median(gaps)):
        sentences.append(f"Slice spacing is uneven: {gaps.min():.2f} to {gaps.max():.2f} mm; a slice may be missing.")
    return Order(tuple(unique), by_position=True, notes=tuple(sentences))


def _largest_orientation(slices: Sequence[Slice]) -> tuple[list[int], tuple[str, ...]]:
    groups: list[list[int]] = []
    for index, one in enumerate(slices):
        for group in groups:
            if np.abs(_cosines(one) - _cosines(slices[group[0]])).max() < SAME_ORIENTATION:
                group.append(index)
                break
        else:
            groups.append([index])
    largest = max(groups, key=len)
    if len(groups) == 1:
        return largest, ()
    return largest, (
        f"The series has {len(groups)} slice orientations; the largest group ({len(largest)} of {len(slices)} images) "
        "is shown.",
    )


def _along_normal(slices: Sequence[Slice], kept: Sequence[int]) -> dict[int, float]:
    cosines = _cosines(slices[kept[0]])
    normal = np.cross(cosines[:3], cosines[3:])
    return {i: float(np.dot(np.asarray(slices[i].position, dtype=np.float64), normal)) for i in kept}


def _cosines(one: Slice) -> NDArray[np.float64]:
    return np.asarray(one.orientation, dtype=np.float64)
