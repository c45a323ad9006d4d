"""The plane an MR phantom is computed on: finer than the picture, so that every pixel averages several tissues."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.phantom.fields import Field, smooth_noise, smoothstep
from mmxai_core.types import Mask

#: Side that `smooth_noise` spans, millimetres.
_LATTICE_MM = 60.0
#: Distance of the points of a line, millimetres.
STEP_MM = 0.3


@dataclass(frozen=True)
class Plane:
    """A square plane with its origin in the middle; x runs right, y down.

    Attributes:
        side: Rows and columns.
        spacing_mm: Side of a sample, millimetres.
    """

    side: int
    spacing_mm: float

    @cached_property
    def x(self) -> Field:
        """(side, side) millimetres, right positive."""
        return np.repeat(self._axis[None, :], self.side, axis=0)

    @cached_property
    def y(self) -> Field:
        """(side, side) millimetres, down positive."""
        return np.repeat(self._axis[:, None], self.side, axis=1)

    @property
    def _axis(self) -> NDArray[np.float64]:
        return np.asarray((np.arange(self.side) + 0.5 - self.side / 2) * self.spacing_mm, np.float64)

    def noise(
        self, rng: np.random.Generator, scale_mm: float | tuple[float, float], at: tuple[Field, Field] | None = None
    ) -> Field:
        """Standard normal noise with a correlation length.

        Args:
            rng: Source of it.
            scale_mm: Correlation length, millimetres; along y and along x where two.
            at: (y, x) positions to read it at, within the plane's span; the plane's own where None.

        Returns:
            (side, side) float64, mean 0, standard deviation 1.
        """
        y, x = at if at is not None else (self.y, self.x)
        along_y, along_x = scale_mm if isinstance(scale_mm, tuple) else (scale_mm, scale_mm)
        shrink = _LATTICE_MM / (self.side * self.spacing_mm)
        return smooth_noise(rng, y * shrink + _LATTICE_MM / 2, x * shrink, (along_y * shrink, along_x * shrink))

    def depth(self, inside: Mask) -> Field:
        """(side, side) distance to the region's edge, millimetres: positive inside, negative outside."""
        within = ndimage.distance_transform_edt(inside) - 0.5
        without = ndimage.distance_transform_edt(~inside) - 0.5
        return np.asarray(np.where(inside, within, -without) * self.spacing_mm)

    def share(self, depth: Field, soft_mm: float = 0.0) -> Field:
        """0 to 1 across an edge: 0.5 where the depth is 0; the edge is one sample wide, or as soft as stated."""
        half = max(self.spacing_mm, soft_mm) / 2
        return smoothstep(depth, -half, half)

    def tube(self, points: NDArray[np.float64], radius_mm: NDArray[np.float64] | float) -> Field:
        """Depth inside a tube along a line; only its sign and its values near the edge are exact.

        Args:
            points: (n, 2) x and y of the line's points, millimetres, closer together than the radius.
            radius_mm: Radius at each point, or one for all, millimetres.

        Returns:
            (side, side) millimetres, positive inside.
        """
        radii = np.broadcast_to(radius_mm, len(points))
        out = np.full((self.side, self.side), -np.inf)
        reach = float(radii.max()) + 6.0
        for (px, py), radius in zip(points, radii, strict=True):
            # Far from a point the tube is decided by others, or is not there.
            rows = self._window(py, reach)
            cols = self._window(px, reach)
            here = out[rows, cols]
            np.maximum(here, radius - np.hypot(self.x[rows, cols] - px, self.y[rows, cols] - py), out=here)
        return np.asarray(np.maximum(out, -1e3))

    def _window(self, centre_mm: float, reach_mm: float) -> slice:
        at = centre_mm / self.spacing_mm + self.side / 2
        reach = reach_mm / self.spacing_mm
        low, high = int(np.floor(at - reach)), int(np.ceil(at + reach))
        return slice(min(max(low, 0), self.side), min(max(high, 0), self.side))

    def blob(
        self,
        rng: np.random.Generator,
        centre_mm: tuple[float, float],
        radii_mm: tuple[float, float],
        *,
        angle: float = 0.0,
        rough: float = 0.1,
        scale_mm: float = 8.0,
    ) -> Field:
        """Depth inside a lump: an ellipse whose edge is displaced by noise.

        Args:
            rng: Source of the edge.
            centre_mm: x and y, millimetres.
            radii_mm: Half axes, millimetres.
            angle: Of the first half axis to the x axis, radians.
            rough: Standard deviation of the edge, as a share of the mean half axis.
            scale_mm: Correlation length of the edge, millimetres.

        Returns:
            (side, side) millimetres, positive inside; exact near the edge of a round lump.
        """
        dx, dy = self.x - centre_mm[0], self.y - centre_mm[1]
        u = dx * np.cos(angle) + dy * np.sin(angle)
        v = -dx * np.sin(angle) + dy * np.cos(angle)
        mean = float(np.mean(radii_mm))
        edge = rough * self.noise(rng, scale_mm) if rough else 0.0
        return np.asarray((1.0 - np.hypot(u / radii_mm[0], v / radii_mm[1]) + edge) * mean)


def walk(
    rng: np.random.Generator,
    start_mm: tuple[float, float],
    heading: float,
    length_mm: float,
    *,
    turn: float = 0.06,
    pull: float = 0.02,
) -> NDArray[np.float64]:
    """A meandering line.

    Args:
        rng: Source of the turns.
        start_mm: x and y of its first point, millimetres.
        heading: First direction, radians from the x axis towards y.
        length_mm: Length, millimetres.
        turn: Standard deviation of the change of curvature a step, radians.
        pull: Share of the departure from the first direction that each step takes back.

    Returns:
        (n, 2) x and y, millimetres.
    """
    angle, curve, at = heading, 0.0, np.array(start_mm, np.float64)
    points = [at]
    for _ in range(max(1, round(length_mm / STEP_MM))):
        curve = 0.9 * curve + turn * float(rng.standard_normal())
        angle += curve + pull * (heading - angle)
        at = at + STEP_MM * np.array([np.cos(angle), np.sin(angle)])
        points.append(at)
    return np.array(points)


def through(knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth line near some knots.

    Args:
        knots: (n, 2 or more) x, y and what goes with them, millimetres.

    Returns:
        (m, 2 or more) the same columns at points about `STEP_MM` apart.
    """
    steps = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(knots[:, :2], axis=0).T))])
    fine = np.linspace(0.0, steps[-1], int(steps[-1] / STEP_MM) + 2)
    plain = np.stack([np.interp(fine, steps, column) for column in knots.T], axis=1)
    return np.asarray(ndimage.gaussian_filter1d(plain, 5.0, axis=0, mode="nearest"))
