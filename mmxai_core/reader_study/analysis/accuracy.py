"""How well readers tell positive from negative cases: sensitivity, specificity, ROC and AUC, each reader's and all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from mmxai_core.reader_study.analysis.auc import mean_aucs, one_auc, roc_points
from mmxai_core.reader_study.analysis.charts import Curve, Curves, Forest, Point
from mmxai_core.reader_study.analysis.cluster import cluster_means, estimate_row
from mmxai_core.reader_study.analysis.prepared import Prepared
from mmxai_core.reader_study.analysis.result_line import difference_line, percent, points, three, value_line
from mmxai_core.reader_study.analysis.section import Section, undefined
from mmxai_core.reader_study.resampling import Estimate

ID, TITLE = "accuracy", "Accuracy"
#: Measure -> (name, which cases it is of).
_SHARES = (("sensitivity", 1.0), ("specificity", 0.0))


def accuracy(prepared: Prepared, *, replicates: int, seed: int) -> Section:
    """Sensitivity, specificity, ROC curve and AUC by condition.

    Args:
        prepared: Readings.
        replicates: Of the bootstraps.
        seed: Of the bootstraps.
    """
    frame = prepared.frame[prepared.frame["truth"].notna() & prepared.frame["rating"].notna()]
    if frame.empty:
        return undefined(ID, TITLE, "no reading has a rating on a case whose truth is known.")
    conditions = [c for c in prepared.conditions if (frame["condition"] == c).any()]
    by_reader = _by_reader(frame, conditions)
    pooled = _pooled(frame, conditions, replicates, seed)
    only = frame["reader"].nunique() == 1
    names = {
        "AUC": "AUC" if only else "AUC averaged over readers",
        "sensitivity": "sensitivity",
        "specificity": "specificity",
    }
    lines = [
        value_line(f"{c}, {name}", pooled[measure][c], three if measure == "AUC" else percent)
        for c in conditions for measure, name in names.items()
    ]  # fmt: skip
    differences: list[dict[str, object]] = []
    for comparison in prepared.comparisons:
        inside = frame.assign(condition=frame[comparison.column])
        for measure, state in _SHARES:
            mine = inside[inside["truth"] == state]
            _, pairs = cluster_means(mine, "correct", comparison.conditions, replicates=replicates, seed=seed)
            for later, first in ((b, a) for a, b in combinations(comparison.conditions, 2)):
                e = pairs[later, first]
                if e.n or e.value is not None:
                    differences.append(estimate_row(e, comparison=comparison.title, condition=later, against=first,
                                                    measure=measure))  # fmt: skip
                    if first == comparison.conditions[0]:
                        lines.append(difference_line(measure, later, first, e, points))
    table = pd.DataFrame(
        [estimate_row(pooled[m][c], condition=c, measure=m) for c in conditions for m in pooled]
    )  # fmt: skip
    tables = {"accuracy_pooled": table, "accuracy_by_reader": by_reader}
    if differences:
        tables["accuracy_differences"] = pd.DataFrame(differences)
    charts = (_roc_chart(frame, conditions), _auc_chart(by_reader, pooled["AUC"], conditions))
    scale = prepared.scale
    return Section(
        ID,
        TITLE,
        tuple(lines),
        tables,
        charts,
        (
            f"Scale {scale.name or 'unnamed'}: {scale.reason}.",
            "One reader's intervals are over cases (AUC: DeLong on the logit scale; shares: Wilson). Those of all "
            f"readers come from {replicates} bootstrap draws of readers and cases."
            + (" There is one reader: the intervals are over cases, and speak of no other reader." if only else ""),
            "The mean ROC curve averages the readers' sensitivity at each false positive rate.",
            *(f"Left out, because {why}: {n} readings." for why, n in prepared.left_out.items()),
        ),
    )


def _pooled(frame: pd.DataFrame, conditions: list[str], replicates: int, seed: int) -> dict[str, dict[str, Estimate]]:
    """Estimates over all readers by measure and condition; one reader's are over cases."""
    only = frame["reader"].nunique() == 1
    aucs, _ = mean_aucs(frame, conditions, replicates=replicates, seed=seed)
    pooled = {"AUC": aucs}
    if only:
        by_condition = {c: frame[frame["condition"] == c] for c in conditions}
        pooled["AUC"] = {
            c: one_auc(mine["rating"].to_numpy(float), (mine["truth"] == 1).to_numpy())
            for c, mine in by_condition.items()
        }
    for measure, state in _SHARES:
        mine = frame[frame["truth"] == state]
        pooled[measure], _ = cluster_means(mine, "correct", conditions, replicates=replicates, seed=seed)
        if only:
            pooled[measure] = {c: share(mine.loc[mine["condition"] == c, "correct"]) for c in conditions}
    return pooled


def _by_reader(frame: pd.DataFrame, conditions: list[str]) -> pd.DataFrame:
    rows = []
    for condition in conditions:
        for reader, mine in frame[frame["condition"] == condition].groupby("reader"):
            truth = (mine["truth"] == 1).to_numpy()
            names = {"condition": condition, "reader": reader}
            rows.append(estimate_row(one_auc(mine["rating"].to_numpy(float), truth), **names, measure="AUC"))
            for measure, state in _SHARES:
                rows.append(estimate_row(share(mine.loc[mine["truth"] == state, "correct"]), **names, measure=measure))
    return pd.DataFrame(rows)


def share(hits: pd.Series) -> Estimate:
    """A share with Wilson's 95 % interval, or why there is none."""
    known = hits.dropna()
    if known.empty:
        why = "There is no such case." if hits.empty else "It needs a threshold on the scale."
        return Estimate(None, None, None, 0, why)
    low, high = proportion_confint(known.sum(), len(known), method="wilson")
    return Estimate(float(known.mean()), float(low), float(high), len(known))


def _roc_chart(frame: pd.DataFrame, conditions: list[str]) -> Curves:
    grid = np.linspace(0, 1, 101)
    curves = []
    for condition in conditions:
        means = []
        for reader, mine in frame[frame["condition"] == condition].groupby("reader"):
            truth = (mine["truth"] == 1).to_numpy()
            if truth.all() or not truth.any():
                continue
            fpr, tpr = roc_points(mine["rating"].to_numpy(float), truth)
            curves.append(Curve(f"{condition}, {reader}", tuple(fpr.tolist()), tuple(tpr.tolist()), faint=True))
            means.append(np.interp(grid, fpr, tpr))
        if means:
            # Interpolation starts on the highest sensitivity at a false positive rate of 0, the curve on the origin.
            x, y = np.concatenate([[0.0], grid]), np.concatenate([[0.0], np.mean(means, axis=0)])
            curves.append(Curve(condition, tuple(x.tolist()), tuple(y.tolist())))
    return Curves(
        "ROC curves: mean over readers (bold), each reader (faint)", "False positive rate (1 - specificity)",
        "Sensitivity", tuple(curves), diagonal=True, square=True,
    )  # fmt: skip


def _auc_chart(by_reader: pd.DataFrame, aucs: dict[str, Estimate], conditions: list[str]) -> Forest:
    mine = by_reader[by_reader["measure"] == "AUC"]
    points = [
        Point(str(r["reader"]), _or_none(r["value"]), _or_none(r["low"]), _or_none(r["high"]), str(r["condition"]),
              str(r["reason"]))
        for r in mine.sort_values(["reader"], kind="stable").to_dict("records")
    ]  # fmt: skip
    points += [Point("All readers", aucs[c].value, aucs[c].low, aucs[c].high, c, aucs[c].reason) for c in conditions]
    return Forest("AUC of each reader and of all", "AUC", tuple(points), 0.5, "chance", high=1.0)


def _or_none(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
