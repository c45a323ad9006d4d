"""Synthetic brain MRI: T1 before contrast, FLAIR and T1 after contrast as red, green and blue of one slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.errors import ClinicalValueError
from mmxai_core.phantom.brain_anatomy import Head, build_head
from mmxai_core.phantom.brain_folds import Level
from mmxai_core.phantom.cases import ClinicalValue
from mmxai_core.phantom.fields import Field, smoothstep
from mmxai_core.phantom.mr_signal import Tissue, grey, inversion_recovery, mix, rician, sampled, spin_echo
from mmxai_core.phantom.mri_picture import MriPicture, burned_in
from mmxai_core.phantom.plane import Plane

#: Rows and columns of the picture, as those of the slices of Buda et al. 2019.
SIDE = 256
#: Side of a pixel, millimetres: a field of view of 240 mm.
SPACING_MM = 240.0 / SIDE
_FINE = 2
#: Standard deviation of the noise, as a share of white.
_NOISE = 0.009

#: Set by hand near the values at 1.5 T in Stanisz et al., Magn. Reson. Med. 54:507, 2005, and Bernstein et al., 2004.
#: Fat's T2 is the longer one that echo trains see. Flowing blood gives the spin echoes little: its density is cut.
_TISSUES = {
    "air": Tissue(1000, 1, 0.0),
    "skin": Tissue(700, 45, 0.6),
    "fat": Tissue(260, 105, 0.92),
    "muscle": Tissue(1000, 42, 0.8),
    "bone": Tissue(700, 30, 0.06),
    "marrow": Tissue(380, 65, 0.55),
    "dura": Tissue(900, 50, 0.35),
    "csf": Tissue(4200, 1500, 1.0),
    "grey": Tissue(1250, 98, 0.81),
    "deep_grey": Tissue(960, 86, 0.79),
    "pallidum": Tissue(800, 70, 0.75),
    "white": Tissue(650, 79, 0.70),
    "sinus": Tissue(1400, 120, 0.22),
    "vein": Tissue(1400, 120, 0.35),
    "choroid": Tissue(1500, 160, 0.8),
    "cap": Tissue(1150, 120, 0.8),
    "oedema": Tissue(1400, 155, 0.85),
    "tumour": Tissue(1600, 175, 0.88),
    "rim": Tissue(1350, 130, 0.84),
    "necrosis": Tissue(2300, 260, 0.95),
}
#: Contrast agent some minutes after injection, millimol a litre; none where the blood-brain barrier holds.
_AGENT = {
    "skin": 0.12, "muscle": 0.06, "marrow": 0.05, "dura": 1.0, "sinus": 2.6, "vein": 2.0, "choroid": 0.9, "rim": 0.75,
    "grey": 0.02, "deep_grey": 0.02, "white": 0.01, "tumour": 0.02, "necrosis": 0.08,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BrainSpec:
    """One brain phantom's design.

    Attributes:
        level: Which slice.
        centre_mm: Of the lesion, from the middle of the picture: right (the patient's left) and down (back).
        radii_mm: Half axes of the lesion, millimetres, 4 to 30.
        angle: Of the first half axis to the horizontal, radians.
        rim: A necrotic middle with an enhancing rim, in place of tissue that does not enhance.
        oedema_mm: How far oedema reaches beyond the lesion, millimetres, 0 to 30.
        mass_effect_mm: Largest displacement of what is around, millimetres, 0 to 8.
        wide_sulci: Width of sulci and ventricles, 0.5 to 2; 1 as in young adults.
    """

    level: Level
    centre_mm: tuple[float, float]
    radii_mm: tuple[float, float]
    angle: float = 0.0
    rim: bool = False
    oedema_mm: float = 6.0
    mass_effect_mm: float = 2.0
    wide_sulci: float = 1.0

    def __post_init__(self) -> None:
        if self.level not in get_args(Level):
            raise ClinicalValueError(
                f"A brain phantom's level is one of {', '.join(get_args(Level))}; got {self.level}."
            )
        for name, value, low, high in (
            ("radii_mm", min(self.radii_mm), 4.0, 30.0), ("radii_mm", max(self.radii_mm), 4.0, 30.0),
            ("oedema_mm", self.oedema_mm, 0.0, 30.0), ("mass_effect_mm", self.mass_effect_mm, 0.0, 8.0),
            ("wide_sulci", self.wide_sulci, 0.5, 2.0),
        ):  # fmt: skip
            if not low <= value <= high:
                raise ClinicalValueError(f"A brain phantom's {name} must lie in {low:g} to {high:g}; got {value:g}.")


def make_brain(spec: BrainSpec, *, seed: int, clinical: Mapping[str, ClinicalValue]) -> MriPicture:
    """Compute one slice.

    Args:
        spec: What it shows.
        seed: Seed of every random number; the same spec and seed give the same pixels.
        clinical: Known clinical values by field id.

    Returns:
        The picture: red T1 before contrast, green FLAIR, blue T1 after contrast.

    Raises:
        ClinicalValueError: The seed is negative, or the lesion does not lie in the brain.
    """
    if seed < 0:
        raise ClinicalValueError(f"A phantom's seed must not be negative; got {seed}.")
    plane = Plane(SIDE * _FINE, SPACING_MM / _FINE)
    head = build_head(plane, spec.level, np.random.default_rng([seed, 1]), wide_sulci=spec.wide_sulci)
    lesion, around = _add_lesion(spec, plane, head, np.random.default_rng([seed, 2]))
    if lesion.max() < 0.9:
        raise ClinicalValueError(
            f"A brain phantom's lesion must lie in the brain; its centre is at {spec.centre_mm} mm."
        )
    channels = _scan(plane, head, np.random.default_rng([seed, 3]))

    def at_pixels(share: Field) -> Field:
        return sampled(share, side=SIDE, blur_mm=0.1, spacing_mm=plane.spacing_mm)

    return MriPicture(
        pixels=burned_in(np.stack(channels, axis=-1)), lesion=at_pixels(lesion) > 0.5, around=at_pixels(around) > 0.9,
        planes=("T1 before contrast", "FLAIR", "T1 after contrast"), spacing_mm=SPACING_MM, region="BRAIN",
        laterality=None, clinical=clinical, seed=seed,
    )  # fmt: skip


def _add_lesion(spec: BrainSpec, plane: Plane, head: Head, rng: np.random.Generator) -> tuple[Field, Field]:
    """Puts the lesion in; the shares of its own tissue, and of brain well away from it, come back."""
    shares = head.shares
    reach = float(np.mean(spec.radii_mm))
    stiff = 1.0 - smoothstep(head.brain, 0.0, 14.0)
    shares.push(spec.centre_mm, spec.mass_effect_mm, 1.2 * reach, stiff)
    deep = plane.blob(rng, spec.centre_mm, spec.radii_mm, angle=spec.angle, rough=0.2, scale_mm=9.0)
    deep = deep + 0.9 * plane.noise(rng, 3.0)
    brain = shares.of("white", "grey", "deep_grey", "pallidum")
    white = ndimage.gaussian_filter(shares.of("white"), 0.6 / plane.spacing_mm)
    # Water spreads along white matter and spares the cortex: it ends in fingers between the sulci.
    swollen = smoothstep(deep + 2.5 * plane.noise(rng, 9.0), -spec.oedema_mm - 3.0, 2.0)
    shares.paint("oedema", brain * swollen * (0.12 + 0.88 * smoothstep(white, 0.35, 0.9)) * (spec.oedema_mm > 0))
    # Fluid of sulci inside the mass is pressed out; ventricles and skull stay.
    room = np.clip(brain + shares.of("oedema") + 0.6 * shares.of("csf") * smoothstep(deep, 1.0, 5.0), 0.0, 1.0)
    if spec.rim:
        own = room * plane.share(deep, 1.2)
        shares.paint("tumour", own)
        thick = np.clip(4.6 + 1.3 * plane.noise(rng, 6.0), 1.8, None)
        wall = deep - 1.5
        shares.paint("rim", own * plane.share(wall, 1.2) * (0.8 + 0.2 * np.tanh(plane.noise(rng, 2.5))))
        shares.paint("necrosis", own * plane.share(wall - thick, 1.5))
    else:
        # Diffuse growth has no edge: the share of tumour cells fades over half a centimetre.
        uneven = 0.74 + 0.14 * plane.noise(rng, 8.0) + 0.09 * plane.noise(rng, 3.0)
        own = room * smoothstep(deep, -6.0, 6.0) * np.clip(uneven, 0.35, 1.0)
        shares.paint("tumour", own)
    return own, shares.of("white") * (deep < -spec.oedema_mm - 12.0)


def _scan(plane: Plane, head: Head, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """The three sequences as 8-bit planes, white matter at about the grey that real slices have it."""
    plain, after = dict(_TISSUES), {name: t.with_agent(_AGENT.get(name, 0.0)) for name, t in _TISSUES.items()}
    after |= {name: replace(after[name], density=0.75) for name in ("sinus", "vein")}
    t1 = partial(spin_echo, repetition_ms=560, echo_ms=12)
    flair = partial(inversion_recovery, repetition_ms=9000, inversion_ms=2450, echo_ms=120)
    # Receiver coils lie around the head, so its rim is brighter; no coil is quite even.
    near = np.exp(-np.clip(head.depth, 0.0, None) / 16.0)
    out = []
    for tissues, signal, rise, white_matter in ((plain, t1, 0.35, 62), (plain, flair, 0.45, 56), (after, t1, 0.35, 63)):
        signals = {name: signal(t) for name, t in tissues.items()}
        uneven = 1.0 + 0.06 * plane.noise(rng, 90.0)
        texture = 1.0 + 0.022 * plane.noise(rng, 2.5) + 0.022 * plane.noise(rng, 14.0)
        picture = mix(head.shares.all, signals) * (1.0 + rise * near) * uneven * texture
        # Between sequences a patient moves by some tenths of a millimetre.
        moved = ndimage.shift(picture, rng.normal(0.0, 0.3, 2) / plane.spacing_mm, order=1, mode="nearest")
        seen = sampled(moved, side=SIDE, blur_mm=0.45, spacing_mm=plane.spacing_mm)
        white = signals["white"] * 255 / white_matter
        out.append(grey(rician(seen, _NOISE * white, rng), white))
    return out
