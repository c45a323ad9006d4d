"""The groups of training cases that lie nearest to a case, from the aggregates in the bundle."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalRecord, Field, Value
from mmxai_core.errors import BundleError
from mmxai_core.explain.fused_space import fused_vectors
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.prototypes import Prototypes
from mmxai_core.model.reference import load_reference
from mmxai_core.results.similar import FieldSummary, SimilarGroup, SimilarGroups

SEMANTICS = (
    "Nearness in what the model's last layers read (image, clinical data and what each took from the other), so it is "
    "likeness as the model sees it. The model was trained on these cases: that they share its answer is no independent "
    "evidence. The open case may be one of them: a group keeps no record of single cases. Groups hold at least five "
    "cases; no single patient is described."
)


def bundle_prototypes(bundle: Bundle) -> Prototypes | None:
    """The bundle's groups of similar cases; None where it carries none.

    Raises:
        BundleError: They do not fit the bundle.
    """
    reference = load_reference(bundle)
    arrays, entry = reference.part("similar_cases"), reference.entries.get("similar_cases")
    if not arrays or entry is None:
        return None
    found = Prototypes.from_arrays(arrays, entry, schema=bundle.schema, classes=bundle.classes)
    if len(found.offset) != 3 * bundle.arch.width:
        raise BundleError(
            f"Bundle {bundle.name!r}: its similar cases have {len(found.offset)} dimensions, its network "
            f"{3 * bundle.arch.width}."
        )
    return found


def similar_groups(
    network: FusedNetwork, image: ImageState | None, record: ClinicalRecord, prototypes: Prototypes, *, count: int = 3
) -> SimilarGroups:
    """The nearest groups. On the worker; one pass of the fusion.

    Args:
        network: The network.
        image: State of one image (batch of one), or None.
        record: Known clinical values.
        prototypes: From the bundle.
        count: Most groups.
    """
    encoded = prototypes.schema.encode(record)
    state = network.encode_image(None) if image is None else image
    device = state.tokens.device
    values, known = (torch.from_numpy(x)[None].to(device) for x in (encoded.values, encoded.known))
    vector = fused_vectors(network, state, values, known)[0]
    level = _level(prototypes, encoded.known, image is not None)
    point = (vector - prototypes.offset) @ prototypes.projection
    distance = np.linalg.norm(prototypes.centroids[level] - point, axis=1) / prototypes.reach[level]
    nearest = np.argsort(distance, kind="stable")[:count]
    groups = tuple(_group(prototypes, int(g), float(distance[g]), record) for g in nearest)
    within = prototypes.outcomes[distance <= 1]
    return SimilarGroups(
        groups, prototypes.levels[level], _say(within, float(distance.min()), len(groups), prototypes.classes),
        f"{SEMANTICS} Cases: {prototypes.source}.",
    )  # fmt: skip


def _say(within: NDArray[np.integer], nearest: float, shown: int, classes: tuple[str, ...]) -> str:
    """Over all groups that the case lies within: which of them is nearest says nothing of its class.

    Args:
        within: (G, K) cases by group and class, of every group that the case lies within.
        nearest: Distance to the nearest group.
        shown: How many groups are described.
        classes: Names of the K classes.
    """
    if not len(within):
        return (
            f"No group of training cases is near: the nearest lies {nearest:.2f} times as far as nine in ten of its "
            "own cases."
        )
    total = _counts({c: int(n) for c, n in zip(classes, within.sum(0), strict=True)})
    if len(within) == 1:
        return f"The case lies within one group of training cases: {total}"
    said = f"The case lies within {len(within)} groups of training cases, together {total}"
    return said + (f" The nearest {shown} are described." if len(within) > shown else "")


def _counts(outcomes: Mapping[str, int]) -> str:
    """Cases by class in words."""
    return f"{sum(outcomes.values())} cases, {', '.join(f'{n} {c}' for c, n in outcomes.items())}."


def _level(prototypes: Prototypes, known: NDArray[np.bool_], image: bool) -> int:
    """The level whose inputs are most like those of the case: same image or none, largest Jaccard index of fields."""
    both = (prototypes.level_known & known).sum(1)
    either = (prototypes.level_known | known).sum(1)
    alike = np.where(either == 0, 1.0, both / np.maximum(either, 1))
    return int(np.argmax(alike - 2 * (prototypes.level_image != image)))


def _group(prototypes: Prototypes, g: int, distance: float, record: ClinicalRecord) -> SimilarGroup:
    outcomes = {c: int(n) for c, n in zip(prototypes.classes, prototypes.outcomes[g], strict=True)}
    fields = tuple(
        summary
        for i, field in enumerate(prototypes.schema.fields)
        if (summary := _summary(prototypes, g, i, field, record.get(field.id))) is not None
    )
    return SimilarGroup(sum(outcomes.values()), outcomes, distance, fields, _counts(outcomes))


def _summary(prototypes: Prototypes, g: int, i: int, field: Field, own: Value | None) -> FieldSummary | None:
    """A field's summary; None where too few of the group's cases know it."""
    known = int(prototypes.known[g, i])
    if field.kind == "numeric":
        low, middle, high = (float(v) for v in prototypes.quartiles[g, i])
        if not np.isfinite(middle):
            return None
        text = f"{field.describe(round(middle, 3))} ({low:g} to {high:g})"
        return FieldSummary(
            field.id, field.label, text, known, None if own is None else bool(low <= float(own) <= high)
        )
    index = int(prototypes.common[g, i])
    if index < 0:
        return None
    value: Value = field.category_ids[index]
    if field.kind == "yes_no":
        value = value == "yes"
    text = f"{field.describe(value)} in {100 * float(prototypes.share[g, i]):.0f} %"
    return FieldSummary(field.id, field.label, text, known, None if own is None else own == value)
