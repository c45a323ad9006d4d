"""The mass: outline, edge, inside, and what it does to the tissue around and the beam behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mmxai_core.phantom.anatomy import FAT_DB, Tissue
from mmxai_core.phantom.fields import Field, Grid, smooth_noise, smoothstep
from mmxai_core.phantom.spec import Echogenicity, Margin, PhantomSpec
from mmxai_core.types import Mask

#: Mean level of the inside, dB re fibroglandular tissue, and how much its patches vary (dB).
_INSIDE_DB: dict[Echogenicity, tuple[float, float]] = {
    "anechoic": (-38.0, 0.5),
    "hypoechoic": (FAT_DB - 4.0, 2.4),
    "isoechoic": (FAT_DB + 0.5, 1.5),
    "hyperechoic": (4.0, 1.2),
    "heterogeneous": (FAT_DB - 1.5, 4.5),
    "complex_cystic_solid": (FAT_DB - 2.5, 1.8),
}
#: Half-width of the transition from inside to outside, millimetres.
_EDGE_MM: dict[Margin, float] = {
    "circumscribed": 0.15,
    "indistinct": 1.3,
    "microlobulated": 0.3,
    "angular": 0.35,
    "spiculated": 0.5,
}
_POINTS = 1440


@dataclass(frozen=True, eq=False)
class Mass:
    """Where the mass lies.

    Attributes:
        signed_mm: (nz, nx) signed distance to the outline, millimetres, approximate, negative inside.
        angle: (nz, nx) direction from the mass's centre, radians.
        mask: (nz, nx) bool, True inside the outline a reader would draw.
    """

    signed_mm: Field
    angle: Field
    mask: Mask


def bend_around(spec: PhantomSpec, grid: Grid, strength: float) -> tuple[Field, Field]:
    """Positions to read the anatomy at, so that layers bend around the mass, or are drawn towards it.

    An incompressible push moves tissue at normalised radius r0 to sqrt(r0^2 + strength); it fades away from the mass.

    Args:
        spec: Where the mass lies.
        grid: The field of view.
        strength: Above 0 pushes tissue aside (a soft, growing mass), below 0 draws it in (a scirrhous one).

    Returns:
        (nz, nx) depth and lateral position to read at, millimetres.
    """
    u = (grid.x - spec.lateral_offset_mm) / (spec.width_mm / 2)
    v = (grid.z - spec.depth_mm) / (spec.height_mm / 2)
    radius2 = u * u + v * v
    fade = np.exp(-0.35 * radius2)
    scale = np.sqrt(np.maximum(radius2 - strength * fade, 0.02) / np.maximum(radius2, 0.02))
    return (
        spec.depth_mm + (grid.z - spec.depth_mm) * scale,
        spec.lateral_offset_mm + (grid.x - spec.lateral_offset_mm) * scale,
    )


def _outline(spec: PhantomSpec, rng: np.random.Generator) -> np.ndarray:
    """(1440,) outline radius by angle, in units of the ellipse's own radius."""
    theta = np.linspace(0.0, 2 * np.pi, _POINTS, endpoint=False)
    roughness = {"oval": 0.025, "round": 0.015, "irregular": 0.13}[spec.shape]
    radius = np.ones(_POINTS)
    for k in range(2, 7):
        radius += roughness * rng.normal() * np.cos(k * theta + rng.uniform(0, 2 * np.pi)) / np.sqrt(k - 1)
    if spec.margin == "microlobulated":
        warp = theta + 0.25 * np.sin(theta + rng.uniform(0, 6)) + 0.2 * np.sin(2 * theta + rng.uniform(0, 6))
        radius += rng.uniform(0.10, 0.15) * (np.abs(np.sin(rng.integers(9, 14) * warp / 2)) - 0.6)
    elif spec.margin == "angular":
        count = int(rng.integers(5, 8))
        normals = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.normal(0, 0.22, count)
        gap = np.cos(theta[:, None] - normals[None])
        face = rng.uniform(0.7, 1.05, count)
        polygon = np.min(np.where(gap > 0.2, face / np.maximum(gap, 0.2), np.inf), axis=1)
        radius = 0.25 * radius + 0.75 * np.minimum(polygon, 1.7)
    elif spec.margin == "spiculated":
        for direction in rng.uniform(0, 2 * np.pi, int(rng.integers(11, 18))):
            away = np.angle(np.exp(1j * (theta - direction)))
            radius += rng.uniform(0.15, 0.6) * np.exp(-np.abs(away) / rng.uniform(0.05, 0.09))
    # The area stays that of the ellipse, however ragged the edge.
    return np.asarray(np.clip(radius / np.sqrt(np.mean(radius**2)), 0.45, 2.0))


def place_mass(spec: PhantomSpec, grid: Grid, rng: np.random.Generator) -> Mass:
    """Draw the outline of the mass on the grid.

    Args:
        spec: Shape, margin, size and place.
        grid: The field of view.
        rng: Source of the outline's irregularity.

    Returns:
        The mass; its mask is one connected region without holes.
    """
    tilt = rng.normal(0.0, 0.12)
    dx, dz = grid.x - spec.lateral_offset_mm, grid.z - spec.depth_mm
    u = (dx * np.cos(tilt) + dz * np.sin(tilt)) / (spec.width_mm / 2)
    v = (dz * np.cos(tilt) - dx * np.sin(tilt)) / (spec.height_mm / 2)
    angle = np.arctan2(v, u)
    at = (angle / (2 * np.pi) % 1.0) * _POINTS
    radius = np.interp(at, np.arange(_POINTS + 1), np.append(outline := _outline(spec, rng), outline[0]))
    signed = (np.hypot(u, v) - radius) * np.sqrt(spec.width_mm * spec.height_mm) / 2
    inside, count = ndimage.label(ndimage.binary_fill_holes(signed < 0))
    if count > 1:
        inside = inside == 1 + np.argmax(ndimage.sum_labels(np.ones_like(signed), inside, np.arange(1, count + 1)))
    if spec.margin == "indistinct":
        signed = signed + 0.55 * smooth_noise(rng, grid.z, grid.x, (1.2, 1.8))
    return Mass(signed_mm=signed, angle=angle, mask=np.asarray(inside > 0))


def _inside_db(spec: PhantomSpec, grid: Grid, rng: np.random.Generator) -> Field:
    level, spread = _INSIDE_DB[spec.echogenicity]
    level += rng.normal(0.0, 1.2)
    inside = level + spread * smooth_noise(rng, grid.z, grid.x, (1.6, 2.2))
    inside += 1.6 * smooth_noise(rng, grid.z, grid.x, (0.3, 1.3))
    if spec.echogenicity == "complex_cystic_solid":
        pocket = smoothstep(smooth_noise(rng, grid.z, grid.x, (spec.height_mm / 3, spec.width_mm / 3)), -0.15, 0.15)
        inside = inside * pocket + (1 - pocket) * -36.0
    return inside


def _specks(spec: PhantomSpec, grid: Grid, mass: Mass, rng: np.random.Generator) -> Field:
    """(nz, nx) level of calcifications, dB re fibroglandular tissue, -inf where none."""
    level = np.full(grid.shape, -np.inf)
    if spec.calcifications == "none":
        return level
    count = {"in_mass": int(rng.integers(6, 16)), "intraductal": 7, "indefinable": 3}[spec.calcifications]
    if spec.calcifications == "intraductal":
        side = rng.choice([-1.0, 1.0])
        start = spec.lateral_offset_mm + side * (spec.width_mm / 2 + 0.5)
        x = start + side * np.linspace(0.0, 6.0, count) + rng.normal(0, 0.25, count)
        z = spec.depth_mm + 0.25 * np.abs(x - start) + rng.normal(0, 0.2, count)
    else:
        rows, cols = np.nonzero(mass.signed_mm < -0.12 * spec.height_mm)
        pick = rng.integers(0, len(rows), count)
        z, x = grid.z[rows[pick], 0], grid.x[0, cols[pick]]
    for z0, x0 in zip(z, x, strict=True):
        size = rng.uniform(0.09, 0.18)
        distance2 = ((grid.z - z0) / size) ** 2 + ((grid.x - x0) / (1.4 * size)) ** 2
        level = np.maximum(level, rng.uniform(9.0, 15.0) - 4.343 * distance2)
    return level


def _beam_loss(spec: PhantomSpec, grid: Grid, mass: Mass, soft: Field, rng: np.random.Generator) -> Field:
    """(nz, nx) loss of the beam in the mass, dB/mm, two-way; below 0 the mass lets through more than tissue does."""
    gain = -rng.uniform(6.0, 10.0) / spec.height_mm
    shadow = rng.uniform(7.0, 15.0) / spec.height_mm
    if spec.posterior_features == "enhancement":
        loss = soft * gain
    elif spec.posterior_features == "shadowing":
        core = np.exp(-(np.abs((grid.x - spec.lateral_offset_mm) / (0.46 * spec.width_mm)) ** 4))
        loss = soft * shadow * core * (1.0 + 0.35 * smooth_noise(rng, 0 * grid.z, grid.x, (3.0, 1.5)))
    elif spec.posterior_features == "combined":
        split = spec.lateral_offset_mm + rng.uniform(-0.1, 0.1) * spec.width_mm
        side = smoothstep(rng.choice([-1.0, 1.0]) * (grid.x - split), -0.15 * spec.width_mm, 0.15 * spec.width_mm)
        loss = soft * (side * shadow + (1.0 - side) * gain)
    else:
        loss = soft * rng.normal(0.0, 0.06)
    if spec.margin == "circumscribed":
        # Refraction at the steep flanks of a smooth mass throws thin edge shadows.
        flank = np.exp(-((mass.signed_mm / 0.4) ** 2)) * (np.abs(np.cos(mass.angle)) > 0.9)
        loss = loss + rng.uniform(0.8, 2.0) * flank
    return np.asarray(loss)


def add_mass(spec: PhantomSpec, grid: Grid, tissue: Tissue, mass: Mass, rng: np.random.Generator) -> Tissue:
    """Put the mass into the tissue.

    Args:
        spec: The phantom's design.
        grid: The field of view.
        tissue: The anatomy without the mass.
        mass: Where the mass lies.
        rng: Source of the inside's texture, specks and rind.

    Returns:
        The tissue with the mass.
    """
    edge = _EDGE_MM[spec.margin]
    soft = 1.0 - smoothstep(mass.signed_mm, -edge, edge)
    body = tissue.backscatter_db
    outside = np.maximum(mass.signed_mm, 0.0)
    if spec.margin == "spiculated":
        rays = np.cos(rng.integers(9, 15) * mass.angle + 1.5 * smooth_noise(rng, grid.z, grid.x, (4.0, 4.0)))
        body = body + 4.0 * rays * np.exp(-outside / 3.5)
    if spec.halo:
        rind = smoothstep(mass.signed_mm, -0.3, 0.5) * (1 - smoothstep(mass.signed_mm, 1.2, 3.4))
        body = body + rind * (6.5 + 2.0 * smooth_noise(rng, grid.z, grid.x, (1.5, 2.0)))
    body = soft * _inside_db(spec, grid, rng) + (1 - soft) * body

    faded = 20.0 * np.log10(np.maximum(1.0 - soft, 1e-4))
    specular = tissue.specular_db + faded
    if spec.margin == "circumscribed":
        facing = 20.0 * np.log10(0.06 + 0.94 * np.abs(np.sin(mass.angle)) ** 3)
        capsule = 11.0 + 2.5 * smooth_noise(rng, grid.z, grid.x, (2.0, 2.5)) + facing
        specular = np.maximum(specular, capsule - 4.343 * (mass.signed_mm / 0.12) ** 2)
    specular = np.maximum(specular, _specks(spec, grid, mass, rng))
    loss = tissue.loss_db_mm + _beam_loss(spec, grid, mass, soft, rng)
    return Tissue(backscatter_db=body, specular_db=specular, loss_db_mm=loss)
