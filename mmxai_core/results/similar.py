"""Training cases like this one: groups described by aggregates, or single cases where the cohort is on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmxai_core.types import GreyImage


@dataclass(frozen=True)
class FieldSummary:
    """One field among the cases of a group.

    Attributes:
        field: Field id.
        label: What the form shows.
        text: In words, e.g. "62 years (55 to 70)" (median and quartiles) or "Spiculated in 80 %".
        known: In how many cases it is known.
        agrees: Whether the case's own value is the commonest, or within the quartiles; None where it is unknown.
    """

    field: str
    label: str
    text: str
    known: int
    agrees: bool | None


@dataclass(frozen=True)
class SimilarGroup:
    """A group of at least five training cases.

    Attributes:
        cases: How many.
        outcomes: Cases by class.
        distance: From its centre, in units of the distance within which nine in ten of its own cases lie.
        fields: Summaries of the fields that enough of its cases know.
        sentence: In words.
    """

    cases: int
    outcomes: Mapping[str, int]
    distance: float
    fields: tuple[FieldSummary, ...]
    sentence: str

    @property
    def inside(self) -> bool:
        """True where the case lies as near to the centre as nine in ten of the group's own cases."""
        return self.distance <= 1


@dataclass(frozen=True)
class SimilarGroups:
    """The nearest groups.

    Attributes:
        groups: Nearest first; the case may lie within more of them.
        level: What the group centres were computed from, e.g. "image and history".
        sentence: In words, over all groups that the case lies within; says so when no group is near.
        semantics: What nearness means and what it does not show.
    """

    groups: tuple[SimilarGroup, ...]
    level: str
    sentence: str
    semantics: str


@dataclass(frozen=True, eq=False)
class SimilarCase:
    """One case of a cohort on disk.

    Attributes:
        case_id: In the cohort.
        outcome: Its class id.
        distance: In the fused space; 1 is the root mean square distance between the cohort's cases.
        fields: (label, value in words) of its known fields.
        image: (H, W) display grey in [0, 1].
    """

    case_id: str
    outcome: str
    distance: float
    fields: tuple[tuple[str, str], ...]
    image: GreyImage


@dataclass(frozen=True)
class SimilarCases:
    """The nearest cases.

    Attributes:
        cases: Nearest first, each of another patient.
        searched: How many cases were compared.
        cohort: Cohort name.
        semantics: What nearness means and what it does not show.
        trained: True where the model learned from this cohort: any of these cases may be a training case.
        own_case: Id of the open case in the cohort, where its picture is one of the cohort's; "" otherwise.
    """

    cases: tuple[SimilarCase, ...]
    searched: int
    cohort: str
    semantics: str
    trained: bool = False
    own_case: str = ""
