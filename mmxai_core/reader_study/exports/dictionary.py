"""The data dictionary: every table, column, unit and value; every instrument with wording, licence and scoring."""

from __future__ import annotations

from collections.abc import Mapping

from mmxai_core.reader_study.analysis.study_analysis import StudyAnalysis, all_tables
from mmxai_core.reader_study.instruments import PAPER_SURVEY
from mmxai_core.reader_study.questionnaire_registry import INSTRUMENTS, QUESTIONNAIRES
from mmxai_core.reader_study.study_tables import COLUMNS
from mmxai_core.types import Json

TABLES: Mapping[str, str] = {
    "readings": "One row a committed opinion: reader, arm, case, stage and scale.",
    "ratings": "One row an answer to an item of an instrument; a changed answer is a new row with a higher iteration.",
    "assignments": "One row a case that a reader was to read.",
    "readers": "One row a reader.",
    "cases": "One row a case.",
}
#: Columns of the tidy tables: (type, unit or values, meaning).
_TIDY: Mapping[str, tuple[str, str, str]] = {
    "study": ("text", "", "Name of the study; starts with SIMULATED where readers were simulated."),
    "version": ("text", "", "Version of the protocol in force."),
    "reader": ("text", "", "Reader's code, a pseudonym."),
    "period": ("integer", "1, 2 ...", "Reading period of a crossover study."),
    "arm": ("text", "", "Arm of the study."),
    "case": ("text", "", "Case code, a pseudonym; blank for an answer about the whole session."),
    "position": ("integer", "1, 2 ...", "Place of the case in this reader's order."),
    "stage": ("category", "unaided, ai, explanation", "What the reader had seen when committing this opinion."),
    "scale": ("text", "", "Rating scale."),
    "value": (
        "number",
        "as the scale or item",
        "Rating, or answer to an item; larger means more suspicion or agreement.",
    ),
    "confidence": ("number", "as the protocol says", "Confidence stated with the rating."),
    "truth": ("integer", "0 negative, 1 positive", "Reference standard; never shown to readers."),
    "ai_probability": ("number", "0 to 1", "Probability of the positive class that the AI showed."),
    "ai_class": ("text", "", "Class that the AI showed."),
    "ai_correct": ("integer", "0, 1", "Whether the AI's class was the true one."),
    "ai_seeded_wrong": ("integer", "0, 1", "1 where the study planted the AI's error."),
    "placebo": ("integer", "0, 1", "1 where the map shown was a placebo."),
    "active_s": ("number", "seconds", "Active time of this stage; idle time is not in it."),
    "idle_s": ("number", "seconds", "Idle time of this stage."),
    "region": ("text", "[x0, y0, x1, y1], pixels of the source image", "Lesion drawn by the reader; blank where none."),
    "committed_at": ("time", "UTC, ISO 8601", "When the opinion was committed."),
    "bundle_sha256": ("text", "", "Hash of the model's weights."),
    "explainer": ("text", "", "Settings of the explainer."),
    "explanation_id": ("text", "", "Which explanation was shown."),
    "practice": ("integer", "0, 1", "1 for a practice case; practice cases are not analysed."),
    "positive": ("integer", "0, 1", "1 where the rating reaches the protocol's threshold."),
    "instrument": ("text", "", "Id of the instrument, see instruments.json."),
    "instrument_version": ("text", "", "Its version."),
    "item": ("text", "", "Id of the item."),
    "iteration": ("integer", "1, 2 ...", "Version of this reader's answer."),
    "state": ("category", "answered, no_answer", "Whether the reader answered or chose not to."),
    "text": ("text", "", "Free text, or the id of the option chosen."),
    "superseded": ("integer", "0, 1", "1 where a later answer replaces this one."),
    "answered_at": ("time", "UTC, ISO 8601", "When the answer was saved."),
    "stratum": ("text", "", "Stratum of reader or case."),
    "notice": ("text", "", "Research use only; that readers were simulated, where they were."),
}
#: Columns of result tables.
_RESULTS: Mapping[str, tuple[str, str, str]] = {
    "condition": ("text", "", "Arm, stage, or arm (stage)."),
    "against": ("text", "", "The condition it is compared with: the difference is condition minus this."),
    "first": ("text", "", "Condition; the difference is first minus second."),
    "second": ("text", "", "The condition it is compared with."),
    "comparison": ("text", "", "Which conditions belong together."),
    "measure": ("text", "", "What is estimated."),
    "meaning": ("text", "", "The measure in words."),
    "about": ("text", "", "Which cases the row is about."),
    "value": ("number", "as the measure", "Estimate; blank where undefined, with the reason."),
    "low": ("number", "as the measure", "Lower end of the 95 % interval."),
    "high": ("number", "as the measure", "Upper end."),
    "n": ("integer", "", "Readings, cases or forms that it rests on."),
    "reason": ("text", "", "Why value or interval is undefined."),
    "difference": ("number", "AUC", "Of the reader-averaged AUCs."),
    "se": ("number", "AUC", "Standard error of the difference."),
    "f": ("number", "", "F statistic of the test that all conditions are alike (Obuchowski and Rockette)."),
    "df1": ("number", "", "Numerator degrees of freedom."),
    "df2": ("number", "", "Denominator degrees of freedom (Hillis 2007); infinite where readers are fixed."),
    "p": ("number", "0 to 1", "Two-sided, unadjusted."),
    "p_holm": ("number", "0 to 1", "Adjusted for the number of pairs (Holm 1979)."),
    "method": ("text", "", "How it was computed."),
    "generalises_to": ("text", "", "Of whom the result speaks."),
    "count_1": ("integer", "", "Answers in the lowest category; count_2 and so on above it."),
    "share_above_middle": ("number", "0 to 1", "Share of answers above the middle category."),
    "flag": ("text", "", "Why a form has no score."),
    "hit": ("number", "0, 1", "Pointing game: the map's peak lies in the reader's region."),
    "iou": ("number", "0 to 1", "Intersection over union of region and the map's strongest pixels."),
    "chance": ("number", "0 to 1", "What a map that points at random would hit."),
    "effect": ("number", "AUC", "True difference to find."),
    "power": ("number", "0 to 1", "Probability of a significant result where the effect is true."),
}


def dictionary_rows(analysis: StudyAnalysis) -> list[dict[str, str]]:
    """One row a column of every table that is exported.

    Args:
        analysis: Its result tables are listed too.
    """
    rows = []
    for table, columns in COLUMNS.items():
        for column in (*columns, "notice"):
            kind, unit, meaning = _TIDY[column]
            rows.append(
                {"file": f"tables/{table}", "about": TABLES[table], "column": column, "type": kind, "values": unit,
                 "meaning": meaning}
            )  # fmt: skip
    titles = {name: s.title for s in analysis.sections for name in s.tables}
    for name, frame in all_tables(analysis).items():
        for column in map(str, frame.columns):
            kind, unit, meaning = _RESULTS.get(column) or _TIDY.get(column) or ("", "", column.replace("_", " "))
            rows.append(
                {"file": f"results/{name}", "about": titles[name], "column": column, "type": kind, "values": unit,
                 "meaning": meaning}
            )  # fmt: skip
    return rows


def instruments_json() -> Json:
    """Every instrument with wording, licence, scoring and version."""
    paper = {
        name: {
            "id": i.id, "version": i.version, "title": i.title, "source": i.source,
            "items": [{"id": x.id, "text": x.text, "kind": x.kind} for x in i.items],
        }
        for name, i in INSTRUMENTS.items() if i.id in (PAPER_SURVEY.id, "paper_questions")
    }  # fmt: skip
    return paper | {q.id: q.to_json() for q in QUESTIONNAIRES.values()}
