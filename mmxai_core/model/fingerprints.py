"""Whether an image is one that a bundle was trained on: one-way hashes of its coarse picture, pooled over all images.

A copy with another file format, compression or container is recognised; a crop, a mirror image or another window is
not. What is kept is one flat set of hashes a cohort: it cannot be turned back into a picture, and no row is a patient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from mmxai_core.types import FloatMap

#: The picture is averaged over a square of this many cells, each with one of `LEVELS` shades of grey.
CELLS, LEVELS = 32, 16
#: Hashes an image, and cells that each reads: 64 bits of the picture, too many to be guessed.
BANDS, READ = 24, 16
#: An image is known where at least this many of its hashes are. Measured on the cohorts at hand: JPEG at quality 75
#: leaves 13 of 24 or more; of another patient's image at most 7 are known (brain slices on black), of ultrasound 1.
ENOUGH = 10

_CHOSEN = np.random.default_rng(20261127).permuted(np.tile(np.arange(CELLS**2), (BANDS, 1)), axis=1)[:, :READ]


def fingerprint(canvas: FloatMap, content: tuple[int, int, int, int]) -> NDArray[np.uint32]:
    """(BANDS,) hashes of an image.

    Args:
        canvas: (S, S) letterboxed display grey in [0, 1].
        content: (y0, x0, rows, cols) of the image on the canvas; the padding is not read.
    """
    y, x, rows, cols = content
    coarse = resize(canvas[y : y + rows, x : x + cols], (CELLS, CELLS), order=1, anti_aliasing=True)
    shades = np.clip(coarse * LEVELS, 0, LEVELS - 1).astype(np.uint8).ravel()
    found = [
        hashlib.blake2b(shades[cells].tobytes(), digest_size=4, salt=band.to_bytes(2, "big")).digest()
        for band, cells in enumerate(_CHOSEN)
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

    def cohort_of(self, found: NDArray[np.uint32]) -> str | None:
        """The cohort that an image with this fingerprint is of; None: no training image is like it."""
        for name, hashes in self.hashes.items():
            if int(np.isin(found, hashes).sum()) >= ENOUGH:
                return name
        return None
