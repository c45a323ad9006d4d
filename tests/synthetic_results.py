"""Seeded results with the shapes of real ones, for tests that draw or show them without running a network."""

from __future__ import annotations

import numpy as np

from mmxai_core.results import (
    Attribution,
    CrossModal,
    Explanation,
    ImageScore,
    Prediction,
    ReliabilityNumber,
    SaliencyMap,
    Versions,
)

FIELDS = ("age", "palpable", "margin")
LABELS = {"age": "Age", "palpable": "Palpable lump", "margin": "Margin", "image": "Image"}


def logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def grey(shape: tuple[int, int] = (60, 90), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 0.6, shape).astype(np.float32)


def blob(shape: tuple[int, int], peak: float, at: tuple[float, float] = (0.4, 0.6)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = ((y / shape[0] - at[0]) ** 2 + (x / shape[1] - at[1]) ** 2) / 0.02
    return (peak * np.exp(-distance)).astype(np.float32)


def attribution(*, space: str = "log_odds", residual: float = 0.0) -> Attribution:
    players = (*FIELDS, "image")
    if space == "log_odds":
        values, base = np.array([0.4, -0.7, 0.001, 1.6]), -0.5
    else:
        values, base = np.array([0.07, -0.13, 0.0, 0.312]), logistic(-0.5)
    return Attribution(
        players=players, space=space, values=values, base_value=base, output=base + float(values.sum()) + residual,
        interactions=np.zeros((4, 4)), residual=residual, estimator="exact", coalitions=16,
        semantics="Removing a player puts the learned unknown token in its place.",
    )  # fmt: skip


def saliency(shape: tuple[int, int] = (60, 90), *, peak: float = 0.8, method: str = "Grad-CAM++") -> SaliencyMap:
    return SaliencyMap(
        method=method, layer="stage", target_class="malignant", grid=blob((28, 28), peak), glances={},
        source=blob(shape, peak), unit="evidence", reference=1.0, semantics=f"{method}: where evidence was found.",
    )  # fmt: skip


def cross_modal(shape: tuple[int, int] = (60, 90)) -> CrossModal:
    maps = np.stack([blob((28, 28), 1.0, (0.2 + 0.2 * i, 0.5)) for i in range(3)])
    return CrossModal(
        fields=FIELDS, clinical_to_image=maps / maps.sum(axis=(1, 2), keepdims=True),
        image_to_clinical=np.array([[0.2, 0.1, 0.3], [0.4, 0.0, 0.1]], np.float32),
        clinical_to_image_source=np.stack([blob(shape, 8.0, (0.2 + 0.2 * i, 0.5)) for i in range(3)]),
        semantics="Attention shows where a field looked, not why.",
    )  # fmt: skip


def prediction(*, probability: float = logistic(0.801), image: bool = True) -> Prediction:
    return Prediction(
        classes=("benign", "malignant"), positive_class="malignant",
        probabilities={"benign": 1 - probability, "malignant": probability},
        logits={"benign": 0.0, "malignant": float(np.log(probability / (1 - probability)))}, temperature=1.3,
        branch_weights={"image": 0.6, "clinical": 0.4} if image else {"image": 0.0, "clinical": 1.0},
        known_fields=FIELDS, unknown_fields=("family_history",), outlier_fields=("age",), threshold=0.4,
        lesion_box=(40.0, 10.0, 70.0, 40.0) if image else None, lesion_box_source="model" if image else "none",
        image_index=0 if image else None, image_scores=(ImageScore(0, "Image", probability),) if image else (),
        versions=Versions("breast-us", "ab" * 32, "0.1.0", "2.15", "cpu", 7), notes=(),
    )  # fmt: skip


def explanation(*, residual: float = 0.0, image: bool = True, shape: tuple[int, int] = (60, 90)) -> Explanation:
    return Explanation(
        id="explanation-1", prediction=prediction(image=image), target_class="malignant",
        saliency=saliency(shape) if image else None,
        rollout=saliency(shape, peak=0.5, method="Attention rollout") if image else None,
        lesion_map=blob(shape, 0.95) if image else None, cross_modal=cross_modal(shape) if image else None,
        attribution=attribution(residual=residual), attribution_probability=attribution(space="probability"),
        reliability=(
            ReliabilityNumber("Stability", 0.91, 0.8, True, "Stable.", "8 noisy copies"),
            ReliabilityNumber("Faithfulness", None, None, True, "Could not be computed.", "no image"),
        ),
        geometry={},
    )  # fmt: skip
