"""Answers to "what if": one changed record, a whole curve, and the smallest change that turns the decision."""

from __future__ import annotations

from dataclasses import dataclass

from mmxai_core.results.prediction import Prediction


def points_apart(before: float, after: float, *, digits: int) -> str:
    """The difference of two probabilities that are printed beside it, as they are printed; "unchanged" where alike.

    Args:
        before: In [0, 1].
        after: In [0, 1].
        digits: Decimals of the per cent that both are printed with.
    """
    apart = round(round(100 * after, digits) - round(100 * before, digits), digits)
    return f"{apart:+.{digits}f} point{'' if abs(apart) == 1 and not digits else 's'}" if apart else "unchanged"


@dataclass(frozen=True)
class FieldChange:
    """One field changed.

    Attributes:
        field: Field id.
        label: What the form shows.
        before: Old value in words.
        after: New value in words.
        value: New value as the form takes it; None: made unknown.
        distance: Part of the field's scale moved, in [0, 1] (Gower 1971).
    """

    field: str
    label: str
    before: str
    after: str
    value: float | str | bool | None
    distance: float


@dataclass(frozen=True, eq=False)
class WhatIfAnswer:
    """The prediction of a changed record.

    Attributes:
        prediction: Of the changed record.
        changes: What was changed; empty: nothing.
        without_image: True where the image was taken away.
        difference: Probability of the positive class minus that of the case as it is.
        turns_decision: True where the predicted class changes.
        sentence: In words.
        seconds: Wall time.
    """

    prediction: Prediction
    changes: tuple[FieldChange, ...]
    without_image: bool
    difference: float
    turns_decision: bool
    sentence: str
    seconds: float


@dataclass(frozen=True)
class ResponsePoint:
    """One value of a field and the probability it gives.

    Attributes:
        value: As the form takes it.
        text: In words, with its unit.
        probability: Of the positive class, in [0, 1].
        seen: Whether the value lies in the range seen in training.
    """

    value: float | str | bool
    text: str
    probability: float
    seen: bool


@dataclass(frozen=True)
class FieldResponse:
    """This case's probability over all values of one field, everything else kept.

    Attributes:
        field: Field id.
        label: What the form shows.
        kind: "numeric", "ordinal", "categorical" or "yes_no".
        unit: Unit of a number, or None.
        points: In order.
        current: The value now, or None where it is unknown.
        current_probability: Now.
        unknown_probability: With the field unknown.
        threshold: Where the decision changes.
        crossings: Numbers at which the curve crosses the threshold, by linear interpolation; empty for categories.
        positive_class: The class the probabilities are of.
        semantics: What the curve means.
    """

    field: str
    label: str
    kind: str
    unit: str | None
    points: tuple[ResponsePoint, ...]
    current: float | str | bool | None
    current_probability: float
    unknown_probability: float
    threshold: float
    crossings: tuple[float, ...]
    positive_class: str
    semantics: str


@dataclass(frozen=True)
class Counterfactual:
    """A set of changes that turns the decision.

    Attributes:
        changes: One to three.
        probability: Of the positive class afterwards.
        predicted_class: Afterwards.
        distance: Sum of the changes' distances.
        plausibility: Share of drawn records that are no likelier than the changed one, in [0, 1].
        sentence: In words.
    """

    changes: tuple[FieldChange, ...]
    probability: float
    predicted_class: str
    distance: float
    plausibility: float
    sentence: str


@dataclass(frozen=True)
class CounterfactualSearch:
    """The outcome of a search, found or not.

    Attributes:
        found: Fewest changed fields first, then the smallest distance; empty: none.
        probability: Now, of the positive class.
        predicted_class: Now.
        threshold: Where the decision changes.
        locked: Fields that were not to be changed.
        unlocked: Fields that were.
        max_changes: Most fields changed at once.
        evaluated: How many changed records were evaluated.
        exhaustive: True where every combination of listed values was evaluated, up to the level that was searched.
        implausible: How many records turned the decision but were refused as implausible.
        closest_probability: The plausible record that came nearest to turning it; None where there was none.
        sentence: In words; says so when there is none.
        semantics: How plausibility and distance are measured.
    """

    found: tuple[Counterfactual, ...]
    probability: float
    predicted_class: str
    threshold: float
    locked: tuple[str, ...]
    unlocked: tuple[str, ...]
    max_changes: int
    evaluated: int
    exhaustive: bool
    implausible: int
    closest_probability: float | None
    sentence: str
    semantics: str
