"""Table 5 and its neighbours: reliability of explanations, input check, cost of explanations, from their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from dashboard.components.model_facts import coverage_spread
from dashboard.components.performance_source import Measurement, cohort_name
from mmxai_core.clinical import GROUPS
from mmxai_core.evaluation.explanation_metrics import coverage_gap
from mmxai_core.explain.randomisation import STAGES
from mmxai_core.figures.performance_parts import Cell, Forest, Number, Point, Table
from mmxai_core.results.typography import listed

#: What a figure of `evaluate-explanations` is, by key: name, and what kind of trust it is about. Higher is better but
#: for `_LOW_IS_GOOD`.
_FIGURES = {
    "deletion_beats_random": ("Map: deletion beats random regions", "faithfulness"),
    "insertion_beats_random": ("Map: insertion beats random regions", "faithfulness"),
    "top_fields_beat_random": ("Fields: top 3 beat random fields", "faithfulness"),
    "ssim_noise": ("Map: SSIM under noise", "stability"),
    "ssim_shift": ("Map: SSIM under small shifts", "stability"),
    "pearson_noise": ("Contributions: Pearson under noise", "stability"),
    "pearson_shift": ("Contributions: Pearson under small shifts", "stability"),
    "randomisation": ("Map: likeness to that of random weights (low is good)", "depends on the weights"),
    "agreement": ("Agreement of image and clinical data, -1 to 1", "agreement"),
    "attention_overlap": ("Fields' attention on the map: Pearson", "agreement"),
    "inside_lesion": ("Evidence inside the model's own lesion map, share", "localisation"),
    "evidence": ("Evidence: share of null maps that are weaker", "evidence"),
    "conformal_coverage": ("Prediction sets: largest gap to the promised share (low is good)", "coverage"),
}
_LOW_IS_GOOD = ("randomisation",)
#: A figure on the chart: short name with its unit. All but agreement and the correlations lie between 0 and 1.
_ON_CHART = {
    "deletion_beats_random": "Deletion beats random, share of calls",
    "insertion_beats_random": "Insertion beats random, share of calls",
    "top_fields_beat_random": "Top 3 fields beat random, share of calls",
    "ssim_noise": "Map under noise, SSIM",
    "ssim_shift": "Map under small shifts, SSIM",
    "pearson_noise": "Contributions under noise, Pearson",
    "pearson_shift": "Contributions under shifts, Pearson",
    "randomisation": "Random weights, Pearson; LOWER is better",
    "agreement": "Image and clinical data agree, -1 to 1",
    "attention_overlap": "Attention on the map, Pearson",
    "inside_lesion": "Evidence inside lesion map, share",
    "evidence": "Null maps that are weaker, share",
}
#: Where the bars come from, and where they stand in the code.
_BARS_FROM = {
    "explanations": "set in the code before these figures were measured, that of the prediction sets when the coverage "
                    "of breast-us was on file already (BARS in mmxai_core/evaluation/explanation_metrics.py)",
    "inputs": "what the project set out to reach (OWN_BAR and FOREIGN_BAR in mmxai_core/training/input_trial.py)",
    "cost": "what the project set out to reach (BARS in mmxai_core/explain/benchmark.py)",
}  # fmt: skip
#: Figures of the benchmark, as they are read.
_COSTS = {
    "full_explanation_8_fields": "Full explanation, 8 fields known",
    "joint_account_8_fields": "Joint account of fields and image regions, 8 fields known",
    "audited_attention_8_fields": "Attention with its audit, 8 fields known",
    "what_if": "Answer to one what-if change",
    "exact_all_fields": "Exact account, all fields known",
    "joint_account_all_fields": "Joint account of fields and image regions, all fields known",
    "reliability_strip": "Reliability strip",
    "faster_than_shap_exact": "Exact account against the library shap",
    "faster_than_shap_exact_head_included": "Exact account against shap, with the time to build the head",
    "faster_than_re_encoding": "Exact account against reading the image anew for each combination",
    "exact_all_fields_memory_gib": "Memory of the process, up to the exact account of all fields",
    "peak_memory_gib": "Memory of the process, up to the end of all explanations",
}
#: Sets of the input check, as they are read; a cohort's name is that of its publisher.
_SETS = {
    "tcga_lgg_mri": "TCGA-LGG, MRI", "tcga_gbm_mri": "TCGA-GBM, MRI", "tcga_luad_ct_dicom": "TCGA-LUAD, CT",
    "dicom_robustness": "DICOM files of many kinds", "other US": "Ultrasound that is not of the breast",
    "intruders": "Made-up images of other kinds",
}  # fmt: skip


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
    groups = tuple(r.get("known") or ())
    known = f" with the known fields of {listed(groups)}" if groups else ""
    if set(groups) == set(GROUPS):
        known = f" with every field known that the cohort states ({listed(groups)})"
    if r.get("trained_on_this_cohort"):
        fewer = " or with fewer fields" if known else ""
        out.append(f"Measured on cases that trained the model{known}: on unseen cases{fewer} the figures may be lower.")
    elif known:
        out.append(f"Measured{known}: with other fields the figures may differ.")
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


def _bars_note(m: Measurement, bars: Sequence[str]) -> str:
    """Where the bars come from, so that they are not taken for chosen afterwards."""
    rest = " A row with “none” had none set, and is reported all the same." if "none" in bars else ""
    return f"Bars: {_BARS_FROM[m.kind]}.{rest}"


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


def _by_layer(stages: Sequence[float]) -> str:
    """Likeness to the true map as weights are made random from the output down, a layer at a time."""
    names = STAGES if len(stages) == len(STAGES) else [f"step {i + 1}" for i in range(len(stages))]
    told = "; ".join(f"{name} {v:.2f}" for name, v in zip(names, stages, strict=True))
    return f"Mean by layer, from the output down, each with all before it: {told}"


def _kept_by(stages: Sequence[float], bar: Mapping[str, Any] | None) -> str:
    """Which steps alone would miss the bar of the last one; "" for none."""
    if not bar or bar.get("bar") is None or len(stages) != len(STAGES):
        return ""
    alike = takewhile(lambda step: step[1] >= bar["bar"], zip(STAGES[:-1], stages[:-1], strict=True))
    high = [f"“{name}”" for name, _ in alike]
    if not high:
        return ""
    return (
        f"Random weights: the bar is on the last step, once every weight is random. Up to {high[-1]} the map stays "
        f"alike (at or above {bar['bar']:g}): it depends less on these layers than on those that follow."
    )


def _spread(m: Measurement, gap: Any) -> str:
    """What lies behind the gap of the prediction sets; "" where the bundle's coverage is not the one measured here."""
    found = coverage_gap(dict(m.conformal)) if m.conformal else None
    if found is None or not isinstance(gap, float) or abs(found - gap) > 1e-6:
        return ""
    return coverage_spread(m.conformal)


def explanations_table(m: Measurement) -> Table:
    """Table 5: faithfulness, stability and the other checks over a cohort, each against its bar."""
    rows: list[tuple[Cell, ...]] = []
    r = m.results
    stages = r.get("cascade") or ()
    for kind, what in (("shares", "share of positive calls"), ("medians", "median over cases")):
        for key, entry in r.get(kind, {}).items():
            bar, met = bar_words(r.get("bars", {}).get(key))
            n = entry["n"] if isinstance(entry, Mapping) else 0
            group, told = _FIGURES.get(key, ("", ""))[1], what
            if key == "randomisation" and stages:
                told = f"{what}, once every weight of the image branch is random. {_by_layer(stages)}"
            rows.append((_name(key), group, told, _number(entry), n, bar, met))
    for key, b in r.get("bars", {}).items():
        if key not in r.get("shares", {}) and key not in r.get("medians", {}):
            bar, met = bar_words(b)
            about = _FIGURES.get(key, ("", ""))[1]
            what = "of the bundle, not of these cases"
            spread = _spread(m, b.get("value")) if key == "conformal_coverage" else ""
            rows.append((_name(key), about, f"{what}. {spread}" if spread else what, _number(b), "", bar, met))
    notes = [_bars_note(m, [str(row[5]) for row in rows])]
    notes += [text] if (text := _kept_by(stages, r.get("bars", {}).get("randomisation"))) else []
    return Table(
        f"table5_{m.name.replace('/', '_')}", "Table 5. Explanations: faithfulness and stability",
        ("Figure", "About", "What it is", "Value", "n", "Bar", "Result"), tuple(rows), _source(m), notes=tuple(notes),
    )  # fmt: skip


def explanations_forest(m: Measurement) -> Forest:
    """The same as a chart."""
    figures = [*m.results.get("shares", {}).items(), *m.results.get("medians", {}).items()]
    points = tuple(
        Point(
            f"{_ON_CHART.get(k, _name(k))}; n = {e['n'] if isinstance(e, Mapping) else 0}", _number(e),
            _FIGURES.get(k, ("", "other"))[1],
        )
        for k, e in figures
    )  # fmt: skip
    unlike = [_ON_CHART[k] for k, _ in figures if k in _LOW_IS_GOOD]
    axis = "Each in its own unit, named at its left; higher is better" + (", but for random weights" if unlike else "")
    return Forest(f"explanations_{m.name.replace('/', '_')}", "Explanations over the cohort", axis, points, _source(m))


def _set_name(name: str) -> str:
    """A set of studies as it is read, e.g. "BrEaST, held out of statistics"."""
    first, _, rest = name.partition(", ")
    return _SETS.get(first, cohort_name(first)) + (f", {rest}" if rest else "")


def inputs_table(m: Measurement) -> Table:
    """What the input check flags, by set of studies."""
    rows: list[tuple[Cell, ...]] = []
    for name, entry in m.results["sets"].items():
        bar, met = bar_words(m.results.get("bars", {}).get(name))
        kind = "the model's own kind" if entry.get("own") else "another kind"
        rows.append(
            (_set_name(name), kind, _number(entry["share"]), f"{entry['flagged']:,} of {entry['n']:,}",
             str(entry["share"].get("interval", "")), bar, met)
        )  # fmt: skip
    return Table(
        f"inputs_{m.name.replace('/', '_')}", "Input check: share of studies flagged",
        ("Set", "Kind", "Share flagged", "Flagged", "Interval", "Bar", "Result"), tuple(rows), _source(m),
        notes=(_bars_note(m, [str(row[5]) for row in rows]),),
    )  # fmt: skip


def cost_table(m: Measurement) -> Table:
    """What explanations cost, in forward passes of the same network in the same run."""
    rows: list[tuple[Cell, ...]] = []
    for name, r in m.results["ratios"].items():
        rule = "at least" if name.startswith("faster") else "at most"
        bar, met = bar_words({**r, "rule": rule})
        figure = replace(_number(r), form="short")
        rows.append((_COSTS.get(name, name.replace("_", " ").capitalize()), figure, str(r.get("unit", "")), bar, met))
    repeats = m.results.get("repeats")
    notes = [str(n) for n in m.results.get("notes", ())]
    notes.append(_bars_note(m, [str(row[3]) for row in rows]))
    notes += [f"No interval: each time is the median of {repeats} runs on one machine."] if repeats else []
    return Table(
        f"cost_{m.name.replace('/', '_')}", "What explanations cost", ("What", "Value", "Unit", "Bar", "Result"),
        tuple(rows), _source(m), notes=tuple(notes),
    )  # fmt: skip


def measured_tables(m: Measurement) -> tuple[Table, ...]:
    """The tables of a measurement of any kind."""
    make = {"explanations": explanations_table, "inputs": inputs_table, "cost": cost_table}[m.kind]
    return (make(m),)
