"""An axial crop of a breast with the nipple up: skin, fat, fibroglandular tissue, chest wall, vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmxai_core.errors import ClinicalValueError
from mmxai_core.phantom.fields import Field, smoothstep
from mmxai_core.phantom.plane import Plane, walk
from mmxai_core.phantom.shares import Shares


@dataclass(frozen=True, kw_only=True)
class BreastShape:
    """Where the breast lies in the crop, whose middle is the lesion.

    Attributes:
        nipple_mm: x and y of the nipple; y -60 to -8.
        width_mm: Half width of the breast, 20 to 60.
        chest_mm: y of the chest muscle's front below the nipple, 10 to 60.
        chest_slope: How much it falls to the right, millimetres a millimetre, -0.5 to 0.5.
        gland: Share of the parenchymal cone that is fibroglandular, 0 to 1.
    """

    nipple_mm: tuple[float, float]
    width_mm: float
    chest_mm: float
    chest_slope: float
    gland: float

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("nipple's y", self.nipple_mm[1], -60.0, -8.0),
            ("width_mm", self.width_mm, 20.0, 60.0),
            ("chest_mm", self.chest_mm, 10.0, 60.0),
            ("chest_slope", self.chest_slope, -0.5, 0.5),
            ("gland", self.gland, 0.0, 1.0),
        ):
            if not low <= value <= high:
                raise ClinicalValueError(f"A breast phantom's {name} must lie in {low:g} to {high:g}; got {value:g}.")


@dataclass(frozen=True, eq=False)
class Breast:
    """A healthy breast, before a lesion is put in.

    Attributes:
        shares: The tissues.
        depth: (side, side) depth below the skin, millimetres, negative outside.
        chest: (side, side) depth below the front of the chest muscle, millimetres, negative before it.
    """

    shares: Shares
    depth: Field
    chest: Field


def build_breast(plane: Plane, shape: BreastShape, rng: np.random.Generator) -> Breast:
    """Draw a breast.

    Args:
        plane: Where to draw it.
        shape: Where it lies.
        rng: Source of everybody's own anatomy.

    Returns:
        The breast.
    """
    nx, ny = shape.nipple_mm
    back = plane.y - ny + 0.9 * plane.noise(rng, 24.0)
    # Hanging into the coil, it is round in front and its flanks run back, ever steeper.
    behind = np.clip(back, 0.0, None)
    half = shape.width_mm * (1.0 - np.exp(-behind / 22.0)) ** 0.52 + 0.12 * behind
    depth = plane.depth((back > 0) & (np.abs(plane.x - nx) < half))
    # The muscle's front follows the rib cage: highest below the nipple.
    bow = 0.0035 * (plane.x - nx) ** 2
    chest = plane.y - shape.chest_mm - shape.chest_slope * (plane.x - nx) - bow + 0.6 * plane.noise(rng, 14.0)

    shares = Shares(plane, "air")
    shares.paint("skin", plane.share(depth))
    shares.paint("fat", plane.share(depth - 1.7 - 0.25 * plane.noise(rng, 12.0), 0.5))
    areola = smoothstep(14.0 - np.hypot(plane.x - nx, plane.y - ny), 0.0, 6.0)
    shares.paint("skin", 0.8 * areola * plane.share(depth) * plane.share(3.0 - depth, 1.2))
    nub = plane.blob(rng, (nx, ny + 0.8), (4.4, 3.3), rough=0.1, scale_mm=2.5)
    shares.paint("nipple", 0.85 * plane.share(nub, 1.4))
    _parenchyma(plane, shape, shares, depth, chest, rng)
    _chest_wall(plane, shares, depth, chest, rng)
    _vessels(plane, shares, depth, chest, rng)
    return Breast(shares, depth, chest)


def _parenchyma(
    plane: Plane, shape: BreastShape, shares: Shares, depth: Field, chest: Field, rng: np.random.Generator
) -> None:
    """Ducts and lobules run to the nipple, so the tissue is drawn out along the lines that meet there."""
    nx, ny = shape.nipple_mm
    dx = plane.x - nx + 1.6 * plane.noise(rng, 11.0)
    dy = plane.y - ny + 8.0 + 1.6 * plane.noise(rng, 11.0)
    along, across = np.hypot(dx, dy), 30.0 * np.arctan2(dx, dy)
    lobes = plane.noise(rng, (21.0, 8.0), (along - 60.0, across))
    strands = plane.noise(rng, (12.0, 2.4), (along - 60.0, across))
    threads = plane.noise(rng, (7.0, 1.0), (along - 60.0, across))
    fine = plane.noise(rng, 1.5)
    # The cone ends short of the skin and of the chest muscle, where fat lies.
    room = np.minimum(smoothstep(depth, 3.0, 16.0), smoothstep(-chest, 2.0, 15.0))
    room = room * smoothstep(38.0 - np.abs(across), -8.0, 12.0)
    level = 0.8 * lobes + 0.85 * strands + 0.25 * fine + 3.2 * (room - 1.0) + 2.6 * (shape.gland - 0.55)
    gland = smoothstep(level, -0.35, 0.6) * np.clip(0.72 + 0.2 * threads + 0.1 * fine, 0.15, 1.0)
    shares.paint("gland", gland * (chest < 0) * plane.share(depth - 2.0))
    # Cooper's ligaments: sheets from the parenchyma to the skin, cut as thin lines.
    for scale, weight in (((22.0, 5.0), 0.8), ((12.0, 3.8), 0.6), ((7.0, 3.4), 0.35)):
        sheet = plane.noise(rng, scale, (along - 60.0, across))
        slope = np.hypot(*np.gradient(sheet, plane.spacing_mm)) + 1e-3
        thread = plane.share(0.48 - np.abs(sheet) / slope, 0.5)
        patchy = np.clip(0.5 + 0.6 * plane.noise(rng, 8.0), 0.0, 1.0)
        reach = smoothstep(level, -4.6, -0.8) * plane.share(depth - 2.0) * (chest < -1.0)
        shares.paint("ligament", weight * thread * patchy * reach)


def _chest_wall(plane: Plane, shares: Shares, depth: Field, chest: Field, rng: np.random.Generator) -> None:
    """The chest muscle with fat between its bundles; behind it ribs in their muscles, then lung."""
    inside = plane.share(depth - 2.0)
    thick = 9.0 + 1.3 * plane.noise(rng, 25.0)
    bundles = plane.noise(rng, (1.3, 15.0), (np.clip(chest, -5.0, 40.0) - 18.0, plane.x))
    shares.paint("muscle", inside * plane.share(chest, 0.8))
    shares.paint("fat", 0.5 * inside * plane.share(chest - 1.0) * smoothstep(bundles, 0.9, 1.9))
    gap = chest - thick
    shares.paint("fat", 0.85 * inside * plane.share(np.minimum(gap, 2.2 - gap), 0.8))
    wall = gap - 2.2
    rib = plane.noise(rng, (60.0, 13.0))
    shares.paint(
        "rib", inside * plane.share(wall - 2.0, 1.0) * plane.share(9.0 - wall, 1.0) * smoothstep(rib, 0.1, 0.5)
    )
    shares.paint("lung", inside * plane.share(wall - 10.5, 1.2))


def _vessels(plane: Plane, shares: Shares, depth: Field, chest: Field, rng: np.random.Generator) -> None:
    """Veins below the skin and through the fat, some only as dots where they cross the slice."""
    free = (depth > 3.5) & (depth < 16.0) & (chest < -6.0)
    rows, cols = np.nonzero(free)
    inside = plane.share(depth - 1.8) * (chest < -1.0)
    for length, radius in ((34.0, 0.6), (24.0, 0.5), (15.0, 0.45), (9.0, 0.4)):
        at = int(rng.integers(len(rows)))
        start = (float(plane.x[rows[at], cols[at]]), float(plane.y[rows[at], cols[at]]))
        line = walk(rng, start, float(rng.uniform(0.6, 2.5)), length, turn=0.04, pull=0.03)
        # It leaves the slice and comes back, so parts of it are faint.
        there = 0.5 + 0.5 * np.sin(np.linspace(0.0, length / 4.5, len(line)) + float(rng.uniform(0, 6)))
        shares.paint("vessel", 0.9 * inside * plane.share(plane.tube(line, radius * (0.35 + 0.75 * there)), 0.4))
    for at in rng.choice(len(rows), 6, replace=False):
        dot = (float(plane.x[rows[at], cols[at]]), float(plane.y[rows[at], cols[at]]))
        shares.paint(
            "vessel", 0.85 * inside * plane.share(plane.blob(rng, dot, tuple(rng.uniform(0.4, 1.0, 2)), rough=0.0), 0.4)
        )
