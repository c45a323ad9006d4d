"""A case after preprocessing: its planes, its lesion in the same place, and an account of what was done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.cohorts.case import Case, read_masks
from mmxai_core.preprocessing.recipes import cook
from mmxai_core.preprocessing.settings import Modality, PreprocessSettings
from mmxai_core.preprocessing.source import read_source
from mmxai_core.types import Box, Json, Mask

_FULL = 65535


@dataclass(frozen=True, eq=False)
class Prepared:
    """One case.

    Attributes:
        levels: (C, h, w) uint16, grey / 65,535: exact for 8-bit pictures, and the same fresh or from the cache.
        lesion: (h, w) bool where the cohort has outlines, else None.
        boxes: Lesion boxes on the prepared picture; empty where there are none.
        account: Plain values: "modality", "steps", "numbers", "source", "window", "mirrored".
    """

    levels: NDArray[np.uint16]
    lesion: Mask | None
    boxes: tuple[Box, ...]
    account: Json

    @property
    def planes(self) -> NDArray[np.float32]:
        """(C, h, w) float32 grey in [0, 1]."""
        return self.levels.astype(np.float32) / np.float32(_FULL)


def prepare_case(case: Case, modality: Modality, settings: PreprocessSettings) -> Prepared:
    """Reads a case and runs its recipe; masks and boxes are moved along, never looked at.

    Raises:
        CohortError: A file cannot be read, or a step cannot be done.
    """
    source = read_source(case, modality)
    shape = (source.planes.shape[1], source.planes.shape[2])
    done = cook(source, modality, settings)
    place = done.placement
    lesion = None
    numbers = dict(done.numbers)
    if case.masks:
        drawn = read_masks(case.masks, shape)
        kept = place.move_mask(drawn)
        lesion = kept
        numbers["lesion_cut_off"] = round(_cut_off(drawn, place.window, place.mirrored), 4)
    account: Json = {
        "modality": modality, "steps": list(done.steps), "numbers": numbers, "source": list(shape),
        "window": list(place.window), "shape": list(place.shape), "mirrored": place.mirrored,
    }  # fmt: skip
    levels = np.round(done.planes.astype(np.float64) * _FULL).astype(np.uint16)
    return Prepared(levels, lesion, tuple(place.move_box(b) for b in case.boxes), account)


def _cut_off(drawn: Mask, window: tuple[int, int, int, int], mirrored: bool) -> float:
    """Share of the lesion's pixels that the window leaves out."""
    total = int(drawn.sum())
    if total == 0:
        return 0.0
    seen = drawn[:, ::-1] if mirrored else drawn
    y0, x0, y1, x1 = window
    return 1.0 - int(seen[max(y0, 0) : y1, max(x0, 0) : x1].sum()) / total
