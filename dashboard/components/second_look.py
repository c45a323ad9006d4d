"""Where the model looked a second time, for the image on the Case page: what the reader can correct."""

from __future__ import annotations

from dashboard.components.wording import percent
from mmxai_core.model.glance import MISSED
from mmxai_core.results import FirstAnswer, Prediction, Unmarked
from mmxai_core.types import Box


def said(image: int, images: int) -> str:
    """The line under the image: read at full resolution, the second look sees the wrong thing in the wrong place.

    Args:
        image: Index of the image it is on.
        images: How many the study has.
    """
    where = f" on image {image + 1} of {images}" if images > 1 else ""
    return (
        f"Dashed{where}: the region of the model's second look (b hides it). If the lesion lies elsewhere, mark it (m) "
        "and analyse again."
    )


def mark_told(prediction: Prediction, own: Unmarked | None) -> str:
    """What the reader's mark changes, and whether it lies where the model looks itself; "" where it is not known.

    The difference is that of the numbers as printed.

    Args:
        prediction: The answer with the mark.
        own: The one without it.
    """
    if own is None or prediction.lesion_box_source != "reader":
        return ""
    before, now = percent(own.probability), percent(prediction.probability)
    moved = f"leaves it at {now}" if before == now else f"moves it from {before} to {now}"
    called = prediction.predicted_class
    turned = "" if own.predicted_class == called else f", and the call from {own.predicted_class} to {called}"
    share = percent(own.overlap)
    where = (
        f"It lies elsewhere than the region the model finds itself (overlap {share}): check that it is on the lesion."
        if own.overlap < MISSED
        else f"It overlaps the region the model finds itself by {share}."
    )
    return f"Your mark {moved}{turned}. {where}"


def looked_at(first: FirstAnswer | None, roi: Box | None) -> tuple[Box, int] | None:
    """The region that the model found, and on which image; None without an answer, or where the reader marked one.

    Args:
        first: The answer on the page.
        roi: The region that the reader marked.
    """
    said = None if first is None else first.prediction
    if roi is not None or said is None or said.lesion_box_source != "model" or said.lesion_box is None:
        return None
    return said.lesion_box, said.image_index or 0
