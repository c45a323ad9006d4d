"""Groups the training cases in the fused space (k-means) and keeps aggregates of at least five cases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import CohortError
from mmxai_core.explain.fused_space import block_scale, fused_vectors
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.prototypes import MIN_CASES, Prototypes
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import encode_cases
from mmxai_core.training.missing import LEVELS, level_mask

#: Cases a group has on average, most groups, and dimensions kept.
CASES_A_GROUP = 12
MOST_GROUPS = 40
DIMENSIONS = 16
#: Images encoded at once.
BATCH = 16


def measure_prototypes(
    network: FusedNetwork, data: CohortArrays, *, schema: ClinicalSchema, classes: tuple[str, ...], source: str,
    seed: int, progress: Callable[[int, int], None] = lambda done, total: None,
) -> Prototypes:  # fmt: skip
    """Groups of training cases. Costs one image encoding a case and one pass of the fusion a case and level.

    Args:
        network: In evaluation mode.
        data: Cases, encoded with `schema`.
        schema: The network's schema.
        classes: Class ids.
        source: What the cases are, in words, e.g. "201 cases of breast_lesions_usg".
        seed: Of k-means.
        progress: Called with (cases done, all).

    Raises:
        CohortError: Fewer than ten cases.
    """
    if len(data) < 2 * MIN_CASES:
        raise CohortError(f"Similar cases need at least {2 * MIN_CASES} cases; the cohort has {len(data)}.")
    names, masks, with_image = _levels(schema)
    vectors = _vectors(network, data, masks, with_image, progress)  # (L, N, 3d)
    full = int(np.argmax(masks.sum(1) + with_image * (1 + masks.shape[1])))
    offset, scale = vectors[full].mean(0), block_scale(vectors[full])
    _, _, axes = np.linalg.svd((vectors[full] - offset) / scale, full_matrices=False)
    projection = (axes[:DIMENSIONS] / scale).T
    points = (vectors - offset) @ projection
    group = group_cases(points[full], seed=seed)
    members = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    centroids = np.stack([points[:, m].mean(1) for m in members], 1)
    reach = np.stack(
        [np.percentile(np.linalg.norm(points[:, m] - centroids[:, g, None], axis=2), 90, axis=1)
         for g, m in enumerate(members)], 1,
    )  # fmt: skip
    outcomes = np.stack([np.bincount(data.labels[m], minlength=len(classes)) for m in members])
    return Prototypes(
        schema, classes, names, masks, with_image, offset.astype(np.float32), projection.astype(np.float32),
        centroids.astype(np.float32), np.maximum(reach, 1e-6).astype(np.float32), outcomes,
        *_summaries(data, schema, members), source,
    )  # fmt: skip


def group_cases(points: NDArray[np.float32], *, seed: int) -> NDArray[np.int64]:
    """(N, r) -> (N,) group of each case, 0 on: k-means, groups below `MIN_CASES` given to their next nearest group."""
    count = int(np.clip(round(len(points) / CASES_A_GROUP), 2, MOST_GROUPS))
    fitted = KMeans(n_clusters=count, n_init=4, random_state=seed).fit(points)
    distance = fitted.transform(points)
    alive = np.ones(count, bool)
    while True:
        group = np.where(alive, distance, np.inf).argmin(1)
        sizes = np.where(alive, np.bincount(group, minlength=count), len(points) + 1)
        if sizes.min() >= MIN_CASES:
            break
        alive[int(sizes.argmin())] = False
    found: NDArray[np.int64] = np.unique(group, return_inverse=True)[1].reshape(-1)
    return found


def _levels(schema: ClinicalSchema) -> tuple[tuple[str, ...], NDArray[np.bool_], NDArray[np.bool_]]:
    """(names, (L, F) fields offered, (L,) image there): every different stretch of groups, with and without image."""
    masks: dict[bytes, tuple[str, NDArray[np.bool_]]] = {}
    for name, groups in {"": (), **LEVELS}.items():
        mask = level_mask(schema, groups).numpy()
        masks.setdefault(mask.tobytes(), (name.replace("+", ", "), mask))
    rows = [(f"image, {n}" if n else "image only", m, True) for n, m in masks.values()]
    rows += [(f"{n}, no image", m, False) for n, m in masks.values() if n]
    return tuple(r[0] for r in rows), np.stack([r[1] for r in rows]), np.array([r[2] for r in rows])


def _vectors(
    network: FusedNetwork, data: CohortArrays, masks: NDArray[np.bool_], with_image: NDArray[np.bool_],
    progress: Callable[[int, int], None],
) -> NDArray[np.float32]:  # fmt: skip
    """(L, N, 3d), a few images at a time: the attention of many would not fit."""
    parts = []
    for start in range(0, len(data), BATCH):
        some = data.take(np.arange(start, min(start + BATCH, len(data))))
        (state,) = encode_cases(network.image_encoder, some, batch=BATCH)
        with torch.no_grad():
            absent = network.encode_image(None, batch=len(some))
        values, known = torch.from_numpy(some.values), torch.from_numpy(some.known)
        parts.append(
            np.stack([
                fused_vectors(network, state if seen else absent, values, known & torch.from_numpy(mask))
                for mask, seen in zip(masks, with_image, strict=True)
            ])
        )  # fmt: skip
        progress(start + len(some), len(data))
    return np.concatenate(parts, 1)


def _summaries(
    data: CohortArrays, schema: ClinicalSchema, members: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """(known, quartiles, common, share) of each group and field; nothing is told of fewer than `MIN_CASES` values."""
    shape = (len(members), len(schema.fields))
    known, common = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
    quartiles, share = np.full((*shape, 3), np.nan, np.float32), np.full(shape, np.nan, np.float32)
    for g, cases in enumerate(members):
        for i, field in enumerate(schema.fields):
            values = [data.records[c].values[field.id] for c in cases if field.id in data.records[c].values]
            known[g, i] = len(values)
            if len(values) < MIN_CASES:
                continue
            if field.kind == "numeric":
                quartiles[g, i] = np.percentile(np.array([float(v) for v in values]), [25, 50, 75])
                continue
            words = [("yes" if v else "no") if isinstance(v, bool) else str(v) for v in values]
            counts = np.bincount([field.category_ids.index(w) for w in words])
            common[g, i], share[g, i] = int(counts.argmax()), counts.max() / len(values)
    return known, quartiles, common, share
