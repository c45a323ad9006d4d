"""Results in words and cells: levels, counts, sources, and who is ahead. Nothing here holds a figure of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.components.performance_rounding import verdict_sentence
from dashboard.components.performance_source import Run, cohort_name
from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.results import ModelEntry, ModelResult, PairedTest, Verdict
from mmxai_core.figures.performance_parts import Form, Number
from mmxai_core.report.wording import class_name
from mmxai_core.results.typography import listed

#: A difference with a Holm-adjusted p below this is said to be beyond chance.
ALPHA = 0.05
METRIC_NAMES = {
    "auc": "AUC", "accuracy": "Accuracy", "sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV",
    "npv": "NPV", "f1": "F1", "brier": "Brier", "ece": "ECE", "ece_debiased": "ECE, debiased",
    "sensitivity_at_90_specificity": "Sensitivity at 90 % specificity",
}  # fmt: skip
_FAMILIES = {"ours": "our variant", "ablation": "ablation", "rival": "rival"}


@dataclass(frozen=True)
class Lead:
    """Who is ahead at a level.

    Attributes:
        level: Level.
        sentence: For a reader, as the run's verdict has it.
        ahead: "rival" where a rival's AUC is above ours; else "variant" where another of our own variants' is (an
            ablation included); else "".
        beyond_chance: Whether one of these is ahead by more than chance explains.
    """

    level: str
    sentence: str
    ahead: str
    beyond_chance: bool


def level_words(level: str) -> str:
    """A level as it is read."""
    return "image alone" if level == "image" else level.replace("+", " + ")


def levels_of(run: Run) -> tuple[str, ...]:
    """Levels that a run has, from no field known to all."""
    return tuple(sorted({r.level for r in run.metrics.models}, key=lambda v: (v != "image", v.count("+"))))


def family(model: ModelResult | ModelEntry) -> str:
    """Whose model it is."""
    return _FAMILIES.get(model.family, model.family)


def label_of(run: Run, model: str) -> str:
    """A model's name for a reader."""
    return next((m.label for m in run.config.models if m.name == model), model)


def reference_of(run: Run, level: str) -> str | None:
    """The model that stands for the project at a level: the shipped recipe, or chosen on validation cases."""
    return next((v.reference for v in run.metrics.verdicts if v.level == level), None)


def number(value: Estimate | None, *, form: Form = "plain", why: str = "not measured") -> Number:
    """An estimate of the files as a cell."""
    if value is None:
        return Number(None, form=form, why=why)
    return Number(value.value, value.low, value.high, form, "undefined" if why == "not measured" else why)


def metric(row: ModelResult, name: str) -> Number:
    """A metric of a row; where its units are missing, how many there are."""
    if row.metrics and name in row.metrics:
        return number(row.metrics[name])
    return Number(None, why=f"not measured: {row.units} of {row.units_all} units")


def counted(run: Run, n: int, positives: int | None = None) -> str:
    """A count with its unit, e.g. "87 patients, 46 grade 3"."""
    text = f"{n:,} {run.config.unit}s"
    return text if positives is None else f"{text}, {positives:,} {class_name(run.config.positive_class)}"


def source(run: Run, file: str, *, intervals: bool = True) -> str:
    """What something was computed from: file, held-out cases, folds and seeds, how intervals were made."""
    c = run.config
    n = max((r.n for r in run.metrics.models), default=0)
    seeds = f"{len(c.seeds)} seed{'s' if len(c.seeds) > 1 else ''}"
    text = (
        f"Computed from {run.name}/{file}: held-out cases of {cohort_name(c.cohort)}, n = {counted(run, n)}, "
        f"{c.folds} fold{'s' if c.folds > 1 else ''}, {seeds}."
    )
    return f"{text} Intervals: {run.metrics.interval}." if intervals else text


def variant_of(run: Run, level: str) -> str | None:
    """Our variant on the shared image branches at a level: what ablations take a part from. Often the reference."""
    rows = run.tests.rows if run.tests else ()
    ours = reference_of(run, level)
    return next((t.a for t in rows if t.level == level and t.a != ours), ours)


def reference_name(run: Run, level: str | None) -> str:
    """What the model that stands for the project is called at a level, or at all: never "ours" alone."""
    levels = levels_of(run) if level is None else (level,)
    names = dict.fromkeys(label_of(run, m) for at in levels if (m := reference_of(run, at)))
    return listed(list(names), joint="or") or "our model"


def ablated_name(run: Run, level: str | None) -> str:
    """What the model is called of which the ablations take a part, where it is not the reference; else "".

    Args:
        run: The run.
        level: A level; None: all.
    """
    levels = levels_of(run) if level is None else (level,)
    names = dict.fromkeys(
        label_of(run, m) for at in levels if (m := variant_of(run, at)) and m != reference_of(run, at)
    )
    return listed(list(names), joint="or")


def tests_at(run: Run, level: str | None, *, of: str | None = None) -> list[PairedTest]:
    """The paired tests of a model at a level, or at all levels; None: of the reference."""
    rows = run.tests.rows if run.tests else ()
    return [t for t in rows if level in (None, t.level) and t.a == (of or reference_of(run, t.level))]


def test_of(run: Run, level: str, other: str, *, of: str | None = None) -> PairedTest | None:
    """The paired test of a model against another at a level; None: of the reference."""
    return next((t for t in tests_at(run, level, of=of) if t.b == other), None)


def wins(test: PairedTest) -> str:
    """A paired test in words."""
    if test.difference.value is None:
        return "undefined"
    if test.bootstrap_p_holm is None or test.bootstrap_p_holm >= ALPHA:
        return "within chance"
    return "ours higher" if test.difference.value > 0 else "ours lower"


def _is_ahead(run: Run, rows: Mapping[str, ModelResult], model: str, of: Verdict) -> bool:
    """Whether a model's AUC is above the reference's; where their seeds differ, on the seeds that both have."""
    ours, other = rows.get(of.reference), rows[model]
    if ours is None:
        return False
    test = test_of(run, of.level, model)
    if ours.seeds != other.seeds and test is not None and test.difference.value is not None:
        return test.difference.value < 0
    a, b = ours.metrics["auc"].value, other.metrics["auc"].value
    return a is not None and b is not None and b > a


def leads(run: Run) -> tuple[Lead, ...]:
    """Who is ahead at each level; where a rival wins comes first, beyond chance before within chance."""
    found = []
    kinds = {m.name: "rival" if m.family == "rival" else "variant" for m in run.config.models}
    for v in run.metrics.verdicts:
        here = {r.model: r for r in run.metrics.models if r.level == v.level and r.metrics}
        ahead = {m for m in here if m != v.reference and _is_ahead(run, here, m, v)}
        kind = min((kinds.get(m, "rival") for m in ahead), default="")
        beyond = any(
            wins(t) == "ours lower" and kinds.get(t.b, "rival") == kind for t in tests_at(run, v.level, of=v.reference)
        )
        found.append(Lead(v.level, f"{level_words(v.level).capitalize()}: {verdict_sentence(run, v)}", kind, beyond))
    order = {"rival": 0, "variant": 1, "": 2}
    return tuple(sorted(found, key=lambda x: (order[x.ahead], not x.beyond_chance)))


def headline(run: Run) -> str:
    """The result in a sentence or two, what speaks against ours first; "" where nothing was measured."""
    told, out = leads(run), []
    for kind, name in (("rival", "A rival"), ("variant", "Another of our own variants")):
        for beyond, how in ((True, "beyond chance"), (False, "within chance")):
            here = [x for x in told if x.ahead == kind and x.beyond_chance is beyond]
            if here:
                where = "; ".join(level_words(x.level) for x in here)
                at = _levels(len(here), len(told))
                out.append(f"{name} has a higher AUC than ours at {at} of known fields, {how}: {where}.")
    best = [x for x in told if not x.ahead]
    if best:
        where = "" if len(best) == len(told) else ": " + "; ".join(level_words(x.level) for x in best)
        out.append(f"Ours has the highest AUC at {_levels(len(best), len(told))} of known fields{where}.")
    return " ".join(out)


def _levels(some: int, of: int) -> str:
    if of == 1:
        return "the one level"
    return f"all {of} levels" if some == of else f"{some} of {of} levels"


def chance_sentence(run: Run) -> str:
    """Which levels show no model better than chance: every 95 % interval of the AUC reaches 0.5; "" for none."""
    flat = []
    for level in levels_of(run):
        lows = [r.metrics["auc"].low for r in run.metrics.models if r.level == level and r.metrics]
        known = [low for low in lows if low is not None]
        if known and max(known) <= 0.5:
            flat.append(level_words(level))
    if not flat:
        return ""
    return (
        f"No model is shown to be better than chance at these levels: {'; '.join(flat)}. Every 95 % interval of the "
        "AUC there reaches 0.5."
    )
