"""The folds of a cross-validation as their own few validation cases calibrated them -> on one scale, to be pooled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.fold_scale import ValidationScores, at_temperature, fold_temperatures
from mmxai_core.types import Json

#: What a fold file calls the image-only sibling, and the fused network without any field.
IMAGE = "image"
#: The entry of a fold file, by the model whose validation scores it holds.
_LOGITS = {
    "fused": "validation_logits", "image": "image_validation_logits", "clinical": "clinical_validation_logits",
}  # fmt: skip


def on_one_scale(folds: Sequence[Json], *, models: Collection[str] = tuple(_LOGITS)) -> list[Json]:
    """The folds with probabilities and temperatures of `fold_scale.fold_temperatures`; all else stays.

    Done again it changes nothing.

    Args:
        folds: What `cross_validate` gives: fold-<k>.json.
        models: Of "fused", "image" and "clinical", those that are moved.

    Raises:
        CohortError: A fold lacks an entry, as the validation scores of a model.
    """
    try:
        patient = {c: p for f in folds for c, p in zip(f["case_ids"], f["patients"], strict=True)}
        held = [set(f["patients"]) for f in folds]
        out = [{**f, "temperature": dict(f["temperature"])} for f in folds]
        for model in models:
            found = fold_temperatures([_validation(f, model, patient) for f in folds], held)
            for fold, temperature in zip(out, found, strict=True):
                _move(fold, model, temperature)
    except KeyError as error:
        raise CohortError(
            f"A fold of the cross-validation lacks the entry {error}. `train` with the same run folder scores such a "
            "fold again, without training it while its fold-<k>.fitted is there."
        ) from error
    return out


def _move(fold: Json, model: str, temperature: float) -> None:
    before = float(fold["temperature"][model])
    fold["temperature"][model] = temperature

    def moved(p: Sequence[float]) -> list[float]:
        return [float(v) for v in at_temperature(np.asarray(p, np.float64), before=before, now=temperature)]

    for part in ("probabilities", "image_altered"):
        kept = fold.get(part, {})
        fold[part] = {k: moved(p) if _model_of(k, part) == model else p for k, p in kept.items()}
    if marked := fold.get("marked"):
        told = {k: moved(p) if _model_of(k, "marked") == model else p for k, p in marked["probabilities"].items()}
        fold["marked"] = {**marked, "probabilities": told}


def _model_of(key: str, part: str) -> str:
    """Whose scores an entry holds: "fused|history" -> "fused"; the sibling reads the altered images."""
    return IMAGE if part == "image_altered" else key.split("|")[0]


def _validation(fold: Json, model: str, patient: Mapping[str, str]) -> ValidationScores:
    kept: Any = fold[_LOGITS[model]]
    logits = np.asarray([kept] if model == IMAGE else _levels(kept), np.float64)
    ids = fold["validation_ids"]
    return ValidationScores(
        logits[..., 1] - logits[..., 0], np.asarray(fold["validation_labels"]).astype(bool),
        tuple(patient.get(c, c) for c in ids),
    )  # fmt: skip


def _levels(kept: Mapping[str, Any]) -> list[Any]:
    """The logits at the levels with fields, each once: a group of which a cohort has no field adds no level.

    The comparison counts the levels of a cohort in the same way (`comparison.models.levels`).
    """
    out: list[Any] = []
    for level, logits in kept.items():
        if level != IMAGE and logits not in (kept.get(IMAGE), *out):
            out.append(logits)
    return out or list(kept.values())
