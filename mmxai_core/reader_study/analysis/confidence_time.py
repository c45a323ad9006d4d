"""Confidence and time: a mixed model where it converges, else a bootstrap of readers and cases; it says which."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats

from mmxai_core.reader_study.analysis.charts import Forest, Point
from mmxai_core.reader_study.analysis.cluster import cluster_means
from mmxai_core.reader_study.analysis.prepared import Comparison, Prepared
from mmxai_core.reader_study.analysis.result_line import difference_line, plain, seconds, value_line
from mmxai_core.reader_study.analysis.section import Section, undefined
from mmxai_core.reader_study.resampling import Estimate

ID, TITLE = "confidence_time", "Confidence and time"
MODEL, BOOTSTRAP = "mixed model", "bootstrap of readers and cases"
#: More rows than this take the model too long.
_MOST_ROWS = 6000


@dataclass(frozen=True)
class Effect:
    """Difference of one condition from another.

    Attributes:
        estimate: Later minus earlier.
        method: `MODEL` or `BOOTSTRAP`.
        why: Why it is not the model, or "".
    """

    estimate: Estimate
    method: str
    why: str


def effects(
    frame: pd.DataFrame, column: str, conditions: Sequence[str], *, replicates: int, seed: int
) -> dict[tuple[str, str], Effect]:
    """Differences of the later conditions from the first.

    The model has a fixed effect of the condition and random effects of reader, case, and reader x condition, fitted by
    restricted maximum likelihood; its interval uses Student's t with readers - 1 degrees of freedom, so that it speaks
    of other readers. Where it does not converge, or a variance of the effect is not finite, the bootstrap answers.

    Args:
        frame: With `reader`, `case`, `condition` and the column.
        column: What is compared; rows where it is blank are left out.
        conditions: The first is what the others are compared with.
        replicates: Of the bootstrap.
        seed: Of the bootstrap.
    """
    used = frame[frame["condition"].isin(conditions) & frame[column].notna()]
    _, pairs = cluster_means(frame, column, conditions, replicates=replicates, seed=seed)
    first = conditions[0]
    fitted, why = _fit(used, column, conditions)
    found = {}
    for later in conditions[1:]:
        fallback = pairs[later, first]
        if fitted is None or fallback.value is None:
            found[later, first] = Effect(fallback, BOOTSTRAP, why)
            continue
        value, se, df = fitted[later]
        half = float(stats.t.ppf(0.975, df)) * se
        found[later, first] = Effect(Estimate(value, value - half, value + half, fallback.n), MODEL, "")
    return found


def _fit(
    used: pd.DataFrame, column: str, conditions: Sequence[str]
) -> tuple[dict[str, tuple[float, float, int]] | None, str]:
    readers, cases = used["reader"].nunique(), used["case"].nunique()
    if readers < 3 or cases < 3:
        return None, f"a mixed model needs 3 readers and 3 cases; here there are {readers} and {cases}"
    if len(used) > _MOST_ROWS:
        return None, f"a mixed model of {len(used)} readings takes too long"
    if set(used["condition"]) != set(conditions):
        return None, "a condition has no value"
    data = pd.DataFrame(
        {
            "y": used[column].astype(float).to_numpy(), "reader": used["reader"].to_numpy(),
            "case_": used["case"].to_numpy(), "condition": pd.Categorical(used["condition"], list(conditions)),
        }
    )  # fmt: skip
    scale = float(data["y"].std())
    if not scale > 0:
        return None, "every value is the same"
    data["y"] /= scale
    data["both"] = data["reader"].astype(str) + " / " + data["condition"].astype(str)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # convergence is read from the result below
            model: Any = smf.mixedlm(
                "y ~ condition", data, groups=np.ones(len(data)), re_formula="0",
                vc_formula={"reader": "0 + C(reader)", "case": "0 + C(case_)", "both": "0 + C(both)"},
            )  # fmt: skip
            result = model.fit(reml=True, method=["lbfgs", "bfgs", "powell"])
    except (np.linalg.LinAlgError, ValueError) as error:
        return None, f"the mixed model cannot be fitted ({type(error).__name__})"
    if not result.converged:
        return None, "the mixed model did not converge"
    found = {}
    for condition in conditions[1:]:
        name = f"condition[T.{condition}]"
        value, se = float(result.fe_params[name]) * scale, float(result.bse_fe[name]) * scale
        if not np.isfinite(se) or se <= 0:
            return None, "the mixed model gives no standard error"
        found[condition] = (value, se, readers - 1)
    return found, ""


def confidence_time(prepared: Prepared, *, replicates: int, seed: int) -> Section:
    """Confidence and active reading time by condition, and what the AI and the explanation change.

    Arms are compared by their whole active time, stages by their own (what each stage adds) and in confidence.

    Args:
        prepared: Readings.
        replicates: Of the bootstrap.
        seed: Of the bootstrap.
    """
    frame = prepared.frame
    if frame["confidence"].isna().all() and frame["seconds"].isna().all():
        return undefined(ID, TITLE, "the readings hold neither confidence nor active time.")
    whole = frame.groupby(["reader", "arm", "case"])["seconds"].transform(lambda s: s.sum(min_count=len(s)))
    frame = frame.assign(whole=whole.where(frame["final"]))
    lines: list[str] = []
    means: list[dict[str, object]] = []
    changes: list[dict[str, object]] = []
    points: dict[str, list[Point]] = {"confidence": [], "seconds": []}
    for column, what, write in (("confidence", "confidence", plain), ("seconds", "active time", seconds)):
        by_condition, _ = cluster_means(frame, column, prepared.conditions, replicates=replicates, seed=seed)
        for condition, e in by_condition.items():
            if e.n:
                lines.append(value_line(f"{condition}, mean {what}", e, write))
            means.append({"condition": condition, "measure": what, **_cells(e)})
            points[column].append(Point(condition, e.value, e.low, e.high, condition, e.reason))
    for comparison in prepared.comparisons:
        inside = frame.assign(condition=frame[comparison.column])
        for column, what, write in _measures(comparison):
            if inside.loc[inside["condition"].isin(comparison.conditions), column].isna().all():
                continue
            found = effects(inside, column, comparison.conditions, replicates=replicates, seed=seed)
            for (later, first), effect in found.items():
                by = f" ({effect.method}" + (f": {effect.why}" if effect.why else "") + ")"
                lines.append(difference_line(what, later, first, effect.estimate, write)[:-1] + f"{by}.")
                changes.append(
                    {"comparison": comparison.title, "condition": later, "against": first, "measure": what,
                     "method": effect.method, "why_not_the_model": effect.why, **_cells(effect.estimate)}
                )  # fmt: skip
    charts = [
        Forest(title, axis, tuple(points[c]), low=0.0)
        for c, title, axis in (
            ("confidence", "Confidence by condition", "Mean confidence (the study's scale)"),
            ("seconds", "Active time of each stage", "Mean active time (s)"),
        )
        if any(p.value is not None for p in points[c])
    ]
    tables = {"confidence_time": pd.DataFrame(means)}
    if changes:
        tables["confidence_time_differences"] = pd.DataFrame(changes)
    return Section(
        ID, TITLE, tuple(lines), tables, tuple(charts),
        (
            "Mixed model: condition fixed; reader, case and reader x condition random; t with readers - 1 degrees of "
            "freedom. Where it does not converge, a bootstrap of readers and cases answers instead, and the line says "
            "so. Time is active time: idle time is not in it.",
        ),
    )  # fmt: skip


def _measures(comparison: Comparison) -> list[tuple[str, str, Any]]:
    confidence = ("confidence", "confidence", plain)
    if comparison.id == "arms":
        return [confidence, ("whole", "active time a case", seconds)]
    return [confidence]


def _cells(e: Estimate) -> dict[str, object]:
    return {"value": e.value, "low": e.low, "high": e.high, "n": e.n, "reason": e.reason}
