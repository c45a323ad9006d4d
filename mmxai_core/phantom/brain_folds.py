"""The folds of the brain's surface in an axial slice: sulci, the lateral fissures, and where the falx ends."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.phantom.fields import Field
from mmxai_core.phantom.plane import STEP_MM, Plane, through, walk

Level = Literal["basal_ganglia", "ventricle_bodies"]

#: Where the falx ends before and behind the corpus callosum, millimetres.
CALLOSUM_MM: dict[Level, tuple[float, float]] = {"basal_ganglia": (-43.0, 31.0), "ventricle_bodies": (-40.0, 34.0)}


def sulci(plane: Plane, level: Level, brain: Field, rng: np.random.Generator, wide: float) -> Field:
    """Draw the sulci: lines that wander in from the surface and keep a gyrus apart.

    Args:
        plane: Where they lie.
        level: Which slice.
        brain: (side, side) depth below the brain's surface, millimetres.
        rng: Source of the lines.
        wide: Their width, 1 as in young adults.

    Returns:
        (side, side) depth inside them, millimetres; negative outside.
    """
    folds = _Folds(plane, rng, wide)
    if level == "basal_ganglia":
        for side in (-1.0, 1.0):
            _sylvian(folds, rng, side)
    edge = _surface(plane, brain)
    gone, wanted = 0.0, 0.0
    for before, point in pairwise(edge):
        gone += float(np.hypot(*(point - before)))
        if gone < wanted or abs(point[0]) < 6.0:
            continue
        gone, wanted = 0.0, float(rng.uniform(5.0, 10.5))
        inward = float(np.arctan2(-0.4 * point[1], -0.65 * point[0])) + float(rng.normal(0, 0.3))
        length = rng.uniform(5.0, 11.0) if rng.random() < 0.25 else rng.uniform(15.0, 30.0)
        folds.grow(point, inward, float(length), 1.0)
    front, back = CALLOSUM_MM[level]
    for side in (-1.0, 1.0):
        for low, high in ((-76.0, front - 4.0), (back + 4.0, 78.0)):
            y = low + float(rng.uniform(0, 6))
            while y < high:
                heading = (0.0 if side > 0 else np.pi) + float(rng.normal(0, 0.4))
                folds.grow(np.array([side * 0.8, y]), heading, float(rng.uniform(6.0, 17.0)), 0.8)
                y += float(rng.uniform(7.0, 12.0))
    # Where the slice cuts the floor of a sulcus, it shows as a line along the surface, open to neither side.
    for at in rng.choice(len(edge), 9, replace=False):
        start = edge[at] * float(rng.uniform(0.66, 0.82))
        along = float(np.arctan2(edge[at][1], edge[at][0])) + np.pi / 2 + float(rng.normal(0, 0.5))
        folds.grow(start, along, float(rng.uniform(5.0, 11.0)), 0.3, clear=5.5)
    return np.where(brain < (28.0 if level == "ventricle_bodies" else 33.0), folds.depth, -99.0)


class _Folds:
    """Sulci drawn so far."""

    def __init__(self, plane: Plane, rng: np.random.Generator, wide: float) -> None:
        self._plane, self._rng, self.wide = plane, rng, wide
        self._points = np.zeros((0, 2))
        self.depth: Field = np.full((plane.side, plane.side), -99.0)

    def grow(
        self, start: NDArray[np.float64], heading: float, length: float, mouth: float, *, clear: float = 4.3
    ) -> None:
        """Let a sulcus wander in until it meets another, at times with a branch."""
        others = self._points
        line = walk(self._rng, (float(start[0]), float(start[1])), heading, length, turn=0.033, pull=0.03)
        line = self._until_met(line, others, clear)
        if len(line) * STEP_MM < 3.0:
            return
        # Its walls nearly close it below the mouth.
        slit = (0.34 + 0.3 * self._rng.random()) * self.wide
        self.draw(line, slit * (1.0 + 0.9 * mouth * np.exp(-np.arange(len(line)) * STEP_MM / 2.2)))
        if len(line) * STEP_MM > 9.0 and self._rng.random() < 0.5:
            at = line[int(len(line) * self._rng.uniform(0.55, 0.95))]
            turned = heading + float(self._rng.choice([-1.0, 1.0]) * self._rng.uniform(0.8, 1.4))
            long = float(self._rng.uniform(5.0, 11.0))
            branch = walk(self._rng, (float(at[0]), float(at[1])), turned, long, turn=0.035)
            branch = self._until_met(branch, others, clear)
            if len(branch) * STEP_MM > 3.0:
                self.draw(branch, 0.9 * slit)

    def draw(self, line: NDArray[np.float64], radius: NDArray[np.float64] | float) -> None:
        """Put a line in as it is."""
        self.depth = np.maximum(self.depth, self._plane.tube(line, radius))
        self._points = np.concatenate([self._points, line[::3]])

    @staticmethod
    def _until_met(line: NDArray[np.float64], others: NDArray[np.float64], clear: float) -> NDArray[np.float64]:
        if not len(others):
            return line
        apart = np.sqrt(((line[:, None] - others[None]) ** 2).sum(-1)).min(1)
        met = np.flatnonzero(apart < clear)
        return line[: met[0]] if len(met) else line


def _surface(plane: Plane, brain: Field) -> list[NDArray[np.float64]]:
    """Points of the brain's surface, once around."""
    reach = np.arange(20.0, 110.0, 0.3)
    points = []
    for turn in np.linspace(-np.pi, np.pi, 720):
        x, y = reach * np.sin(turn), -reach * np.cos(turn)
        at = np.stack([y, x]) / plane.spacing_mm + plane.side / 2 - 0.5
        deep = ndimage.map_coordinates(brain, at, order=1, mode="nearest")
        last = int(np.flatnonzero(deep > 0)[-1])
        points.append(np.array([x[last], y[last]]))
    return points


def _sylvian(folds: _Folds, rng: np.random.Generator, side: float) -> None:
    """The lateral fissure: in from the side, then along the insula to the front and to the back."""
    y = float(rng.normal(-2.0, 2.0))
    stem = through(np.array([[70.0, y + 4.0], [56.0, y + 1.0], [46.0, y - 1.0], [39.5, y - 3.0]]))
    front = through(np.array([[39.5, y - 3.0], [38.0, y - 11.0], [37.0, y - 18.0], [40.0, y - 24.0]]))
    back = through(np.array([[39.5, y - 3.0], [39.5, y + 6.0], [37.5, y + 14.0], [40.5, y + 20.0]]))
    for line, radius in ((stem, 1.0), (front, 0.75), (back, 0.7)):
        swing = np.sin(np.linspace(0, float(rng.uniform(5, 9)), len(line)) + float(rng.uniform(0, 6)))
        bent = line + 0.7 * np.stack([swing, 0.6 * swing], axis=1)
        folds.draw(bent * np.array([side, 1.0]), radius * folds.wide * (1.0 + 0.25 * swing))
