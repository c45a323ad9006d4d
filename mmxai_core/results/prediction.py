"""A calibrated prediction and what produced it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmxai_core.types import Box


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
