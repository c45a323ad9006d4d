"""How much certainty each branch gives, and which unknown field to ask for next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmxai_core.clinical import Field
from mmxai_core.explain.options import UNKNOWN, OptionHead, entropy_bits, positive_probability, softmax, with_option
from mmxai_core.explain.plausible import OptionChances
from mmxai_core.results.certainty import BranchAccount, BranchView, Outcome, Question, Questions

#: Completions of the unknown fields drawn for a 90 % range.
COMPLETIONS = 200
#: Changes of entropy below this many bits are not worth a word.
SMALL_BITS = 0.01


def branch_account(
    head: OptionHead, absent: OptionHead, chances: OptionChances, *, has_image: bool, positive: int, name: str,
    seed: int = 0,
) -> BranchAccount:  # fmt: skip
    """The case as it is, with its image alone, and with its clinical data alone. On the worker; three batches of heads.

    Args:
        head: The case's options with its image, or `absent` again where it has none.
        absent: The same without an image.
        chances: What the unknown fields may turn out to be.
        has_image: Whether the case has an image.
        positive: Index of the positive class.
        name: Name of the positive class.
        seed: Of the draws.
    """
    now = head.options.current
    has_fields = bool(head.options.known.any())
    nothing = np.full_like(now, UNKNOWN)
    wanted = [(_inputs(has_image, has_fields), head, now)]
    if has_image and has_fields:
        wanted += [("image only", head, nothing), ("clinical data only", absent, now)]
    views: list[BranchView] = []
    for inputs, of, choice in wanted:
        logits = of.logits(choice[None])
        p, bits = float(positive_probability(logits, positive)[0]), float(entropy_bits(logits)[0])
        low = high = p
        missing = int((choice == UNKNOWN).sum())
        if missing:
            rng = np.random.default_rng(seed)
            rows = chances.complete(choice, chances.mixture(softmax(logits)[0]), draws=COMPLETIONS, rng=rng)
            low, high = (float(v) for v in np.percentile(of.probability(rows), [5, 95]))
        first = views[0] if views else None
        sentence = _view_sentence(inputs, p, bits, low, high, missing, first, name)
        views.append(BranchView(inputs, first is None, p, bits, low, high, missing, sentence))
    return BranchAccount(
        tuple(views), COMPLETIONS, seed,
        "Uncertainty is the entropy of the calibrated probabilities: 0 is sure, 1 a coin toss between two "
        f"classes. The range is the 5th to 95th percentile over {COMPLETIONS} ways in which the unknown fields may "
        "turn out, drawn from "
        f"{chances.statistics.source}. A missing image cannot be drawn: the range without it does not include what "
        "the image would say. An absent branch is replaced by what the model learned for it in training.",
    )  # fmt: skip


def _inputs(has_image: bool, has_fields: bool) -> str:
    if has_image and has_fields:
        return "image and clinical data"
    return "image only" if has_image else "clinical data only"


def _view_sentence(
    inputs: str, p: float, bits: float, low: float, high: float, missing: int, first: BranchView | None, name: str
) -> str:
    said = f"With {'the ' if 'only' in inputs else ''}{inputs}: {100 * p:.0f} % {name}, uncertainty {bits:.2f}."
    if first is not None:
        lost = round(round(bits, 2) - round(first.entropy_bits, 2), 2)  # of the two that are printed
        gone = "clinical data" if inputs == "image only" else "image"
        if lost > 0:
            said += f" Without the {gone} the uncertainty is {lost:.2f} higher."
        elif lost < 0:
            said += f" Without the {gone} the uncertainty is {-lost:.2f} lower: the two branches disagree."
        else:
            said += f" Without the {gone} the certainty stays the same."
    if missing:
        fields = "1 unknown field" if missing == 1 else f"{missing} unknown fields"
        said += f" What the {fields} turn{'s' if missing == 1 else ''} out to be "
        start, end = f"{100 * low:.0f}", f"{100 * high:.0f}"
        said += (
            f"hardly moves it: about {start} % (90 % range)." if start == end
            else f"may move it between {start} and {end} % (90 % range)."
        )  # fmt: skip
    return said


def what_to_ask(head: OptionHead, chances: OptionChances, *, positive: int, name: str, threshold: float) -> Questions:
    """Every answer of every unknown field, in one batch of heads (about 100 rows). On the worker; no forward pass.

    Args:
        head: The case's options.
        chances: How likely each answer is.
        positive: Index of the positive class.
        name: Name of the positive class.
        threshold: Operating point.
    """
    options, now = head.options, head.options.current
    unknown = np.flatnonzero(now == UNKNOWN)
    rows = [now[None], *(with_option(now, int(i), range(1, len(options.values[i]))) for i in unknown)]
    logits = head.logits(np.concatenate(rows))
    p, bits = positive_probability(logits, positive), entropy_bits(logits)
    mixture = chances.mixture(softmax(logits[0]))
    questions, start = [], 1
    for i in unknown:
        stop = start + len(options.values[i]) - 1
        weights = chances.answer_chances(int(i), mixture)
        questions.append(
            _question(
                options.schema.fields[i], options.answers(int(i)), weights, p[start:stop], bits[start:stop],
                now=(float(p[0]), float(bits[0])), threshold=threshold,
            )
        )  # fmt: skip
        start = stop
    questions.sort(key=lambda q: -q.expected_change)
    classes = len(chances.statistics.prior)
    given = (
        "within each class, the classes mixed by the probability now: so the other known fields and the image count"
        if classes > 1 else "with no class known: the other fields do not change them"
    )  # fmt: skip
    return Questions(
        tuple(questions), float(p[0]), float(bits[0]), name,
        f"Means over the answers an unknown field may give, everything else kept. Chances of the answers: "
        f"{chances.statistics.source}, {given}. Uncertainty runs from 0 (sure) to 1 (a coin toss between two classes).",
    )  # fmt: skip


def _question(
    field: Field, answers: tuple[object, ...], weights: NDArray[np.float64], p: NDArray[np.float64],
    bits: NDArray[np.float64], *, now: tuple[float, float], threshold: float,
) -> Question:  # fmt: skip
    """One field's answers and their means."""
    change, entropy = float(weights @ np.abs(p - now[0])), float(weights @ bits) - now[1]
    flip = float(weights @ ((p >= threshold) != (now[0] >= threshold)))
    outcomes = tuple(
        Outcome(field.describe(a), float(w), float(v))  # type: ignore[arg-type]
        for a, w, v in zip(answers, weights, p, strict=True)
    )
    said = f"{field.label}: expected to move the probability by {100 * change:.1f} points"
    if entropy < -SMALL_BITS:
        said += f" and to lower the uncertainty by {-entropy:.2f}"
    elif entropy > SMALL_BITS:
        said += f" and to raise the uncertainty by {entropy:.2f}"
    said += f"; the decision changes with a chance of {100 * flip:.0f} %." if flip >= 0.005 else "."
    return Question(
        field.id, field.label, field.group, change, float(weights @ p), entropy, flip, outcomes, said
    )  # fmt: skip
