"""What is shown before any explanation."""

from __future__ import annotations

from dataclasses import dataclass

from mmxai_core.results.input_check import InputCheck
from mmxai_core.results.prediction import Prediction
from mmxai_core.results.uncertainty import PredictionSet


@dataclass(frozen=True, eq=False)
class FirstAnswer:
    """The check of the input, then the prediction and how sure it may be.

    Attributes:
        input_check: Is this the model's kind of input? Shown before the prediction.
        prediction: The prediction.
        prediction_set: The classes that cannot be ruled out.
    """

    input_check: InputCheck
    prediction: Prediction
    prediction_set: PredictionSet
