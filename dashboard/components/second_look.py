"""Where the model looked a second time, for the image on the Case page: what the reader can correct."""

from __future__ import annotations

from mmxai_core.results import FirstAnswer
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
