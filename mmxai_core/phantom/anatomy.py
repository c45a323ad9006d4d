"""A layered breast: skin, fat lobules, fibroglandular tissue, pectoral fascia, muscle and, sometimes, ribs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mmxai_core.phantom.fields import Field, Grid, smooth_line, smooth_noise, smoothstep
from mmxai_core.phantom.spec import Composition, PhantomSpec

#: Mean backscatter of each tissue, dB re the fibroglandular level: fat is the lexicon's reference and darker.
FIBROGLANDULAR_DB = 0.0
FAT_DB = -8.5
_MUSCLE_DB = -6.5
_SKIN_DB = 2.0
_BEHIND_RIB_DB = -14.0

#: Share of lobules in the parenchymal zone that are fat.
_FAT_SHARE: dict[Composition, float] = {
    "fat": 0.96,
    "mostly_fat": 0.68,
    "mostly_fibroglandular": 0.3,
    "fibroglandular": 0.06,
}


@dataclass(frozen=True, eq=False)
class Tissue:
    """What the beam meets.

    Attributes:
        backscatter_db: (nz, nx) mean power of the diffuse echo, dB re fibroglandular tissue.
        specular_db: (nz, nx) level of coherent reflections (septa, fascia), same reference; -inf where none.
        loss_db_mm: (nz, nx) attenuation beyond what the time-gain curve makes up for, dB per mm, two-way.
    """

    backscatter_db: Field
    specular_db: Field
    loss_db_mm: Field


def _line(distance_mm: Field, width_mm: float, level_db: Field | float) -> Field:
    """(nz, nx) level in dB of a thin reflector at distance 0: a Gaussian profile across it."""
    return level_db - 4.343 * (distance_mm / width_mm) ** 2


def _flatness(distance: Field) -> Field:
    """(nz, nx) in [0, 1]: 1 where a surface faces the probe. Specular echoes fall off with the angle."""
    gz, gx = np.gradient(distance)
    return np.asarray(np.abs(gz) / np.maximum(np.hypot(gz, gx), 1e-12))


def _lobules(
    rng: np.random.Generator, z: Field, x: Field, size_mm: tuple[float, float], fat_share: float, pixel_mm: float
) -> tuple[Field, Field, Field]:
    """A plane cut into lobules: cells around random seeds, stretched along the probe.

    Returns:
        fat (1 where the cell is fat), level offset of the cell (dB), distance to the nearest septum (mm, approximate).
    """
    step_z, step_x = size_mm
    n = int(50 / step_z * 64 / step_x)
    seeds = np.column_stack([rng.uniform(-4, 46, n) / step_z, rng.uniform(-32, 32, n) / step_x])
    near, which = cKDTree(seeds).query(np.column_stack([z.ravel() / step_z, x.ravel() / step_x]), k=2)
    fat = (rng.random(n) < fat_share).astype(np.float64)
    offset = rng.normal(0.0, 1.3, n)
    cell = which[:, 0].reshape(z.shape)
    # A level set over its own slope: the distance in pixels, whatever the stretch of the cell.
    excess = (near[:, 1] - near[:, 0]).reshape(z.shape)
    septum = excess / np.maximum(np.hypot(*np.gradient(excess)), 0.02) * pixel_mm
    return fat[cell], offset[cell], septum


def _blend(weight: Field, over: Field | float, under: Field) -> Field:
    return weight * over + (1.0 - weight) * under


def _rib_shadow(rng: np.random.Generator, grid: Grid, top_mm: NDArray[np.float64]) -> tuple[Field, Field]:
    """One rib under the muscle: its bright, convex surface (dB) and the loss behind it (dB/mm)."""
    centre, half_width = rng.uniform(-14, 14), rng.uniform(6, 9)
    across = (grid.x - centre) / half_width
    surface = top_mm.mean() + 3.0 + 1.2 * across**2 + 0.15 * smooth_line(rng, grid.x[0], 2.5)
    inside = np.abs(across) < 1.0
    bright = np.where(inside, _line(grid.z - surface, 0.22, 17.0 - 6.0 * across**2), -np.inf)
    return bright, np.where(inside & (grid.z > surface), 5.0, 0.0)


def build_anatomy(spec: PhantomSpec, grid: Grid, rng: np.random.Generator, z: Field, x: Field) -> Tissue:
    """Lay the tissue down.

    Args:
        spec: Which composition and how thick the skin.
        grid: The field of view.
        rng: Source of every irregularity.
        z: (nz, nx) depth the anatomy is read at, millimetres: the grid's own, bent around the mass.
        x: (nz, nx) lateral position the anatomy is read at, millimetres.

    Returns:
        The tissue without the mass.
    """
    columns = grid.x[0]
    skin_mm = (rng.uniform(3.1, 4.2) if spec.skin_thickening else rng.uniform(1.3, 1.9)) + 0.08 * smooth_line(
        rng, columns, 8.0
    )
    fat_end = skin_mm + rng.uniform(3.0, 5.5) + rng.uniform(0.5, 1.3) * smooth_line(rng, columns, 9.0)
    gland_end = (
        grid.depth_mm * rng.uniform(0.62, 0.78)
        + 0.7 * smooth_line(rng, columns, 12.0)
        + 0.15 * smooth_line(rng, columns, 3.0)
    )
    gland_end += rng.uniform(-0.12, 0.12) * columns
    fascia = gland_end + rng.uniform(0.8, 2.0)

    share = _FAT_SHARE[spec.tissue_composition]
    wander_z = z + 0.9 * smooth_noise(rng, z, x, (3.5, 6.0)) + 0.25 * smooth_noise(rng, z, x, (0.9, 1.6))
    wander_x = x + 1.4 * smooth_noise(rng, z, x, (3.5, 6.0)) + 0.4 * smooth_noise(rng, z, x, (0.9, 1.6))
    lobule = (rng.uniform(2.8, 3.8), rng.uniform(7.0, 11.0))
    _, fat_offset, fat_septum = _lobules(rng, wander_z, wander_x, lobule, 1.0, grid.spacing_mm)
    is_fat, gland_offset, gland_septum = _lobules(rng, wander_z, wander_x, (2.4, 7.5), share, grid.spacing_mm)

    # Fibres run along the probe: streaks, longer than deep, follow the bent layers.
    streak = smooth_noise(rng, wander_z, wander_x, (0.35, 3.2))
    fine = smooth_noise(rng, wander_z, wander_x, (0.22, 1.1))
    clumps = smooth_noise(rng, z, x, (2.5, 4.5))

    fat = FAT_DB + fat_offset + 1.2 * streak + 0.9 * fine + 0.8 * clumps
    glandular = FIBROGLANDULAR_DB + gland_offset + 3.0 * streak + 2.2 * fine + 1.8 * clumps
    soft_fat = _blend(is_fat, smoothstep(gland_septum, 0.05, 0.5), np.zeros_like(z))
    parenchyma = _blend(soft_fat, fat, glandular)

    wobble = 0.35 * streak
    into_gland = smoothstep(z - fat_end + wobble, -0.5, 0.5)
    body = _blend(into_gland, parenchyma, fat)
    behind = smoothstep(z - gland_end + wobble, -0.4, 0.4)
    body = _blend(behind, fat, body)
    in_muscle = smoothstep(z - fascia, -0.15, 0.15)
    tilt = rng.uniform(-0.06, 0.06)
    fibre = smooth_noise(rng, z + tilt * x + 0.12 * (wander_z - z), x, (0.38, 8.0))
    body = _blend(in_muscle, _MUSCLE_DB + 5.0 * fibre + 1.0 * fine, body)
    body = np.where(z < skin_mm, _SKIN_DB + 1.5 * fine, body)

    lines = [_line(z - fascia, 0.13, 14.0 + 3.5 * smooth_noise(rng, z, x, (2.0, 4.0)))]
    lines.append(_line(z - fascia - rng.uniform(4.5, 7.0), 0.15, 11.0 + 5.0 * smooth_noise(rng, z, x, (2.0, 4.0))))
    lines.append(_line(z - skin_mm, 0.11, 12.0 + 3.0 * smooth_noise(rng, z, x, (2.0, 3.0))))
    lines.append(_line(z - rng.uniform(0.3, 0.5), 0.14, 18.0))
    # Short bright dashes where a fibre happens to face the probe: crests of a streaky field.
    dash = smooth_noise(rng, wander_z + tilt * x, wander_x, (0.55, 3.4))
    crest = np.where(dash > 1.5, 6.0 * (dash - 1.5) + 3.0, -np.inf)
    lines.append(np.where((z > fat_end) | (rng.random() < 0.4), crest, -np.inf))
    patchy = 5.0 * smooth_noise(rng, z, x, (2.0, 3.5))
    in_fat = (1.0 - into_gland) * (z > skin_mm + 0.2)
    for septum, weight, level in ((fat_septum, in_fat, 11.0), (gland_septum, into_gland * is_fat * (1 - behind), 9.0)):
        facing = 20.0 * np.log10(0.1 + 0.9 * _flatness(septum) ** 2)
        edge = _line(septum, 0.1, level + 2.0 + patchy + facing)
        lines.append(np.where(weight > 0.3, edge, -np.inf))
    specular = np.maximum.reduce(lines)

    loss = rng.uniform(0.02, 0.14) + np.zeros_like(z)
    if rng.random() < 0.3:
        bright, rib_loss = _rib_shadow(rng, grid, fascia)
        specular, loss = np.maximum(specular, bright), loss + rib_loss
        body = np.where(rib_loss > 0, _BEHIND_RIB_DB, body)
    return Tissue(backscatter_db=body, specular_db=specular, loss_db_mm=loss)
