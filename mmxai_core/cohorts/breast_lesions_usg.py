"""BrEaST-Lesions-USG: one breast ultrasound image a patient, with clinical data and lesion masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Case, Cohort, find_raster
from mmxai_core.errors import CohortError

NAME = "breast_lesions_usg"
_IMAGES = "BrEaST-Lesions_USG-images_and_masks"
_BIRADS = (("2", "2"), ("3", "3"), ("4a", "4A"), ("4b", "4B"), ("4c", "4C"), ("5", "5"))
_MARGINS = (  # from least to most suspicious; a lesion with several takes the most suspicious one
    ("circumscribed", "Circumscribed"), ("indistinct", "Indistinct"), ("microlobulated", "Microlobulated"),
    ("angular", "Angular"), ("spiculated", "Spiculated"),
)  # fmt: skip
_TISSUE = {
    "homogeneous: fat": "fat", "homogeneous: fibroglandular": "fibroglandular",
    "heterogeneous: predominantly fat": "mostly_fat",
    "heterogeneous: predominantly fibroglandular": "mostly_fibroglandular",
}  # fmt: skip
_ECHO = {"complex cystic/solid": "complex_cystic_solid"}
_CALCIFICATIONS = {"no": "none", "in a mass": "in_mass"}


def _yes_no(field_id: str, label: str, help_text: str) -> Field:
    return Field(field_id, label, "yes_no", "history", help_text)


def schema(age_fences: tuple[float, float] | None = None) -> ClinicalSchema:
    """The 18 fields: 9 of history, 8 descriptors of the ACR BI-RADS ultrasound lexicon (5th ed.), and BI-RADS.

    Args:
        age_fences: Tukey fences of age in the training data, years.
    """
    describe: tuple[Field, ...] = (
        Field("tissue_composition", "Tissue composition", "categorical", "descriptor", "Background echotexture.",
              categories=(("fat", "Homogeneous, fat"), ("fibroglandular", "Homogeneous, fibroglandular"),
                          ("mostly_fat", "Heterogeneous, mostly fat"),
                          ("mostly_fibroglandular", "Heterogeneous, mostly fibroglandular"))),
        Field("shape", "Shape", "categorical", "descriptor", "Shape of the mass.",
              categories=(("oval", "Oval"), ("round", "Round"), ("irregular", "Irregular"))),
        Field("margin", "Margin", "categorical", "descriptor", "The most suspicious margin present.",
              categories=_MARGINS),
        Field("echogenicity", "Echo pattern", "categorical", "descriptor", "Relative to mammary fat.",
              categories=(("anechoic", "Anechoic"), ("hyperechoic", "Hyperechoic"), ("isoechoic", "Isoechoic"),
                          ("hypoechoic", "Hypoechoic"), ("heterogeneous", "Heterogeneous"),
                          ("complex_cystic_solid", "Complex cystic and solid"))),
        Field("posterior_features", "Posterior features", "categorical", "descriptor", "Behind the mass.",
              categories=(("none", "None"), ("enhancement", "Enhancement"), ("shadowing", "Shadowing"),
                          ("combined", "Combined"))),
        Field("halo", "Echogenic halo", "yes_no", "descriptor", "Echogenic rim around the mass."),
        Field("calcifications", "Calcifications", "categorical", "descriptor", "Where calcifications are seen.",
              categories=(("none", "None"), ("in_mass", "In the mass"), ("intraductal", "Intraductal"),
                          ("indefinable", "Seen, place unclear"))),
        Field("skin_thickening", "Skin thickening", "yes_no", "descriptor", "Skin over 2 mm thick on the image."),
    )  # fmt: skip
    return ClinicalSchema(
        (
            Field("age", "Age", "numeric", "history", "Age at the examination.", unit="years",
                  plausible=(10, 110), fences=age_fences),
            _yes_no("palpable", "Palpable lump", "A lump is felt at the place examined."),
            _yes_no("retraction", "Skin or nipple retraction", "Retraction of skin or nipple on inspection."),
            _yes_no("redness_warmth", "Redness or warmth", "Signs of inflammation on inspection."),
            _yes_no("breast_scar", "Breast scar", "Scar of earlier surgery or radiotherapy."),
            _yes_no("nipple_discharge", "Nipple discharge", "Reported or seen."),
            _yes_no("family_history", "Family history", "Breast or ovarian cancer in the family."),
            _yes_no("personal_history", "Personal history", "Earlier breast cancer."),
            _yes_no("hormone_therapy", "Hormone therapy", "Hormone replacement or hormonal contraception."),
            *describe,
            Field("birads", "BI-RADS category", "ordinal", "assessment", "The reader's own final category.",
                  categories=_BIRADS),
        )
    )  # fmt: skip


def _findings(cell: str, names: dict[str, str]) -> dict[str, bool]:
    """One `&`-joined cell -> a yes/no per finding; "not available" leaves all unknown, "no" makes all no."""
    parts = {p.strip() for p in cell.split("&")}
    if "not available" in parts or parts == {"nan"}:
        return {}
    out = dict.fromkeys(names.values(), False)
    for part in parts - {"no"}:
        if part not in names:
            raise CohortError(f"Unknown finding {part!r} in the BrEaST table; known: {', '.join(sorted(names))}.")
        out[names[part]] = True
    return out


_SIGNS = {
    "palpable": "palpable", "skin retraction": "retraction", "nipple retraction": "retraction",
    "redness": "redness_warmth", "warmth": "redness_warmth", "breast scar": "breast_scar",
}  # fmt: skip
_SYMPTOMS = {
    "nipple discharge": "nipple_discharge", "family history of breast/ovarian cancer": "family_history",
    "personal history of breast cancer": "personal_history", "HRT/hormonal contraception": "hormone_therapy",
}  # fmt: skip


def _clinical(row: dict[str, Any]) -> dict[str, Any]:
    """One row of the table -> raw values by field id, unknown ones absent."""
    text = {k: str(v).strip() for k, v in row.items()}
    values: dict[str, Any] = {**_findings(text["Signs"], _SIGNS), **_findings(text["Symptoms"], _SYMPTOMS)}
    if text["Age"] not in ("not available", "nan"):
        values["age"] = float(text["Age"])
    tissue = {p.strip() for p in text["Tissue_composition"].split("&")} - {"lactating", "not available", "nan"}
    if tissue:
        values["tissue_composition"] = _TISSUE[tissue.pop()]
    if text["Shape"] != "not applicable":
        margin = text["Margin"].replace("not circumscribed - ", "")
        order = [m for m, _ in _MARGINS]
        values |= {
            "shape": text["Shape"],
            "margin": max(margin.split("&"), key=order.index),
            "echogenicity": _ECHO.get(text["Echogenicity"], text["Echogenicity"]),
            "posterior_features": {"no": "none"}.get(text["Posterior_features"], text["Posterior_features"]),
            "halo": text["Halo"],
            "calcifications": _CALCIFICATIONS.get(text["Calcifications"], text["Calcifications"]),
        }
    values["skin_thickening"] = text["Skin_thickening"]
    birads = text["BIRADS"].lower()
    if birads in dict(_BIRADS):
        values["birads"] = birads
    return values


def load(root: Path) -> Cohort:
    """The cohort as it lies on disk, in the upstream's layout.

    Normal breasts (no lesion, so neither benign nor malignant) are dropped and counted.

    Args:
        root: Folder with the xlsx and the folder of images and masks.

    Raises:
        CohortError: A file is missing, or the table holds a value the adapter does not know.
    """
    tables = sorted(root.glob("BrEaST-Lesions-USG-clinical-data*.xlsx"))
    if not tables:
        raise CohortError(f"No BrEaST clinical table (BrEaST-Lesions-USG-clinical-data*.xlsx) in {root}.")
    folder = next((f for f in (root / _IMAGES, root) if f.is_dir()), root)
    rows = pd.read_excel(tables[-1]).to_dict("records")
    cases: list[Case] = []
    normal = missing = 0
    for row in rows:
        label = str(row["Classification"]).strip().lower()
        stem = Path(str(row["Image_filename"])).stem
        image = find_raster(folder, stem)
        if label == "normal":
            normal += 1
            continue
        if image is None:
            missing += 1
            continue
        masks = [find_raster(folder, Path(m).stem) for m in str(row["Mask_tumor_filename"]).split("&") if m != "nan"]
        case_id = f"{int(row['CaseID']):03d}"
        cases.append(
            Case(
                case_id=case_id,
                patient_id=case_id,
                image=image,
                masks=tuple(m for m in masks if m),
                label=label,
                clinical=_clinical({str(k): v for k, v in row.items()}),
                strata={"pixel_size_cm": f"{float(row['Pixel_size']):.4f}"},
            )
        )
    if not cases:
        raise CohortError(f"No lesion image of the BrEaST table was found in {folder}.")
    return Cohort(
        name=NAME,
        cases=tuple(cases),
        schema=schema(),
        classes=("benign", "malignant"),
        positive_class="malignant",
        label="Benign or malignant, by biopsy or, for benign lesions, by follow-up.",
        leaks=("Verification", "Interpretation", "Diagnosis"),
        dropped=(("normal breast, no lesion to classify", normal), ("image file missing", missing)),
        licence="CC BY 4.0",
        citation="Pawłowska et al., Scientific Data 2024; TCIA BREAST-LESIONS-USG, doi:10.7937/9WKK-Q141",
        download="https://www.cancerimagingarchive.net/collection/breast-lesions-usg/",
    )
