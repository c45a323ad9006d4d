"""Numbers that say how far to trust an explanation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReliabilityNumber:
    """One number that says how far to trust an explanation.

    Attributes:
        name: Short name.
        value: The number; None where it could not be computed.
        threshold: Where a verdict changes; None where no threshold is known.
        higher_is_better: Direction.
        verdict: One plain sentence.
        computed_from: What it was computed from, in words.
    """

    name: str
    value: float | None
    threshold: float | None
    higher_is_better: bool
    verdict: str
    computed_from: str
