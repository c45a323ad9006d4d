"""Tables 1 to 4 and 6 of the paper, in this project's terms, from the files of a run."""

from __future__ import annotations

from dashboard.components.model_facts import comparison_bins
from dashboard.components.performance_outlines import OUTLINES
from dashboard.components.performance_source import Run, cohort_name
from dashboard.components.performance_words import (
    METRIC_NAMES,
    ablated_name,
    counted,
    family,
    label_of,
    level_words,
    levels_of,
    metric,
    number,
    reference_name,
    reference_of,
    source,
    test_of,
    tests_at,
    variant_of,
    wins,
)
from mmxai_core.comparison.models import SHIPPED, SHIPPED_IMAGE
from mmxai_core.comparison.results import ModelEntry, ModelResult
from mmxai_core.evaluation.metrics import ECE_BINS
from mmxai_core.figures.performance_parts import Cell, Number, Table
from mmxai_core.report.wording import class_name, percent
from mmxai_core.results.typography import listed

#: Metrics beside the AUC on the page; the CSV and the report hold all.
SHORT = ("auc", "sensitivity", "specificity", "f1", "brier", "ece")
_OUTSIDE = (
    "† The value lies outside its own interval: cases drawn twice make calibration bins noisier, and noise can only "
    "make this error larger. Read the upper end as a bound; do not compare rows by it."
)


def cohort_table(run: Run, *, never_read: str = "") -> Table:
    """Table 1: what was asked of whom.

    Args:
        run: The run.
        never_read: Where the run is of the bundle's own cohort: the columns that its card lists as never read. These
            are of every cohort it learned from, the run's file knows those of its own alone.
    """
    c, raw = run.config, run.config.raw
    fields: dict[str, list[str]] = {}
    for f in raw.get("fields", ()):
        fields.setdefault(str(f["group"]), []).append(str(f["label"]))
    rows: list[tuple[str, str]] = [
        ("Cohort", cohort_name(c.cohort)),
        ("Question", c.label),
        ("Classes", f"{listed([class_name(x) for x in c.classes])}; AUC is about {class_name(c.positive_class)}"),
        ("Images", f"{c.cases:,}, {percent(c.prevalence)} of them {class_name(c.positive_class)}"),
        ("Patients", f"{c.patients:,}"),
        ("Counted", f"{c.unit}s; a patient of several images: {c.aggregation}"),
        ("Split", f"{raw.get('split', 'patient-grouped')}; {c.folds} folds, seeds {', '.join(map(str, c.seeds))}"),
        *((f"Fields, {group}", f"{len(names)}: {', '.join(names)}") for group, names in fields.items()),
        *([] if fields else [("Fields", "none")]),
        ("Left out", "; ".join(f"{n:,}: {why}" for why, n in raw.get("dropped", ())) or "none"),
        ("Never read, because they leak the outcome", _leaks(run, never_read)),
        ("Image input", c.image_input),
        ("Lesion reference", c.lesion_reference),
        ("What the models share", c.shared_encoder),
        ("Calibration of the folds", run.metrics.calibration_rule or "each fold by its own validation cases"),
        ("Operating threshold", run.metrics.threshold_rule),
        *(("Note", note) for note in c.notes),
        ("Licence", c.licence),
        ("Citation", c.citation),
    ]
    return Table(
        "table1_cohort", "Table 1. Cohort", ("What", "Value"), tuple(rows),
        f"Computed from {run.name}/config.json.", run.metrics.status,
    )  # fmt: skip


def _leaks(run: Run, never_read: str) -> str:
    """The columns of the card first, then those that only the run names."""
    own = [str(x) for x in run.config.raw.get("leaks", ())]
    if not never_read:
        return ", ".join(own) or "none stated"
    more = [x for x in own if x not in never_read.split(", ")]
    start = cohort_name(str((run.config.raw.get("source") or {}).get("cohort", "")))
    of = f" (of {cohort_name(run.config.cohort)} and of {start}, where the image branch starts)" if start else ""
    return ", ".join([never_read, *more]) + of


def branch_of(model: ModelEntry) -> str:
    """Which image branch a model stands on."""
    if model.name in (SHIPPED, SHIPPED_IMAGE):
        return "its own"
    return model.encoder.replace("_", " ") if model.encoder else "none"


def models_table(run: Run) -> Table:
    """What each compared model is."""
    rows = tuple((m.label, family(m), m.about, branch_of(m), m.seeds) for m in run.config.models)
    return Table(
        "models", "Models compared", ("Model", "Kind", "What it is", "Image branch", "Seeds"), rows,
        f"Computed from {run.name}/config.json.", run.metrics.status,
    )  # fmt: skip


def rows_at(run: Run, level: str | None) -> list[ModelResult]:
    """Rows of a level, or of all; best AUC first within a level, what was not measured last."""
    order = levels_of(run)

    def key(r: ModelResult) -> tuple[int, float]:
        value = r.metrics["auc"].value if r.metrics else None
        return order.index(r.level), 2.0 if value is None else -value

    return sorted((r for r in run.metrics.models if level in (None, r.level)), key=key)


def performance_table(run: Run, level: str | None = None, *, metrics: tuple[str, ...] = tuple(METRIC_NAMES)) -> Table:
    """Table 2: every model at one level of known fields, or at all, best AUC first.

    Args:
        run: A run.
        level: A level; None: all.
        metrics: Which metrics.
    """
    rows: list[tuple[Cell, ...]] = []
    for r in rows_at(run, level):
        ours = " (ours)" if r.model == reference_of(run, r.level) else ""
        measured = counted(run, r.n, r.positives) if r.n else "none yet"
        found: list[Cell] = [metric(r, m) for m in metrics]
        rows.append(
            (f"{r.label}{ours}", family(r), *([] if level else [level_words(r.level)]), *found,
             Number(r.validation_auc), measured, len(r.seeds), f"{r.units} of {r.units_all}")
        )  # fmt: skip
    known = () if level else ("Known fields",)
    measures = tuple(METRIC_NAMES[m] for m in metrics)
    columns = ("Model", "Kind", *known, *measures, "AUC on validation", "n", "Whole seeds", "Units")
    title = f", {level_words(level)}" if level else " and known fields"
    numbers = [c for row in rows for c in row if isinstance(c, Number)]
    notes = [f"Threshold of sensitivity, specificity and F1: {run.metrics.threshold_rule}. Models are ordered by AUC; "
             "“ours” is the shipped recipe where it was measured, else the best of our own by the AUC on validation "
             "cases, never on these."]  # fmt: skip
    if any(m.name == SHIPPED for m in run.config.models):
        notes.append(
            "The shipped recipe has pictures, an image branch and a schedule of its own (see Cohort): a lead "
            "over any other model with an image is not the fusion's alone. The bundle's own image-only and "
            "clinical-only siblings stand on the Model page; those here are the comparison's."
        )
    counts = sorted({comparison_bins(r.n) for r in rows_at(run, level) if r.metrics})
    if "ece" in metrics and counts:
        notes.append(
            f"ECE here: {listed([str(n) for n in counts], joint='or')} bins of equal numbers of cases. The Model page "
            f"and the bundle's own results: {ECE_BINS} bins of equal width, so that even the same predictions have "
            "another ECE there."
        )
    notes += run.metrics.notes
    notes += [_OUTSIDE] if any(n.beside_its_interval for n in numbers) else []
    return Table(
        "table2_performance", f"Table 2. Performance by model{title}", columns, tuple(rows),
        source(run, "metrics.json"), run.metrics.status, tuple(notes),
    )  # fmt: skip


def folds_table(run: Run) -> Table:
    """AUC of the folds joined, as everywhere else, beside the folds' own."""
    rows: list[tuple[Cell, ...]] = []
    for r in rows_at(run, None):
        values = [v for v in r.auc_by_fold if v is not None]
        if values:
            each = ", ".join("undefined" if v is None else f"{v:.3f}" for v in r.auc_by_fold)
            mean = Number(sum(values) / len(values))
            rows.append(
                (r.label, level_words(r.level), metric(r, "auc"), mean, Number(min(values)), Number(max(values)),
                 len(values), each)
            )  # fmt: skip
    return Table(
        "auc_by_fold", "AUC by fold",
        ("Model", "Known fields", "Folds joined", "Mean of the folds", "Lowest", "Highest", "Folds", "In order"),
        tuple(rows), source(run, "metrics.json"), run.metrics.status,
        ("A fold holds few cases: the spread shows how much a single split can mislead.",
         "Joined, the cases of one fold are ranked against those of another, though each fold's model speaks on "
         f"{'its own scale' if not run.metrics.calibration_rule else 'a scale that only a temperature has in common'}. "
         "That usually lowers the AUC, most where folds are small (Forman and Scholz 2010; Airola et al. "
         "2011). The page counts the joined one: a single operating threshold meets the same hurdle. The mean says "
         "how well a fold's model ranks its own cases."),
    )  # fmt: skip


def ablation_table(run: Run, level: str | None = None) -> Table:
    """Table 3: what is lost where a part of the fused model is taken out, at a level or at all."""
    by_name = {m.name: m for m in run.config.models}
    wanted = [m.name for m in run.config.models if m.family == "ablation"]
    wanted = ["attention_coherence", "attention", "concatenation", *wanted, "image", "clinical"]
    rows: list[tuple[Cell, ...]] = []
    for at in levels_of(run) if level is None else (level,):
        ours = variant_of(run, at)
        for name in wanted:
            row = run.metrics.row(name, at)
            if row is None or name not in by_name:
                continue
            test = test_of(run, at, name, of=ours)
            whole = name == ours
            mark = " (ours)" if ours == reference_of(run, at) else " (whole; the comparison's own)"
            hit = row.localisation.hit if row.localisation else None
            rows.append(
                (
                    f"{row.label}{mark if whole else ''}", level_words(at), metric(row, "auc"),
                    "is the reference" if whole else number(test.difference if test else None, form="signed"),
                    "" if whole else Number(test.bootstrap_p_holm if test else None, form="p"),
                    number(hit) if hit else "not measured here", by_name[name].about,
                )
            )  # fmt: skip
    own = ablated_name(run, level)
    title = f"Table 3. Ablation of {own}, the comparison's own model, not of the shipped recipe" if own else (
        "Table 3. Ablation"
    )  # fmt: skip
    return Table(
        "table3_ablation", title,
        ("Variant", "Known fields", "AUC", f"{own or 'Ours'} minus variant", "p, Holm", "Pointing game",
         "What is changed"),
        tuple(rows), source(run, "metrics.json and tests.json"), run.metrics.status,
        (*_not_ablated(run, level),
         f"{own or 'Ours'}, the whole of which a part is taken out, is our best variant on the shared image branches, "
         "by the AUC on validation cases. A variant may have fewer seeds: the difference is then measured on the seeds "
         "that both have. AUC and difference are rounded each by itself."),
    )  # fmt: skip


def _not_ablated(run: Run, level: str | None) -> tuple[str, ...]:
    """Whose parts are taken out, where that is not the model that answers."""
    own = ablated_name(run, level)
    if not own:
        return ()
    return (
        f"The shipped recipe itself was not ablated: the whole is {own}. The figure of differences and Table 4 are of "
        f"{reference_name(run, level)}: their differences from the same variants are other ones.",
    )


def paired_table(run: Run, level: str | None = None) -> Table | None:
    """Table 4: paired tests of ours against every other, the most adverse first; None where none was made."""
    made = tests_at(run, level)
    if run.tests is None or not made:
        return None
    rows: list[tuple[Cell, ...]] = []
    order = levels_of(run)
    for t in sorted(made, key=lambda t: (order.index(t.level), t.difference.value or 0.0)):
        rows.append(
            (
                level_words(t.level), label_of(run, t.a), label_of(run, t.b), number(t.difference, form="signed"),
                Number(t.bootstrap_p, form="p"), Number(t.bootstrap_p_holm, form="p"),
                Number(t.difference.value, t.delong_low, t.delong_high, "signed"), Number(t.delong_p, form="p"),
                Number(t.delong_p_holm, form="p"), wins(t),
            )
        )  # fmt: skip
    return Table(
        "table4_tests", f"Table 4. Paired tests of the AUC of {reference_name(run, level)}, with Holm correction",
        ("Known fields", "Ours", "Against", "Difference, bootstrap", "p, bootstrap", "p, Holm", "Difference, DeLong",
         "p, DeLong", "p DeLong, Holm", "In words"),
        tuple(rows), source(run, "tests.json"), run.tests.status,
        (f"Difference: AUC of {reference_name(run, level)} minus the other's, on the same cases. Bootstrap draws "
         "patients; DeLong is clustered by patient (Obuchowski 1997). Holm corrects for all tests of a level (Holm "
         "1979), the intervals are not corrected: one that leaves out 0 may be “within chance”, which goes by the "
         "corrected bootstrap.",),
    )  # fmt: skip


def localisation_table(run: Run) -> Table | None:
    """Table 6: where the maps point, against the expert's outlines; None where none was measured."""
    rows: list[tuple[Cell, ...]] = []
    for r in run.metrics.models:
        x = r.localisation
        if x is not None:
            rows.append((r.label, level_words(r.level), number(x.hit), number(x.iou), number(x.energy),
                         Number(x.lesion_share), f"{x.n:,} images"))  # fmt: skip
    if not rows:
        return None
    return Table(
        "table6_localisation", f"Table 6. {OUTLINES}",
        ("Model", "Known fields", "Pointing game", "IoU", "Evidence inside", "Lesion's share of the image", "n"),
        tuple(rows), source(run, "metrics.json"), run.metrics.status,
        (f"No clinician judged these maps: {run.config.lesion_reference} stands in for one. "
         "Pointing game: the strongest pixel of the Grad-CAM++ map lies in the lesion; a map without knowledge would "
         "hit about the lesion's share of the image.",),
    )  # fmt: skip
