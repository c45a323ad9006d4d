"""The later parts of an explanation as plain values for `explanation.json`, and their maps as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.results import Attribution, Explanation
from mmxai_core.types import Json

REGIONS, UNIFIED, AUDIT = "regions.npz", "unified.npz", "attention_audit.npz"
#: Every file of maps that `part_arrays` may name.
ARRAY_FILES = (REGIONS, UNIFIED, AUDIT)


def plain(value: object) -> Json:
    """Dataclasses, mappings, sequences and arrays as values JSON can hold; a number that is not finite is null."""
    if isinstance(value, Attribution):
        return account_json(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def account_json(account: Attribution) -> Json:
    """A Shapley account."""
    return {
        "space": account.space,
        "base_value": account.base_value,
        "output": account.output,
        "attributions": {p: float(v) for p, v in zip(account.players, account.values, strict=True)},
        "interactions": {"players": list(account.players), "values": account.interactions.tolist()},
        "residual": account.residual if math.isfinite(account.residual) else None,
        "withheld": account.withheld,
        "estimator": account.estimator,
        "coalitions": account.coalitions,
        "semantics": account.semantics,
        "interval": None if account.interval is None else {
            "from": account.interval_from,
            "values": {p: plain(v) for p, v in zip(account.players, account.interval, strict=True)},
        },
    }  # fmt: skip


def part_entries(explanation: Explanation) -> dict[str, Json]:
    """Entries of `explanation.json`, one a part; null where the case does not have it or it was not asked for.

    Args:
        explanation: What to describe.
    """
    joint, audit, unified, strip = explanation.joint, explanation.audit, explanation.unified, explanation.strip
    scale = explanation.evidence_scale
    found: dict[str, Json] = {
        "parts": list(explanation.parts),
        "missing": list(explanation.missing),
        "input_check": plain(explanation.input_check),
        "prediction_set": plain(explanation.prediction_set),
        "branches": plain(explanation.branches),
        "questions": plain(explanation.questions),
        "similar": plain(explanation.similar),
        "evidence_scale": plain(scale),
        "joint": None, "audit": None, "unified": None, "strip": None,
    }  # fmt: skip
    if joint is not None:
        found["joint"] = {
            "partition": joint.partition, "regions": list(joint.regions),
            "file": None if joint.labels is None else REGIONS,
            "removal": plain(joint.removal), "removal_probability": plain(joint.removal_probability),
            "background": plain(joint.background), "background_probability": plain(joint.background_probability),
            "background_rows": joint.background_rows, "synergy": joint.synergy(), "seed": joint.seed,
        }  # fmt: skip
    if audit is not None:
        found["audit"] = {
            "file": AUDIT, "target_class": audit.target_class, "threshold": audit.threshold, "removed": audit.removed,
            "semantics": audit.semantics,
            "fields": {
                field: {
                    "attention_rank": plain(audit.attention_rank[i]), "relevance_rank": plain(audit.relevance_rank[i]),
                    "between_rank": plain(audit.between_rank[i]), "attended_effect": plain(audit.attended_effect[i]),
                    "random_effect": plain(audit.random_effect[i]), "disagrees": audit.disagrees[i],
                    "verdict": audit.verdicts[i],
                }
                for i, field in enumerate(audit.fields)
            },
        }  # fmt: skip
    if unified is not None:
        found["unified"] = {
            "file": UNIFIED, "fields": list(unified.fields), "target_class": unified.target_class,
            "sign": f"above 0 speaks for {unified.target_class}",
            "reference": unified.reference, "unit": unified.unit, "semantics": unified.semantics,
            "largest": float(np.abs(unified.grid).max()),
        }  # fmt: skip
    if strip is not None:
        found["strip"] = {
            "keys": list(strip.keys), "curves": plain(strip.curves), "removal": plain(strip.removal),
            "cascade": plain(strip.cascade), "seconds": plain(strip.seconds),
        }  # fmt: skip
    return found


def part_arrays(explanation: Explanation) -> dict[str, dict[str, NDArray[Any]]]:
    """Maps of the parts: by file name, the arrays of an npz file. A part the case does not have has no file.

    `regions.npz`: labels (h, w) int8 on the canvas grid and labels_source (H, W) int8 on source pixels, names.
    `unified.npz`: source (H, W) float32, grid (h, w), field_grids and without (F, h, w), fields.
    `attention_audit.npz`: relevance (F, h, w), blocks (h, w) int8, attention_mass, relevance_mass and effect
    (F, B), fields.

    Args:
        explanation: Whose maps.
    """
    joint, audit, unified = explanation.joint, explanation.audit, explanation.unified
    found: dict[str, dict[str, NDArray[Any]]] = {}
    if joint is not None and joint.labels is not None and joint.labels_source is not None:
        found[REGIONS] = {
            "labels": joint.labels, "labels_source": joint.labels_source, "names": np.array(joint.regions)
        }  # fmt: skip
    if unified is not None:
        found[UNIFIED] = {
            "source": unified.on_source(), "grid": unified.grid, "field_grids": unified.field_grids,
            "without": unified.without, "fields": np.array(unified.fields),
        }  # fmt: skip
    if audit is not None:
        found[AUDIT] = {
            "relevance": audit.relevance, "blocks": audit.blocks, "attention_mass": np.asarray(audit.attention_mass),
            "relevance_mass": np.asarray(audit.relevance_mass), "effect": np.asarray(audit.effect),
            "fields": np.array(audit.fields),
        }  # fmt: skip
    return found
