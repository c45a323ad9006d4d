"""Whether a study is the model's kind of input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: "stop": not the model's kind of input, or nothing to read. "caution": readable, but something is off.
Severity = Literal["stop", "caution"]


@dataclass(frozen=True)
class InputFinding:
    """One thing that is wrong with an input.

    Attributes:
        rule: Stable name: "modality", "colour", "unlike training images", "almost black", "flat", "too small",
            "saturated", "marks over the lesion", "training image", "unusual fields", "unusual together".
        severity: See `Severity`.
        sentence: What was seen, in words, with the value and the limit.
        value: The number seen; None for a rule on words.
        limit: Where the rule starts; None for a rule on words.
    """

    rule: str
    severity: Severity
    sentence: str
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class InputScore:
    """One out-of-distribution score.

    Attributes:
        name: "picture", "whole glance", "lesion glance", "image" (largest of these), "clinical" or "joint".
        value: SDs above the mean of held-out training cases.
        limit: Where it counts as unusual: at most 5 % of held-out training cases lie above; None for a part of the
            image score.
        tail: Share of held-out training cases at least as unusual, in [0, 1]; None for a part of the image score.
    """

    name: str
    value: float
    limit: float | None
    tail: float | None

    @property
    def unusual(self) -> bool:
        """Above its limit."""
        return self.limit is not None and self.value > self.limit


@dataclass(frozen=True)
class ImageCheck:
    """One image of a study.

    Attributes:
        index: Position in the study.
        label: The image's label.
        scores: Of the image branch; empty where the bundle has no statistics.
        findings: What is wrong with it; empty: nothing.
    """

    index: int
    label: str
    scores: tuple[InputScore, ...]
    findings: tuple[InputFinding, ...]

    @property
    def flagged(self) -> bool:
        """Not the model's kind of input."""
        return any(f.severity == "stop" for f in self.findings)


@dataclass(frozen=True)
class InputCheck:
    """The check of a whole input, to be shown before the prediction.

    Attributes:
        flagged: Some image is not the model's kind of input: show this before any prediction.
        measured: False where the bundle has no statistics, so that only the plain rules were applied.
        images: One entry an image checked.
        findings: About the study and its fields, not about one image.
        scores: "clinical" and "joint", where measured.
        sentence: The verdict, in words.
        computed_from: What the limits were measured on, in words.
    """

    flagged: bool
    measured: bool
    images: tuple[ImageCheck, ...]
    findings: tuple[InputFinding, ...]
    scores: tuple[InputScore, ...]
    sentence: str
    computed_from: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict, then every finding, each once."""
        found = [f.sentence for f in self.findings] + [f.sentence for i in self.images for f in i.findings]
        return tuple(dict.fromkeys([self.sentence, *found]))
