"""Plain rules on the pixels: what is wrong with an image whatever a model was trained on. No forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmxai_core.explain.image_statistics import WHITE
from mmxai_core.explain.marks import cross_centres, stroke_map
from mmxai_core.results.input_check import InputFinding
from mmxai_core.study import StudyImage
from mmxai_core.types import Box, FloatMap

#: Shorter side, pixels: below the first there is nothing to read, below the second detail is missing.
MIN_SIDE, SMALL_SIDE = 64, 160
#: Above this display grey a pixel shows something; fewer than this share of them: almost black.
LIT_GREY, MIN_LIT = 20 / 255, 0.05
MIN_SD = 0.02
#: Share of white pixels from which an image is saturated. Of 430 real ultrasound images none reached it.
MAX_WHITE = 0.1
#: A pixel is coloured when its channels differ by this much; share of such pixels: a colour picture, or an overlay.
CHROMA, COLOUR_PICTURE, COLOUR_OVERLAY = 0.12, 0.3, 0.005
#: Pixels of letter strokes over the lesion from which text is named.
MIN_STROKES = 15


def pixel_findings(image: StudyImage, *, planes: Sequence[str] = ()) -> tuple[InputFinding, ...]:
    """Too small, almost black, flat, saturated; coloured, or for a model of several planes: grey.

    Args:
        image: At its own size.
        planes: What the model's training pictures show as red, green and blue; empty: they were grey.
    """
    grey, (rows, cols) = image.grey, image.geometry.shape
    found: list[InputFinding] = []
    side = min(rows, cols)
    if side < SMALL_SIDE:
        severity, limit = ("stop", MIN_SIDE) if side < MIN_SIDE else ("caution", SMALL_SIDE)
        found.append(
            InputFinding(
                "too small", "stop" if severity == "stop" else "caution",
                f"The image is small: {cols} x {rows} pixels. Below {limit} pixels a side "
                + ("there is nothing to read." if severity == "stop" else "fine detail is missing."),
                float(side), float(limit),
            )
        )  # fmt: skip
    lit, sd, white = float((grey > LIT_GREY).mean()), float(grey.std()), float((grey >= WHITE).mean())
    if lit < MIN_LIT:
        words = (
            f"The image is almost black: {100 * lit:.1f} % of its pixels show anything (at least {100 * MIN_LIT:.0f} % "
            "should)."
        )
        found.append(InputFinding("almost black", "stop", words, lit, MIN_LIT))
    elif sd < MIN_SD:
        words = f"The image is flat: its grey varies by {sd:.3f} of full scale (at least {MIN_SD:g} is needed)."
        found.append(InputFinding("flat", "stop", words, sd, MIN_SD))
    if white > MAX_WHITE:
        words = f"The image is saturated: {100 * white:.0f} % of its pixels are white, where no detail is left."
        found.append(InputFinding("saturated", "caution", words, white, MAX_WHITE))
    coloured = float((np.ptp(image.pixels, axis=2) > CHROMA).mean()) if image.pixels.ndim == 3 else 0.0
    if planes:
        if coloured <= COLOUR_OVERLAY:
            shown = ", ".join(f"{c} {p}" for c, p in zip(("red", "green", "blue"), planes, strict=False))
            words = (
                f"This picture is grey. The model was trained on colour pictures of several planes ({shown}); a single "
                "one looks different to it."
            )
            found.append(InputFinding("one plane", "caution", words, coloured, COLOUR_OVERLAY))
    elif image.pixels.ndim == 3:
        if coloured > COLOUR_PICTURE:
            words = (
                f"This is a colour picture: {100 * coloured:.0f} % of its pixels are coloured. The model reads grey "
                "images."
            )
            found.append(InputFinding("colour", "stop", words, coloured, COLOUR_PICTURE))
        elif coloured > COLOUR_OVERLAY:
            words = (
                f"Colour lies over the image ({100 * coloured:.1f} % of its pixels): Doppler or marks, read as grey."
            )
            found.append(InputFinding("colour", "caution", words, coloured, COLOUR_OVERLAY))
    return tuple(found)


def mark_findings(canvas: FloatMap, box: Box) -> tuple[InputFinding, ...]:
    """Callipers and text inside the square that the second glance looks at.

    On 80 BUS-BRA and 80 BrEaST images: callipers found in 71 % of the former, which carry them, in none of the latter,
    which carry none.

    Args:
        canvas: (S, S) display grey, letterboxed.
        box: The square on the canvas, pixels.
    """
    x0, y0 = (max(0, round(v)) for v in box[:2])
    x1, y1 = (min(canvas.shape[0], round(v)) for v in box[2:])
    # four pixels around, so that the box's own edge makes no stroke
    top, left = max(0, y0 - 4), max(0, x0 - 4)
    part = canvas[top : y1 + 4, left : x1 + 4]
    if min(part.shape) < 12:
        return ()
    centres = cross_centres(part) + np.array([top, left])
    inside = (centres[:, 0] >= y0) & (centres[:, 0] < y1) & (centres[:, 1] >= x0) & (centres[:, 1] < x1)
    strokes = stroke_map(part)[y0 - top : y1 - top, x0 - left : x1 - left]
    callipers, letters = int(inside.sum()), int(strokes.sum())
    seen = []
    if callipers:
        seen.append("1 calliper mark" if callipers == 1 else f"{callipers} calliper marks")
    if letters >= MIN_STROKES:
        seen.append("text")
    if not seen:
        return ()
    words = f"Burned in over the lesion: {' and '.join(seen)}, which the model may read instead of tissue."
    return (InputFinding("marks over the lesion", "caution", words, float(callipers), 0.0),)
