"""leakage.json and generalisation.json of a comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmxai_core.comparison import files
from mmxai_core.comparison.generalise import (
    across_cohorts,
    comparison_material,
    factor_from_features,
    leave_groups_out,
    source_from_features,
)
from mmxai_core.comparison.leakage import TELLS_GROUP, TELLS_SOURCE, chance_note, changed_inputs, missingness
from mmxai_core.comparison.results import Finding, Findings
from mmxai_core.comparison.run import Comparison

#: Factor of `Case.strata` across which a cohort is tested, where it has it.
FACTORS = ("manufacturer", "site")


def write_leakage(comparison: Comparison, *, encoders: bool) -> None:
    """Writes leakage.json.

    Args:
        comparison: A run with finished units.
        encoders: Also ask the image vectors, which needs fold 0's encoder (trained again where the cache lacks it).
    """
    data, config, material = comparison.data, comparison.config, comparison_material(comparison)
    rows: list[Finding] = changed_inputs(material)
    gaps = missingness(
        data.known, data.labels.astype(bool), data.patients, seed=config.seed, replicates=config.replicates
    )
    if gaps is not None:
        rows.append(gaps)
    if encoders:
        if comparison.plan.source is not None:
            rows.append(source_from_features(comparison))
        for factor in _factors(comparison):
            if (found := factor_from_features(comparison, factor)) is not None:
                rows.append(found)
    else:  # what an earlier call asked of the encoders stays
        before = files.read_leakage(comparison.plan.out)
        rows += [_said_anew(r) for r in before.rows if r.id.endswith("_from_features")] if before else []
    files.write(comparison.plan.out / "leakage.json", Findings(files.FORMAT, material.status, tuple(rows)))


def _said_anew(row: Finding) -> Finding:
    """A kept probe of the image vectors, its meaning in the present words."""
    return replace(row, note=chance_note(row.value, TELLS_SOURCE if row.id.startswith("source_") else TELLS_GROUP))


def write_generalisation(comparison: Comparison, *, train: bool = True) -> None:
    """Tests across cohorts and groups, and writes generalisation.json where there is anything to tell.

    Args:
        comparison: The run.
        train: Train what is missing; False: tell what lies there already.
    """
    material, rows = comparison_material(comparison), list[Finding]()
    if comparison.plan.source is not None:
        rows += across_cohorts(comparison, train=train)
    for factor in _factors(comparison):
        rows += leave_groups_out(comparison, factor, train=train)
    if rows:
        files.write(comparison.plan.out / "generalisation.json", Findings(files.FORMAT, material.status, tuple(rows)))


def _factors(comparison: Comparison) -> list[str]:
    facts = [c.strata for c in comparison.cases.values()]
    return [f for f in FACTORS if len(np.unique([s[f] for s in facts if f in s])) > 1]
