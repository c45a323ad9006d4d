"""What the prediction would be with only part of the inputs, and what to ask next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BranchView:
    """The prediction from some of the inputs.

    Attributes:
        inputs: "image and clinical data", "image only" or "clinical data only".
        is_case: True for the inputs that this case has.
        probability: Of the positive class, in [0, 1].
        entropy_bits: Entropy of the class probabilities, in bits; 0 certain, log2(classes) a coin toss.
        low: 5th percentile of the probability over what the unknown fields may turn out to be, in [0, 1].
        high: 95th percentile.
        unknown: How many fields are unknown in this view.
        sentence: In words.
    """

    inputs: str
    is_case: bool
    probability: float
    entropy_bits: float
    low: float
    high: float
    unknown: int
    sentence: str

    @property
    def width(self) -> float:
        """Width of the 90 % range, in [0, 1]; 0 where no field is unknown."""
        return self.high - self.low


@dataclass(frozen=True)
class BranchAccount:
    """How much certainty each branch gives in this case.

    Attributes:
        views: The case as it is first, then with only the image, then with only the clinical data, where it has both.
        draws: How many completions of the unknown fields were drawn for each range.
        seed: Of the draws.
        semantics: What the numbers mean and where they come from.
    """

    views: tuple[BranchView, ...]
    draws: int
    seed: int
    semantics: str


@dataclass(frozen=True)
class Outcome:
    """One answer a field may give.

    Attributes:
        answer: In words, with its unit.
        chance: Of this answer given what is known, in [0, 1].
        probability: Of the positive class if it is given, in [0, 1].
    """

    answer: str
    chance: float
    probability: float


@dataclass(frozen=True)
class Question:
    """One unknown field and what knowing it is expected to change.

    Attributes:
        field: Field id.
        label: What the form shows.
        group: "history", "descriptor" or "assessment".
        expected_change: Mean absolute change of the positive class's probability, in [0, 1].
        expected_probability: Mean probability over the answers, in [0, 1].
        expected_entropy_bits: Mean entropy over the answers minus the entropy now; negative: uncertainty falls.
        flip_chance: Chance that the decision at the threshold changes, in [0, 1].
        outcomes: Every answer.
        sentence: In words.
    """

    field: str
    label: str
    group: str
    expected_change: float
    expected_probability: float
    expected_entropy_bits: float
    flip_chance: float
    outcomes: tuple[Outcome, ...]
    sentence: str


@dataclass(frozen=True)
class Questions:
    """What to ask next.

    Attributes:
        questions: Unknown fields, the largest expected change of the probability first.
        probability: Now, of the positive class.
        entropy_bits: Now.
        positive_class: The class the probabilities are of.
        semantics: What the numbers mean and where the chances come from.
    """

    questions: tuple[Question, ...]
    probability: float
    entropy_bits: float
    positive_class: str
    semantics: str

    def by_certainty(self) -> tuple[Question, ...]:
        """The same, the largest expected fall of entropy first."""
        return tuple(sorted(self.questions, key=lambda q: q.expected_entropy_bits))
