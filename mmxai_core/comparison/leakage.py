"""What a model may be reading besides the disease: the source, the borders, the marks, the gaps in the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.models import IMAGE_LEVEL, SHIPPED_IMAGE
from mmxai_core.comparison.pooling import Material, pool
from mmxai_core.comparison.results import Finding
from mmxai_core.evaluation.bootstrap import Interval, intervals
from mmxai_core.evaluation.metrics import weighted_auc

CHANCE = Estimate(0.5, None, None)
#: What a changed input is held against, where the image branch is the shipped recipe's.
OF_SHIPPED = "plain images, shipped image branch"
#: What it means that an image vector tells one cohort, or one group of a cohort, from the rest.
TELLS_SOURCE = "the vector tells where a picture is from, and a model trained on both cohorts could use that"
TELLS_GROUP = "the vector tells one group from the others; see the subgroups and the tests across groups"


@dataclass(frozen=True)
class _Change:
    """What `altered_inputs` does, in words.

    Attributes:
        question: See `Finding`.
        how: See `Finding`.
        fall: What a fall of the AUC beyond chance means.
        none: What it means where no such fall is shown.
    """

    question: str
    how: str
    fall: str
    none: str


#: By name of the change. Without the lesion the question is not of a fall but of chance.
_CHANGES: Mapping[str, _Change] = {
    "borders_masked": _Change(
        "Does the image branch read scales, text or machine marks at the border?",
        "The outer 8 % of each side of the held-out images is set to the image's mean; nothing is retrained.",
        "it reads the border, or lesions reach it",
        "no sign that it reads the border",
    ),
    "markers_masked": _Change(
        "Does the image branch read callipers and other drawn marks?",
        "Small bright spots of the held-out images are replaced by the median around them; nothing is retrained.",
        "it reads such marks, or the bright calcifications that went with them",
        "no sign that it reads such marks",
    ),
    "lesion_blanked": _Change(
        "Does the image branch beat chance without seeing the lesion?",
        "The box around the lesion and its rim is set to the mean around it; nothing is retrained.",
        "", "",
    ),
    "only_lesion": _Change(
        "How much does the image branch need the surroundings?",
        "Everything but the box around the lesion and its rim is set to the image's mean; nothing is retrained.",
        "it uses the surroundings too",
        "no sign that it needs the surroundings",
    ),
}  # fmt: skip


def meaning(name: str, measured: Mapping[str, Interval | None]) -> str:
    """What a changed input showed, in a sentence drawn from its figures.

    Args:
        name: Of the change.
        measured: AUC "plain" and "changed" (with the change), and their "difference" (changed - plain), with 95 %
            intervals.
    """
    plain, changed, difference = (measured[k] for k in ("plain", "changed", "difference"))
    if plain is None or changed is None or difference is None:
        return "Not measured: a class is missing."
    if name == "lesion_blanked":
        if changed.low > 0.5:
            return (
                "Better than chance without the lesion: surroundings, place or size of the lesion, or how the picture "
                "was taken tell something of the class."
            )
        return "Not shown to be better than chance without the lesion."
    words = _CHANGES[name]
    by = f"change {difference.value:+.3f}, 95 % interval {difference.low:+.3f} to {difference.high:+.3f}"
    if difference.high < 0:
        return f"The AUC falls ({by}): {words.fall}."
    if difference.low > 0:
        return f"The AUC rises ({by}): {words.none}; what was taken out misled it."
    if plain.low <= 0.5:
        return f"No fall can be told ({by}): on the plain images the AUC is not shown to be better than chance."
    return f"No fall beyond chance is shown ({by}): {words.none}."


def changed_inputs(material: Material) -> list[Finding]:
    """AUC of an image branch on held-out images with something taken out, against the plain images.

    The image branch is the shipped recipe's where `train` measured it so, else the comparison's.
    """
    model, whose = "image", "plain images, same models"
    if pool(material, SHIPPED_IMAGE, IMAGE_LEVEL, changed="borders_masked") is not None:
        model, whose = SHIPPED_IMAGE, OF_SHIPPED
    plain = pool(material, model, IMAGE_LEVEL)
    if plain is None:
        return []
    out = []
    for name, words in _CHANGES.items():
        changed = pool(material, model, IMAGE_LEVEL, changed=name)
        if changed is None:
            continue

        def statistic(w: NDArray[np.float64], found: object = changed) -> dict[str, NDArray[np.float64]]:
            one, other = found.auc(w), plain.auc(w)  # type: ignore[attr-defined]
            return {"changed": one, "plain": other, "difference": one - other}

        measured = intervals(statistic, plain.groups, replicates=material.replicates, seed=material.seed)
        out.append(
            Finding(
                name, words.question, words.how, "auc", estimate(measured["changed"]), estimate(measured["plain"]),
                whose, len(plain.labels), meaning(name, measured),
            )
        )  # fmt: skip
    return out


def estimate(interval: object) -> Estimate:
    """An interval, or None, as the files hold it."""
    if interval is None:
        return Estimate(None, None, None)
    return Estimate(*(round(float(getattr(interval, k)), 6) for k in ("value", "low", "high")))


def chance_note(auc: Estimate, above: str) -> str:
    """What a probe's AUC showed.

    Args:
        auc: With its interval.
        above: What an AUC beyond chance means.
    """
    if auc.low is None:
        return "Not measured: a class is missing."
    return f"Better than chance: {above}." if auc.low > 0.5 else "Not shown to be better than chance."


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
    question: str, how: str, above: str, seed: int, replicates: int,
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
        above: What an AUC beyond chance means; the note says it, or that none is shown.
        seed: Of folds and bootstrap.
        replicates: Of the bootstrap.
        per_group: Not used by most: changes the probabilities before they are measured.
    """
    p = probe(features, labels, groups, folds=5, seed=seed)
    p = per_group(p) if per_group else p
    found = intervals(lambda w: {"auc": weighted_auc(labels, p, w)}, groups, replicates=replicates, seed=seed)
    auc = estimate(found["auc"])
    return Finding(name, question, how, "auc", auc, CHANCE, "chance", len(labels), chance_note(auc, above))


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
        above="the form's gaps tell something of the label. Training hides fields at random until, within each class, "
        "each is unknown equally often; whether a model still reads the gaps was not tested",
        seed=seed, replicates=replicates,
    )  # fmt: skip
