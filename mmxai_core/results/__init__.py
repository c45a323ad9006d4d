"""What comes out: predictions and explanations, as NumPy arrays and plain values only.

All objects are frozen and hold no torch tensor, so that figures, reports and the store can use them anywhere.
"""

from mmxai_core.results.attribution import MAX_RESIDUAL, Attribution
from mmxai_core.results.explanation import Explanation
from mmxai_core.results.maps import CrossModal, SaliencyMap
from mmxai_core.results.prediction import ImageScore, Prediction, Versions
from mmxai_core.results.reliability import ReliabilityNumber

__all__ = [
    "MAX_RESIDUAL",
    "Attribution",
    "CrossModal",
    "Explanation",
    "ImageScore",
    "Prediction",
    "ReliabilityNumber",
    "SaliencyMap",
    "Versions",
]
