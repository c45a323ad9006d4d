"""What a phantom shows, in the words of the ACR BI-RADS ultrasound lexicon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mmxai_core.errors import ClinicalValueError

Label = Literal["benign", "malignant"]
Composition = Literal["fat", "fibroglandular", "mostly_fat", "mostly_fibroglandular"]
Shape = Literal["oval", "round", "irregular"]
Margin = Literal["circumscribed", "indistinct", "microlobulated", "angular", "spiculated"]
Echogenicity = Literal["anechoic", "hyperechoic", "isoechoic", "hypoechoic", "heterogeneous", "complex_cystic_solid"]
Posterior = Literal["none", "enhancement", "shadowing", "combined"]
Calcifications = Literal["none", "in_mass", "intraductal", "indefinable"]
Side = Literal["L", "R"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "label": get_args(Label),
    "tissue_composition": get_args(Composition),
    "shape": get_args(Shape),
    "margin": get_args(Margin),
    "echogenicity": get_args(Echogenicity),
    "posterior_features": get_args(Posterior),
    "calcifications": get_args(Calcifications),
    "laterality": get_args(Side),
}

#: Field: (lowest, highest, unit), the ranges inside which the picture still looks like a breast.
_RANGES: dict[str, tuple[float, float, str]] = {
    "size_mm": (4.0, 28.0, " mm"),
    "aspect": (0.4, 1.6, ""),
    "depth_mm": (5.0, 30.0, " mm"),
    "field_depth_mm": (28.0, 45.0, " mm"),
    "lateral_offset_mm": (-10.0, 10.0, " mm"),
}


@dataclass(frozen=True, kw_only=True)
class PhantomSpec:
    """One phantom's design. The descriptors are both what is drawn and what a reader would write down.

    Attributes:
        label: The class the phantom was designed as. It is the design's truth, not a diagnosis.
        tissue_composition: Which tissue fills the parenchymal zone.
        shape: Outline of the mass.
        margin: Edge of the mass.
        echogenicity: Echo level of the mass against fat.
        posterior_features: What the beam looks like behind the mass.
        halo: An echogenic rind around the mass.
        calcifications: Where bright specks lie.
        skin_thickening: Skin of about 3.5 mm in place of about 1.6 mm.
        size_mm: Longest diameter of the mass, millimetres, 4 to 28.
        aspect: Height / width, 0.4 to 1.6; above 1 is taller than wide.
        depth_mm: Depth of the mass's centre below the probe, millimetres, 5 to 30.
        field_depth_mm: Depth of the field of view, millimetres, 28 to 45.
        lateral_offset_mm: Centre of the mass from the mid-line of the probe, millimetres, -10 to 10, right positive.
        laterality: Side of the body the header states.

    Raises:
        ClinicalValueError: A word is not in the lexicon, a number is out of range, or the mass leaves the field.
    """

    label: Label
    tissue_composition: Composition = "mostly_fat"
    shape: Shape = "oval"
    margin: Margin = "circumscribed"
    echogenicity: Echogenicity = "hypoechoic"
    posterior_features: Posterior = "none"
    halo: bool = False
    calcifications: Calcifications = "none"
    skin_thickening: bool = False
    size_mm: float = 14.0
    aspect: float = 0.65
    depth_mm: float = 13.0
    field_depth_mm: float = 35.0
    lateral_offset_mm: float = 0.0
    laterality: Side = "L"

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ClinicalValueError(f"Phantom {name} must be one of {', '.join(allowed)}; got {value!r}.")
        for name, (low, high, unit) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ClinicalValueError(f"Phantom {name} must lie in {low:g} to {high:g}{unit}; got {value:g}.")
        half = self.height_mm / 2
        if self.depth_mm - half < 1.5 or self.depth_mm + half > self.field_depth_mm - 2.0:
            raise ClinicalValueError(
                f"A phantom mass {self.height_mm:.1f} mm high at depth {self.depth_mm:.1f} mm does not fit "
                f"between the skin and the end of a {self.field_depth_mm:.0f} mm field."
            )

    @property
    def width_mm(self) -> float:
        """Width of the mass along the probe, millimetres."""
        return self.size_mm if self.aspect <= 1 else self.size_mm / self.aspect

    @property
    def height_mm(self) -> float:
        """Height of the mass along the beam, millimetres."""
        return self.size_mm * self.aspect if self.aspect <= 1 else self.size_mm
