"""Cases of which one branch is missing: kept with the model's own words for *unknown*, or dropped; counted either way.

A case without any known field is kept by every model here: each field has a learned token for *unknown*, and training
hides fields at random, so that it is a safe answer. A case without a picture never comes so far: adapters leave it out
and say how many, and the comparison has nothing to train its image branch on. (A shipped bundle answers without a
picture all the same: its absent-image token is learned by dropping pictures at random, `DropConfig.image`.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.errors import CohortError
from mmxai_core.types import Json

EMBED, DROP = "embed", "drop"
CHOICES = (EMBED, DROP)


@dataclass(frozen=True)
class PairCount:
    """How many pairs of picture and fields are whole.

    Attributes:
        choice: "embed" or "drop": what is done with a case that has no known field.
        complete: Cases with a picture and at least one known field.
        without_fields: Cases with a picture and no known field; 0 where the cohort has no fields.
        without_picture: Cases that the adapter left out because their picture is missing.
        dropped: Of `without_fields`, those taken out.
    """

    choice: str
    complete: int
    without_fields: int
    without_picture: int
    dropped: int

    def to_json(self) -> Json:
        """A plain dict."""
        return {
            "choice": self.choice, "complete": self.complete, "without_fields": self.without_fields,
            "without_picture": self.without_picture, "dropped": self.dropped,
        }  # fmt: skip


def check_choice(choice: str) -> None:
    """Refuses a word that is no choice.

    Raises:
        CohortError: It is none of `CHOICES`.
    """
    if choice not in CHOICES:
        raise CohortError(f"Incomplete pairs are kept with {EMBED!r} or left out with {DROP!r}; got {choice!r}.")


def settle(cohort: Cohort, choice: str) -> tuple[Cohort, PairCount]:
    """The cohort with its incomplete pairs kept or dropped, and the count.

    Args:
        cohort: As its adapter gives it.
        choice: One of `CHOICES`.

    Raises:
        CohortError: No such choice, or no case would be left.
    """
    check_choice(choice)
    bare = [c for c in cohort.cases if cohort.schema.fields and not _known(c, cohort)]
    missing = sum(count for reason, count in cohort.dropped if reason.startswith("image file missing"))
    count = PairCount(choice, len(cohort.cases) - len(bare), len(bare), missing, len(bare) if choice == DROP else 0)
    if choice == EMBED or not bare:
        return cohort, count
    gone = {c.case_id for c in bare}
    cases = tuple(c for c in cohort.cases if c.case_id not in gone)
    if not cases:
        raise CohortError(f"No case of {cohort.name} has a known clinical value; none would be left.")
    dropped = (*cohort.dropped, ("incomplete pair: no clinical value is known", len(bare)))
    return replace(cohort, cases=cases, dropped=dropped), count


def _known(case: Case, cohort: Cohort) -> bool:
    return any(case.clinical.get(f.id) is not None for f in cohort.schema.fields)
