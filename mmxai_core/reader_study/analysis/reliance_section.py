"""Reliance on the AI: opinions given up for a wrong AI, opinions mended by a right one, seeded errors apart."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from mmxai_core.reader_study.analysis.charts import Forest, Point
from mmxai_core.reader_study.analysis.prepared import Prepared
from mmxai_core.reader_study.analysis.result_line import difference_line, points
from mmxai_core.reader_study.analysis.section import Section, undefined
from mmxai_core.reader_study.reliance import MEASURES, Reliance, reliance
from mmxai_core.reader_study.resampling import Estimate

ID, TITLE = "reliance", "Reliance on the AI"
_SHARES = ("over_reliance", "beneficial_switching")
#: Which AI errors a row is about.
ALL, SEEDED, OWN = "all cases", "seeded errors and right answers", "the AI's own errors and right answers"


def reliance_readings(prepared: Prepared) -> tuple[pd.DataFrame, list[str]]:
    """One row a reading with its opinion before and after the AI, as `reliance` takes it, and what to mind.

    The opinion before is the unaided stage of the same arm; where an arm has none, the same reader's answer for the
    same case in an unaided arm. `arm` says what the final opinion was formed with.
    """
    frame = prepared.frame[prepared.frame["positive"].notna() & prepared.frame["truth"].notna()]
    keys = ["reader", "case"]
    before = frame[frame["stage"] == "unaided"]
    own = {(r["reader"], r["case"], r["arm"]): r for r in before.to_dict("records")}
    last = before[before["final"]].drop_duplicates(keys)
    elsewhere = {(r["reader"], r["case"]): r for r in last.to_dict("records")}
    after = frame[(frame["stage"] != "unaided") & frame["ai"].notna()]
    notes = []
    rows, borrowed = [], 0
    for r in after.to_dict("records"):
        key = (r["reader"], r["case"], r["arm"])
        first = own.get(key)
        if first is None:
            first = elsewhere.get(key[:2])
            borrowed += first is not None
        if first is None:
            continue
        rows.append(
            {
                "reader": r["reader"], "case": r["case"], "truth": int(r["truth"]), "ai": int(r["ai"]),
                "initial": int(first["positive"]), "final": int(r["positive"]),
                "arm": r["condition"], "seeded": r["seeded_wrong"] == 1,
                "confidence_initial": first["confidence"], "confidence_final": r["confidence"],
                "seconds_initial": first["seconds"], "seconds_final": r["seconds"],
            }
        )  # fmt: skip
    if borrowed:
        notes.append(
            f"In {borrowed} readings the opinion before the AI is the same reader's answer in the unaided arm, given "
            "on another occasion: a change may be chance, not the AI's doing."
        )
    return pd.DataFrame(rows), notes


def reliance_section(prepared: Prepared, *, replicates: int, seed: int) -> Section:
    """Over-reliance, beneficial switching and what goes with them, by condition.

    Args:
        prepared: Readings.
        replicates: Of the bootstrap of readers and cases.
        seed: Of the bootstrap.
    """
    if prepared.scale.threshold is None:
        return undefined(ID, TITLE, f"{prepared.scale.reason}.")
    readings, notes = reliance_readings(prepared)
    if readings.empty:
        return undefined(
            ID, TITLE, "no reading has an opinion before and after an AI whose answer is known, on a case whose truth "
            "is known.",
        )  # fmt: skip
    found = reliance(readings, replicates=replicates, seed=seed)
    seeded = {}
    if readings["seeded"].any():
        right = readings["ai"] == readings["truth"]
        for name, kept in ((SEEDED, right | readings["seeded"]), (OWN, ~readings["seeded"])):
            seeded[name] = reliance(readings[kept], replicates=replicates, seed=seed)
    rows = _rows(found, ALL)
    for name, one in seeded.items():
        rows += [r for r in _rows(one, name) if r["measure"] == "over_reliance"]
    lines = found.sentences()
    for name, one in seeded.items():
        what = "seeded errors" if name == SEEDED else "the AI's own errors"
        lines += [f"{arm}, {what} only: over-reliance {_words(e['over_reliance'])}" for arm, e in one.by_arm.items()]
    changes: list[dict[str, object]] = []
    order = [c for c in prepared.conditions if c in found.by_arm]
    for (a, b), measures in zip(combinations(found.by_arm, 2), found.differences.values(), strict=True):
        first, later = sorted((a, b), key=order.index)
        turned = {m: e if later == a else _flipped(e) for m, e in measures.items()}
        for name, word in (("over_reliance", "over-reliance"), ("beneficial_switching", "beneficial switching")):
            lines.append(difference_line(word, later, first, turned[name], points))
        changes += [
            {"condition": later, "against": first, "measure": m, "meaning": MEASURES[m][0]} | _cells(e)
            for m, e in turned.items()
        ]
    tables = {"reliance": pd.DataFrame(rows)}
    if changes:
        tables["reliance_differences"] = pd.DataFrame(changes)
    charts = [_chart(found, seeded)]
    gains = [("accuracy_change_ai_right", "AI right"), ("accuracy_change_ai_wrong", "AI wrong")]
    charts.append(
        Forest(
            "Change in accuracy from before to after the AI", "Change in accuracy (points)",
            tuple(_point(f"{arm}: {word}", e[m], word) for arm, e in found.by_arm.items() for m, word in gains),
            0.0, "no change", percent=True,
        )
    )  # fmt: skip
    notes.insert(0, (
        "Over-reliance: final = AI among readings right at first that met a wrong AI. Beneficial switching: right at "
        "last among readings wrong at first that met a right AI. Intervals: bootstrap of readers and cases."
    ))  # fmt: skip
    notes.append(f"A reading is an opinion at or above the threshold: {prepared.scale.reason}.")
    return Section(ID, TITLE, tuple(lines), tables, tuple(charts), tuple(notes))


def _flipped(e: Estimate) -> Estimate:
    """The same difference the other way round: `reliance` orders its pairs by the alphabet."""
    if e.value is None:
        return e
    low, high = (None, None) if e.low is None or e.high is None else (0.0 - e.high, 0.0 - e.low)
    return Estimate(0.0 - e.value, low, high, e.n, e.reason)


def _cells(e: Estimate) -> dict[str, object]:
    return {"value": e.value, "low": e.low, "high": e.high, "n": e.n, "reason": e.reason}


def _rows(found: Reliance, about: str) -> list[dict[str, object]]:
    return [
        {"condition": arm, "measure": m, "meaning": MEASURES[m][0], "about": about} | _cells(e)
        for arm, measures in found.by_arm.items() for m, e in measures.items()
    ]  # fmt: skip


def _words(e: Estimate) -> str:
    if e.value is None:
        return f"not defined: {e.reason.rstrip('.')}."
    span = (
        f" (95 % interval {100 * e.low:.0f} % to {100 * e.high:.0f} %)"
        if e.low is not None and e.high is not None
        else " (no interval)"
    )
    return f"{100 * e.value:.0f} % of {e.n} readings{span}."


def _point(label: str, e: Estimate, group: str) -> Point:
    return Point(label, e.value, e.low, e.high, group, e.reason)


def _chart(found: Reliance, seeded: dict[str, Reliance]) -> Forest:
    names = {"over_reliance": "over-reliance", "beneficial_switching": "beneficial switching"}
    rows = [_point(f"{arm}: {names[m]}", e[m], names[m]) for arm, e in found.by_arm.items() for m in _SHARES]
    for name, one in seeded.items():
        word = "over-reliance, seeded errors" if name == SEEDED else "over-reliance, the AI's own errors"
        rows += [_point(f"{arm}: {word}", e["over_reliance"], word) for arm, e in one.by_arm.items()]
    return Forest(
        "How often readers followed the AI", "Share of readings", tuple(rows), low=0.0, high=1.0, percent=True,
    )  # fmt: skip
