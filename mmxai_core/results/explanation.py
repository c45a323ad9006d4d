"""Everything shown beside a prediction, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmxai_core.results.attribution import Attribution
from mmxai_core.results.maps import CrossModal, SaliencyMap
from mmxai_core.results.prediction import Prediction
from mmxai_core.results.reliability import ReliabilityNumber
from mmxai_core.types import FloatMap, Json


@dataclass(frozen=True, eq=False)
class Explanation:
    """Everything shown beside a prediction. `mmxai_core.explain.files.write_explanation` serialises it.

    Attributes:
        id: Stable id: hash of the input, bundle and settings.
        prediction: The prediction explained.
        target_class: The class explained.
        saliency: Grad-CAM++; None without an image.
        rollout: Attention rollout; None without an image.
        lesion_map: (H, W) float32 lesion probability on source pixels; None without an image.
        cross_modal: None without an image or without a known field.
        attribution: Shapley account in log-odds.
        attribution_probability: The same in probability.
        reliability: Numbers, in display order.
        geometry: Plain dict: source shape, canvas, scale, offset, lesion box.
        seconds: Wall time by step.
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
