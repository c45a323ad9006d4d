"""The grid a phantom is computed on, and smooth random fields over it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: (nz, nx) float64 over the field of view; unit stated where it is made.
Field: TypeAlias = NDArray[np.float64]

#: Rows of every field of view: the depth scale, not the row count, changes with the depth setting.
FIELD_ROWS = 424
#: Width of a common linear breast probe's footprint, millimetres.
PROBE_WIDTH_MM = 38.0
#: Columns the frame has room for.
MAX_COLUMNS = 512


@dataclass(frozen=True)
class Grid:
    """The field of view of a linear probe, on square pixels.

    Attributes:
        depth_mm: Depth of the field of view, millimetres.
    """

    depth_mm: float

    @property
    def spacing_mm(self) -> float:
        """Side of a pixel, millimetres."""
        return self.depth_mm / FIELD_ROWS

    @property
    def shape(self) -> tuple[int, int]:
        """(rows along the beam, columns along the probe)."""
        return FIELD_ROWS, min(MAX_COLUMNS, round(PROBE_WIDTH_MM / self.spacing_mm))

    @cached_property
    def z(self) -> Field:
        """(nz, nx) depth of each pixel's centre, millimetres, 0 at the probe."""
        rows = (np.arange(self.shape[0]) + 0.5) * self.spacing_mm
        return np.repeat(rows[:, None], self.shape[1], axis=1)

    @cached_property
    def x(self) -> Field:
        """(nz, nx) lateral position of each pixel's centre, millimetres, 0 at the probe's mid-line."""
        cols = (np.arange(self.shape[1]) + 0.5 - self.shape[1] / 2) * self.spacing_mm
        return np.repeat(cols[None, :], self.shape[0], axis=0)


def smooth_noise(rng: np.random.Generator, z_mm: Field, x_mm: Field, scale_mm: tuple[float, float]) -> Field:
    """Standard normal noise with a correlation length, read at given positions.

    White noise on a coarse lattice, one node every ``scale_mm``, interpolated by cubic splines.

    Args:
        rng: Source of the lattice's values.
        z_mm: (nz, nx) depths to read at, millimetres; positions outside the lattice reflect.
        x_mm: (nz, nx) lateral positions to read at, millimetres.
        scale_mm: Correlation length along depth and along the probe, millimetres.

    Returns:
        (nz, nx) float64, mean 0, standard deviation 1.
    """
    nodes = tuple(int(np.ceil(span / s)) + 8 for span, s in zip((60.0, 60.0), scale_mm, strict=True))
    lattice = rng.standard_normal(nodes)
    at = np.stack([z_mm / scale_mm[0] + 4.0, (x_mm + 30.0) / scale_mm[1] + 4.0])
    out: Field = ndimage.map_coordinates(lattice, at, order=3, mode="reflect")
    out -= out.mean()
    spread = out.std()
    return np.asarray(out / spread if spread > 0 else out)


def smooth_line(rng: np.random.Generator, x_mm: NDArray[np.float64], scale_mm: float) -> NDArray[np.float64]:
    """(nx,) standard normal noise along the probe with a correlation length in millimetres."""
    return np.asarray(smooth_noise(rng, np.zeros_like(x_mm)[None], x_mm[None], (scale_mm, scale_mm))[0])


def smoothstep(value: Field, low: float, high: float) -> Field:
    """0 below low, 1 above high, a cubic between."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))
