"""Table 5 and its neighbours: reliability of explanations, input check, cost of explanations, from their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.components.performance_source import Measurement, cohort_name
from mmxai_core.figures.performance_parts import Cell, Forest, Number, Point, Table
from mmxai_core.report.wording import listed

#: What a figure of `evaluate-explanations` is, by key: name, and what kind of trust it is about.
_FIGURES = {
    "deletion_beats_random": ("Map: deletion beats random regions", "faithfulness"),
    "insertion_beats_random": ("Map: insertion beats random regions", "faithfulness"),
    "top_fields_beat_random": ("Fields: top 3 beat random fields", "faithfulness"),
    "ssim_noise": ("Map: SSIM under noise", "stability"),
    "ssim_shift": ("Map: SSIM under small shifts", "stability"),
    "pearson_noise": ("Contributions: Pearson under noise", "stability"),
    "pearson_shift": ("Contributions: Pearson under small shifts", "stability"),
    "randomisation": ("Similarity to randomised weights (low is good)", "depends on the weights"),
    "agreement": ("Agreement of map and account", "agreement"),
    "attention_overlap": ("Overlap of attention and map", "agreement"),
    "inside_lesion": ("Evidence inside the model's lesion map", "localisation"),
    "evidence": ("Evidence against the null maps", "evidence"),
    "conformal_coverage": ("Prediction sets: largest gap to the promised share", "coverage"),
}


def _number(entry: Any, *, why: str = "not measured") -> Number:
    if not isinstance(entry, Mapping) or entry.get("value") is None:
        return Number(None, why=why)
    return Number(float(entry["value"]), entry.get("low"), entry.get("high"))


def bar_words(bar: Mapping[str, Any] | None) -> tuple[str, str]:
    """(the bar, whether it is met) in words."""
    if bar is None or bar.get("bar") is None:
        return "none", "shown for comparison"
    met = {True: "met", False: "missed", None: "not measured"}[bar.get("met")]
    return f"{bar.get('rule', '')} {float(bar['bar']):g}".strip(), met


def cautions(m: Measurement, sha256: str) -> tuple[str, ...]:
    """What must be known first: cases that trained the model, a bundle since replaced, bars that were missed.

    Args:
        m: A measurement.
        sha256: Of the bundle in use.
    """
    out = []
    r = m.results
    missed = [_name(n) for n, b in r.get("bars", r.get("ratios", {})).items() if b and b.get("met") is False]
    if missed:
        out.append(f"Bars missed: {listed(missed)}.")
    if r.get("trained_on_this_cohort"):
        out.append("These cases trained the model: on unseen cases the figures may be lower.")
    measured = r.get("bundle_sha256", m.config.get("bundle_sha256"))
    if measured and measured != sha256:
        out.append(
            f"Measured on another version of this bundle ({str(measured)[:8]}; in use: {sha256[:8]}): measure it again."
        )
    if r.get("drawn"):
        out.append(f"{r.get('n', 0):,} cases drawn at random, not the whole cohort.")
    return tuple(out)


def _name(key: str) -> str:
    return _FIGURES[key][0] if key in _FIGURES else key.replace("_", " ")


def _source(m: Measurement) -> str:
    r, c = m.results, m.config
    parts = [f"Computed from {m.name}/results.json"]
    if r.get("cohort"):
        parts.append(f"{cohort_name(str(r['cohort']))}, n = {r.get('n', 0):,} cases")
    if "positive_calls" in r:
        parts.append(f"{r['positive_calls']:,} called positive")
    if r.get("known") is not None and r.get("cohort"):
        parts.append(f"known fields: {', '.join(r['known']) or 'none'}")
    parts += [str(x) for x in (r.get("interval"), r.get("machine") or c.get("machine")) if x]
    return "; ".join(parts) + "."


def explanations_table(m: Measurement) -> Table:
    """Table 5: faithfulness, stability and the other checks over a cohort, each against its bar."""
    rows: list[tuple[Cell, ...]] = []
    r = m.results
    for kind, what in (("shares", "share of positive calls"), ("medians", "median over cases")):
        for key, entry in r.get(kind, {}).items():
            bar, met = bar_words(r.get("bars", {}).get(key))
            n = entry["n"] if isinstance(entry, Mapping) else 0
            group = _FIGURES.get(key, ("", ""))[1]
            rows.append((_name(key), group, what, _number(entry), n, bar, met))
    for key, b in r.get("bars", {}).items():
        if key not in r.get("shares", {}) and key not in r.get("medians", {}):
            bar, met = bar_words(b)
            about = _FIGURES.get(key, ("", ""))[1]
            rows.append((_name(key), about, "of the bundle, not of these cases", _number(b), "", bar, met))
    notes = []
    if stages := r.get("cascade"):
        told = ", ".join(f"{v:.2f}" for v in stages)
        notes.append(f"Similarity to the true map as weights are made random from the output down: {told}.")
    return Table(
        f"table5_{m.name.replace('/', '_')}", "Table 5. Explanations: faithfulness and stability",
        ("Figure", "About", "What it is", "Value", "n", "Bar", "Result"), tuple(rows), _source(m), notes=tuple(notes),
    )  # fmt: skip


def explanations_forest(m: Measurement) -> Forest:
    """The same as a chart."""
    figures = [*m.results.get("shares", {}).items(), *m.results.get("medians", {}).items()]
    points = tuple(
        Point(
            f"{_name(k)}: n = {e['n'] if isinstance(e, Mapping) else 0}", _number(e), _FIGURES.get(k, ("", "other"))[1]
        )
        for k, e in figures
    )  # fmt: skip
    return Forest(f"explanations_{m.name.replace('/', '_')}", "Explanations over the cohort",
                  "Share of positive calls, or median", points, _source(m))  # fmt: skip


def inputs_table(m: Measurement) -> Table:
    """What the input check flags, by set of studies."""
    rows: list[tuple[Cell, ...]] = []
    for name, entry in m.results["sets"].items():
        bar, met = bar_words(m.results.get("bars", {}).get(name))
        kind = "the model's own kind" if entry.get("own") else "another kind"
        rows.append(
            (name, kind, _number(entry["share"]), f"{entry['flagged']:,} of {entry['n']:,}",
             str(entry["share"].get("interval", "")), bar, met)
        )  # fmt: skip
    return Table(
        f"inputs_{m.name.replace('/', '_')}", "Input check: share of studies flagged",
        ("Set", "Kind", "Share flagged", "Flagged", "Interval", "Bar", "Result"), tuple(rows), _source(m),
    )  # fmt: skip


def cost_table(m: Measurement) -> Table:
    """What explanations cost, in forward passes of the same network in the same run."""
    rows: list[tuple[Cell, ...]] = []
    for name, r in m.results["ratios"].items():
        rule = "at least" if name.startswith("faster") else "at most"
        bar, met = bar_words({**r, "rule": rule})
        rows.append((name.replace("_", " ").capitalize(), _number(r), str(r.get("unit", "")), bar, met))
    repeats = m.results.get("repeats")
    notes = [str(n) for n in m.results.get("notes", ())]
    notes += [f"No interval: each time is the median of {repeats} runs on one machine."] if repeats else []
    return Table(
        f"cost_{m.name.replace('/', '_')}", "What explanations cost", ("What", "Value", "Unit", "Bar", "Result"),
        tuple(rows), _source(m), notes=tuple(notes),
    )  # fmt: skip


def measured_tables(m: Measurement) -> tuple[Table, ...]:
    """The tables of a measurement of any kind."""
    make = {"explanations": explanations_table, "inputs": inputs_table, "cost": cost_table}[m.kind]
    return (make(m),)
