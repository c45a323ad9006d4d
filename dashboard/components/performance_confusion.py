"""The confusion matrix at a threshold: counts read from the file, and the rates that follow from them."""

from __future__ import annotations

import numpy as np

from dashboard.components.performance_source import Run, cohort_name
from dashboard.components.performance_words import counted, level_words
from mmxai_core.comparison.results import ModelResult
from mmxai_core.comparison.scoring import wilson
from mmxai_core.figures.performance_parts import Cell, Number, Table
from mmxai_core.report.wording import class_name

#: Thresholds of the printed report.
PRINTED = tuple(i / 10 for i in range(1, 10))


def counts_at(row: ModelResult, threshold: float) -> tuple[float, float, float, float] | None:
    """(true positives, false positives, false negatives, true negatives) at the file's nearest threshold.

    Args:
        row: A model at a level.
        threshold: Probability from which a case is called positive, [0, 1].

    Returns:
        Counts of one seed (the mean over seeds); None where they were not measured.
    """
    c = row.confusion
    if c is None:
        return None
    at = min(range(len(c.threshold)), key=lambda i: abs(c.threshold[i] - threshold))
    return c.tp[at], c.fp[at], c.fn[at], c.tn[at]


def share(part: float, whole: float) -> Number:
    """A share with Wilson's interval (1927); undefined where there is nothing to share."""
    if whole <= 0:
        return Number(None, why="undefined: no such case")
    p = part / whole
    low, high = (float(x) for x in wilson(np.array(p), np.array(whole)))
    return Number(p, min(p, low), max(p, high))


def rates(counts: tuple[float, float, float, float]) -> dict[str, Number]:
    """Sensitivity, specificity, PPV, NPV and accuracy of counts as `counts_at` gives them."""
    tp, fp, fn, tn = counts
    return {
        "Sensitivity": share(tp, tp + fn), "Specificity": share(tn, tn + fp), "PPV": share(tp, tp + fp),
        "NPV": share(tn, tn + fn), "Accuracy": share(tp + tn, tp + fp + fn + tn),
    }  # fmt: skip


def matrix_table(run: Run, row: ModelResult, threshold: float) -> Table | None:
    """The matrix of a model at a level; None where it was not measured."""
    counts = counts_at(row, threshold)
    if counts is None:
        return None
    tp, fp, fn, tn = (Number(v, form="count") for v in counts)
    negative, positive = (class_name(c) for c in run.config.classes)
    if class_name(run.config.positive_class) == negative:
        negative, positive = positive, negative
    return Table(
        "confusion", f"{row.label}, {level_words(row.level)}, called {positive} from {threshold:.2f} on",
        ("Truth", f"Called {positive}", f"Called {negative}", "In all"),
        ((positive.capitalize(), tp, fn, Number(counts[0] + counts[2], form="count")),
         (negative.capitalize(), fp, tn, Number(counts[1] + counts[3], form="count"))),
        _source(run, row), run.metrics.status,
    )  # fmt: skip


def rates_table(run: Run, row: ModelResult, thresholds: tuple[float, ...]) -> Table | None:
    """Counts and rates at some thresholds; None where they were not measured."""
    rows: list[tuple[Cell, ...]] = []
    for t in thresholds:
        counts = counts_at(row, t)
        if counts is None:
            return None
        rows.append((f"{t:.2f}", *(Number(v, form="count") for v in counts), *rates(counts).values()))
    return Table(
        f"thresholds_{row.model}_{row.level.replace('+', '_')}",
        f"Confusion by threshold: {row.label}, {level_words(row.level)}",
        ("Threshold", "TP", "FP", "FN", "TN", "Sensitivity", "Specificity", "PPV", "NPV", "Accuracy"),
        tuple(rows), _source(run, row), run.metrics.status,
    )  # fmt: skip


def _source(run: Run, row: ModelResult) -> str:
    """What a row's counts come from: its own cases and seeds, which may be fewer than the run's."""
    images = " Several images of a patient are counted as if independent." if run.config.unit == "image" else ""
    several = len(row.seeds) > 1
    mean = " Counts are means over seeds, hence not always whole." if several else ""
    return (
        f"Computed from {run.name}/metrics.json: held-out cases of {cohort_name(run.config.cohort)}, "
        f"n = {counted(run, row.n)}, {run.config.folds} fold{'s' if run.config.folds > 1 else ''}, "
        f"{len(row.seeds)} seed{'s' if several else ''} of this model.{mean} Intervals of the rates: 95 % Wilson"
        f"{', for the counts of one seed' if several else ''}.{images}"
    )
