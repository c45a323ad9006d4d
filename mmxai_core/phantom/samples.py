"""The sample studies that ship in assets/samples, and how they are made again, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmxai_core.errors import ClinicalValueError
from mmxai_core.phantom.build import make_phantom
from mmxai_core.phantom.cases import ClinicalValue
from mmxai_core.phantom.dicom_object import phantom_dicom
from mmxai_core.phantom.mri_samples import MRI_SAMPLES, MriSample
from mmxai_core.phantom.spec import PhantomSpec

#: Said beside every ultrasound sample.
EXPECTED = (
    "Synthetic phantom, not a patient. The truth is the class it was designed as; "
    "a model trained on real images may disagree, and that says nothing about its accuracy on patients."
)
#: Name of the cohort whose images they are like.
_COHORT = "breast_lesions_usg"
INDEX_NAME = "samples.json"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One shipped ultrasound sample.

    Attributes:
        file: File name; it does not tell the class.
        title: Short title for a list.
        description: One line on what is seen.
        spec: The design.
        seed: Seed of the pixels.
        history: Known history values; fields left out are unknown.
        birads: BI-RADS category, or None where it is left unknown.
        hidden: Descriptor fields left unknown although the design has them.
    """

    file: str
    title: str
    description: str
    spec: PhantomSpec
    seed: int
    history: Mapping[str, ClinicalValue]
    birads: str | None
    hidden: frozenset[str] = frozenset()

    @property
    def clinical(self) -> Mapping[str, ClinicalValue]:
        """Known clinical values by field id; absent means unknown."""
        s = self.spec
        seen: dict[str, ClinicalValue] = {
            "tissue_composition": s.tissue_composition,
            "shape": s.shape,
            "margin": s.margin,
            "echogenicity": s.echogenicity,
            "posterior_features": s.posterior_features,
            "halo": s.halo,
            "calcifications": s.calcifications,
            "skin_thickening": s.skin_thickening,
        }
        known = {**self.history, **{k: v for k, v in seen.items() if k not in self.hidden}}
        if self.birads is not None:
            known["birads"] = self.birads
        return MappingProxyType(known)

    def dicom(self, number: int) -> bytes:
        """Its file, with that running number."""
        return phantom_dicom(make_phantom(self.spec, seed=self.seed, clinical=self.clinical), number=number)

    def entry(self) -> dict[str, Any]:
        """Its entry in the index."""
        return {
            "file": self.file,
            "title": self.title,
            "description": self.description,
            "cohort": _COHORT,
            "clinical": dict(self.clinical),
            "truth": self.spec.label,
            "seed": self.seed,
            "expected": EXPECTED,
        }


SAMPLES: tuple[Sample, ...] = (
    Sample(
        file="phantom-a.dcm",
        title="Oval mass, circumscribed",
        description="Oval, parallel, hypoechoic mass with a thin capsule in a mostly fatty breast.",
        spec=PhantomSpec(label="benign", size_mm=13.0, aspect=0.6, depth_mm=13.0, field_depth_mm=34.0),
        seed=101,
        history={"age": 34, "palpable": True, "family_history": False, "nipple_discharge": False, "retraction": False},
        birads="3",
    ),
    Sample(
        file="phantom-b.dcm",
        title="Irregular mass, spiculated",
        description="Irregular, taller-than-wide, hypoechoic mass with spicules, a rind and a shadow.",
        spec=PhantomSpec(
            label="malignant",
            shape="irregular",
            margin="spiculated",
            posterior_features="shadowing",
            halo=True,
            size_mm=13.0,
            aspect=1.2,
            depth_mm=13.5,
            field_depth_mm=36.0,
            lateral_offset_mm=-2.0,
            laterality="R",
        ),
        seed=202,
        history={"age": 67, "palpable": True, "retraction": True, "redness_warmth": False, "personal_history": False},
        birads="5",
    ),
    Sample(
        file="phantom-c.dcm",
        title="Round, anechoic mass",
        description="Round, anechoic mass with a thin wall and enhancement behind it.",
        spec=PhantomSpec(
            label="benign",
            tissue_composition="mostly_fibroglandular",
            shape="round",
            echogenicity="anechoic",
            posterior_features="enhancement",
            size_mm=11.0,
            aspect=0.95,
            depth_mm=12.0,
            field_depth_mm=33.0,
            lateral_offset_mm=3.0,
        ),
        seed=303,
        history={"age": 45, "palpable": False, "hormone_therapy": True, "breast_scar": False},
        birads="2",
        hidden=frozenset({"skin_thickening"}),
    ),
    Sample(
        file="phantom-d.dcm",
        title="Irregular mass with calcifications",
        description="Irregular, microlobulated, heterogeneous mass with bright specks inside; few fields known.",
        spec=PhantomSpec(
            label="malignant",
            tissue_composition="mostly_fibroglandular",
            shape="irregular",
            margin="microlobulated",
            echogenicity="heterogeneous",
            posterior_features="combined",
            calcifications="in_mass",
            size_mm=16.0,
            aspect=0.8,
            depth_mm=15.0,
            field_depth_mm=36.0,
        ),
        seed=404,
        history={"age": 58, "palpable": True, "family_history": True},
        birads="4c",
        hidden=frozenset({"tissue_composition", "halo"}),
    ),
    Sample(
        file="phantom-e.dcm",
        title="Irregular mass, indistinct",
        description="Irregular mass with an indistinct edge in a scarred breast.",
        spec=PhantomSpec(
            label="benign",
            tissue_composition="mostly_fat",
            shape="irregular",
            margin="indistinct",
            posterior_features="shadowing",
            skin_thickening=True,
            size_mm=12.0,
            aspect=0.75,
            depth_mm=11.0,
            field_depth_mm=33.0,
            laterality="R",
        ),
        seed=505,
        history={"age": 52, "palpable": False, "breast_scar": True, "personal_history": False, "redness_warmth": False},
        birads="4a",
    ),
    Sample(
        file="phantom-f.dcm",
        title="Oval mass, circumscribed, enhancing",
        description="Oval, mostly smooth mass with enhancement behind it; age and BI-RADS not recorded.",
        spec=PhantomSpec(
            label="malignant",
            tissue_composition="fibroglandular",
            posterior_features="enhancement",
            size_mm=15.0,
            aspect=0.72,
            depth_mm=14.0,
            field_depth_mm=35.0,
            lateral_offset_mm=-3.0,
            laterality="R",
        ),
        seed=606,
        history={"palpable": True, "nipple_discharge": False, "retraction": False},
        birads=None,
    ),
)


def write_samples(out: Path) -> tuple[Path, ...]:
    """Write the samples, ultrasound first, and their index: the same bytes every time.

    Args:
        out: Folder to write to; made where it is missing.

    Returns:
        The files written, the index last.

    Raises:
        ClinicalValueError: The folder cannot be written to.
    """
    files, entries = [], []
    shipped: tuple[Sample | MriSample, ...] = (*SAMPLES, *MRI_SAMPLES)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number, sample in enumerate(shipped, start=1):
            path = out / sample.file
            path.write_bytes(sample.dicom(number))
            files.append(path)
            entries.append(sample.entry())
        index = out / INDEX_NAME
        index.write_text(json.dumps({"synthetic": True, "samples": entries}, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ClinicalValueError(f"The samples cannot be written to {out}: {error.strerror or error}.") from error
    return (*files, index)
