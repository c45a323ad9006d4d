"""Synthetic breast MRI: before, early and late after contrast as red, green and blue of one fat-suppressed slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.errors import ClinicalValueError
from mmxai_core.phantom.breast_anatomy import Breast, BreastShape, build_breast
from mmxai_core.phantom.cases import ClinicalValue
from mmxai_core.phantom.fields import Field
from mmxai_core.phantom.mr_signal import Tissue, grey, mix, rician, sampled, spoiled_echo
from mmxai_core.phantom.mri_picture import MriPicture, burned_in
from mmxai_core.phantom.plane import Plane, walk

#: Rows and columns of the picture, and its width: a crop of 80 mm around the lesion, as BreastDCEDL's.
SIDE, WIDTH_MM = 224, 80.0
#: The scanner's own matrix over the crop is about half as fine (0.7 mm); the crop is enlarged from it.
_SCANNED = 112
_FINE = 4
#: Standard deviation of the noise, as a share of white.
_NOISE = 0.016

#: Set by hand near the values at 1.5 T in Rakow-Penner et al., J. Magn. Reson. Imaging 23:87, 2006. Fat is suppressed:
#: its density is cut.
_TISSUES = {
    "air": Tissue(1000, 1, 0.0),
    "skin": Tissue(850, 40, 0.75),
    "nipple": Tissue(950, 50, 0.7),
    "fat": Tissue(280, 60, 0.075),
    "gland": Tissue(1150, 58, 0.78),
    "ligament": Tissue(950, 40, 0.85),
    "muscle": Tissue(1000, 40, 0.72),
    "rib": Tissue(600, 40, 0.12),
    "lung": Tissue(1200, 20, 0.1),
    "vessel": Tissue(1450, 200, 0.8),
    "mass": Tissue(1350, 70, 0.84),
    "rim": Tissue(1350, 70, 0.84),
    "middle": Tissue(1700, 90, 0.85),
    "septum": Tissue(1000, 40, 0.6),
}
#: Contrast agent in millimol a litre: early (at about two minutes) and late (at about six).
_AGENT: dict[str, tuple[float, float]] = {
    "skin": (0.05, 0.09), "nipple": (0.1, 0.17), "gland": (0.035, 0.075), "ligament": (0.02, 0.05),
    "muscle": (0.035, 0.045), "vessel": (0.75, 0.55), "septum": (0.03, 0.06),
}  # fmt: skip
#: By the design's enhancement: of the mass or rim, and of the middle of a rim.
_CURVES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "persistent": ((0.34, 0.44), (0.2, 0.3)),
    "washout": ((0.62, 0.44), (0.08, 0.17)),
}


@dataclass(frozen=True, kw_only=True)
class BreastMriSpec:
    """One breast-MRI phantom's design.

    Attributes:
        shape: The breast around the lesion, whose centre is the middle of the picture.
        laterality: Which breast.
        radii_mm: Half axes of the mass, millimetres, 3 to 20.
        angle: Of the first half axis to the horizontal, radians.
        irregular: An irregular, spiculated mass that enhances at its rim, in place of a smooth one.
        curve: Early and late enhancement: still rising, or washing out.
    """

    shape: BreastShape
    laterality: Literal["L", "R"]
    radii_mm: tuple[float, float]
    angle: float = 0.0
    irregular: bool = False
    curve: Literal["persistent", "washout"] = "persistent"

    def __post_init__(self) -> None:
        for value in self.radii_mm:
            if not 3.0 <= value <= 20.0:
                raise ClinicalValueError(f"A breast phantom's radii_mm must lie in 3 to 20; got {value:g}.")
        if self.curve not in _CURVES:
            raise ClinicalValueError(f"A breast phantom's curve is persistent or washout; got {self.curve!r}.")


def make_breast_mri(spec: BreastMriSpec, *, seed: int, clinical: Mapping[str, ClinicalValue]) -> MriPicture:
    """Compute one slice.

    Args:
        spec: What it shows.
        seed: Seed of every random number; the same spec and seed give the same pixels.
        clinical: Known clinical values by field id.

    Returns:
        The picture: red before contrast, green early and blue late after it.

    Raises:
        ClinicalValueError: The seed is negative, or the lesion does not lie in the breast.
    """
    if seed < 0:
        raise ClinicalValueError(f"A phantom's seed must not be negative; got {seed}.")
    plane = Plane(_SCANNED * _FINE, WIDTH_MM / (_SCANNED * _FINE))
    breast = build_breast(plane, spec.shape, np.random.default_rng([seed, 1]))
    middle = plane.side // 2
    if breast.depth[middle, middle] < 3.0 or breast.chest[middle, middle] > 0.0:
        raise ClinicalValueError("A breast phantom's lesion, the middle of the picture, must lie inside the breast.")
    lesion, around = _add_mass(spec, plane, breast, np.random.default_rng([seed, 2]))
    channels = _scan(spec, plane, breast, np.random.default_rng([seed, 3]))

    def at_pixels(share: Field) -> Field:
        return sampled(share, side=SIDE, blur_mm=0.05, spacing_mm=plane.spacing_mm)

    return MriPicture(
        pixels=burned_in(np.stack(channels, axis=-1)), lesion=at_pixels(lesion) > 0.5, around=at_pixels(around) > 0.5,
        planes=("before contrast", "early after contrast", "late after contrast"), spacing_mm=WIDTH_MM / SIDE,
        region="BREAST", laterality=spec.laterality, clinical=clinical, seed=seed,
    )  # fmt: skip


def _add_mass(spec: BreastMriSpec, plane: Plane, breast: Breast, rng: np.random.Generator) -> tuple[Field, Field]:
    """Puts the mass in; its share, and the shares of fat and gland well away from it, come back."""
    shares = breast.shares
    reach = float(np.mean(spec.radii_mm))
    if not spec.irregular:
        shares.push((0.0, 0.0), 0.35 * reach, 1.1 * reach, np.zeros_like(plane.x))
    before = shares.of("fat", "gland", "ligament", "vessel")
    rough, scale = (0.3, 5.0) if spec.irregular else (0.1, 6.5)
    deep = plane.blob(rng, (0.0, 0.0), spec.radii_mm, angle=spec.angle, rough=rough, scale_mm=scale)
    if not spec.irregular:
        own = before * plane.share(deep, 0.7)
        shares.paint("mass", own)
        # Dark septa cross a smooth mass.
        fold = plane.noise(rng, 5.5)
        slope = np.hypot(*np.gradient(fold, plane.spacing_mm)) + 1e-3
        shares.paint("septum", 0.45 * own * plane.share(0.25 - np.abs(fold) / slope, 0.4))
        return own, shares.of("fat", "gland") * (deep < -6.0)
    deep = deep + 0.35 * plane.noise(rng, 1.4)
    own = before * plane.share(deep, 0.8)
    # Spicules draw in what is around: thin, unequal, most of them where the strands of the breast run.
    for turn in rng.uniform(0, 2 * np.pi, 15):
        start = (0.7 * spec.radii_mm[0] * float(np.cos(turn)), 0.7 * spec.radii_mm[1] * float(np.sin(turn)))
        length = (0.35 + float(rng.exponential(0.35))) * reach * (1.0 + 0.5 * abs(float(np.sin(turn))))
        line = walk(rng, start, float(turn + rng.normal(0, 0.25)), min(length, 1.7 * reach) + 0.25 * reach, turn=0.015)
        spike = plane.tube(line, np.linspace(float(rng.uniform(0.5, 1.1)), 0.12, len(line)))
        shares.paint("rim", float(rng.uniform(0.3, 0.7)) * before * plane.share(spike, 0.5))
    shares.paint("rim", own)
    thick = np.clip(0.42 * reach + 0.9 * plane.noise(rng, 3.5), 1.3, None)
    clumps = np.clip(0.5 + 0.5 * plane.noise(rng, 2.0), 0.0, 1.0)
    shares.paint("middle", own * np.maximum(plane.share(deep - thick, 1.4), 0.35 * clumps))
    return own, shares.of("fat", "gland") * (deep < -10.0)


def _scan(spec: BreastMriSpec, plane: Plane, breast: Breast, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """The three time points on one grey scale: the rise between them is what they are read for."""
    whole, middle = _CURVES[spec.curve]
    agent = _AGENT | {"mass": whole, "rim": whole, "middle": middle}
    # The coil lies below the breast, so the skin is bright and the chest wall dim; fat suppression is patchy.
    gain = (0.72 + 0.75 * np.exp(-np.clip(breast.depth, 0.0, None) / 9.0)) * (1.0 + 0.07 * plane.noise(rng, 45.0))
    leak = 1.0 + 0.25 * plane.noise(rng, 26.0) + 0.2 * plane.noise(rng, 1.6) + 0.12 * plane.noise(rng, (6.0, 1.2))
    enhance = np.clip(1.0 + 0.35 * plane.noise(rng, 7.0), 0.2, 2.0)  # background enhancement is uneven
    shares = {**breast.shares.all, "fat": breast.shares.of("fat") * np.clip(leak, 0.2, None)}
    grain = 1.0 + 0.07 * plane.noise(rng, 1.1)
    base = {name: spoiled_echo(t, repetition_ms=5.4, flip_degrees=11) for name, t in _TISSUES.items()}
    white = 3.7 * base["gland"]
    out = []
    for time in (None, 0, 1):
        doses = {name: agent.get(name, (0.0, 0.0))[time] if time is not None else 0.0 for name in _TISSUES}
        tissues = {name: t.with_agent(doses[name]) for name, t in _TISSUES.items()}
        signals = {name: spoiled_echo(t, repetition_ms=5.4, flip_degrees=11) for name, t in tissues.items()}
        picture = mix(shares, signals) + shares["gland"] * (signals["gland"] - base["gland"]) * (enhance - 1.0)
        seen = sampled(picture * gain * grain, side=_SCANNED, blur_mm=0.34, spacing_mm=plane.spacing_mm)
        noisy = rician(seen, _NOISE * white, rng)
        large = ndimage.zoom(noisy, SIDE / _SCANNED, order=3, mode="nearest", grid_mode=True)
        out.append(grey(np.clip(large, 0.0, None), white))
    return out
