"""BUS-BRA: breast ultrasound images of biopsied lesions, with masks; no age, no symptoms."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.cohorts.case import Case, Cohort, find_raster
from mmxai_core.errors import CohortError

NAME = "bus_bra"


def load(root: Path) -> Cohort:
    """The cohort as it lies on disk, in the upstream's layout.

    `Case` is the patient. BI-RADS is kept as a stratum only: its category 4 is not subdivided here, so it is not the
    field `birads` of BrEaST. `Histology` tells the label and is never read.

    Raises:
        CohortError: A file is missing.
    """
    table = root / "bus_data.csv"
    if not table.is_file():
        raise CohortError(f"No BUS-BRA table (bus_data.csv) in {root}.")
    cases: list[Case] = []
    missing = 0
    for row in pd.read_csv(table).to_dict("records"):
        name = str(row["ID"])
        image = find_raster(root / "Images", name)
        if image is None:
            missing += 1
            continue
        mask = find_raster(root / "Masks", name.replace("bus_", "mask_"))
        cases.append(
            Case(
                case_id=name,
                patient_id=f"bus_bra-{row['Case']}",
                image=image,
                masks=(mask,) if mask else (),
                label=str(row["Pathology"]).strip().lower(),
                strata={"device": str(row["Device"]), "side": str(row["Side"]), "birads": str(row["BIRADS"])},
            )
        )
    if not cases:
        raise CohortError(f"No image of the BUS-BRA table was found in {root / 'Images'}.")
    return Cohort(
        name=NAME,
        cases=tuple(cases),
        schema=ClinicalSchema(()),
        classes=("benign", "malignant"),
        positive_class="malignant",
        label="Benign or malignant, by biopsy.",
        leaks=("Histology",),
        dropped=(("image file missing", missing),),
        licence="CC BY 4.0",
        citation="Gómez-Flores et al., Medical Physics 2024; doi:10.5281/zenodo.8231412",
        download="https://zenodo.org/records/8231412",
    )
