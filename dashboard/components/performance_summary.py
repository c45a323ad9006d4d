"""How good is it? Plain sentences from the run and the bundle's results, most important first; no figure is typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from dashboard.components.model_facts import AT_THRESHOLD, interval
from dashboard.components.performance_source import Run, cohort_name
from dashboard.components.performance_words import ALPHA, counted, level_words, levels_of, reference_of
from dashboard.components.results_tables import words
from dashboard.components.wording import cases_told
from mmxai_core.comparison.models import SHIPPED
from mmxai_core.evaluation.compare import holm
from mmxai_core.report.wording import RESEARCH_USE

#: Title of the sentences where they stand as a section.
HOW_GOOD = "How good is it?"


def summary_lines(run: Run | None, results: Any) -> tuple[str, ...]:
    """How good the model is, in a few sentences for a reader who reads nothing else.

    Args:
        run: The chosen run; None: the bundle's own cross-validation stands for it.
        results: What the bundle's results.json holds.
    """
    told: Mapping[str, Any] = results if isinstance(results, Mapping) else {}
    if not isinstance(told.get("cross_validation", {}), Mapping):
        told = {k: v for k, v in told.items() if k != "cross_validation"}
    here = run is None or (is_own(run, told) and any(m.name == SHIPPED for m in run.config.models))
    of = f", on {cohort_name(str(told['cohort']))}" if told.get("cohort") else ""
    aucs = _of_run(run) if run is not None else _of_bundle(told)
    lines = [
        _ranking(run, told, aucs),
        which_seeds(run, told) if here and run is not None else "",
        _at_chance(aucs),
        "" if here else f"These are the run's models, not the one that answers. Of that one{of}:",
        _one_seed(run, told) if here else "",
        _at_threshold(told),
        *_against_branches(told),
        *_external(told),
        f"{RESEARCH_USE}.",
    ]
    return tuple(line for line in lines if line)


def is_own(run: Run, results: Any, *, task: str | None = None) -> bool:
    """Whether a run is of the bundle's own cohort, and asks its question.

    Args:
        run: The run.
        results: What the bundle's results.json holds.
        task: The bundle's question; None: not looked at.
    """
    cohort = results.get("cohort") if isinstance(results, Mapping) else None
    return run.config.cohort == cohort and task in (None, run.config.task)


def fused_or_alone(results: Any) -> str:
    """Whether fusing is shown to be better than each branch alone, in one sentence; "" where there are no results."""
    told = results.get("cross_validation") if isinstance(results, Mapping) else None
    return next(_against_branches(results), "") if isinstance(told, Mapping) else ""


#: (level, model, AUC with its interval), one a level.
_Auc = tuple[str, str, Mapping[str, Any]]


def _of_run(run: Run) -> list[_Auc]:
    """Ours at each level of a run."""
    found = []
    for level in levels_of(run):
        row = run.metrics.row(reference_of(run, level) or "", level)
        if row is not None and row.metrics:
            auc = row.metrics["auc"]
            found.append((level, row.label, {"value": auc.value, "low": auc.low, "high": auc.high}))
    return found


def _of_bundle(results: Mapping[str, Any]) -> list[_Auc]:
    """The fused model at each level of the bundle's own cross-validation; a level that repeats the last is left out."""
    found: list[_Auc] = []
    models = results.get("cross_validation", {}).get("models", {})
    levels = [k.partition("|")[2] for k in models if k.startswith("fused|")]
    for level in sorted(levels, key=lambda v: (v != "image", v.count("+"))):
        auc = models[f"fused|{level}"].get("auc")
        if isinstance(auc, Mapping) and auc.get("value") is not None and (not found or found[-1][2] != auc):
            found.append((level, "Fused model", auc))
    return found


def _ranking(run: Run | None, results: Mapping[str, Any], aucs: list[_Auc]) -> str:
    if not aucs:
        return "How well it ranks cases was not measured."
    if run is not None:
        n = max(r.n for r in run.metrics.models)
        what = f"{cohort_name(run.config.cohort)}, n = {counted(run, n)}"
        folds = f"{run.config.folds} folds" + (f", mean of {_seeds(run)} seeds" if _seeds(run) > 1 else "")
    else:
        cv = results["cross_validation"]
        cohort = f"{cohort_name(str(results['cohort']))}, " if results.get("cohort") else ""
        what, folds = f"{cohort}n = {cases_told(cv.get('n', 0), cv.get('patients'))}", f"{cv.get('folds', 0)} folds"
        folds += f", seed {results['seed']} alone" if "seed" in results else ""
    say = level_words if run is not None else _fused_words
    each = [
        f"{name}: {'; '.join(f'{say(level)} {interval(auc)}' for level, _, auc in of)}."
        for name, of in groupby(aucs, key=lambda a: a[1])
    ]
    return (
        f"AUC of ours on held-out cases, by what is known (0.5 is guessing, 1 is perfect; with 95 % interval; {what}, "
        f"{folds}). {' '.join(each)}"
    )


def _seeds(run: Run) -> int:
    """Seeds behind the figures of ours: the shipped recipe's, where it was measured."""
    ours = [len(r.seeds) for r in run.metrics.models if r.model == SHIPPED and r.seeds]
    return max(ours, default=len(run.config.seeds))


def _one_seed(run: Run | None, results: Mapping[str, Any]) -> str:
    """That the bundle's own figures are of one of the run's seeds."""
    if run is None or "seed" not in results or _seeds(run) < 2:
        return ""
    return f"What follows is of the bundle's own cross-validation, with seed {results['seed']} alone."


def which_seeds(run: Run, results: Any, *, page: str = "Performance") -> str:
    """Why Performance and the Model page have two AUCs of one recipe, said beside either; "" where they have not.

    Args:
        run: A run.
        results: What the bundle's results.json holds.
        page: Where it is said: "Performance" or "Model".
    """
    measured = any(r.model == SHIPPED and r.metrics for r in run.metrics.models)
    if not is_own(run, results) or "seed" not in results or _seeds(run) < 2 or not measured:
        return ""
    mean, one = f"the mean over {_seeds(run)} seeds", f"seed {results['seed']} alone, that of the model that answers"
    if page == "Model":
        return f"AUC here: {one}. The Performance page has {mean} of the same recipe."
    return f"AUC of the shipped recipe here: {mean}. The Model page has {one}."


def _at_chance(aucs: list[_Auc]) -> str:
    """Levels at which ours is not shown to be better than guessing."""
    flat = [level_words(level) for level, _, auc in aucs if auc.get("low") is not None and auc["low"] <= 0.5]
    return f"Not shown to be better than guessing, the interval reaches 0.5: {'; '.join(flat)}." if flat else ""


def _at_threshold(results: Mapping[str, Any]) -> str:
    """Sensitivity and specificity of the fused model at the bundle's own threshold."""
    found = results.get("cross_validation", {}).get(AT_THRESHOLD)
    if not isinstance(found, Mapping):
        return ""
    each: list[tuple[str, str]] = []
    rows = [(k.partition("|")[2], e) for k, e in found["models"].items() if k.startswith("fused|")]
    for level, e in sorted(rows, key=lambda r: (r[0] != "image", r[0].count("+"))):
        text = f"{interval(e['sensitivity'])} and {interval(e['specificity'])}"
        if not each or each[-1][1] != text:
            each.append((_fused_words(level), text))
    said = "; ".join(f"{level} {text}" for level, text in each)
    of = _counted(results["cross_validation"])
    return (
        f"Sensitivity and specificity of the fused model at its operating threshold of {found['threshold']:.3f} "
        f"({of}): {said}."
    )


def _fused_words(level: str) -> str:
    """A level of the fused model: without a field it is not the network that was trained on images alone."""
    return "no field known" if level == "image" else level_words(level)


def _tests(results: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(level, branch, DeLong's test) of the fused model against a branch alone, without what repeats the last."""
    before: dict[str, Any] = {}
    for key, test in results.get("cross_validation", {}).get("auc_difference_delong", {}).items():
        fused, _, other = key.partition(" - ")
        name, _, level = fused.partition("|")
        branch = other.partition("|")[0]
        if name == "fused" and level != "image" and before.get(branch) != test:
            before[branch] = test
            yield level, branch, test


def _against_branches(results: Mapping[str, Any]) -> Iterator[str]:
    """Whether fusing is better than each branch alone by more than chance: in short, then by level."""
    tests = list(_tests(results))
    if not tests:
        yield "Whether fusing image and clinical data helps was not tested."
        return
    by_level: dict[str, list[str]] = {}
    better: dict[str, list[bool]] = {}
    for (level, branch, test), p in zip(tests, holm([t["p"] for _, _, t in tests]), strict=True):
        beyond = p is not None and p < ALPHA
        kind = "within chance of" if not beyond else f"{'better' if test['value'] > 0 else 'worse'} than"
        alone = {"image": "the image alone", "clinical": "the clinical data alone"}.get(branch, words(branch))
        by_level.setdefault(level, []).append(f"{kind} {alone} ({test['value']:+.3f}, {_p(p)})")
        better.setdefault(level, []).append(beyond and test["value"] > 0)
    both = [level_words(level) for level, of in better.items() if all(of)]
    of = _counted(results["cross_validation"])
    each = " ".join(f"{level_words(level).capitalize()}: {'; '.join(of)}." for level, of in by_level.items())
    yield (
        f"The fused model is beyond chance better than the image alone and than the clinical data alone with these "
        f"fields known: {'; '.join(both)}."
        if both
        else "With no set of known fields is the fused model beyond chance better than both the image alone and the "
        "clinical data alone."
    )
    yield (
        f"Fused against each alone, by known fields. {each} (Difference in AUC, {of}, p by DeLong, clustered by "
        f"patient, corrected for {len(tests)} tests by Holm.)"
    )


def _counted(cv: Mapping[str, Any]) -> str:
    """How many cases, and of how many patients where these are fewer."""
    n, patients = cv.get("n", 0), cv.get("patients")
    return f"n = {n:,} images of {patients:,} patients" if patients and patients != n else f"n = {n:,}"


def _p(p: float | None) -> str:
    if p is None:
        return "p undefined"
    return "p below 0.001" if p < 0.001 else f"p = {p:.3f}"


def _external(results: Mapping[str, Any]) -> Iterator[str]:
    """What the external tests say; that there is none, where there is none."""
    found = results.get("external_test")
    held = {k: e for k, e in found.items() if isinstance(e, Mapping)} if isinstance(found, Mapping) else {}
    rows = {k: e for k, e in held.items() if isinstance(e.get("external", {}).get("auc"), Mapping)}
    if not rows:
        yield "No external test is on file: how well it holds in another hospital is not known."
    for key, e in rows.items():
        x, own = e["external"], e.get("validation_split", {}).get("auc")
        against = f", against {interval(own)} on validation cases of its own cohort" if own else ""
        rates = [f"{name} {interval(x[name])}" for name in ("sensitivity", "specificity") if name in x]
        rest = f"; at probability 0.5, {', '.join(rates)}" if rates else ""
        yield f"External test ({words(key)}, n = {x.get('n', 0):,}): AUC {interval(x['auc'])}{against}{rest}."
    if rows and not any("fused" in key for key in rows):
        yield "No external test of the fused model is on file."
