"""What a reader study is: its arms, cases, readers, questions and order, fixed before the first reading.

A protocol is written once, checked whole, and locked with the hash of its canonical JSON when the study starts. A
locked protocol never changes: a change is a new version that names its parent's hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from mmxai_core.errors import StudyStoreError

T = TypeVar("T")

#: Format of protocol files.
FORMAT = 1

ArmKind = Literal["unaided", "ai", "ai_explanation"]
DesignKind = Literal["sequential", "crossover"]
Method = Literal["latin_square", "blocked"]
ScaleKind = Literal["probability", "categories"]
Confidence = Literal["none", "likert5", "percent"]
When = Literal["start", "period_end", "end"]
Stage = Literal["unaided", "ai", "explanation"]

#: The stages of a reading, in the order they may be reached.
STAGES: tuple[Stage, ...] = ("unaided", "ai", "explanation")

#: Explanations an arm may show, by id, with the name a reader sees.
EXPLANATIONS: Mapping[str, str] = {
    "saliency": "Grad-CAM++ map",
    "attribution": "clinical factors (SHAP)",
    "cross_modal": "cross-modal attention",
    "unified": "joint map",
    "joint": "account of factors and regions",
    "rollout": "attention rollout",
    "what_if": "what-if panel",
    "similar": "similar cases",
    "reliability": "reliability numbers",
    "uncertainty": "prediction set and certainty",
}

#: What a reader can say he agrees with, 1 to 5.
AGREEMENT: tuple[str, ...] = ("prediction", "region", "factors")

#: BI-RADS assessment categories, in rising order of suspicion (ACR BI-RADS Atlas, 5th edition).
BIRADS: tuple[str, ...] = ("2", "3", "4A", "4B", "4C", "5")


class ProtocolError(StudyStoreError):
    """A protocol breaks one or more rules.

    Attributes:
        problems: One sentence a rule broken, naming the field and the value seen.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        more = f" ({len(problems) - 1} more problem{'s' if len(problems) > 2 else ''})" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}" if problems else "The protocol is not valid.")


@dataclass(frozen=True)
class Arm:
    """One condition of reading.

    Attributes:
        id: snake_case.
        kind: "unaided"; "ai": the prediction; "ai_explanation": the prediction, then explanations.
        title: Name for people; never shown to readers, who are blinded to the arm.
        explanations: Ids of `EXPLANATIONS` shown; only for "ai_explanation".
        placebo_share: Share of the arm's readings whose map is a placebo, 0 to 1.
        wrong_share: Share of the arm's readings whose AI output is made wrong on purpose, 0 to 1.
    """

    id: str
    kind: ArmKind
    title: str = ""
    explanations: tuple[str, ...] = ()
    placebo_share: float = 0.0
    wrong_share: float = 0.0


@dataclass(frozen=True)
class Design:
    """How arms meet cases.

    Attributes:
        kind: "sequential": each reader reads each case once, in one arm, and gives an opinion after each stage:
            unaided, AI, explanation. "crossover": each reader reads each case in each arm, once a period, with a
            washout between periods.
        washout_days: Least days between the last reading of a period and the first of the next; crossover only.
        commit_first: True where an aided reading starts with an unaided opinion, committed before anything of the AI
            is sent. A sequential study always does; a crossover may leave it out, so that the AI is there from the
            start of an aided reading.
    """

    kind: DesignKind = "sequential"
    washout_days: float = 0.0
    commit_first: bool = True


@dataclass(frozen=True)
class Randomisation:
    """How order and arm are drawn.

    Attributes:
        method: "latin_square": squares over readers balance arms, periods and positions; a crossover has one arm a
            period. "blocked": permuted blocks within strata, each reader on his own; a crossover mixes its arms in
            each period.
        seed: Of every draw; the same protocol gives the same assignments on every machine.
    """

    method: Method = "latin_square"
    seed: int = 1


@dataclass(frozen=True)
class Case:
    """One case of the set.

    Attributes:
        id: Pseudonym.
        truth: True: positive; False: negative; None: unknown, or kept from the one who looks.
        stratum: Group that assignments are balanced over, e.g. "subtle"; "" where there are none.
        practice: True for a case read first, for practice, and left out of the analysis.
        image: Path of the image below the coordinator's case folder; "" for a case without an image.
        clinical: Known clinical values by field id.
        lesion: (x0, y0, x1, y1) of the lesion, pixels of the image; None where unknown. Kept from readers as the truth.
    """

    id: str
    truth: bool | None = None
    stratum: str = ""
    practice: bool = False
    image: str = ""
    clinical: Mapping[str, Any] = field(default_factory=dict)
    lesion: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        code: Pseudonym, upper case: 2 to 32 letters, digits, "-" or "_".
        stratum: Group, e.g. "resident"; "" where there are none.
    """

    code: str
    stratum: str = ""


@dataclass(frozen=True)
class CustomItem:
    """A question of the study's own, asked with each case.

    Attributes:
        id: snake_case.
        text: Wording.
        kind: "likert5" (1 to 5), "percent" (0 to 100) or "text".
        low: What the lowest value means.
        high: What the highest value means.
        required: True where the reader must answer or say "no answer".
    """

    id: str
    text: str
    kind: Literal["likert5", "percent", "text"] = "likert5"
    low: str = "strongly disagree"
    high: str = "strongly agree"
    required: bool = True


@dataclass(frozen=True)
class Questions:
    """What is asked with each case.

    Attributes:
        scale: "probability": chance of the positive class, 0 to 100; "categories": one of `categories`.
        categories: Labels in rising order of suspicion; an answer is kept as the position from 1.
        positive_from: Lowest answer that counts as positive: a percentage, or a position from 1.
        confidence: "likert5" (1 to 5), "percent" (0 to 100) or "none".
        region: True where the reader draws the lesion.
        agreement: Of `AGREEMENT`, asked 1 to 5 once the AI was shown.
        usefulness: True: each explanation shown is rated 1 to 5.
        misled: True: what misled is asked.
        free_text: True: a comment is asked for.
        custom: The study's own questions.
    """

    scale: ScaleKind = "probability"
    categories: tuple[str, ...] = ()
    positive_from: float = 50.0
    confidence: Confidence = "likert5"
    region: bool = True
    agreement: tuple[str, ...] = AGREEMENT
    usefulness: bool = True
    misled: bool = True
    free_text: bool = True
    custom: tuple[CustomItem, ...] = ()

    @property
    def lowest(self) -> float:
        """Lowest answer on the scale."""
        return 0.0 if self.scale == "probability" else 1.0

    @property
    def highest(self) -> float:
        """Highest answer on the scale."""
        return 100.0 if self.scale == "probability" else float(len(self.categories))

    def positive(self, value: float) -> bool:
        """Whether an answer counts as positive."""
        return value >= self.positive_from


@dataclass(frozen=True)
class InstrumentUse:
    """A questionnaire and when it is filled in.

    Attributes:
        id: Of the registry of questionnaires.
        when: "start": before the first case; "period_end": after each period; "end": after the last case.
    """

    id: str
    when: When = "end"


@dataclass(frozen=True)
class Protocol:
    """A whole study, valid once constructed.

    Attributes:
        id: Short id, e.g. "us-pilot"; the same for every version.
        title: Name for people.
        arms: At least one.
        cases: At least one that is no practice.
        readers: At least one.
        design: How arms meet cases.
        randomisation: How order and arm are drawn.
        questions: What is asked with each case.
        instruments: Questionnaires.
        positive: Name of the positive class.
        negative: Name of the negative class.
        threshold: AI probability from which the AI calls a case positive, in (0, 1).
        idle_limit_s: Seconds without a sign of the reader after which the timer pauses.
        bundle_sha256: Hash of the bundle the study is made for; "" where any will do.
        version: From 1.
        parent: Hash of the version this one changes; "" for version 1.

    Raises:
        ProtocolError: On construction; it carries a sentence for each rule broken.
    """

    id: str
    title: str
    arms: tuple[Arm, ...]
    cases: tuple[Case, ...]
    readers: tuple[Reader, ...]
    design: Design = field(default_factory=Design)
    randomisation: Randomisation = field(default_factory=Randomisation)
    questions: Questions = field(default_factory=Questions)
    instruments: tuple[InstrumentUse, ...] = ()
    positive: str = "malignant"
    negative: str = "benign"
    threshold: float = 0.5
    idle_limit_s: float = 60.0
    bundle_sha256: str = ""
    version: int = 1
    parent: str = ""

    def __post_init__(self) -> None:
        from mmxai_core.reader_study.protocol_check import problems  # it names this class

        if found := problems(self):
            raise ProtocolError(found)

    def arm(self, arm_id: str) -> Arm:
        """The arm of that id.

        Raises:
            StudyStoreError: There is none.
        """
        return _found((x for x in self.arms if x.id == arm_id), "arm", arm_id)

    def case(self, case_id: str) -> Case:
        """The case of that id.

        Raises:
            StudyStoreError: There is none.
        """
        return _found((x for x in self.cases if x.id == case_id), "case", case_id)

    def reader(self, code: str) -> Reader:
        """The reader of that code.

        Raises:
            StudyStoreError: There is none.
        """
        return _found((x for x in self.readers if x.code == code), "reader", code)

    @property
    def study_cases(self) -> tuple[Case, ...]:
        """The cases that count."""
        return tuple(c for c in self.cases if not c.practice)

    @property
    def practice_cases(self) -> tuple[Case, ...]:
        """The cases read for practice."""
        return tuple(c for c in self.cases if c.practice)

    @property
    def periods(self) -> int:
        """Periods of reading: one, or one an arm in a crossover."""
        return len(self.arms) if self.design.kind == "crossover" else 1

    def stages(self, arm_id: str) -> tuple[Stage, ...]:
        """The stages of one reading in an arm, in order; an opinion is committed at the end of each."""
        kind = self.arm(arm_id).kind
        if kind == "unaided":
            return ("unaided",)
        aided: tuple[Stage, ...] = ("ai",) if kind == "ai" else ("ai", "explanation")
        if self.design.commit_first or self.design.kind == "sequential":
            return ("unaided", *aided)
        return aided[-1:]

    def blinded(self) -> Protocol:
        """The same without truth, lesions and shares of wrong or placebo: all that a reader's page may hold."""
        arms = tuple(replace(a, title="", wrong_share=0.0, placebo_share=0.0) for a in self.arms)
        return replace(self, arms=arms, cases=tuple(replace(c, truth=None, lesion=None) for c in self.cases))

    def canonical(self) -> str:
        """Canonical JSON, truth included: sorted keys, no spaces, UTF-8; what the hash is of."""
        from mmxai_core.reader_study.protocol_file import canonical_json

        return canonical_json(self)

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON, hex."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def lock(self, *, at: datetime | None = None) -> LockedProtocol:
        """Fix this protocol under its hash.

        Args:
            at: Time of locking; now where None.
        """
        return LockedProtocol(self, self.sha256, (at or datetime.now(UTC)).astimezone(UTC))


@dataclass(frozen=True)
class LockedProtocol:
    """A protocol under its hash.

    Attributes:
        protocol: It.
        sha256: Its hash, hex.
        locked_at: When, UTC.

    Raises:
        StudyStoreError: On construction, where protocol and hash do not fit: it was changed after it was locked.
    """

    protocol: Protocol
    sha256: str
    locked_at: datetime

    def __post_init__(self) -> None:
        if self.protocol.sha256 != self.sha256:
            raise StudyStoreError(
                f"The protocol {self.protocol.id!r} was changed after it was locked: its hash is "
                f"{self.protocol.sha256[:12]}, not {self.sha256[:12]}. Make a new version."
            )

    def revised(self, **changes: Any) -> Protocol:  # the fields of Protocol
        """A new, unlocked version with these fields changed; it names this one as its parent.

        Raises:
            ProtocolError: The changed protocol is not valid.
            StudyStoreError: Nothing changed, or id, version or parent were given.
        """
        if fixed := {"id", "version", "parent"} & changes.keys():
            raise StudyStoreError(f"A new version keeps its id and counts itself; {min(fixed)!r} cannot be set.")
        if replace(self.protocol, **changes) == self.protocol:
            raise StudyStoreError("Nothing was changed: a new version must differ from its parent.")
        return replace(self.protocol, **changes, version=self.protocol.version + 1, parent=self.sha256)


def _found(matches: Iterator[T], what: str, wanted: str) -> T:
    for match in matches:
        return match
    raise StudyStoreError(f"The protocol has no {what} {wanted!r}.")
