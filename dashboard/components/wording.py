"""Numbers in a clinician's words. Templates only; nothing claims more than its number."""

from __future__ import annotations

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.report.wording import likelihood, percent, verdict

__all__ = ["likelihood", "names", "percent", "player_labels", "verdict"]


def names(schema: ClinicalSchema, ids: tuple[str, ...]) -> str:
    """Field labels in a list."""
    return ", ".join(schema[i].label for i in ids)


def player_labels(schema: ClinicalSchema, values: dict[str, object]) -> dict[str, str]:
    """Label and value of each field, and of the image, for a waterfall."""
    labels = {f.id: f"{f.label}: {f.describe(values[f.id])}" for f in schema.fields if f.id in values}  # type: ignore[arg-type]
    return labels | {"image": "Image"}
