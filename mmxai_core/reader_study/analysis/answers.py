"""Answers to instruments: the ones that count, in order, with the wording that the registry keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.instruments import PAPER_SURVEY, Item
from mmxai_core.reader_study.questionnaire_registry import INSTRUMENTS, QUESTIONNAIRES
from mmxai_core.reader_study.questionnaires import Questionnaire, Score, chosen_pairs, comparison_weights


def current(ratings: pd.DataFrame) -> pd.DataFrame:
    """Answers that no later one supersedes: the last iteration of each reader, case, arm, instrument and item."""
    kept = ratings[ratings["superseded"] != 1].copy()
    kept["iteration"] = pd.to_numeric(kept["iteration"], errors="coerce").fillna(1)
    keys = ["reader", "case", "arm", "instrument", "instrument_version", "item"]
    kept = kept.sort_values(["iteration", "answered_at"], kind="stable")
    return kept.drop_duplicates(keys, keep="last").sort_index().reset_index(drop=True)


def item_of(instrument: str, item: str) -> Item | None:
    """The question, or None where the registry does not know it."""
    known = INSTRUMENTS.get(instrument)
    return None if known is None else next((i for i in known.items if i.id == item), None)


def wording(instrument: str, item: str, known: Mapping[str, str] | None = None) -> str:
    """What the reader was asked, or the item's id in words.

    Args:
        instrument: Id.
        item: Id.
        known: Wordings of the study's own items.
    """
    found = item_of(instrument, item) or (item_of(PAPER_SURVEY.id, item) if instrument == "case_ratings" else None)
    if found is not None:
        return found.text
    return (known or {}).get(item) or item.replace("_", " ")


@dataclass(frozen=True)
class ScoredForm:
    """One form's score.

    Attributes:
        reader: Who filled it in.
        arm: Arm, or "".
        case: Case, or "".
        score: With its flag where there is none.
    """

    reader: str
    arm: str
    case: str
    score: Score


def scored_forms(answers: pd.DataFrame) -> dict[str, list[ScoredForm]]:
    """Scores of every form of a registered questionnaire, by questionnaire id.

    A form with an answer off the scale has no score; its flag says so.

    Args:
        answers: From `current`.
    """
    found: dict[str, list[ScoredForm]] = {}
    for questionnaire in QUESTIONNAIRES.values():
        mine = answers[answers["instrument"] == questionnaire.id]
        for (reader, arm, case), form in mine.groupby(["reader", "arm", "case"], sort=True):
            score = _score(questionnaire, form)
            found.setdefault(questionnaire.id, []).append(ScoredForm(str(reader), str(arm), str(case), score))
    return found


def _score(questionnaire: Questionnaire, form: pd.DataFrame) -> Score:
    given: dict[str, float | None] = {}
    choices: dict[str, str] = {}
    counted: dict[str, int] = {}  # the session keeps the counts, other sources the comparisons
    for row in form.to_dict("records"):
        item = str(row["item"])
        if item.startswith("weight_"):
            if row["value"] == row["value"]:
                counted[item.removeprefix("weight_")] = int(row["value"])
        elif item.startswith("pair__"):
            if row["state"] == "answered":
                choices[item] = str(row["text"])
        else:
            answered = row["state"] == "answered" and row["value"] == row["value"]
            given[item] = float(row["value"]) if answered else None
    try:
        weights = None
        if questionnaire.scoring == "weighted":
            weights = counted or comparison_weights(questionnaire, chosen_pairs(questionnaire, choices))
        return questionnaire.score(given, weights=weights)
    except StudyStoreError as error:
        return Score(questionnaire.id, questionnaire.version, None, (), str(error))


def likert_items(answers: pd.DataFrame) -> Iterator[tuple[str, str, Mapping[str, pd.DataFrame]]]:
    """Every item answered on whole numbers from 1 to 5 or 1 to 7: (instrument, item, answers by arm, "all" first)."""
    for (instrument, item), mine in answers.groupby(["instrument", "item"], sort=False):
        known = item_of(str(instrument), str(item))
        numbers = mine["value"].dropna()
        if known is not None and known.kind not in ("likert5", "scale"):
            continue
        if known is not None and known.kind == "scale" and known.maximum > 7:
            continue
        if numbers.empty or not numbers.between(1, 7).all() or (numbers % 1 != 0).any():
            continue
        arms = [a for a in sorted(mine["arm"].unique()) if a]
        by_arm = {"all": mine} | ({a: mine[mine["arm"] == a] for a in arms} if len(arms) > 1 else {})
        yield str(instrument), str(item), by_arm
