"""What comes out: predictions and explanations, as NumPy arrays and plain values only.

All objects are frozen and hold no torch tensor, so that figures, reports and the store can use them anywhere.
"""

from mmxai_core.results.attribution import MAX_RESIDUAL, Attribution
from mmxai_core.results.audit import AttentionAudit
from mmxai_core.results.certainty import BranchAccount, Questions
from mmxai_core.results.explanation import Explanation
from mmxai_core.results.first import FirstAnswer, Unmarked
from mmxai_core.results.input_check import InputCheck
from mmxai_core.results.joint import REGION_LABELS, JointAccount
from mmxai_core.results.maps import CrossModal, SaliencyMap
from mmxai_core.results.prediction import ImageScore, Prediction, Versions
from mmxai_core.results.reliability import ReliabilityNumber
from mmxai_core.results.strip import EvidenceScale, ReliabilityStrip
from mmxai_core.results.uncertainty import PredictionSet
from mmxai_core.results.unified import SourceGrid, UnifiedMap

__all__ = [
    "MAX_RESIDUAL",
    "REGION_LABELS",
    "AttentionAudit",
    "Attribution",
    "BranchAccount",
    "CrossModal",
    "EvidenceScale",
    "Explanation",
    "FirstAnswer",
    "ImageScore",
    "InputCheck",
    "JointAccount",
    "Prediction",
    "PredictionSet",
    "Questions",
    "ReliabilityNumber",
    "ReliabilityStrip",
    "SaliencyMap",
    "SourceGrid",
    "UnifiedMap",
    "Unmarked",
    "Versions",
]
