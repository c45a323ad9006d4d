"""Numbers in a clinician's words, for pages and reports alike. Nothing here claims more than its number."""

from __future__ import annotations

from mmxai_core.results import Prediction, PredictionSet
from mmxai_core.results.typography import listed

RESEARCH_USE = "Research use only, not for diagnosis"

_SCALE = ((0.05, "very unlikely"), (0.2, "unlikely"), (0.45, "possible"), (0.55, "uncertain"),
          (0.75, "rather likely"), (0.95, "likely"), (1.01, "very likely"))  # fmt: skip
#: From here on a call of another class is said not to rule out the positive one: a risk of one in ten is acted upon.
_NOT_LOW = 0.1


def likelihood(probability: float) -> str:
    """A calibrated probability in words; the bounds are those of the IPCC's and Kent's scales, joined in the middle.

    What both call unlikely up to a third or more is "possible" from 0.2 on: a cancer of that probability is not.
    """
    return next(word for top, word in _SCALE if probability < top)


def percent(value: float) -> str:
    """A share in whole per cent; never "0 %" or "100 %" for what is neither."""
    if 0 < value < 0.005:
        return "below 1 %"
    if 0.995 < value < 1:
        return "above 99 %"
    return f"{100 * value:.0f} %"


def about(value: float) -> str:
    """`percent` of a value that stands for a narrow range around it."""
    said = percent(value)
    return f"about {said}" if said[0].isdigit() else said


def class_name(class_id: str) -> str:
    """A class id as it is read, e.g. "not malignant" for "not_malignant"."""
    return class_id.replace("_", " ")


def _apart(value: float, cut: float) -> tuple[str, str]:
    """Two shares in per cent, with a decimal or two where whole ones would not tell them apart."""
    said = percent(value), percent(cut)
    for digits in (1, 2):
        if value == cut or said[0] != said[1]:
            break
        said = f"{100 * value:.{digits}f} %", f"{100 * cut:.{digits}f} %"
    return said


def measured_against(prediction: Prediction) -> str:
    """The probability in words and number, and on which side of the threshold it lies: one sentence."""
    p, cut, name = prediction.probability, prediction.threshold, class_name(prediction.positive_class)
    side = "at or above" if p >= cut else "below"
    word, (share, threshold) = likelihood(p), _apart(p, cut)
    said = f"{name.capitalize()}: {word}, {share}" if word == "uncertain" else (
        f"{name.capitalize()} is {word}: {share}"
    )  # fmt: skip
    return f"{said}, {side} the operating threshold of {threshold}."


def verdict(prediction: Prediction, kept: PredictionSet | None = None) -> str:
    """The prediction in two sentences: probability in words and number, threshold; the class called, or none.

    Args:
        prediction: The prediction.
        kept: The classes that cannot be ruled out, where they are shown beside it: a model that abstains by them calls
            nothing, whatever the threshold says.
    """
    return f"{measured_against(prediction)} {_called(prediction, kept)}."


def _called(prediction: Prediction, kept: PredictionSet | None) -> str:
    name, called = class_name(prediction.positive_class), class_name(prediction.predicted_class)
    if kept is not None and kept.outcome == "several":
        named = [class_name(c) for c in kept.classes]
        open_ = "neither class" if len(prediction.classes) == 2 else f"none of {listed(named)}"
        return f"The model abstains: {open_} can be ruled out"
    if kept is not None and kept.outcome == "none":
        return "The model abstains: no class is usual for a case like this"
    if kept is not None and kept.outcome == "one" and kept.classes[0] != prediction.predicted_class:
        return f"The threshold says {called}, the prediction set {class_name(kept.classes[0])}: take it as undecided"
    if _NOT_LOW <= prediction.probability < prediction.threshold:
        return f"The model calls this {called}; that does not rule out {name}"
    return f"The model calls this {called}"
