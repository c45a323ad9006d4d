"""Numbers in a clinician's words. Templates only; nothing claims more than its number."""

from __future__ import annotations

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.results import Prediction

_SCALE = ((0.05, "very unlikely"), (0.25, "unlikely"), (0.45, "rather unlikely"), (0.55, "uncertain"),
          (0.75, "rather likely"), (0.95, "likely"), (1.01, "very likely"))  # fmt: skip


def likelihood(probability: float) -> str:
    """A calibrated probability in words; the bounds are those of the IPCC's and Kent's scales, joined in the middle."""
    return next(word for top, word in _SCALE if probability < top)


def percent(value: float) -> str:
    """A share in whole per cent; never "0 %" or "100 %" for what is neither."""
    if 0 < value < 0.005:
        return "below 1 %"
    if 0.995 < value < 1:
        return "above 99 %"
    return f"{100 * value:.0f} %"


def verdict(prediction: Prediction) -> str:
    """The prediction in one sentence."""
    p, cut, name = prediction.probability, prediction.threshold, prediction.positive_class.replace("_", " ")
    side = "at or above" if p >= cut else "below"
    word = likelihood(p)
    said = f"{name.capitalize()}: {word}, {percent(p)}" if word == "uncertain" else (
        f"{name.capitalize()} is {word}: {percent(p)}"
    )  # fmt: skip
    return (
        f"{said}, {side} the operating threshold of {percent(cut)}. "
        f"The model calls this {prediction.predicted_class.replace('_', ' ')}."
    )


def names(schema: ClinicalSchema, ids: tuple[str, ...]) -> str:
    """Field labels in a list."""
    return ", ".join(schema[i].label for i in ids)


def player_labels(schema: ClinicalSchema, values: dict[str, object]) -> dict[str, str]:
    """Label and value of each field, and of the image, for a waterfall."""
    labels = {f.id: f"{f.label}: {f.describe(values[f.id])}" for f in schema.fields if f.id in values}  # type: ignore[arg-type]
    return labels | {"image": "Image"}
