"""Published questionnaires: wording, licence and scoring kept together. Nothing is imputed.

An incomplete form has no score; it says which questions are open. Scores of people are summed up by `summarise`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import isfinite, sqrt
from typing import Literal

import numpy as np
from scipy import stats

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.instruments import Instrument, Item
from mmxai_core.types import Json

#: Answers by item id: a number on the scale, or None where the reader gave none.
Answers = Mapping[str, float | None]

#: Stands where the wording may not be given away.
WORDING_FROM_SITE = "(wording to be supplied by the site)"


def pair_id(first: str, second: str) -> str:
    """Id of the choice between two items of a weighted questionnaire, e.g. "pair__effort__frustration"."""
    return f"pair__{first}__{second}"


@dataclass(frozen=True)
class ScaleItem:
    """One question on a numeric scale.

    Attributes:
        id: snake_case name used in exports.
        text: Wording, as published.
        low: What the lowest value means.
        high: What the highest value means.
        reverse: True where agreement speaks against the thing measured.

    The text is "" where the wording may not be given away, until `Questionnaire.with_wording` puts it in.
    """

    id: str
    text: str
    low: str = "strongly disagree"
    high: str = "strongly agree"
    reverse: bool = False


@dataclass(frozen=True)
class Norm:
    """What to compare a score with.

    Attributes:
        mean: Of the reference group.
        sd: Standard deviation between people.
        source: Where from.
    """

    mean: float
    sd: float
    source: str


@dataclass(frozen=True)
class Questionnaire:
    """A published set of questions with its rule of scoring.

    Attributes:
        id: snake_case name.
        version: Changes with any word of an item, or with the scoring.
        title: Name for people.
        source: Publication.
        licence: Under what terms the wording may be used.
        changes: What differs from the published wording, "" where nothing.
        items: In the order asked.
        minimum: Lowest answer.
        maximum: Highest answer.
        whole: True where only whole numbers are answers.
        scoring: "sum" of the answers (reversed items counted from the other end, each from 0), scaled to
            `score_range`; "weighted", the mean of the answers weighted by the reader's own comparisons; or "none",
            where each item speaks for itself.
        score_range: Lowest and highest score.
        norm: Reference values; None where there are none.
        parts: Name -> ids of the items whose mean, not reversed, is reported beside the score.
    """

    id: str
    version: str
    title: str
    source: str
    licence: str
    items: tuple[ScaleItem, ...]
    minimum: float
    maximum: float
    score_range: tuple[float, float]
    whole: bool = True
    changes: str = ""
    scoring: Literal["sum", "weighted", "none"] = "sum"
    norm: Norm | None = None
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def has_wording(self) -> bool:
        """False while the site has not supplied the wording."""
        return all(i.text for i in self.items)

    @property
    def pairs(self) -> tuple[str, ...]:
        """Ids of the comparisons of a weighted one, in order; () of the others."""
        ids = [i.id for i in self.items] if self.scoring == "weighted" else []
        return tuple(pair_id(a, b) for a, b in combinations(ids, 2))

    def with_wording(self, texts: Mapping[str, str], *, licence: str) -> Questionnaire:
        """The same questionnaire with wording that the site has a licence for.

        Args:
            texts: Wording by item id, one for each item.
            licence: Under what terms, in words.

        Raises:
            StudyStoreError: The ids are not those of the items, or a text or the licence is blank.
        """
        ids = [i.id for i in self.items]
        if set(texts) != set(ids) or not all(t.strip() for t in texts.values()) or not licence.strip():
            raise StudyStoreError(
                f"{self.title}: needs one text for each of {', '.join(ids)}, and the terms of its licence."
            )
        items = tuple(replace(i, text=texts[i.id].strip()) for i in self.items)
        return replace(self, items=items, version=f"{self.version}-site", licence=licence.strip())

    def check(self, answers: Answers) -> tuple[str, ...]:
        """Ids of the open questions, in order.

        Raises:
            StudyStoreError: An answer is off the scale, or belongs to no item of this questionnaire.
        """
        known = {i.id for i in self.items}
        for item, value in answers.items():
            if item not in known:
                raise StudyStoreError(f"The questionnaire {self.title} has no question {item!r}.")
            if value is None:
                continue
            usable = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
            if not usable or not self.minimum <= value <= self.maximum or (self.whole and value != int(value)):
                kind = "a whole number" if self.whole else "a number"
                raise StudyStoreError(
                    f"{self.title}, question {item!r}: takes {kind} from {self.minimum:g} to {self.maximum:g}; "
                    f"got {value!r}."
                )
        return tuple(i.id for i in self.items if answers.get(i.id) is None)

    def score(self, answers: Answers, *, weights: Mapping[str, int] | None = None) -> Score:
        """The form's score, or none with the open questions.

        Args:
            answers: By item id; absent or None where not answered.
            weights: Of a "weighted" questionnaire, by item id, from `comparison_weights`.

        Raises:
            StudyStoreError: An answer is off the scale, or the weights do not fit.
        """
        open_items = self.check(answers)
        if self.scoring == "weighted" and weights is not None:
            _check_weights(self, weights)
        if open_items:
            count = len(open_items)
            flag = f"{count} of {len(self.items)} questions {'is' if count == 1 else 'are'} open: no score."
            return Score(self.id, self.version, None, open_items, flag)
        given = {i.id: float(answers[i.id] or 0) for i in self.items}
        parts = {name: sum(given[i] for i in ids) / len(ids) for name, ids in self.parts}
        if self.scoring == "none":
            return Score(self.id, self.version, None, (), "Each item speaks for itself: no score.", given)
        if self.scoring == "weighted":
            if weights is None:
                return Score(self.id, self.version, None, (), "The 15 comparisons are missing: no weighted score.")
            value = sum(weights[i] * v for i, v in given.items()) / sum(weights.values())
            return Score(self.id, self.version, value, (), "", given)
        steps = [
            self.maximum - given[i.id] if i.reverse else given[i.id] - self.minimum for i in self.items
        ]  # each from 0
        share = sum(steps) / (len(self.items) * (self.maximum - self.minimum))
        low, high = self.score_range
        return Score(self.id, self.version, low + share * (high - low), (), "", given, parts)

    def as_instrument(self) -> Instrument:
        """What the session asks: one item a question, and for a weighted score one choice a pair of items.

        Raises:
            StudyStoreError: The wording has not been supplied.
        """
        if not self.has_wording:
            raise StudyStoreError(f"{self.title}: its wording is not free. Supply it with the site's licence.")
        five = (self.minimum, self.maximum, self.whole) == (1, 5, True)
        items = [
            Item(i.id, i.text, "likert5", i.low, i.high)
            if five
            else Item(i.id, i.text, "scale", i.low, i.high, True, self.minimum, self.maximum, self.whole)
            for i in self.items
        ]
        if self.scoring == "weighted":
            words = {i.id: i.id.replace("_", " ") for i in self.items}
            for a, b in combinations(words, 2):
                text = f"Which contributed more to the workload: {words[a]} or {words[b]}?"
                items.append(Item(pair_id(a, b), text, "choice", options=((a, words[a]), (b, words[b]))))
        return Instrument(self.id, self.version, self.title, self.source, tuple(items))

    def to_json(self) -> Json:
        """Everything a data dictionary needs."""
        return {
            "id": self.id,
            "version": self.version,
            "title": self.title,
            "source": self.source,
            "licence": self.licence,
            "changes": self.changes,
            "answers": [self.minimum, self.maximum],
            "score_range": list(self.score_range),
            "scoring": self.scoring,
            "parts": {name: list(ids) for name, ids in self.parts},
            "items": [{"id": i.id, "text": i.text or WORDING_FROM_SITE, "reverse": i.reverse} for i in self.items],
        }


@dataclass(frozen=True)
class Score:
    """What one form says.

    Attributes:
        questionnaire: Id.
        version: Of the questionnaire.
        value: None where the form is incomplete.
        open_items: Questions without an answer.
        flag: Why there is no score; "" otherwise.
        subscales: The answer to each item; empty where the form is incomplete.
        parts: Mean of each of the questionnaire's parts.
    """

    questionnaire: str
    version: str
    value: float | None
    open_items: tuple[str, ...]
    flag: str
    subscales: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """Scores of a group.

    Attributes:
        n: Complete forms.
        incomplete: Forms left out because a question is open.
        mean: None without a complete form.
        median: None without a complete form.
        sd: Between people; None for fewer than 2.
        low: Lower end of the 95 % t interval of the mean, cut to the score range; None for fewer than 2.
        high: Upper end.
        norm: What to compare with.
    """

    n: int
    incomplete: int
    mean: float | None
    median: float | None
    sd: float | None
    low: float | None
    high: float | None
    norm: Norm | None


def summarise(questionnaire: Questionnaire, scores: Iterable[Score]) -> Summary:
    """Mean with its 95 % t interval, median, and how many forms were left out.

    Raises:
        StudyStoreError: A score belongs to another questionnaire or version.
    """
    given = list(scores)
    for s in given:
        if (s.questionnaire, s.version) != (questionnaire.id, questionnaire.version):
            raise StudyStoreError(
                f"Scores of {s.questionnaire} version {s.version} cannot be summed up with {questionnaire.id} version "
                f"{questionnaire.version}."
            )
    values = np.array([s.value for s in given if s.value is not None], np.float64)
    n, left_out = len(values), len(given) - len(values)
    if not n:
        return Summary(0, left_out, None, None, None, None, None, questionnaire.norm)
    mean, median = float(values.mean()), float(np.median(values))
    if n < 2:
        return Summary(n, left_out, mean, median, None, None, None, questionnaire.norm)
    sd = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * sd / sqrt(n)
    low, high = questionnaire.score_range
    return Summary(n, left_out, mean, median, sd, max(mean - half, low), min(mean + half, high), questionnaire.norm)


def chosen_pairs(questionnaire: Questionnaire, choices: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Choices by the id of `pair_id`, as `comparison_weights` takes them; other ids are passed over."""
    pairs = {pair_id(a, b): (a, b) for a, b in combinations((i.id for i in questionnaire.items), 2)}
    return {pairs[name]: winner for name, winner in choices.items() if name in pairs}


def comparison_weights(questionnaire: Questionnaire, chosen: Mapping[tuple[str, str], str]) -> dict[str, int] | None:
    """How often each item was chosen over another, the weights of NASA-TLX; None while a comparison is open.

    Args:
        questionnaire: A "weighted" one.
        chosen: By pair of item ids, in either order, the id chosen as the more important.

    Raises:
        StudyStoreError: An unknown pair, a pair given twice, or a choice that is not of its pair.
    """
    pairs = {frozenset(p) for p in combinations((i.id for i in questionnaire.items), 2)}
    tally = dict.fromkeys((i.id for i in questionnaire.items), 0)
    seen: set[frozenset[str]] = set()
    for pair, winner in chosen.items():
        key = frozenset(pair)
        if key not in pairs or key in seen or winner not in key:
            raise StudyStoreError(f"{questionnaire.title}: {winner!r} is no answer to the comparison {pair}.")
        seen.add(key)
        tally[winner] += 1
    return tally if seen == pairs else None


def _check_weights(questionnaire: Questionnaire, weights: Mapping[str, int]) -> None:
    ids = {i.id for i in questionnaire.items}
    total, most = len(ids) * (len(ids) - 1) // 2, len(ids) - 1
    if set(weights) != ids or any(not 0 <= w <= most or w != int(w) for w in weights.values()):
        raise StudyStoreError(f"{questionnaire.title}: needs one weight from 0 to {most} for each of {sorted(ids)}.")
    if sum(weights.values()) != total:
        raise StudyStoreError(
            f"{questionnaire.title}: the weights come from {total} comparisons and add up to {total}; got "
            f"{sum(weights.values())}."
        )
