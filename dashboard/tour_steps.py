"""The guided tour: what each step shows and says. Every number in it is read from the analysis on screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dashboard.components.evidence import usual_account
from dashboard.components.reliability_words import figures, needs, passes, plain_name
from dashboard.components.wording import percent, verdict
from mmxai_core.figures.account import say
from mmxai_core.results import REGION_LABELS, Explanation, FirstAnswer, ReliabilityNumber
from mmxai_core.results.typography import share

PageName = Literal["worklist", "case", "explanation", "survey"]
#: The sample of a clear case, and the stand-in for the one that the model in use reads wrongly.
CLEAR, WRONG = "phantom-b.dcm", "wrong"


@dataclass(frozen=True)
class Tests:
    """How many reliability tests passed, of how many that are held to something.

    Attributes:
        passed: That many.
        total: Of these.
        failed: The failed ones' questions, in plain words.
    """

    passed: int
    total: int
    failed: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Moment:
    """What is on screen when a step is read.

    Attributes:
        title: The sample's title.
        truth: The class it was designed as.
        misread: True where the model in use reads it wrongly.
        first: The prediction, or None while it is not there.
        explanation: So far, or None.
        running: True while more is being computed.
        labels: Label and value by field.
        seen: Tests of earlier cases of this tour, by sample.
    """

    title: str = ""
    truth: str = ""
    misread: bool = False
    first: FirstAnswer | None = None
    explanation: Explanation | None = None
    running: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, Tests] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Step:
    """One step.

    Attributes:
        title: Heading.
        page: Where it is shown.
        seconds: How long it takes to say.
        sample: The sample that must be open: a file name, `WRONG`, or "".
        analyse: True where its analysis must be there or under way.
        text: What is said.
        view: Which view of the Explanation page is shown, or "": the one that the reader chose.
    """

    title: str
    page: PageName
    seconds: int
    sample: str
    analyse: bool
    text: Callable[[Moment], str]
    view: str = ""


def tests_of(explanation: Explanation | None) -> Tests | None:
    """The reliability tests of an explanation; None before they were measured."""
    if explanation is None or "strip" not in explanation.parts:
        return None
    numbers = [n for n in explanation.reliability if passes(n) is not None]
    failed = [n for n in numbers if not passes(n)]
    return Tests(len(numbers) - len(failed), len(numbers), tuple(_failed(n) for n in failed))


def _failed(number: ReliabilityNumber) -> str:
    if number.value is None or number.threshold is None:
        return f"{plain_name(number.name)} (no number)"
    value, bar = figures(number.value, number.threshold)
    return f"{plain_name(number.name)} ({value}, {needs(number)} {bar})"


def _study(m: Moment) -> str:
    return (
        f"“{m.title}” is a **synthetic phantom**: nobody's data is shown. Left, the image with a workstation's tools. "
        "Right, the clinical data, filled from the sample; **unknown is always a fair answer**, and a changed value is "
        "marked. In your own work you would upload a study or take one from the worklist."
    )


def _answer(m: Moment) -> str:
    if m.first is None:
        return "The model is reading image and clinical data now, on this machine. Nothing is sent anywhere."
    p = m.first.prediction
    weights = f"image {percent(p.branch_weights['image'])}, clinical data {percent(p.branch_weights['clinical'])}"
    check = m.first.input_check
    flagged = f" Above it stands a warning: {check.sentence}" if check.flagged else ""
    return (
        f"**{verdict(p, m.first.prediction_set)}** The branches weigh: {weights}. {m.first.prediction_set.sentence} "
        f"It was designed as {m.truth}.{flagged} A phantom is no patient, and the check says so by itself."
    )


def _where(m: Moment) -> str:
    if m.explanation is None:
        return "The pictures are being computed; they appear by themselves."
    return (
        "Next to the original lies the **Grad-CAM++ map**: where the image moved the score. Its colours have an "
        "absolute scale, so that little evidence looks like little. Choose a field to see the places it looks at. "
        "A map shows what moved the model, not where disease is."
    )


def _what(m: Moment) -> str:
    if m.explanation is None:
        return "The contributions are being computed; they appear by themselves."
    account, labels = usual_account(m.explanation), REGION_LABELS | dict(m.labels)
    pairs = sorted(zip(account.players, account.values, strict=True), key=lambda pair: -abs(pair[1]))[:3]
    said = "; ".join(f"{labels.get(p, p)} {say(v, account.space, sign=True)}" for p, v in pairs)
    return (
        f"The **waterfall** shares the prediction among the image and every known field, and adds up exactly (Shapley "
        f"values, log-odds). Largest here: {said}. Each says what the model does when that input becomes unknown; it "
        "is no causal effect."
    )


def _strip(m: Moment) -> str:
    tests = tests_of(m.explanation)
    if tests is None:
        return (
            "The **reliability strip** is being measured: the picture is tested against noise, deletion and random "
            "weights."
        )
    return (
        f"The **reliability strip** tests the explanation itself: {share(tests.passed, tests.total, 'test', 'pass')} "
        f"here{_and_failed(tests)}. A picture that fails is not to be believed, however good it looks."
    )


def _and_failed(tests: Tests) -> str:
    return f"; not passed: {'; '.join(tests.failed)}" if tests.failed else ""


def _wrong(m: Moment) -> str:
    if m.first is None:
        return "Another phantom, read live. The model does not know how it was designed."
    p = m.first.prediction
    called = p.predicted_class.replace("_", " ")
    if not m.misread:
        return (
            "With the model in use, no sample is read wrongly; this one lies nearest to its threshold: "
            f"{verdict(p, m.first.prediction_set)} "
            f"It was designed as {m.truth}. With another model, this step shows a case that it gets wrong."
        )
    kept = m.first.prediction_set
    designed = (
        f"“{m.title}” was designed as **{m.truth}**. The model says {percent(p.probability)} "
        f"{p.positive_class.replace('_', ' ')}"
    )
    if kept.outcome in ("several", "none"):
        return f"{designed}, which its threshold counts as **{called}: wrong**; by its prediction set it abstains."
    set_said = f" Even the prediction set holds {_either(kept.classes)} only." if m.truth not in kept.classes and \
        kept.classes else ""  # fmt: skip
    return f"{designed} and calls it **{called}: wrong**, and sure of it.{set_said}"


def _either(classes: tuple[str, ...]) -> str:
    return " and ".join(c.replace("_", " ") for c in classes)


def _wrong_strip(m: Moment) -> str:
    tests = tests_of(m.explanation)
    if tests is None or m.explanation is None:
        return "What does the strip show where the model is wrong? It is being measured now."
    before = m.seen.get(CLEAR)
    compared = f" (the clear case before: {before.passed} of {before.total})" if before else ""
    check = m.explanation.input_check
    flagged = " The check of the input does warn: " + check.sentence if check is not None and check.flagged else ""
    read = "wrong" if m.misread else "right"
    return (
        f"The answer is {read}, and {share(tests.passed, tests.total, 'test', 'pass')}{compared}{_and_failed(tests)}. "
        "**The strip says whether the pictures show what the model did. It cannot say whether the model is right.** "
        f"An explanation can be faithful to a wrong answer, and persuade.{flagged}"
    )


def _rate(m: Moment) -> str:
    return (
        "So the reader has the last word. Here a reader rates each explanation; a **reader study** asks for the own "
        "opinion first, shows the AI after it, and counts how often wrong advice was followed."
    )


def _end(m: Moment) -> str:
    return (
        "The cases of this tour are in the worklist, under a code in place of a name; “Change” removes them. Studies "
        "can be added many at once, and “Analyse all new” sorts them. **Research use only, not for diagnosis.**"
    )


STEPS: tuple[Step, ...] = (
    Step("A study, and what is known", "case", 35, CLEAR, False, _study),
    Step("The answer", "case", 40, CLEAR, True, _answer),
    Step("Where it looked", "explanation", 40, CLEAR, True, _where, "account"),
    Step("What moved it", "explanation", 35, CLEAR, True, _what, "account"),
    Step("How far to trust the pictures", "explanation", 35, CLEAR, True, _strip, "trust"),
    Step("A case that it gets wrong", "case", 40, WRONG, True, _wrong),
    Step("What the strip shows there", "explanation", 40, WRONG, True, _wrong_strip, "trust"),
    Step("The reader has the last word", "survey", 20, WRONG, True, _rate),
    Step("Where to go from here", "worklist", 15, "", False, _end),
)
