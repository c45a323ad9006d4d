"""What is done to a picture before training, and with which constants: part of what a cached file is named by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from mmxai_core.errors import CohortError
from mmxai_core.types import Json

Modality = Literal["MR", "CT", "MG", "US"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
#: Raised with every change to what a step does, so that older cached files are not taken for new ones.
VERSION = 1

_GEOMETRY = ("isotropic", "spacing_mm", "crop", "margin")
#: The settings each modality depends on: a change to another's leaves its cached files valid.
_READ: dict[Modality, tuple[str, ...]] = {
    "MR": ("n4", "n4_shrink", "n4_iterations", *_GEOMETRY),
    "CT": ("ct_low", "ct_high", "ct_mean", "ct_sd", *_GEOMETRY),
    "MG": ("chest_wall_left", *_GEOMETRY),
    "US": ("marks", *_GEOMETRY),
}


@dataclass(frozen=True)
class PreprocessSettings:
    """The settings.

    Attributes:
        on: Whether `compare` preprocesses at all.
        modality: DICOM code of pictures that do not state one and whose cohort is not known; "" for none.
        n4: MR: correct the bias field (Tustison et al. 2010).
        n4_shrink: MR: the field is fitted on a picture smaller by up to this factor, and applied at full size.
        n4_iterations: MR: at most, on each of the four levels.
        ct_low: CT: lower end of the window, HU.
        ct_high: CT: its upper end, HU.
        ct_mean: CT: mean of the windowed body, HU, of the ten TCGA-LUAD slices that the project holds.
        ct_sd: CT: standard deviation of the same.
        chest_wall_left: MG: mirror where the chest wall is on the right.
        marks: US: take out burned-in callipers and text.
        isotropic: Make pixels square where the file states that they are not.
        spacing_mm: Resample to this pixel spacing where the file states one; 0: the finer of its own two.
        crop: Cut to the foreground (head, breast, body, scan area), or pad where its margin reaches over the edge.
        margin: Of the cut, as part of the foreground's longer side.
    """

    on: bool = False
    modality: str = ""
    n4: bool = True
    n4_shrink: int = 4
    n4_iterations: int = 50
    ct_low: float = -1000.0
    ct_high: float = 400.0
    ct_mean: float = -140.0
    ct_sd: float = 331.0
    chest_wall_left: bool = True
    marks: bool = True
    isotropic: bool = True
    spacing_mm: float = 0.0
    crop: bool = True
    margin: float = 0.02

    def __post_init__(self) -> None:
        for name, low, high in (
            ("n4_shrink", 1, 16), ("n4_iterations", 1, 1000), ("ct_low", -3000, 30000), ("ct_high", -3000, 30000),
            ("ct_mean", -3000, 30000), ("ct_sd", 1e-3, 30000), ("spacing_mm", 0, 50), ("margin", 0, 1),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise CohortError(f"Preprocessing setting {name} must be from {low:g} to {high:g}; got {value:g}.")
        if self.ct_low >= self.ct_high:
            raise CohortError(f"Preprocessing setting ct_low must lie below ct_high; got {self.ct_low:g}.")
        if self.modality and self.modality not in MODALITIES:
            raise CohortError(
                f"Preprocessing setting modality must be one of {', '.join(MODALITIES)}; got {self.modality!r}."
            )

    def to_json(self) -> Json:
        """A plain dict."""
        return asdict(self)

    def read_by(self, modality: Modality) -> Json:
        """The settings that a picture of this modality depends on."""
        return {name: getattr(self, name) for name in _READ[modality]}
