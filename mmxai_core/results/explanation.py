"""Everything shown beside a prediction, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmxai_core.results.attribution import Attribution
from mmxai_core.results.audit import AttentionAudit
from mmxai_core.results.certainty import BranchAccount, Questions
from mmxai_core.results.input_check import InputCheck
from mmxai_core.results.joint import JointAccount
from mmxai_core.results.maps import CrossModal, SaliencyMap
from mmxai_core.results.prediction import Prediction
from mmxai_core.results.reliability import ReliabilityNumber
from mmxai_core.results.similar import SimilarGroups
from mmxai_core.results.strip import EvidenceScale, ReliabilityStrip
from mmxai_core.results.uncertainty import PredictionSet
from mmxai_core.results.unified import UnifiedMap
from mmxai_core.types import FloatMap, Json


@dataclass(frozen=True, eq=False)
class Explanation:
    """Everything shown beside a prediction. `mmxai_core.explain.files.write_explanation` serialises it.

    It grows part by part: what was not asked for, or is not computed yet, is None (see `parts`).

    Attributes:
        id: Stable id: hash of the input, bundle and settings.
        prediction: The prediction explained.
        target_class: The class the accounts explain; each map names its own.
        saliency: Grad-CAM++; None without an image.
        rollout: Attention rollout; None without an image.
        lesion_map: (H, W) float32 lesion probability on source pixels; None without an image.
        cross_modal: None without an image or without a known field.
        attribution: Shapley account in log-odds.
        attribution_probability: The same in probability.
        reliability: Numbers, in display order.
        geometry: Plain dict: source shape, canvas, scale, offset, lesion box.
        seconds: Wall time by step.
        input_check: Is this the model's kind of input?
        prediction_set: The classes that cannot be ruled out.
        joint: The additive account of fields and image regions.
        audit: Attention against its knockout; None without an image or a known field.
        unified: The multi-modal map; None without an image or a known field.
        strip: Curves, cascade and removal behind the reliability numbers.
        evidence_scale: Absolute scale of the Grad-CAM++ map; None where the bundle has none.
        branches: How much certainty each branch gives.
        questions: What to ask next.
        similar: The nearest groups of training cases; None where the bundle carries none.
        parts: Names of the parts that are computed, in order.
        missing: Sentences: what the bundle cannot tell because it does not carry it.
    """

    id: str
    prediction: Prediction
    target_class: str
    saliency: SaliencyMap | None
    rollout: SaliencyMap | None
    lesion_map: FloatMap | None
    cross_modal: CrossModal | None
    attribution: Attribution
    attribution_probability: Attribution
    reliability: tuple[ReliabilityNumber, ...]
    geometry: Json
    seconds: Mapping[str, float] = field(default_factory=dict)
    input_check: InputCheck | None = None
    prediction_set: PredictionSet | None = None
    joint: JointAccount | None = None
    audit: AttentionAudit | None = None
    unified: UnifiedMap | None = None
    strip: ReliabilityStrip | None = None
    evidence_scale: EvidenceScale | None = None
    branches: BranchAccount | None = None
    questions: Questions | None = None
    similar: SimilarGroups | None = None
    parts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
