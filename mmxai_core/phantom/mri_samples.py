"""The four MRI samples that ship in assets/samples: two brains for `lgg-mri`, two breasts for `duke-mri`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmxai_core.phantom.brain_mri import BrainSpec, make_brain
from mmxai_core.phantom.breast_anatomy import BreastShape
from mmxai_core.phantom.breast_mri import BreastMriSpec, make_breast_mri
from mmxai_core.phantom.cases import ClinicalValue
from mmxai_core.phantom.colour_object import colour_dicom
from mmxai_core.phantom.mri_picture import MriPicture

#: Said beside every MRI sample.
EXPECTED = (
    "Synthetic phantom, not a patient. It has no true class: neither grade nor nodal status can be designed into a "
    "picture, so what a model answers is neither right nor wrong."
)


@dataclass(frozen=True, kw_only=True)
class MriSample:
    """One shipped MRI sample.

    Attributes:
        file: File name.
        title: Short title for a list.
        description: One line on what is seen.
        spec: The design.
        seed: Seed of the pixels.
        clinical: Known clinical values by field id of the cohort's schema; fields left out are unknown.
    """

    file: str
    title: str
    description: str
    spec: BrainSpec | BreastMriSpec
    seed: int
    clinical: Mapping[str, ClinicalValue]

    @property
    def cohort(self) -> str:
        """Name of the cohort whose images the sample is like."""
        return "tcga_lgg" if isinstance(self.spec, BrainSpec) else "duke_breast_mri"

    def picture(self) -> MriPicture:
        """The sample's picture, computed."""
        if isinstance(self.spec, BrainSpec):
            return make_brain(self.spec, seed=self.seed, clinical=self.clinical)
        return make_breast_mri(self.spec, seed=self.seed, clinical=self.clinical)

    def dicom(self, number: int) -> bytes:
        """Its file, with that running number."""
        return colour_dicom(self.picture(), number=number)

    def entry(self) -> dict[str, Any]:
        """Its entry in the index."""
        return {
            "file": self.file,
            "title": self.title,
            "description": self.description,
            "cohort": self.cohort,
            "clinical": dict(self.clinical),
            "truth": "",
            "seed": self.seed,
            "expected": EXPECTED,
        }


MRI_SAMPLES: tuple[MriSample, ...] = (
    MriSample(
        file="brain-a.dcm",
        title="Frontal lesion, no enhancement",
        description="Left frontal lesion, bright on FLAIR, without an edge and without enhancement.",
        spec=BrainSpec(
            level="ventricle_bodies",
            centre_mm=(32.0, -26.0),
            radii_mm=(20.0, 14.0),
            angle=1.2,
            oedema_mm=5.0,
            mass_effect_mm=3.0,
        ),
        seed=1101,
        clinical={
            "age": 36,
            "sex": "female",
            "seizures": True,
            "headaches": False,
            "mental_status_changes": False,
            "motor_changes": False,
            "family_history_brain": False,
            "karnofsky": 90,
            "tumour_side": "left",
            "tumour_lobe": "frontal",
        },
    ),
    MriSample(
        file="brain-b.dcm",
        title="Temporal lesion, rim enhancement",
        description="Right temporal lesion with an enhancing rim and a dark middle, in wide oedema.",
        spec=BrainSpec(
            level="basal_ganglia",
            centre_mm=(-36.0, 33.0),
            radii_mm=(17.0, 14.0),
            rim=True,
            oedema_mm=16.0,
            mass_effect_mm=5.0,
            wide_sulci=1.25,
        ),
        seed=22,
        clinical={
            "age": 57,
            "sex": "male",
            "seizures": False,
            "headaches": True,
            "visual_changes": True,
            "prior_malignancy": False,
            "karnofsky": 70,
            "tumour_side": "right",
            "tumour_lobe": "temporal",
        },
    ),
    MriSample(
        file="breast-mri-a.dcm",
        title="Oval mass, smooth",
        description="Oval, smooth mass in dense tissue; it still brightens between early and late.",
        spec=BreastMriSpec(
            shape=BreastShape(nipple_mm=(10.0, -33.0), width_mm=40.0, chest_mm=29.0, chest_slope=-0.1, gland=0.62),
            laterality="R",
            radii_mm=(7.5, 5.5),
            angle=0.3,
        ),
        seed=33,
        clinical={
            "age": 46,
            "menopause": "pre",
            "multifocal": False,
            "contralateral_involvement": False,
            "skin_nipple_involvement": False,
            "suspicious_nodes": False,
            "er": True,
            "pr": True,
            "her2": False,
        },
    ),
    MriSample(
        file="breast-mri-b.dcm",
        title="Irregular mass, rim enhancement",
        description="Irregular, spiculated mass that enhances at its rim and washes out; few fields known.",
        spec=BreastMriSpec(
            shape=BreastShape(nipple_mm=(-16.0, -44.0), width_mm=40.0, chest_mm=24.0, chest_slope=0.25, gland=0.45),
            laterality="L",
            radii_mm=(9.5, 8.0),
            angle=0.8,
            irregular=True,
            curve="washout",
        ),
        seed=1404,
        clinical={
            "age": 63,
            "menopause": "post",
            "chest_wall_involvement": False,
            "suspicious_nodes": True,
            "er": False,
        },
    ),
)
