"""How a model does in each group of patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.models import IMAGE_LEVEL
from mmxai_core.comparison.pooling import Material
from mmxai_core.comparison.results import SubgroupRow
from mmxai_core.comparison.scoring import Pool, wilson
from mmxai_core.evaluation.bootstrap import Interval, intervals

#: A group smaller than this is counted but not measured.
SMALLEST = 5
_NONE = Estimate(None, None, None)


def subgroups(
    material: Material, pools: Mapping[tuple[str, str], Pool], chosen: Mapping[str, str]
) -> Iterator[SubgroupRow]:
    """The reference model of each level, and image only, in each group of each factor the cohort states.

    Args:
        material: The run.
        pools: By (model, level).
        chosen: The reference model by level.
    """
    factors = sorted({f for facts in material.facts.values() for f in facts})
    wanted = dict.fromkeys([("image", IMAGE_LEVEL), *((m, level) for level, m in chosen.items())])
    for key in wanted:
        found = pools.get(key)
        if found is None:
            continue
        for factor in factors:
            groups = _groups(found, factor, material)
            for group in sorted(set(groups.tolist())):
                yield _row(key, factor, group, found, groups == group, material)


def _groups(found: Pool, factor: str, material: Material) -> NDArray[np.str_]:
    by_unit: dict[str, str] = {}
    for case, facts in material.facts.items():
        unit = material.patient[case] if material.per_patient else case
        by_unit.setdefault(unit, facts.get(factor, "unknown"))
    return np.array([by_unit[i] for i in found.ids])


def _row(
    key: tuple[str, str], factor: str, group: str, found: Pool, here: NDArray[np.bool_], material: Material
) -> SubgroupRow:
    n, positives = int(here.sum()), int(found.labels[here].sum())
    names = ("auc", "sensitivity", "specificity")
    values = dict.fromkeys(names, _NONE)
    if n >= SMALLEST:
        measured = intervals(
            lambda w: {k: v for k, v in found.statistics(w * here).items() if k in names}, found.groups,
            replicates=material.replicates, seed=material.seed,
        )  # fmt: skip
        for name, i in measured.items():
            few = name == "auc" and min(positives, n - positives) < 2
            if i is not None and not few:
                values[name] = _interval(name, i, positives=positives, negatives=n - positives)
    return SubgroupRow(key[0], key[1], factor, group, n, positives, *(values[k] for k in names))


def _interval(name: str, found: Interval, *, positives: int, negatives: int) -> Estimate:
    """The bootstrap's interval, where it has a width.

    Of cases that are all called alike it has none, however few they are: then a rate has Wilson's interval, which takes
    the counted units for independent, and an AUC none.
    """
    low: float | None = found.low
    high: float | None = found.high
    if low == high:
        low = high = None
        if name != "auc":
            count = positives if name == "sensitivity" else negatives
            low, high = (float(x) for x in wilson(np.array(found.value), np.array(float(count))))
    return Estimate(round(found.value, 6), *(None if v is None else round(v, 6) for v in (low, high)))
