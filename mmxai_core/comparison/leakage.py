"""What a model may be reading besides the disease: the source, the borders, the marks, the gaps in the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.models import IMAGE_LEVEL
from mmxai_core.comparison.pooling import Material, pool
from mmxai_core.comparison.results import Finding
from mmxai_core.evaluation.bootstrap import intervals
from mmxai_core.evaluation.metrics import weighted_auc

CHANCE = Estimate(0.5, None, None)
#: What `blank.altered_inputs` does, in words: (question, how, note).
_CHANGES: Mapping[str, tuple[str, str, str]] = {
    "borders_masked": (
        "Does the image branch read scales, text or machine marks at the border?",
        "The outer 8 % of each side of the held-out images is set to the image's mean; nothing is retrained.",
        "A clear fall would mean that it does, or that lesions reach the border.",
    ),
    "markers_masked": (
        "Does the image branch read callipers and other drawn marks?",
        "Small bright spots of the held-out images are replaced by the median around them; nothing is retrained.",
        "A clear fall would mean that it does; bright calcifications go too.",
    ),
    "lesion_blanked": (
        "Does the image branch beat chance without seeing the lesion?",
        "The box around the lesion and its rim is set to the mean around it; nothing is retrained.",
        "Above chance means that surroundings, place or size of the lesion tell something, or the acquisition does.",
    ),
    "only_lesion": (
        "How much does the image branch need the surroundings?",
        "Everything but the box around the lesion and its rim is set to the image's mean; nothing is retrained.",
        "A small fall means that the decision is made in the lesion.",
    ),
}


def changed_inputs(material: Material) -> list[Finding]:
    """AUC of the image branch on held-out images with something taken out, against the plain images."""
    plain = pool(material, "image", IMAGE_LEVEL)
    if plain is None:
        return []
    out = []
    for name, (question, how, note) in _CHANGES.items():
        changed = pool(material, "image", IMAGE_LEVEL, changed=name)
        if changed is None:
            continue

        def statistic(w: NDArray[np.float64], found: object = changed) -> dict[str, NDArray[np.float64]]:
            return {"changed": found.auc(w), "plain": plain.auc(w)}  # type: ignore[attr-defined]

        measured = intervals(statistic, plain.groups, replicates=material.replicates, seed=material.seed)
        out.append(
            Finding(
                name, question, how, "auc", estimate(measured["changed"]), estimate(measured["plain"]),
                "the same models on the plain images", len(plain.labels), note,
            )
        )  # fmt: skip
    return out


def estimate(interval: object) -> Estimate:
    """An interval, or None, as the files hold it."""
    if interval is None:
        return Estimate(None, None, None)
    return Estimate(*(round(float(getattr(interval, k)), 6) for k in ("value", "low", "high")))


def probe(
    features: NDArray[np.float64], labels: NDArray[np.bool_], groups: Sequence[str], *, folds: int, seed: int
) -> NDArray[np.float64]:
    """(n,) cross-validated probabilities of a linear classifier; patients stay on one side."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=3000))
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    p: NDArray[np.float64] = cross_val_predict(
        model, features, labels, groups=list(groups), cv=splitter, method="predict_proba"
    )[:, 1]
    return p


def probe_finding(
    name: str, features: NDArray[np.float64], labels: NDArray[np.bool_], groups: Sequence[str], *,
    question: str, how: str, note: str, seed: int, replicates: int,
    per_group: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
) -> Finding:  # fmt: skip
    """AUC of `probe` with its interval, against chance.

    Args:
        name: Id of the finding.
        features: (n, C).
        labels: (n,) bool.
        groups: (n,) patient.
        question: See `Finding`.
        how: See `Finding`.
        note: See `Finding`.
        seed: Of folds and bootstrap.
        replicates: Of the bootstrap.
        per_group: Not used by most: changes the probabilities before they are measured.
    """
    p = probe(features, labels, groups, folds=5, seed=seed)
    p = per_group(p) if per_group else p
    found = intervals(lambda w: {"auc": weighted_auc(labels, p, w)}, groups, replicates=replicates, seed=seed)
    return Finding(name, question, how, "auc", estimate(found["auc"]), CHANCE, "chance", len(labels), note)


def missingness(
    known: NDArray[np.bool_], labels: NDArray[np.bool_], groups: Sequence[str], *, seed: int, replicates: int
) -> Finding | None:
    """What the pattern of unknown fields alone tells of the label; None where no field varies in being known."""
    varying = known.std(0) > 0
    if not varying.any():
        return None
    return probe_finding(
        "missingness", known[:, varying].astype(np.float64), labels, groups,
        question="What does the pattern of unknown fields alone predict?",
        how="Logistic regression on known or unknown of each field, nothing else; 5 patient-grouped folds.",
        note="Above chance, the form's gaps tell the label; our models balance them in training, so that they do not.",
        seed=seed, replicates=replicates,
    )  # fmt: skip
