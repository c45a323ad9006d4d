"""Designs and clinical values drawn at random, with overlapping classes.

The odds were rounded by hand, with the BI-RADS lexicon and the published totals of BrEaST (Pawlowska et al., Sci Data
2024, DOI 10.1038/s41597-024-02984-z) in view, and moved towards each other; no patient's row was used. Whether a value
is known is drawn without looking at the class: missingness carries no label.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import numpy as np

from mmxai_core.phantom.spec import Label, PhantomSpec

#: A clinical value as JSON writes it.
ClinicalValue: TypeAlias = bool | float | int | str

_Odds: TypeAlias = Mapping[str, tuple[float, float]]

#: Weight of each value: (benign, malignant).
_SHAPE: _Odds = {"oval": (0.62, 0.10), "round": (0.12, 0.05), "irregular": (0.26, 0.85)}
_ECHO: _Odds = {
    "anechoic": (0.10, 0.00),
    "hyperechoic": (0.06, 0.01),
    "isoechoic": (0.10, 0.03),
    "hypoechoic": (0.52, 0.70),
    "heterogeneous": (0.16, 0.21),
    "complex_cystic_solid": (0.06, 0.05),
}
_POSTERIOR: _Odds = {
    "none": (0.64, 0.45),
    "enhancement": (0.22, 0.12),
    "shadowing": (0.12, 0.35),
    "combined": (0.02, 0.08),
}
_CALC: _Odds = {
    "none": (0.92, 0.72),
    "in_mass": (0.06, 0.22),
    "intraductal": (0.01, 0.04),
    "indefinable": (0.01, 0.02),
}
_COMPOSITION: _Odds = {
    "fat": (0.10, 0.17),
    "mostly_fat": (0.36, 0.45),
    "mostly_fibroglandular": (0.28, 0.26),
    "fibroglandular": (0.26, 0.12),
}
#: Margin depends on class and on whether the shape is irregular.
_MARGIN_SMOOTH: _Odds = {"circumscribed": (0.88, 0.40), "indistinct": (0.08, 0.30), "microlobulated": (0.04, 0.30)}
_MARGIN_IRREGULAR: _Odds = {
    "circumscribed": (0.28, 0.02),
    "indistinct": (0.42, 0.28),
    "microlobulated": (0.14, 0.20),
    "angular": (0.12, 0.24),
    "spiculated": (0.04, 0.26),
}
#: Chance of "yes": (benign, malignant).
_YES: _Odds = {
    "palpable": (0.24, 0.50),
    "retraction": (0.02, 0.08),
    "redness_warmth": (0.02, 0.03),
    "breast_scar": (0.05, 0.03),
    "nipple_discharge": (0.05, 0.05),
    "family_history": (0.11, 0.15),
    "personal_history": (0.03, 0.06),
    "hormone_therapy": (0.12, 0.13),
}
_BIRADS: _Odds = {
    "2": (0.20, 0.00),
    "3": (0.28, 0.02),
    "4a": (0.28, 0.06),
    "4b": (0.15, 0.18),
    "4c": (0.07, 0.36),
    "5": (0.02, 0.38),
}
#: Chance that a field of the group was not recorded, the same in both classes.
_UNKNOWN_HISTORY, _UNKNOWN_AGE, _UNKNOWN_DESCRIPTOR, _UNKNOWN_BIRADS = 0.25, 0.12, 0.06, 0.10
_DESCRIPTORS = (
    "tissue_composition",
    "shape",
    "margin",
    "echogenicity",
    "posterior_features",
    "halo",
    "calcifications",
    "skin_thickening",
)


def _pick(rng: np.random.Generator, odds: _Odds, malignant: bool) -> str:
    weights = np.array([pair[malignant] for pair in odds.values()])
    return list(odds)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def draw_spec(rng: np.random.Generator, label: Label | None = None) -> PhantomSpec:
    """Draw a design.

    Args:
        rng: Source of the draw.
        label: The class, or None to draw it (45 % malignant).

    Returns:
        A design whose mass fits the field of view.
    """
    malignant = bool(rng.random() < 0.45) if label is None else label == "malignant"
    shape = _pick(rng, _SHAPE, malignant)
    margin = _pick(rng, _MARGIN_IRREGULAR if shape == "irregular" else _MARGIN_SMOOTH, malignant)
    echo = _pick(rng, _ECHO, malignant)
    posterior = _pick(rng, _POSTERIOR, malignant)
    if echo == "anechoic" and rng.random() < 0.75:
        posterior = "enhancement"
    size = float(np.clip(rng.lognormal(np.log(12.5 if malignant else 10.0), 0.36), 5.0, 24.0))
    if shape == "round":
        aspect = rng.uniform(0.92, 1.08)
    elif shape == "oval":
        aspect = rng.uniform(0.45, 0.8)
    else:
        aspect = rng.uniform(0.6, 1.4) if malignant else rng.uniform(0.5, 1.1)
    height = size * min(aspect, 1.0)
    field = float(np.clip(rng.normal(34.0 + 0.5 * max(height - 12.0, 0.0), 3.0), 28.0, 45.0))
    low, high = max(5.0, height / 2 + 2.5), min(0.62 * field, 30.0, field - height / 2 - 3.0)
    words: dict[str, Any] = {
        "label": "malignant" if malignant else "benign",
        "tissue_composition": _pick(rng, _COMPOSITION, malignant),
        "shape": shape,
        "margin": margin,
        "echogenicity": echo,
        "posterior_features": posterior,
        "halo": bool(rng.random() < (0.38 if malignant else 0.05)),
        "calcifications": _pick(rng, _CALC, malignant),
        "skin_thickening": bool(rng.random() < 0.06),
        "laterality": "L" if rng.random() < 0.5 else "R",
    }
    return PhantomSpec(
        **words,
        size_mm=size,
        aspect=float(aspect),
        depth_mm=float(rng.uniform(low, max(low, high))),
        field_depth_mm=field,
        lateral_offset_mm=float(np.clip(rng.normal(0.0, 3.0), -9.0, 9.0)),
    )


def draw_clinical(spec: PhantomSpec, rng: np.random.Generator) -> dict[str, ClinicalValue]:
    """Draw the clinical values that go with a design; the descriptors are the design's own.

    Args:
        spec: The design.
        rng: Source of the draw.

    Returns:
        Known values by field id: age in years, yes/no as bool, categories as words. Unknown fields are absent.
    """
    malignant = spec.label == "malignant"
    values: dict[str, ClinicalValue] = {}
    mean, spread = (60.0, 13.0) if malignant else (46.0, 14.0)
    age = int(np.clip(np.round(rng.normal(mean, spread)), 18, 90))
    known_age = rng.random() >= _UNKNOWN_AGE
    if known_age:
        values["age"] = age
    for name, odds in _YES.items():
        answer, known = bool(rng.random() < odds[malignant]), rng.random() >= _UNKNOWN_HISTORY
        if known:
            values[name] = answer
    for name in _DESCRIPTORS:
        if rng.random() >= _UNKNOWN_DESCRIPTOR:
            values[name] = cast(ClinicalValue, getattr(spec, name))
    category, known = _pick(rng, _BIRADS, malignant), rng.random() >= _UNKNOWN_BIRADS
    if known:
        values["birads"] = category
    return values
