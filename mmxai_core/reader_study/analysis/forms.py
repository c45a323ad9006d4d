"""Scores of published questionnaires: usability, causability, satisfaction, trust, workload."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from mmxai_core.reader_study.analysis.answers import ScoredForm, scored_forms
from mmxai_core.reader_study.analysis.charts import Forest, Point
from mmxai_core.reader_study.analysis.section import Section, undefined
from mmxai_core.reader_study.questionnaire_registry import QUESTIONNAIRES
from mmxai_core.reader_study.questionnaires import Questionnaire, Summary, summarise

ID, TITLE = "questionnaires", "Questionnaires"


def questionnaires(answers: pd.DataFrame) -> Section:
    """Scores of every form, and each questionnaire's mean with its 95 % t interval and norm.

    A reader who filled the same questionnaire in more than once counts once in the interval, with the mean of the
    complete forms: answers of one person are not independent.

    Args:
        answers: From `answers.current`.
    """
    found = scored_forms(answers)
    if not found:
        return undefined(ID, TITLE, "no published questionnaire (SUS, causability ...) has been filled in.")
    forms, summaries, lines, charts = [], [], [], []
    for name, scored in found.items():
        q = QUESTIONNAIRES[name]
        parts = [p for p, _ in q.parts]
        for f in scored:
            forms.append(
                {
                    "questionnaire": name, "version": q.version, "reader": f.reader, "arm": f.arm, "case": f.case,
                    "score": f.score.value, "open_items": " ".join(f.score.open_items), "flag": f.score.flag,
                    **{f"part_{p}": f.score.parts.get(p) for p in parts},
                }
            )  # fmt: skip
        arms = [a for a in sorted({f.arm for f in scored}) if a]
        groups = {"all": scored} | ({a: [f for f in scored if f.arm == a] for a in arms} if len(arms) > 1 else {})
        points = []
        for arm, mine in groups.items():
            s = _by_person(q, mine)
            summaries.append(_row(q, arm, s, mine))
            lines.append(_line(q, arm, s, mine))
            points.append(Point(arm, s.mean, s.low, s.high, "mean of readers", "" if s.low is not None else _why(s)))
        points += [
            Point(
                f.reader + (f", {f.arm}" if len(arms) > 1 else ""), f.score.value, None, None, "one form", f.score.flag
            )
            for f in scored
        ]
        norm = q.norm
        charts.append(
            Forest(q.title, f"Score ({q.score_range[0]:g} to {q.score_range[1]:g})", tuple(points),
                   norm.mean if norm else None, f"norm {norm.mean:g} ± {norm.sd:g}" if norm else "", *q.score_range)
        )  # fmt: skip
    return Section(
        ID, TITLE, tuple(lines),
        {"questionnaire_scores": pd.DataFrame(forms), "questionnaire_summary": pd.DataFrame(summaries)},
        tuple(charts),
        tuple(
            [f"{QUESTIONNAIRES[n].title}: {QUESTIONNAIRES[n].source} {QUESTIONNAIRES[n].licence}" for n in found]
            + ["An incomplete form has no score; nothing is imputed."]
        ),
    )  # fmt: skip


def _by_person(q: Questionnaire, forms: list[ScoredForm]) -> Summary:
    """Summary over readers: the mean of each reader's complete forms stands for the reader."""
    scores = []
    for reader in sorted({f.reader for f in forms}):
        mine = [f.score for f in forms if f.reader == reader]
        complete = [s.value for s in mine if s.value is not None]
        value = sum(complete) / len(complete) if complete else None
        scores.append(type(mine[0])(q.id, q.version, value, (), "" if complete else mine[0].flag))
    found = summarise(q, scores)
    # Equal scores have a t interval of no width, which would claim certainty.
    return replace(found, low=None, high=None) if found.sd == 0 else found


def _why(s: Summary) -> str:
    if s.mean is None:
        return "No complete form."
    return "No interval: all scores are alike." if s.sd == 0 else "No interval: it needs complete forms of 2 readers."


def _row(q: Questionnaire, arm: str, s: Summary, forms: list[ScoredForm]) -> dict[str, object]:
    incomplete = sum(f.score.value is None for f in forms)
    return {
        "questionnaire": q.id, "version": q.version, "arm": arm, "readers": s.n, "forms": len(forms),
        "incomplete_forms": incomplete, "mean": s.mean, "low": s.low, "high": s.high, "median": s.median, "sd": s.sd,
        "norm_mean": q.norm.mean if q.norm else None, "norm_sd": q.norm.sd if q.norm else None,
        "reason": "" if s.low is not None else _why(s),
    }  # fmt: skip


def _line(q: Questionnaire, arm: str, s: Summary, forms: list[ScoredForm]) -> str:
    where = q.title + ("" if arm == "all" else f", {arm}")
    incomplete = sum(f.score.value is None for f in forms)
    left = f" {incomplete} incomplete form{'s' * (incomplete != 1)} without a score." if incomplete else ""
    if s.mean is None:
        return f"{where}: not defined. No complete form.{left}"
    if s.low is None or s.high is None:
        return f"{where}: {s.mean:.3g} from {s.n} reader{'s' * (s.n != 1)}. {_why(s)}{left}"
    text = f"{where}: mean {s.mean:.3g} (95 % interval {s.low:.3g} to {s.high:.3g}) from {s.n} readers."
    if s.norm is not None:
        if s.low > s.norm.mean:
            text += f" This is above the norm of {s.norm.mean:g}."
        elif s.high < s.norm.mean:
            text += f" This is below the norm of {s.norm.mean:g}."
        else:
            text += f" The interval holds the norm of {s.norm.mean:g}: neither above nor below can be claimed."
    return text + left
