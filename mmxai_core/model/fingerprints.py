"""Whether an image is one that a bundle was trained on: hashes of its coarse picture, pooled over all images.

A copy with another file format, compression or container is recognised, and one of other brightness often; a crop, a
mirror image or another window is not. What is kept is one flat set of hashes a cohort: no row is a patient or an image.
Whoever holds an image can ask whether it was trained on, which is what the set is for; it is therefore kept of public
cohorts only (see `mmxai_core.training.enrich`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from mmxai_core.types import FloatMap

#: Of what follows and of how `fingerprint` reads a picture: hashes of another version say nothing.
VERSION = 1
#: The picture is averaged over a square of this many cells, each one of `LEVELS` shades up to its brightest.
CELLS, LEVELS = 32, 16
#: Groups of cells, how many cells each reads, and how many different shades it must see: of a black surround or of an
#: even area every picture has the same.
GROUPS, READ, SHADES = 32, 16, 5
#: An image is known where at least this many of its hashes are. Measured on the cohorts at hand, 2026-11-27: JPEG at
#: quality 75 leaves 6 or more; of another patient's image at most 1 is known, of even or round dark fields none.
ENOUGH = 5

_CHOSEN = np.random.default_rng(20261127).permuted(np.tile(np.arange(CELLS**2), (GROUPS, 1)), axis=1)[:, :READ]


def fingerprint(canvas: FloatMap, content: tuple[int, int, int, int]) -> NDArray[np.uint32]:
    """(K,) hashes of an image, K up to `GROUPS`: of the groups that see enough shades.

    Args:
        canvas: (S, S) letterboxed display grey in [0, 1].
        content: (y0, x0, rows, cols) of the image on the canvas; the padding is not read.
    """
    y, x, rows, cols = content
    coarse = resize(canvas[y : y + rows, x : x + cols], (CELLS, CELLS), order=1, anti_aliasing=True).ravel()
    shades = np.clip(coarse / max(float(coarse.max()), 1e-6) * LEVELS, 0, LEVELS - 1).astype(np.uint8)
    found = [
        hashlib.blake2b(shades[cells].tobytes(), digest_size=4, salt=group.to_bytes(2, "big")).digest()
        for group, cells in enumerate(_CHOSEN)
        if len(np.unique(shades[cells])) >= SHADES
    ]
    return np.frombuffer(b"".join(found), ">u4").astype(np.uint32)


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """The images a bundle was trained on.

    Attributes:
        hashes: By cohort, (H,) uint32 ascending: the hashes of all its images.
    """

    hashes: Mapping[str, NDArray[np.uint32]]

    @classmethod
    def of(cls, images: Mapping[str, Iterable[NDArray[np.uint32]]]) -> TrainingImages:
        """From the fingerprints of each cohort's images."""
        return cls({name: np.unique(np.concatenate(list(prints))) for name, prints in images.items()})

    def known(self, found: NDArray[np.uint32]) -> tuple[str, int] | None:
        """(cohort, hashes in common) where an image with this fingerprint was trained on; None where none like it was.

        Args:
            found: From `fingerprint`.
        """
        for name, hashes in self.hashes.items():
            common = int(np.isin(found, hashes).sum())
            if common >= ENOUGH:
                return name, common
        return None
