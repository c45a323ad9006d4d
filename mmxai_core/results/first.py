"""What is shown before any explanation."""

from __future__ import annotations

from dataclasses import dataclass

from mmxai_core.results.input_check import InputCheck
from mmxai_core.results.prediction import Prediction
from mmxai_core.results.uncertainty import PredictionSet


@dataclass(frozen=True)
class Unmarked:
    """What the model says without the reader's mark of the lesion.

    Attributes:
        probability: Of the positive class, with the region that the model finds itself.
        predicted_class: The class called with it.
        overlap: Intersection over union of the two second glances' squares, 0 to 1.
    """

    probability: float
    predicted_class: str
    overlap: float


@dataclass(frozen=True, eq=False)
class FirstAnswer:
    """The check of the input, then the prediction and how sure it may be.

    Attributes:
        input_check: Is this the model's kind of input? Shown before the prediction.
        prediction: The prediction.
        prediction_set: The classes that cannot be ruled out.
        unmarked: What it would be without the reader's mark; None where there is none, or it was not asked.
    """

    input_check: InputCheck
    prediction: Prediction
    prediction_set: PredictionSet
    unmarked: Unmarked | None = None
