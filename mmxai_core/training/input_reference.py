"""Statistics of the training images that tell the model's kind of input, and what they accept of held-out cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from sklearn.model_selection import GroupKFold

from mmxai_core.errors import CohortError
from mmxai_core.explain.input_check import joint_score
from mmxai_core.explain.input_features import LESION, PICTURE, WHOLE, content_vector, glance_vectors
from mmxai_core.explain.surprise import record_surprise
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.model.field_statistics import FieldStatistics
from mmxai_core.model.reference import GaussianBlock, InputReference, ScoreReference
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import encode_cases
from mmxai_core.training.missing import LEVELS, level_mask
from mmxai_core.types import Json

ACCEPTED = 0.95
FOLDS = 5
MIN_CASES = 40
QUANTILES = 401
#: Cases encoded before their image states are let go: a state holds 5 MB of attention.
CHUNK = 32
Vectors = dict[str, NDArray[np.float64]]


def input_vectors(
    encoder: ImageEncoder, data: CohortArrays, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> Vectors:
    """Each block's (N, D) vectors of N cases, the lesion found by the model itself. One image encoding a case."""
    whole: list[NDArray[np.float64]] = []
    lesion: list[NDArray[np.float64]] = []
    picture: list[NDArray[np.float64]] = []
    for start in range(0, len(data), CHUNK):
        part = data.take(np.arange(start, min(start + CHUNK, len(data))))
        for state in encode_cases(encoder, part):
            for out, vectors in zip((whole, lesion), glance_vectors(state.features), strict=True):
                out.append(vectors)
        for grey, content in zip(part.grey, part.content, strict=True):
            y, x, rows, cols = (int(v) for v in content)
            picture.append(content_vector(grey.astype(np.float32) / np.float32(255), (y, x, rows, cols)))
        progress(len(picture), len(data))
    return {PICTURE: np.stack(picture), WHOLE: np.concatenate(whole), LESION: np.concatenate(lesion)}


def fit_block(name: str, x: NDArray[np.float64], group: NDArray[np.int64]) -> GaussianBlock:
    """One centre a group, one Ledoit-Wolf covariance within groups.

    Args:
        name: Of the block.
        x: (N, D).
        group: (N,) cohort of each row.
    """
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
    z = (x - centre) / scale
    index = np.searchsorted(np.unique(group), group)
    means = np.stack([z[index == g].mean(0) for g in range(index.max() + 1)])
    covariance, _ = ledoit_wolf(z - means[index], assume_centered=True)
    return GaussianBlock(name, centre, scale, means, np.linalg.inv(covariance))


def fit_blocks(
    vectors: Vectors, group: NDArray[np.int64], patients: NDArray[np.str_]
) -> tuple[tuple[GaussianBlock, ...], NDArray[np.float64]]:
    """Blocks of all cases, located and scaled by cases held out of them, and the image score of each held-out case.

    Args:
        vectors: (N, D) by block.
        group: (N,) cohort of each case.
        patients: (N,) patient of each case, in `FOLDS` parts.

    Returns:
        (the blocks; (N,) largest block score of each case, from statistics without its patient).
    """
    blocks, scores = [], []
    folds = list(GroupKFold(FOLDS).split(group, groups=patients))
    for name, x in vectors.items():
        held = np.zeros(len(x))
        for train, test in folds:
            held[test] = fit_block(name, x[train], group[train]).log_distance(x[test])
        full, spread = fit_block(name, x, group), max(float(held.std()), 1e-6)
        blocks.append(
            GaussianBlock(
                name, full.centre, full.scale, full.means, full.precision, location=float(held.mean()), spread=spread
            )
        )
        scores.append((held - held.mean()) / spread)
    return tuple(blocks), np.asarray(np.max(scores, 0))


def fit_inputs(
    vectors: Sequence[Vectors],
    cohorts: Sequence[CohortArrays],
    names: Sequence[str],
    *,
    modality: str | None,
    statistics: FieldStatistics | None,
) -> tuple[InputReference, Json]:
    """Statistics from all cases; locations, spreads and limits from cases held out of them, by patient.

    The image score is the largest block score; its limit is the largest, over the cohorts, of the 95th percentile of
    held-out cases' scores, so that each cohort keeps at least 95 %. No forward pass.

    Args:
        vectors: By cohort, from `input_vectors`.
        cohorts: The same cases. The first cohort's records are those the clinical score is measured on.
        names: Cohort names.
        modality: DICOM code of the images, or None.
        statistics: Of the clinical fields, or None: no clinical and joint score.

    Returns:
        (the reference, an account in plain values).

    Raises:
        CohortError: Too few cases.
    """
    group = np.concatenate([np.full(len(c), i) for i, c in enumerate(cohorts)])
    patients = np.array([f"{i}/{p}" for i, c in enumerate(cohorts) for p in c.patients])
    if len(group) < MIN_CASES or len(set(patients)) < FOLDS:
        raise CohortError(f"Statistics of the training images need {MIN_CASES} cases; there are {len(group)}.")
    blocks, image = fit_blocks(
        {name: np.concatenate([v[name] for v in vectors]) for name in vectors[0]}, group, patients
    )  # fmt: skip
    reference = score_limit([image[group == i] for i in range(len(cohorts))])
    clinical, joint = None, None
    account: dict[str, Json] = {
        "limit": reference.limit,
        "accepted_held_out": {n: float((image[group == i] <= reference.limit).mean()) for i, n in enumerate(names)},
        "cases": {n: len(c) for n, c in zip(names, cohorts, strict=True)},
    }
    if statistics is not None:
        surprise, both = _clinical_scores(cohorts[0], image[group == 0], statistics)
        if len(surprise) >= MIN_CASES:
            clinical, joint = score_limit([surprise]), score_limit([both])
            account |= {"clinical_limit": clinical.limit, "joint_limit": joint.limit}
    total = ", ".join(f"{len(c)} images of {n}" for n, c in zip(names, cohorts, strict=True))
    source = f"{total}; limits keep {100 * ACCEPTED:.0f} % of cases held out of the statistics, in each cohort"
    return InputReference(modality, blocks, reference, clinical, joint, source), account


def score_limit(parts: Sequence[NDArray[np.float64]]) -> ScoreReference:
    """The largest of the parts' conformal 95th percentiles, and quantiles of all."""
    highest = [np.sort(p)[min(len(p), int(np.ceil((len(p) + 1) * ACCEPTED))) - 1] for p in parts if len(p)]
    return ScoreReference(float(max(highest)), np.quantile(np.concatenate(parts), np.linspace(0, 1, QUANTILES)))


def _clinical_scores(
    data: CohortArrays, image: NDArray[np.float64], statistics: FieldStatistics
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clinical and joint scores of every case at every level of field groups at which a field is known."""
    surprise, both = [], []
    for groups in LEVELS.values():
        offered = level_mask(statistics.schema, groups).tolist()
        ids = {f.id for f, o in zip(statistics.schema.fields, offered, strict=True) if o}
        for record, own in zip(data.records, image, strict=True):
            kept = {k: v for k, v in record.values.items() if k in ids}
            value = record_surprise(statistics.schema.record(kept), statistics)
            if value is not None:
                surprise.append(value)
                both.append(joint_score(float(own), value))
    return np.array(surprise), np.array(both)


def sample_cases(data: CohortArrays, *, most: int, seed: int) -> CohortArrays:
    """At most `most` cases, drawn without replacement, in order."""
    if len(data) <= most:
        return data
    return data.take(np.sort(np.random.default_rng(seed).choice(len(data), most, replace=False)))


def accepted(inputs: InputReference, vectors: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """(N,) bool: the image score of each case is within its limit."""
    score = np.max([b.score(vectors[b.name]) for b in inputs.blocks], 0)
    within: NDArray[np.bool_] = score <= inputs.image.limit
    return within
