"""What the viewer draws, packed into one run of bytes: the image once, each map small, on its own grid.

Streamlit sends plain bytes to a component as they are, and sends equal bytes only once, so a rerun costs about 1 KB.

Layout: "MXV1", uint32 length of the header, the header as UTF-8 JSON, then the blocks it points to (little-endian).
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmxai_core.figures.colour import COLOUR_MAPS, lookup_table
from mmxai_core.types import Box, DisplayImage, FloatMap

#: Longest side a map is sent at, pixels: the network's own grid is coarser.
MAP_SIDE = 128
#: Longest side an image is sent at, pixels; a larger one is reduced, and the viewer says so.
IMAGE_SIDE = 2048


@dataclass(frozen=True, eq=False)
class Layer:
    """A map the viewer can lay over the image.

    Attributes:
        id: Stable name.
        label: What the button shows.
        group: Heading the button stands under.
        values: (H, W) float32 on the image's pixels, raw.
        floor: Value that no colour stands for.
        reference: Value that full colour stands for; absolute.
        unit: What the numbers are.
        semantics: One or two sentences shown with the picture.
    """

    id: str
    label: str
    group: str
    values: FloatMap
    floor: float
    reference: float
    unit: str
    semantics: str


@dataclass(frozen=True, eq=False)
class Scene:
    """One image and its maps.

    Attributes:
        pixels: (H, W) or (H, W, 3) float32 in [0, 1].
        spacing_mm: (row, column) spacing, or None.
        layers: Maps; none gives a plain viewer of one pane.
        box: The region of the second look, image pixels, or None.
        box_label: What the box is.
        height: Largest height of a pane, CSS pixels.
        region_tool: True where the reader may draw the lesion's box.
        title: Heading of the original's pane.
    """

    pixels: DisplayImage
    spacing_mm: tuple[float, float] | None = None
    layers: tuple[Layer, ...] = ()
    box: Box | None = None
    box_label: str = ""
    height: int = 440
    region_tool: bool = False
    title: str = "Original"


def pack(scene: Scene) -> bytes:
    """The scene as bytes; equal scenes give equal bytes."""
    blocks = bytearray()

    def add(block: bytes) -> tuple[int, int]:
        blocks.extend(b"\0" * (-len(blocks) % 4))
        start = len(blocks)
        blocks.extend(block)
        return start, len(block)

    h, w = scene.pixels.shape[:2]
    picture, sent = _png(scene.pixels)
    header: dict[str, object] = {
        "image": {"at": add(picture), "width": w, "height": h, "sent": sent, "spacing": scene.spacing_mm},
        "colourMaps": {name: add(lookup_table(name).tobytes()) for name in COLOUR_MAPS},
        "layers": [_layer(layer, add) for layer in scene.layers],
        "box": scene.box,
        "boxLabel": scene.box_label,
        "height": scene.height,
        "regionTool": scene.region_tool,
        "title": scene.title,
    }
    digest = hashlib.sha256(bytes(blocks) + json.dumps(header, sort_keys=True).encode()).hexdigest()
    head = json.dumps(header | {"id": digest[:16]}, ensure_ascii=False).encode()
    head += b" " * (-len(head) % 4)
    return b"MXV1" + len(head).to_bytes(4, "little") + head + bytes(blocks)


def _png(pixels: DisplayImage) -> tuple[bytes, tuple[int, int]]:
    picture = Image.fromarray(np.round(pixels * 255).astype(np.uint8))
    if max(picture.size) > IMAGE_SIDE:
        scale = IMAGE_SIDE / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX)
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=4)
    return out.getvalue(), picture.size


def _layer(layer: Layer, add: object) -> dict[str, object]:
    small = reduce_map(layer.values)
    top = float(max(small.max(), layer.reference, 1e-12))
    steps = np.clip(np.round(small / top * 65535), 0, 65535).astype("<u2")
    return {
        "id": layer.id, "label": layer.label, "group": layer.group, "at": add(steps.tobytes()),  # type: ignore[operator]
        "width": small.shape[1], "height": small.shape[0], "top": top, "floor": layer.floor,
        "reference": layer.reference, "unit": layer.unit, "semantics": layer.semantics,
    }  # fmt: skip


def reduce_map(values: FloatMap, side: int = MAP_SIDE) -> NDArray[np.float32]:
    """A map on fewer pixels, each the mean of those it covers; unchanged where it is small already."""
    h, w = values.shape
    scale = side / max(h, w)
    if scale >= 1:
        return np.ascontiguousarray(values, np.float32)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    return np.asarray(Image.fromarray(np.asarray(values, np.float32)).resize(size, Image.Resampling.BOX))
