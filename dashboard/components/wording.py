"""Numbers in a clinician's words. Templates only; nothing claims more than its number."""

from __future__ import annotations

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.report.summary import case_view
from mmxai_core.report.wording import about, likelihood, measured_against, percent, verdict
from mmxai_core.results import Explanation

__all__ = [
    "about", "cases_told", "left_open", "likelihood", "measured_against", "names", "open_range", "percent",
    "player_labels", "verdict",
]  # fmt: skip


def names(schema: ClinicalSchema, ids: tuple[str, ...]) -> str:
    """Field labels in a list."""
    return ", ".join(schema[i].label for i in ids)


def cases_told(images: int, patients: object) -> str:
    """How many cases a figure was measured on; where a patient gave several, each is an image, and both are told.

    Args:
        images: Number of cases.
        patients: Number of patients, as the bundle's results tell it; anything else is not told.
    """
    several = isinstance(patients, int) and 0 < patients < images
    return f"{images:,} images of {patients:,} patients" if several else f"{images:,} cases"


def player_labels(schema: ClinicalSchema, values: dict[str, object]) -> dict[str, str]:
    """Label and value of each field, and of the image, for a waterfall."""
    labels = {f.id: f"{f.label}: {f.describe(values[f.id])}" for f in schema.fields if f.id in values}  # type: ignore[arg-type]
    return labels | {"image": "Image"}


def left_open(explanation: Explanation) -> str:
    """What the unknown fields leave open, in one sentence; "" where none is unknown or it was not computed.

    Args:
        explanation: The explanation, as far as it is computed.
    """
    view = case_view(explanation)
    return open_range(view.low, view.high) if view and view.unknown else ""


def open_range(low: float, high: float) -> str:
    """A range over what the unknown fields may be, in one sentence.

    Args:
        low: Its end, probability.
        high: Its other end.
    """
    if percent(low) == percent(high):
        return f"With every field known it would be {about(low)} (90 % of the ways the unknown fields may turn out)."
    return (
        f"With every field known it would lie between {100 * low:.0f} and {100 * high:.0f} % (90 % of the ways the "
        "unknown fields may turn out; not the model's own error)."
    )
