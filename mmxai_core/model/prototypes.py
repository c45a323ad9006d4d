"""Groups of similar training cases, as a bundle may carry them: aggregates of at least five cases, never a patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import BundleError

#: No group is smaller, and no field is summarised from fewer known values (k-anonymity, Sweeney 2002).
MIN_CASES = 5
_ARRAYS = (
    "offset", "projection", "level_known", "level_image", "centroids", "reach", "outcomes", "known", "quartiles",
    "common", "share",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Prototypes:
    """G groups of training cases in the fused space, at L levels of what is known of a case.

    The groups are the same at every level; their centres are not, since the fused vector depends on what is known.

    Attributes:
        schema: The clinical fields.
        classes: Class ids.
        levels: L names, e.g. "image and history".
        level_known: (L, F) bool: fields offered at each level.
        level_image: (L,) bool: whether the image is there.
        offset: (3d,) mean fused vector.
        projection: (3d, r): (vector - offset) @ projection is the space distances are measured in.
        centroids: (L, G, r).
        reach: (L, G) distance within which nine in ten of a group's own cases lie, above 0.
        outcomes: (G, K) cases by class.
        known: (G, F) cases in which each field is known.
        quartiles: (G, F, 3) of a number; NaN elsewhere and where fewer than `MIN_CASES` know it.
        common: (G, F) index of the commonest category; -1 for a number, or where too few know it.
        share: (G, F) share of it among the cases that know the field.
        source: What the cases are, in words.
    """

    schema: ClinicalSchema
    classes: tuple[str, ...]
    levels: tuple[str, ...]
    level_known: NDArray[np.bool_]
    level_image: NDArray[np.bool_]
    offset: NDArray[np.float32]
    projection: NDArray[np.float32]
    centroids: NDArray[np.float32]
    reach: NDArray[np.float32]
    outcomes: NDArray[np.int64]
    known: NDArray[np.int64]
    quartiles: NDArray[np.float32]
    common: NDArray[np.int64]
    share: NDArray[np.float32]
    source: str

    def __post_init__(self) -> None:
        levels, groups, fields = len(self.levels), len(self.outcomes), len(self.schema.fields)
        wide, r = self.projection.shape
        shapes = {
            "level_known": (levels, fields), "level_image": (levels,), "offset": (wide,),
            "centroids": (levels, groups, r), "reach": (levels, groups), "outcomes": (groups, len(self.classes)),
            "known": (groups, fields), "quartiles": (groups, fields, 3), "common": (groups, fields),
            "share": (groups, fields),
        }  # fmt: skip
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise BundleError(f"Similar cases: {name} must be {shape}; it is {getattr(self, name).shape}.")
        if not groups or self.outcomes.sum(1).min() < MIN_CASES:
            raise BundleError(f"Similar cases: every group needs at least {MIN_CASES} cases.")

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays for `reference.npz`; `entry` goes into the metadata."""
        return {n: getattr(self, n) for n in _ARRAYS}

    def entry(self) -> dict[str, Any]:
        """Plain values for the metadata."""
        return {"levels": list(self.levels), "source": self.source, "groups": len(self.outcomes), "min": MIN_CASES}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], entry: Mapping[str, Any], *, schema: ClinicalSchema,
        classes: tuple[str, ...],
    ) -> Prototypes:  # fmt: skip
        """What `to_arrays` and `entry` gave.

        Raises:
            BundleError: One is missing or of another shape.
        """
        try:
            return cls(
                schema=schema, classes=classes, levels=tuple(str(v) for v in entry["levels"]),
                source=str(entry["source"]), **{n: np.asarray(arrays[n]) for n in _ARRAYS},
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"The bundle's similar cases lack or misstate an entry ({error}).") from error
