"""An axial slice through a head: scalp, skull, cortex folded into sulci, white matter, deep nuclei, ventricles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mmxai_core.phantom.brain_folds import CALLOSUM_MM, Level, sulci
from mmxai_core.phantom.fields import Field, smoothstep
from mmxai_core.phantom.plane import STEP_MM, Plane, through
from mmxai_core.phantom.shares import Shares

#: Cortex is 2 to 4 mm thick; 2.5 mm on the mean (Fischl and Dale, PNAS 97:11050, 2000); oblique cuts show more.
_CORTEX_MM = 3.1
#: Half width and half length of the head at either level, millimetres.
_HEAD_MM: dict[Level, tuple[float, float]] = {"basal_ganglia": (75.0, 95.0), "ventricle_bodies": (71.0, 91.0)}
#: Fluid spaces of the right-hand half of the picture: (x, y, radius) along a line, millimetres.
_VENTRICLES: dict[Level, tuple[tuple[tuple[float, float, float], ...], ...]] = {
    "basal_ganglia": (
        ((2.6, -15.0, 1.1), (3.6, -20.0, 1.9), (6.4, -26.5, 2.9), (10.5, -32.0, 2.2), (12.5, -34.0, 0.9)),
        ((19.0, 23.0, 1.6), (24.0, 29.0, 3.6), (27.0, 36.0, 3.8), (25.5, 44.0, 2.0), (23.0, 50.0, 0.8)),
    ),
    "ventricle_bodies": (
        ((7.5, -33.0, 0.8), (5.2, -26.0, 2.9), (5.6, -12.0, 4.2), (8.6, 2.0, 4.3), (14.0, 14.0, 3.6),
         (20.0, 23.0, 1.4)),
    ),
}  # fmt: skip
#: Deep grey matter of the right-hand half: centre x, y, half axes, angle.
_NUCLEI: dict[Level, tuple[tuple[str, float, float, float, float, float], ...]] = {
    "basal_ganglia": (
        ("deep_grey", 13.0, -23.5, 4.6, 8.5, -0.35),  # head of the caudate
        ("deep_grey", 27.5, -9.0, 4.8, 14.5, -0.22),  # putamen
        ("pallidum", 20.5, -6.0, 3.6, 8.0, -0.3),
        ("deep_grey", 10.0, 6.5, 7.2, 11.5, -0.25),  # thalamus
    ),
    "ventricle_bodies": (("deep_grey", 14.2, -4.0, 2.3, 13.0, -0.25),),  # body of the caudate
}


@dataclass(frozen=True, eq=False)
class Head:
    """A healthy head, before a lesion is put in.

    Attributes:
        shares: The tissues.
        brain: (side, side) depth below the brain's surface, millimetres, negative outside.
        depth: (side, side) depth below the skin, millimetres, negative outside.
    """

    shares: Shares
    brain: Field
    depth: Field


def build_head(plane: Plane, level: Level, rng: np.random.Generator, *, wide_sulci: float = 1.0) -> Head:
    """Draw a head.

    Args:
        plane: Where to draw it.
        level: Which slice.
        rng: Source of everybody's own anatomy.
        wide_sulci: Width of sulci and ventricles; above 1 as in older brains.

    Returns:
        The head.
    """
    depth = _outline(plane, level, rng)
    shares = Shares(plane, "air")
    brain = _shell(plane, level, shares, depth, rng)
    middle = 1.1 * plane.noise(rng, (60.0, 400.0)) * np.clip(1.0 - np.abs(plane.y) / 90.0, 0.2, 1.0)

    fissure, falx = _midline(plane, level, brain, middle)
    folds = np.maximum(fissure, sulci(plane, level, brain, rng, wide_sulci))
    cortex_mm = _CORTEX_MM + 0.35 * plane.noise(rng, 7.0)
    fold_free = ndimage.distance_transform_edt((brain > 0) & (folds < 0)) * plane.spacing_mm

    inside = plane.share(brain)
    shares.paint("white", inside)
    shares.paint("grey", inside * plane.share(cortex_mm - fold_free, 1.2))
    _deep_parts(plane, level, shares, rng, wide_sulci)
    # A slice is some millimetres thick and a sulcus seldom stands upright in it: its fluid is mixed with its walls.
    upright = np.clip(0.68 + 0.2 * plane.noise(rng, 9.0), 0.25, 1.0)
    shares.paint("csf", inside * plane.share(folds) * np.where(fissure > -1.0, 0.95, upright))
    shares.paint("dura", plane.share(falx) * plane.share(depth - 9.0))
    _vessels(plane, level, shares, brain, folds, rng)
    return Head(shares, brain, depth)


def _outline(plane: Plane, level: Level, rng: np.random.Generator) -> Field:
    """Depth below the skin. The head is widest behind its middle and narrower at the forehead."""
    across, along = _HEAD_MM[level]
    width = across * (1.0 + 0.035 * np.tanh((plane.y - 5.0) / 35.0))
    power = 2.2
    inside = np.abs(plane.x / width) ** power + np.abs(plane.y / along) ** power
    return plane.depth(inside < 1.0 + 0.012 * plane.noise(rng, 45.0))


def _shell(plane: Plane, level: Level, shares: Shares, depth: Field, rng: np.random.Generator) -> Field:
    """Skin, fat, temporal muscle, skull and the fluid below it; the brain's depth comes back."""
    angle = np.degrees(np.arctan2(np.abs(plane.x), -plane.y))  # 0 at the forehead, 180 at the back
    fat = 3.0 + 1.0 * plane.noise(rng, 35.0) + 1.4 * (angle / 180.0) ** 2
    strong = 6.5 if level == "basal_ganglia" else 1.5
    muscle = strong * np.exp(-(((angle - 68.0) / 24.0) ** 2)) + 0.25
    marrow = np.clip(2.4 + 0.9 * plane.noise(rng, 30.0) - 1.2 * np.exp(-(((angle - 80.0) / 30.0) ** 2)), 0.3, None)
    water = np.clip(1.5 + 0.5 * plane.noise(rng, 18.0) + 0.9 * np.exp(-((angle / 40.0) ** 2)), 0.7, None)
    at = np.zeros_like(depth)
    for tissue, thickness in (
        ("skin", 1.7), ("fat", np.clip(fat, 1.6, None)), ("muscle", muscle), ("bone", 1.5), ("marrow", marrow),
        ("bone", 1.6), ("dura", 0.5), ("csf", water),
    ):  # fmt: skip
        shares.paint(tissue, plane.share(depth - at))
        at = at + thickness
    # Hair-thin septa make the fat uneven.
    shares.paint("skin", 0.35 * shares.of("fat") * plane.share(plane.noise(rng, 2.2) - 1.1, 0.6))
    return np.asarray(depth - at)


def _midline(plane: Plane, level: Level, brain: Field, middle: Field) -> tuple[Field, Field]:
    """The fissure between the hemispheres (depth, millimetres), and the falx inside it."""
    front, back = CALLOSUM_MM[level]
    open_at = (plane.y < front) | (plane.y > back)
    reach = np.maximum(front - plane.y, plane.y - back)
    flare = 0.7 + 1.3 * np.exp(-(((brain - 1.0) / 3.0) ** 2)) + 0.7 * np.exp(-((reach / 4.0) ** 2))
    off = np.abs(plane.x - middle)
    return np.where(open_at, flare - off, -99.0), np.where(open_at & (reach > 5.0), 0.45 - off, -99.0)


def _deep_parts(plane: Plane, level: Level, shares: Shares, rng: np.random.Generator, wide: float) -> None:
    """Nuclei and ventricles of both halves, nearly mirrored."""
    for side in (-1.0, 1.0):
        for tissue, x, y, rx, ry, angle in _NUCLEI[level]:
            sway = rng.normal(0.0, 0.5, 2)
            centre = (side * x + float(sway[0]), y + float(sway[1]))
            shape = plane.blob(rng, centre, (rx, ry), angle=side * angle, rough=0.06)
            shares.paint(tissue, 0.9 * plane.share(shape, 1.6))
        for line in _VENTRICLES[level]:
            knots = through(np.array(line))
            knots[:, 2] *= wide * float(rng.normal(1.0, 0.06))
            knots[:, 2] *= 1.0 + 0.1 * np.sin(np.arange(len(knots)) * STEP_MM / 2.6 + float(rng.uniform(0, 6)))
            knots[:, 0] *= side
            horn = plane.tube(knots[:, :2], knots[:, 2])
            shares.paint("cap", 0.4 * smoothstep(horn, -3.5, 0.0))
            shares.paint("csf", plane.share(horn))
    if level == "basal_ganglia":
        third = through(np.array([[0.3, -9.0], [0.0, 0.0], [-0.2, 8.0]]))
        shares.paint("csf", plane.share(plane.tube(third, 1.3 * wide)))
        shares.paint("csf", plane.share(plane.blob(rng, (0.0, 21.0), (5.5, 3.0), rough=0.12, scale_mm=4.0)))
        for side in (-1.0, 1.0):
            shares.paint(
                "choroid", plane.share(plane.blob(rng, (side * 25.6, 34.0), (1.9, 3.2), rough=0.2, scale_mm=2.0))
            )


def _vessels(plane: Plane, level: Level, shares: Shares, brain: Field, folds: Field, rng: np.random.Generator) -> None:
    """The sagittal sinus, front and back, small veins in some sulci, and the deep veins."""
    near = np.abs(plane.x) < 9.0
    for back in (True, False):
        here = near & (brain > -1.5) & (brain < 0.0) & ((plane.y > 0) == back)
        y = float(plane.y[here].mean())
        # In cross-section a triangle: its base on the skull, its tip in the falx.
        size, outward = (4.6, plane.y - y) if back else (2.4, y - plane.y)
        wedge = np.minimum(0.55 * (outward + size) - np.abs(plane.x), 1.0 - outward)
        shares.paint("sinus", plane.share(wedge))
    rows, cols = np.nonzero((folds > 0.15) & (brain > 1.0))
    for at in rng.choice(len(rows), 34, replace=False):
        centre = (float(plane.x[rows[at], cols[at]]), float(plane.y[rows[at], cols[at]]))
        shares.paint("vein", 0.8 * plane.share(plane.blob(rng, centre, (0.7, 0.7), rough=0.0)))
    if level == "basal_ganglia":
        for x in (-1.6, 1.6):
            shares.paint("vein", plane.share(plane.blob(rng, (x, 19.5), (0.9, 1.3), rough=0.0)))
