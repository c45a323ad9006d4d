"""One additive account of image and fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.results.attribution import Attribution


@dataclass(frozen=True, eq=False)
class JointAccount:
    """Shapley accounts whose players are the known fields and the regions of the image, under both semantics.

    Attributes:
        partition: How the image was split: "lesion" (lesion, perilesional ring, rest, by the model's own lesion map),
            "grid" (3 x 3 over the content) or "none" (no image).
        regions: Player ids of the regions, in order; empty without an image.
        labels: (h, w) int8 on the canvas grid: index of the region, -1 outside all; None without an image.
        labels_source: (H, W) int8, the same on the source image's pixels; None without an image.
        removal: Account in log-odds where what is removed becomes unknown or absent, as learned in training.
        removal_probability: The same in probability.
        background: Account in log-odds where a removed field takes the values of the bundle's background rows
            (interventional); its interval is a bootstrap over the rows. None where the bundle has no background row or
            no field is known.
        background_probability: The same in probability.
        background_rows: How many rows that rests on.
        seed: Of sampled orders and of the bootstrap.
    """

    partition: str
    regions: tuple[str, ...]
    labels: NDArray[np.int8] | None
    labels_source: NDArray[np.int8] | None
    removal: Attribution
    removal_probability: Attribution
    background: Attribution | None
    background_probability: Attribution | None
    background_rows: int
    seed: int

    def synergy(self) -> dict[str, float]:
        """Sum of each field's interactions with the regions of the image, log-odds, by token removal.

        Above 0: field and image together say more for the class than each alone; below 0: they repeat or contradict
        one another.
        """
        players = self.removal.players
        inside = [i for i, p in enumerate(players) if p in self.regions]
        return {
            p: float(self.removal.interactions[i, inside].sum())
            for i, p in enumerate(players)
            if p not in self.regions
        }  # fmt: skip


#: What the figures call the regions of the image.
REGION_LABELS = {
    "image": "Image",
    "image_lesion": "Image: lesion region",
    "image_ring": "Image: ring around it",
    "image_rest": "Image: rest",
    **{
        f"image_{row}_{column}": f"Image: {row} {column}"
        for row in ("upper", "middle", "lower")
        for column in ("left", "centre", "right")
    },
}
