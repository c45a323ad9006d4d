"""A study as tidy tables: one row an opinion, one row an answer to a question. For the coordinator: truth included."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.case_questions import READING
from mmxai_core.reader_study.export import safe_cell
from mmxai_core.reader_study.protocol import Protocol
from mmxai_core.reader_study.records import Kept, StudyRecord
from mmxai_core.reader_study.study_store import StudyStore
from mmxai_core.reader_study.table_import import import_ratings, import_readings

__all__ = [
    "ASSIGNMENTS",
    "CASES",
    "RATINGS",
    "READERS",
    "READINGS",
    "all_tables",
    "assignments",
    "cases",
    "import_ratings",
    "import_readings",
    "ratings",
    "readers",
    "readings",
    "scale_name",
    "table_csv",
]

#: Columns of `readings`: one row an opinion, current answers only.
READINGS = (
    "study", "version", "reader", "period", "arm", "case", "position", "stage", "scale", "value", "confidence", "truth",
    "ai_probability", "ai_class", "ai_correct", "ai_seeded_wrong", "placebo", "active_s", "idle_s", "region",
    "region_map_hit", "committed_at", "bundle_sha256", "explainer", "explanation_id", "practice", "positive",
    "iteration", "imported",
)  # fmt: skip

#: Columns of `ratings`: one row an answer to one item, superseded ones included.
RATINGS = (
    "study", "version", "reader", "case", "arm", "period", "stage", "instrument", "instrument_version", "item",
    "iteration", "state", "value", "text", "superseded", "answered_at", "active_s", "idle_s", "bundle_sha256",
    "explanation_id", "placebo", "practice", "imported",
)  # fmt: skip

ASSIGNMENTS = (
    "study", "version", "assignment", "reader", "period", "position", "arm", "case", "practice", "ai_seeded_wrong",
    "placebo", "finished",
)  # fmt: skip
READERS = ("study", "version", "reader", "stratum", "cases_done", "cases_total", "first_answer_at", "last_answer_at")
CASES = ("study", "version", "case", "stratum", "truth", "practice", "image", "lesion")

_BIRADS = re.compile(r"[0-6][abcABC]?")


def scale_name(protocol: Protocol) -> str:
    """The scale: "probability" (0 to 100), "birads" where every category is one of BI-RADS, else "categories"."""
    asked = protocol.questions
    if asked.scale == "probability":
        return "probability"
    return "birads" if all(_BIRADS.fullmatch(c) for c in asked.categories) else "categories"


def readings(store: StudyStore, study: StudyRecord) -> pd.DataFrame:
    """One row an opinion, the current one of each reader, case, arm and stage; columns `READINGS`.

    `value` is 0 to 100, a BI-RADS category as its label, or a position from 1 in other categories (see `scale_name`);
    `positive` is 1 where it reaches the protocol's `positive_from`. `truth`, `positive`, `ai_correct`: 1, 0 or missing.
    The columns of the AI hold what was on the screen at that stage, and are missing where nothing was, as at the
    unaided stage; `ai_seeded_wrong` and `placebo` belong to the whole reading. An opinion that was refused ("no
    answer") has no row. `region` is JSON [x0, y0, x1, y1] in pixels of the image, or blank; `region_map_hit` is blank,
    for the analysis to fill. Times in seconds; `committed_at` UTC, ISO 8601.
    """
    assigned = {a.id: a for a in store.assignments(study)}
    rows = [
        _reading(study, assigned[k.slot.assignment], k)
        for k in store.kept(study)
        if k.slot.kind == "reading" and k.slot.assignment in assigned and _value(k, "opinion") is not None
    ]
    return pd.DataFrame(rows, columns=list(READINGS))


def ratings(store: StudyStore, study: StudyRecord | None = None) -> pd.DataFrame:
    """One row an answer to one item of a questionnaire or of the ratings after a case; columns `RATINGS`.

    Args:
        store: The store.
        study: One version of a study; None for the ratings of the Survey page (study "survey").
    """
    if study is None:
        assigned, kept = store.survey()
        name, version = "survey", 1
    else:
        assigned, kept = store.assignments(study), store.kept(study, current=False)
        name, version = study.code, study.version
    by_id = {a.id: a for a in assigned}
    replaced = {k.supersedes for k in kept}
    rows = []
    for k in kept:
        if k.slot.kind == "reading":
            continue
        about = by_id.get(k.slot.assignment) if k.slot.assignment is not None else None
        for a in k.answers:
            rows.append(
                {
                    "study": name, "version": version, "reader": k.reader, "case": about.case if about else "",
                    "arm": about.arm if about else _arm_of_period(by_id.values(), k), "period": k.slot.period,
                    "stage": k.slot.stage, "instrument": k.slot.instrument, "instrument_version": k.instrument_version,
                    "item": a.item, "iteration": k.iteration, "state": a.state, "value": a.value, "text": a.text,
                    "superseded": int(k.id in replaced), "answered_at": k.saved_at.isoformat(),
                    "active_s": k.times.active_s if k.times else None, "idle_s": k.times.idle_s if k.times else None,
                    "bundle_sha256": k.shown.bundle_sha256, "explanation_id": k.shown.explanation_id,
                    "placebo": int(about.placebo) if about else None,
                    "practice": int(about.practice) if about else 0, "imported": int(k.imported),
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(RATINGS))


def assignments(store: StudyStore, study: StudyRecord) -> pd.DataFrame:
    """One row a reading to be done; columns `ASSIGNMENTS`. `finished`: 1 where its last opinion is kept."""
    finished = _finished(store, study)
    rows = [
        (
            study.code, study.version, a.id, a.reader, a.period, a.position, a.arm, a.case, int(a.practice),
            int(a.ai_seeded_wrong), int(a.placebo), int(a.id in finished),
        )
        for a in store.assignments(study)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(ASSIGNMENTS))


def readers(store: StudyStore, study: StudyRecord) -> pd.DataFrame:
    """One row a reader, with how far he is; columns `READERS`. Practice does not count."""
    finished = _finished(store, study)
    times: dict[str, list[str]] = {}
    for k in store.kept(study, current=False):
        times.setdefault(k.reader, []).append(k.saved_at.isoformat())
    rows = []
    for reader in study.protocol.readers:
        mine = [a for a in store.assignments(study, reader.code) if not a.practice]
        at = times.get(reader.code, [])
        rows.append(
            (
                study.code, study.version, reader.code, reader.stratum, sum(a.id in finished for a in mine), len(mine),
                min(at, default=""), max(at, default=""),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(READERS))


def cases(store: StudyStore, study: StudyRecord, *, truth: bool = True) -> pd.DataFrame:
    """One row a case; columns `CASES`. `truth=False` leaves truth and lesion blank."""
    rows = [
        (
            study.code, study.version, c.id, c.stratum, _flag(c.truth) if truth else None, int(c.practice), c.image,
            json.dumps(list(c.lesion)) if truth and c.lesion is not None else "",
        )
        for c in study.protocol.cases
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(CASES)).astype({"truth": "Int64"})


def all_tables(store: StudyStore, study: StudyRecord) -> Mapping[str, pd.DataFrame]:
    """Every table by name: readings, ratings, assignments, readers, cases."""
    return {
        "readings": readings(store, study),
        "ratings": ratings(store, study),
        "assignments": assignments(store, study),
        "readers": readers(store, study),
        "cases": cases(store, study),
    }


def table_csv(frame: pd.DataFrame) -> bytes:
    """UTF-8 CSV with a byte-order mark; missing values are blank, and no cell runs as a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False, name=None):
        writer.writerow([_cell(v) for v in row])
    return out.getvalue().encode("utf-8-sig")


def _reading(study: StudyRecord, assigned: Assignment, k: Kept) -> dict[str, Any]:
    protocol = study.protocol
    truth = protocol.case(assigned.case).truth
    opinion = k.answer("opinion")
    value = _value(k, "opinion")
    region = k.answer("region")
    probability = k.shown.probability
    called = None if probability is None else probability >= protocol.threshold
    birads = scale_name(protocol) == "birads"
    return {
        "study": study.code, "version": study.version, "reader": k.reader, "period": assigned.period,
        "arm": assigned.arm, "case": assigned.case, "position": assigned.position, "stage": k.slot.stage,
        "scale": scale_name(protocol), "value": opinion.text if birads and opinion else value,
        "confidence": _value(k, "confidence"), "truth": _flag(truth), "ai_probability": probability,
        "ai_class": k.shown.predicted_class,
        "ai_correct": None if called is None or truth is None else int(called == truth),
        "ai_seeded_wrong": int(assigned.ai_seeded_wrong), "placebo": int(assigned.placebo),
        "active_s": k.times.active_s if k.times else None, "idle_s": k.times.idle_s if k.times else None,
        "region": region.text if region else "", "region_map_hit": "", "committed_at": k.saved_at.isoformat(),
        "bundle_sha256": k.shown.bundle_sha256,
        "explainer": json.dumps(dict(k.shown.explainer), sort_keys=True) if k.shown.explainer else "",
        "explanation_id": k.shown.explanation_id, "practice": int(assigned.practice),
        "positive": None if value is None else int(protocol.questions.positive(value)), "iteration": k.iteration,
        "imported": int(k.imported),
    }  # fmt: skip


def _value(k: Kept, item: str) -> float | None:
    answer = k.answer(item)
    return None if answer is None else answer.value


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _finished(store: StudyStore, study: StudyRecord) -> set[int]:
    """Ids of the assignments whose last opinion is kept."""
    last = {a.id: study.protocol.stages(a.arm)[-1] for a in store.assignments(study)}
    kept = {(k.slot.assignment, k.slot.stage) for k in store.kept(study) if k.slot.instrument == READING}
    return {key for key, stage in last.items() if (key, stage) in kept}


def _arm_of_period(assigned: Any, k: Kept) -> str:
    """The arm of a questionnaire at a period's end, where the period has one arm."""
    arms = {a.arm for a in assigned if a.reader == k.reader and a.period == k.slot.period and not a.practice}
    return arms.pop() if len(arms) == 1 else ""


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return safe_cell(value) if isinstance(value, str) else str(value)
