"""What comes out: predictions and explanations, as NumPy arrays and plain values only.

All objects are frozen and hold no torch tensor, so that figures, reports and the store can use them anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmxai_core.types import Box, FloatArray, FloatMap, Json

#: Above this absolute residual an attribution plot is withheld (DESIGN §4).
MAX_RESIDUAL = 1e-4


@dataclass(frozen=True)
class Versions:
    """What produced a result, so that it can be produced again.

    Attributes:
        bundle: Bundle name.
        bundle_sha256: Hash of the bundle's weights, hex.
        mmxai: Version of this package.
        torch: Version of torch.
        device: Device the network ran on, e.g. "cpu" or "cuda:0 (NVIDIA H100)".
        seed: Seed of every random number in the result.
    """

    bundle: str
    bundle_sha256: str
    mmxai: str
    torch: str
    device: str
    seed: int


@dataclass(frozen=True)
class ImageScore:
    """The score of one image of a study.

    Attributes:
        index: Position in the study.
        label: The image's label.
        probability: Of the positive class for this image with the record, in [0, 1].
    """

    index: int
    label: str
    probability: float


@dataclass(frozen=True, eq=False)
class Prediction:
    """A calibrated prediction.

    Attributes:
        classes: Class ids in the network's order, e.g. ("benign", "malignant").
        positive_class: The class whose probability leads the page.
        probabilities: Calibrated, by class; sum to 1.
        logits: By class, after temperature scaling: softmax of them gives `probabilities`.
        temperature: What the raw logits were divided by.
        branch_weights: {"image", "clinical"}, sum to 1: the fusion's gate.
        known_fields: Ids of the fields used.
        unknown_fields: Ids of the fields left unknown.
        outlier_fields: Ids of numeric fields flagged by the IQR rule and clipped.
        threshold: Operating point on the positive class's probability, from validation data.
        lesion_box: Box the second glance looked at, source pixels; None without an image.
        lesion_box_source: "model" (its own lesion map), "reader" (a drawn region) or "none".
        image_index: Which image of the study decided; None without an image.
        image_scores: One entry an image.
        versions: Provenance.
        notes: Plain sentences the reader should see (no image given, value clipped, ...).
    """

    classes: tuple[str, ...]
    positive_class: str
    probabilities: Mapping[str, float]
    logits: Mapping[str, float]
    temperature: float
    branch_weights: Mapping[str, float]
    known_fields: tuple[str, ...]
    unknown_fields: tuple[str, ...]
    outlier_fields: tuple[str, ...]
    threshold: float
    lesion_box: Box | None
    lesion_box_source: str
    image_index: int | None
    image_scores: tuple[ImageScore, ...]
    versions: Versions
    notes: tuple[str, ...] = ()

    @property
    def probability(self) -> float:
        """Of the positive class, in [0, 1]."""
        return self.probabilities[self.positive_class]

    @property
    def predicted_class(self) -> str:
        """The positive class at or above the threshold, else the most probable other class."""
        if self.probability >= self.threshold:
            return self.positive_class
        others = {c: p for c, p in self.probabilities.items() if c != self.positive_class}
        return max(others, key=lambda c: others[c])


@dataclass(frozen=True, eq=False)
class SaliencyMap:
    """Raw evidence, never rescaled to its own maximum.

    Attributes:
        method: e.g. "Grad-CAM++".
        layer: The feature map it was read from.
        target_class: The class it explains.
        grid: (h, w) float32 on the canvas grid, both glances combined.
        glances: Raw maps by glance ("whole", "lesion"), each (h, w) float32 on its own grid.
        source: (H, W) float32 on the source image's pixels.
        unit: What 1.0 means, in words.
        reference: The value a full colour scale stands for: absolute, from the bundle, never this map's maximum.
        semantics: One sentence: what the map means and what it does not.
    """

    method: str
    layer: str
    target_class: str
    grid: FloatMap
    glances: Mapping[str, FloatMap]
    source: FloatMap
    unit: str
    reference: float
    semantics: str


@dataclass(frozen=True, eq=False)
class CrossModal:
    """Cross-modal attention, both directions, over known fields only.

    Attributes:
        fields: Ids of the known fields, F of them, in schema order.
        clinical_to_image: (F, h, w) float32 on the canvas grid; each field's map sums to 1 over the canvas.
        image_to_clinical: (M, F) float32: how much each of M image summary queries attends to each known field; rows
            sum to at most 1 (the rest goes to unknown tokens).
        clinical_to_image_source: (F, H, W) float32 on source pixels, relative to uniform attention (1 = average).
        semantics: One sentence.
    """

    fields: tuple[str, ...]
    clinical_to_image: FloatMap
    image_to_clinical: FloatMap
    clinical_to_image_source: FloatMap
    semantics: str


@dataclass(frozen=True, eq=False)
class Attribution:
    """A Shapley account over players: the known fields and "image".

    Attributes:
        players: Field ids, then "image" where there is one. P of them.
        space: "log_odds" or "probability" of the target class.
        values: (P,) float64 Shapley values.
        base_value: Output with every player removed.
        output: Output with every player present.
        interactions: (P, P) float64 pairwise Shapley interaction index, symmetric, zero diagonal.
        residual: output - base_value - sum(values).
        estimator: "exact" with the number of coalitions in `coalitions`.
        coalitions: How many coalitions were evaluated.
        semantics: What removing a player means.
    """

    players: tuple[str, ...]
    space: str
    values: FloatArray
    base_value: float
    output: float
    interactions: FloatArray
    residual: float
    estimator: str
    coalitions: int
    semantics: str

    @property
    def withheld(self) -> bool:
        """True where the additivity residual is too large for the plot to be shown."""
        return not abs(self.residual) <= MAX_RESIDUAL

    def value_of(self, player: str) -> float:
        """Shapley value of one player."""
        return float(self.values[self.players.index(player)])


@dataclass(frozen=True)
class ReliabilityNumber:
    """One number that says how far to trust an explanation.

    Attributes:
        name: Short name.
        value: The number; None where it could not be computed.
        threshold: Where a verdict changes; None where no threshold is known.
        higher_is_better: Direction.
        verdict: One plain sentence.
        computed_from: What it was computed from, in words.
    """

    name: str
    value: float | None
    threshold: float | None
    higher_is_better: bool
    verdict: str
    computed_from: str


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
