"""A cohort as the comparison takes it: BUS-BRA with its one field, published splits, facts for subgroups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts import bus_bra
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.split import hold_out, patient_folds

#: Age bands of subgroup tables, years: [low, high).
AGE_BANDS = ((0, 40), (40, 55), (55, 70), (70, 200))


def with_fields(cohort: Cohort) -> Cohort:
    """The cohort itself; BUS-BRA with its BI-RADS category (not subdivided at 4) as its only field."""
    if cohort.name != bus_bra.NAME or cohort.schema.fields:
        return cohort
    seen = sorted({c.strata["birads"] for c in cohort.cases})
    field = Field(
        "birads", "BI-RADS category", "ordinal", "assessment", "The reader's final category; 4 is not subdivided.",
        categories=tuple((v, v) for v in seen),
    )  # fmt: skip
    cases = tuple(replace(c, clinical={"birads": c.strata["birads"]}) for c in cohort.cases)
    return replace(cohort, cases=cases, schema=ClinicalSchema((field,)))


@dataclass(frozen=True, eq=False)
class Split:
    """One fold of one seed, as indices into the cohort's cases.

    Attributes:
        seed: Of the run.
        fold: From 0.
        train: Cases to learn from.
        validation: Cases for early stopping, temperature, threshold and every choice.
        test: Held-out cases.
    """

    seed: int
    fold: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def published(cases: Sequence[Case]) -> bool:
    """Whether the publisher split all cases into train and test."""
    return {c.split for c in cases} == {"train", "test"}


def make_splits(
    data: CohortArrays, *, folds: int, seed: int, validation: float, parts: Sequence[str | None] | None = None
) -> list[Split]:
    """Patient-grouped, stratified folds; or the one split the publisher made.

    Args:
        data: Cases.
        folds: Number of folds; of no effect where there are published parts.
        seed: Of the splits.
        validation: Part of the training patients held out of training.
        parts: "train" or "test" a case, or None.
    """
    if parts is not None:
        is_test = np.array([p == "test" for p in parts])
        outer = [(np.flatnonzero(~is_test), np.flatnonzero(is_test))]
    else:
        outer = patient_folds(data.labels, data.patients, folds=folds, seed=seed)
    out = []
    for k, (rest, test) in enumerate(outer):
        patients = [data.patients[i] for i in rest]
        train, held = hold_out(data.labels[rest], patients, part=validation, seed=seed * 100 + k)
        out.append(Split(seed, k, rest[train], rest[held], test))
    return out


def subgroup_of(case: Case) -> dict[str, str]:
    """Facts that subgroup tables group by: the cohort's strata, age band, and descriptors of the whole breast."""
    out = {k: v for k, v in case.strata.items() if k not in ("pixel_size_cm", "birads")}
    age = case.clinical.get("age")
    if age is not None:
        low, high = next(b for b in AGE_BANDS if b[0] <= float(age) < b[1])
        out["age_band"] = f"under {high}" if low == 0 else f"{low} and over" if high > 110 else f"{low} to {high - 1}"
    for field_id in ("tissue_composition", "birads", "menopause", "sex"):
        if (value := case.clinical.get(field_id) or case.strata.get(field_id)) is not None:
            out[field_id] = str(value)
    return out
