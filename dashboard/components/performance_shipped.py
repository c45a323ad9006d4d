"""The bundle's own results (`results.json`): what training measured of the very model that answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.components.model_facts import ece_bins_note, ece_note
from dashboard.components.performance_rounding import agreeing
from dashboard.components.performance_source import cohort_name
from dashboard.components.performance_words import level_words
from dashboard.components.results_tables import as_table, tables
from mmxai_core.figures.performance_parts import Forest, Number, Point, Section


def _source(results: Mapping[str, Any]) -> str:
    text = "Computed from results.json of the bundle in use"
    text += f": {cohort_name(str(results['cohort']))}" if results.get("cohort") else ""
    cv = results.get("cross_validation")
    if isinstance(cv, Mapping) and cv.get("n"):
        text += f"; cross-validation n = {cv['n']:,}, {cv.get('folds', '?')} folds"
    return f"{text}. Intervals are 95 %, as training wrote them."


def shipped_forest(results: Mapping[str, Any]) -> Forest | None:
    """AUC of each cross-validated entry, best first; None where there is none."""
    cv = results.get("cross_validation", {})
    models = cv.get("models", {}) if isinstance(cv, Mapping) else {}
    found = []
    for name, entry in models.items():
        auc = entry.get("auc") if isinstance(entry, Mapping) else None
        if isinstance(auc, Mapping) and auc.get("value") is not None:
            branch, _, level = name.partition("|")
            known = "no field" if level == "image" else level_words(level)
            label = branch + (f", {known} known" if level else "")
            found.append(Point(f"{label}: n = {cv.get('n', 0)}", Number(auc["value"], auc.get("low"), auc.get("high")),
                               branch))  # fmt: skip
    if not found:
        return None
    found.sort(key=lambda p: -(p.number.value or 0.0))
    return Forest("bundle_auc", "AUC in the bundle's own cross-validation", "AUC", tuple(found), _source(results), 0.5,
                  "chance")  # fmt: skip


def shipped_headline(results: Mapping[str, Any]) -> str:
    """Where a branch alone is ahead of the fused model at the same known fields, with the test; or that none is."""
    cv = results.get("cross_validation", {})
    models, tests = cv.get("models", {}), cv.get("auc_difference_delong", {})
    behind, compared = [], 0
    for name in models:
        branch, _, level = name.partition("|")
        if branch != "fused" or not level or level == "image":
            continue
        for rival in ("image", f"clinical|{level}"):
            if rival not in models:
                continue
            compared += 1
            ours, other = models[name]["auc"]["value"], models[rival]["auc"]["value"]
            if ours is not None and other is not None and other > ours:
                test = tests.get(f"{name} - {rival}")
                first, second, gap, _ = agreeing(ours, other, test["value"] if test else ours - other)
                words = f"{rival.partition('|')[0]} only {second} against {first} ({level_words(level)} known"
                words += f"; difference {gap}, 95 % interval {test['low']:+.3f} to " if test else ""
                behind.append(words + (f"{test['high']:+.3f}, p = {test['p']:.3f})" if test else ")"))
    if behind:
        return f"A branch alone is ahead of the fused model in {len(behind)} of {compared} comparisons: " + "; ".join(
            behind
        ) + "."  # fmt: skip
    return f"The fused model is ahead of each branch alone in all {compared} comparisons." if compared else ""


def shipped_section(results: Any) -> Section:
    """All of results.json."""
    if not isinstance(results, Mapping) or not results:
        return Section("bundle", "The bundle's own results", ("This bundle reports no results: not measured.",), ())
    forest = shipped_forest(results)
    # how it was trained is told on the Model page; here is what was measured
    measured = {k: v for k, v in results.items() if k != "training"}
    found = [as_table(entry, source=_source(results)) for entry in tables(measured)]
    lines = tuple(x for x in (shipped_headline(results), ece_bins_note(results), ece_note(results)) if x)
    return Section("bundle", "The bundle's own results", lines, (*([forest] if forest else []), *found))
