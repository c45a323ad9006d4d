"""Pictures cut into lossless tiles for the browser: 16 bits a value, any halving of the resolution, made on demand.

A tile is a zlib stream (RFC 1950) of the residuals of the median edge predictor (LOCO-I, Weinberger et al. 2000),
zigzag coded, high bytes before low bytes, one plane a channel: the browser inflates it with DecompressionStream.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Side of a tile, values. A picture up to WHOLE values a side is one tile.
TILE = 512
WHOLE = 768


@dataclass(frozen=True, eq=False)
class Raster:
    """What a tile is cut from.

    Attributes:
        values: (H, W) or (H, W, C) uint8, uint16 or float32 in [0, 1]; float is sent as 65535 steps.
    """

    values: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, values."""
        return self.values.shape[1], self.values.shape[0]

    @property
    def tile(self) -> int:
        """Side of this picture's tiles; the whole picture where it is small."""
        return TILE if max(self.size) > WHOLE else max(self.size)

    @property
    def levels(self) -> int:
        """How many halvings there are, counting none: the coarsest fits one tile."""
        count, side = 1, max(self.size)
        while side > self.tile:
            count, side = count + 1, -(-side // 2)
        return count

    def cut(self, level: int, column: int, row: int) -> NDArray[np.uint16]:
        """One tile, each value the mean of 2^level x 2^level.

        Args:
            level: Halvings, from 0.
            column: From the left, from 0.
            row: From the top, from 0.

        Returns:
            (h, w, C) uint16.

        Raises:
            IndexError: There is no such tile.
        """
        if not (0 <= level < self.levels and column >= 0 and row >= 0):
            raise IndexError("no such tile")
        step = 2**level
        reach = self.tile * step
        part = self.values[row * reach : (row + 1) * reach, column * reach : (column + 1) * reach]
        if part.size == 0:
            raise IndexError("no such tile")
        part = part.reshape(*part.shape[:2], -1)
        whole = part.dtype.kind == "u"
        if step > 1:
            part = _halve(part, step)
        scaled = part if whole else part * np.float32(65535)
        return scaled.astype(np.uint16) if scaled.dtype.kind == "u" else np.rint(scaled).astype(np.uint16)


def _halve(part: NDArray[np.generic], step: int) -> NDArray[np.float32]:
    """Means over step x step; the last row and column are repeated where the sides do not divide."""
    h, w, c = part.shape
    pad_h, pad_w = -h % step, -w % step
    if pad_h or pad_w:
        part = np.pad(part, ((0, pad_h), (0, pad_w), (0, 0)), mode="edge")
    # Whole sums first: exact, and several times faster than a mean over two axes of floats.
    kind = np.uint32 if part.dtype.kind == "u" else np.float32
    rows = np.add.reduce(part.reshape(-1, step, *part.shape[1:]), axis=1, dtype=kind)
    both = np.add.reduce(rows.reshape(rows.shape[0], -1, step, c), axis=2, dtype=kind)
    means: NDArray[np.float32] = (both / np.float32(step * step)).astype(np.float32)
    return means


def encode(tile: NDArray[np.uint16]) -> bytes:
    """A tile as bytes.

    Args:
        tile: (h, w, C) uint16.
    """
    planes = bytearray()
    for channel in range(tile.shape[2]):
        folded = _residuals(tile[:, :, channel])
        planes += (folded >> 8).astype(np.uint8).tobytes()
        planes += (folded & 255).astype(np.uint8).tobytes()
    # Residuals of noise hold no repeats worth searching for, and empty margins are runs.
    packer = zlib.compressobj(6, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    return packer.compress(bytes(planes)) + packer.flush()


def _residuals(plane: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """(h, w) uint16: value minus prediction, modulo 2^16, zigzag coded."""
    x = plane.astype(np.int32)
    left, above, corner = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    left[:, 1:], above[1:], corner[1:, 1:] = x[:, :-1], x[:-1], x[:-1, :-1]
    low, high = np.minimum(left, above), np.maximum(left, above)
    predicted = np.where(corner >= high, low, np.where(corner <= low, high, left + above - corner))
    signed = (x - predicted).astype(np.int16).astype(np.int32)
    folded: NDArray[np.uint16] = ((signed << 1) ^ (signed >> 31)).astype(np.uint16)
    return folded


def decode(data: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    """The inverse of `encode`, slow: what the browser does, for tests.

    Args:
        data: From `encode`.
        shape: (h, w, C).
    """
    h, w, channels = shape
    raw = np.frombuffer(zlib.decompress(data), np.uint8).reshape(channels, 2, h, w).astype(np.int32)
    out = np.zeros((h, w, channels), np.int32)
    for channel in range(channels):
        folded = (raw[channel, 0] << 8) | raw[channel, 1]
        signed = (folded >> 1) ^ -(folded & 1)
        x = np.zeros((h + 1, w + 1), np.int32)
        for r in range(h):
            for c in range(w):
                left, above, corner = x[r + 1, c], x[r, c + 1], x[r, c]
                low, high = min(left, above), max(left, above)
                guess = low if corner >= high else high if corner <= low else left + above - corner
                x[r + 1, c + 1] = (guess + signed[r, c]) & 0xFFFF
        out[:, :, channel] = x[1:, 1:]
    return out.astype(np.uint16)
