"""Messages between the server and its reading child: a length, a JSON header, and the raw bytes it announces.

Nothing is ever unpickled: the child has handled untrusted bytes, so its answer is untrusted too.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import StudyReadError
from mmxai_core.io.limits import ReadLimits
from mmxai_core.study import GreyLevels, PixelGeometry, StudyImage
from mmxai_core.types import Json

_LENGTH = struct.Struct("<I")
_HEADER_LIMIT = 4 * 1024 * 1024


def send(stream: BinaryIO, header: Json) -> None:
    """Write one JSON header.

    Args:
        stream: A pipe.
        header: What json can write.
    """
    encoded = json.dumps(header).encode()
    stream.write(_LENGTH.pack(len(encoded)))
    stream.write(encoded)


def receive(stream: BinaryIO) -> Json:
    """Read one JSON header.

    Args:
        stream: A pipe.

    Returns:
        The header.

    Raises:
        EOFError: The other side closed the pipe, or what it wrote is no header.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > _HEADER_LIMIT:
        raise EOFError("header too long")
    try:
        return json.loads(_exactly(stream, length))
    except ValueError as error:
        raise EOFError("no header") from error


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError("pipe closed")
    return found


def image_header(image: StudyImage) -> dict[str, Any]:
    """Describe an image whose float32 pixels follow, and then its uint16 levels where it has any."""
    levels = image.levels
    return {
        "shape": image.pixels.shape,
        "spacing_mm": image.geometry.spacing_mm,
        "spacing_source": image.geometry.spacing_source,
        "label": image.label,
        "view": image.view,
        "laterality": image.laterality,
        "value_range": image.value_range,
        "display": image.display,
        "levels": None if levels is None else {
            "slope": levels.slope, "intercept": levels.intercept, "unit": levels.unit, "inverted": levels.inverted,
            "padding": levels.padding,
        },
    }  # fmt: skip


def send_image(stream: BinaryIO, image: StudyImage) -> None:
    """Write an image: its header, its pixels, its levels.

    Args:
        stream: A pipe.
        image: The image.
    """
    send(stream, {"image": image_header(image)})
    stream.write(np.ascontiguousarray(image.pixels).data)
    if image.levels is not None:
        stream.write(np.ascontiguousarray(image.levels.stored).data)


def receive_image(stream: BinaryIO, header: dict[str, Any], limits: ReadLimits) -> StudyImage:
    """Read the pixels a header announces.

    Args:
        stream: A pipe.
        header: From image_header.
        limits: Held here too, before the memory is asked for.

    Returns:
        The image, validated by its own constructor.

    Raises:
        EOFError: The pipe closed.
        StudyReadError: The header breaks a limit or is no header.
    """
    shape = tuple(int(n) for n in header["shape"])
    if len(shape) not in (2, 3) or min(shape) < 1 or shape[0] * shape[1] > limits.image_pixels:
        raise StudyReadError(f"The reader answered with an image of impossible shape {shape}.")
    pixels = np.empty(shape, dtype=np.float32)
    _fill(stream, pixels)
    levels = _receive_levels(stream, header.get("levels"), shape)
    spacing, ends = header["spacing_mm"], header["value_range"]
    return StudyImage(
        pixels=pixels,
        geometry=PixelGeometry(
            (shape[0], shape[1]), (spacing[0], spacing[1]) if spacing else None, header["spacing_source"]
        ),
        label=header["label"],
        view=header["view"],
        laterality=header["laterality"],
        value_range=(ends[0], ends[1]) if ends else None,
        display=tuple(header["display"]),
        levels=levels,
    )


def _fill(stream: BinaryIO, array: NDArray[Any]) -> None:
    view = array.data.cast("B")
    filled = 0
    while filled < len(view):
        count = stream.readinto(view[filled:])  # type: ignore[attr-defined]  # every buffered reader has it
        if not count:
            raise EOFError("pipe closed")
        filled += count


def _receive_levels(stream: BinaryIO, stated: dict[str, Any] | None, shape: tuple[int, ...]) -> GreyLevels | None:
    if stated is None:
        return None
    stored = np.empty(shape, dtype=np.uint16)
    _fill(stream, stored)
    padding = stated["padding"]
    return GreyLevels(
        stored, float(stated["slope"]), float(stated["intercept"]), str(stated["unit"])[:16], bool(stated["inverted"]),
        (int(padding[0]), int(padding[1])) if padding else None,
    )  # fmt: skip
