"""A scene as the browser reads it: heads and maps at once and small, pixels later, tile by tile.

Layout: "MXV2", uint32 length of the head, the head as deflated JSON, then the maps it points to, coded as tiles are.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import Counter

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image

from dashboard.components.viewer.scene import Brush, Layer, Scene
from dashboard.pixel_route import PixelSource
from dashboard.tiles import encode
from mmxai_core.figures.colour import AWAY, COLOUR_MAPS, TOWARD, lookup_table
from mmxai_core.types import DisplayImage, FloatMap

#: Longest side a map is sent at, pixels: the network's own grid is coarser.
MAP_SIDE = 128
#: The same for a map of blocks or regions, which is only read, never drawn.
BLOCK_SIDE = 64


class _Blocks:
    """The bytes behind the head."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def grid(self, steps: NDArray[np.uint16]) -> dict[str, object]:
        """Add (h, w) steps; what the head says of them."""
        coded = encode(steps[:, :, None])
        at = (len(self.bytes), len(coded))
        self.bytes += coded
        return {"at": at, "size": (steps.shape[1], steps.shape[0])}

    def map(self, values: FloatMap) -> dict[str, object]:
        """Add a map as 65535 steps between its ends."""
        low, high = float(values.min()), float(values.max())
        steps = np.rint((values - low) / max(high - low, 1e-30) * 65535).astype(np.uint16)
        return {**self.grid(steps), "low": low, "high": high}


def pack(scene: Scene) -> PixelSource:
    """The scene, ready to be served. Encodes the maps; pixels are encoded when the browser asks for them.

    Args:
        scene: What to show.

    Returns:
        A source to keep in the reader's session: the browser can read it as long as it is kept.
    """
    blocks = _Blocks()
    pictures = scene.pictures
    rasters = tuple(p.raster() for p in pictures)
    keys = [_picture_key(p.pixels) for p in pictures]
    head: dict[str, object] = {
        "pictures": [
            p.head(r) | {"key": key, "of": of}
            for p, r, key, of in zip(pictures, rasters, keys, _shown(scene, keys), strict=True)
        ],
        "start": scene.start, "layerPicture": scene.start, "modality": scene.modality or "",
        "panes": [f"image:{i}" for i in scene.side_by_side],
        "colourMaps": {name: base64.b64encode(lookup_table(name).tobytes()).decode() for name in COLOUR_MAPS},
        "signedColours": [[round(255 * c) for c in to_rgb(colour)] for colour in (TOWARD, AWAY)],
        "layers": [_layer(layer, blocks) for layer in scene.layers],
        "brush": _brush(scene.brush, blocks) if scene.brush else None,
        "box": scene.box, "boxLabel": scene.box_label, "maxHeight": scene.height, "regionTool": scene.region_tool,
        "follows": scene.follows,
    }  # fmt: skip
    digest = hashlib.sha256(bytes(blocks.bytes) + json.dumps(head, sort_keys=True).encode())
    text = json.dumps(head | {"id": digest.hexdigest()[:16]}, ensure_ascii=False).encode()
    coded = zlib.compress(text, 6)
    return PixelSource(b"MXV2" + len(coded).to_bytes(4, "little") + coded + bytes(blocks.bytes), rasters)


def _picture_key(pixels: DisplayImage) -> str:
    """Tells pictures of a session apart by a few of their rows, which costs nothing for a long series.

    The browser keeps the pixels it has where a later scene shows the same picture with more maps.
    """
    rows = np.ascontiguousarray(pixels[:: max(1, len(pixels) // 8)])
    return _hash(repr(pixels.shape).encode() + rows.data)


def _hash(of: bytes) -> str:
    return hashlib.sha256(of).hexdigest()[:16]


def _shown(scene: Scene, keys: list[str]) -> list[str]:
    """Which picture of whose each one is. Those that look the same, as blank slices do, are kept apart."""
    sources = [
        key if p.source is None or p.source is p.pixels else _picture_key(p.source)
        for p, key in zip(scene.pictures, keys, strict=True)
    ]
    whose, count = _hash(scene.owner.encode()), Counter(sources)
    return [f"{whose} {key}" if count[key] == 1 else f"{whose} {key} {i}" for i, key in enumerate(sources)]


def _layer(layer: Layer, blocks: _Blocks) -> dict[str, object]:
    return {
        "id": layer.id, "label": layer.label, "group": layer.group, "map": blocks.map(reduce_map(layer.values)),
        "floor": layer.floor, "reference": layer.reference, "unit": layer.unit, "semantics": layer.semantics,
        "signed": layer.signed, "field": layer.field,
    }  # fmt: skip


def _brush(brush: Brush, blocks: _Blocks) -> dict[str, object]:
    regions = None if brush.labels is None else blocks.grid((thin_map(brush.labels) + 1).astype(np.uint16))
    return {
        "target": brush.target, "regions": brush.regions, "regionMap": regions,
        "interactions": [] if brush.interactions is None else np.round(brush.interactions, 6).tolist(),
        "fields": [
            {
                "id": name, "label": label, "contribution": value,
                "effectMap": blocks.map(thin_map(brush.effects[name])) if name in brush.effects else None,
            }
            for name, label, value in brush.fields
        ],
    }  # fmt: skip


def reduce_map(values: FloatMap, side: int = MAP_SIDE) -> NDArray[np.float32]:
    """A map on fewer pixels, each the mean of those it covers; unchanged where it is small already."""
    h, w = values.shape
    scale = side / max(h, w)
    if scale >= 1:
        return np.ascontiguousarray(values, np.float32)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    return np.asarray(Image.fromarray(np.asarray(values, np.float32)).resize(size, Image.Resampling.BOX))


def thin_map(values: NDArray[np.generic], side: int = BLOCK_SIDE) -> NDArray[np.generic]:
    """A map of blocks on fewer pixels, each the value at its middle, so that edges stay edges."""
    h, w = values.shape
    scale = min(1.0, side / max(h, w))
    rows, columns = max(1, round(h * scale)), max(1, round(w * scale))
    r = ((np.arange(rows) + 0.5) * h / rows).astype(int)
    c = ((np.arange(columns) + 0.5) * w / columns).astype(int)
    return values[np.ix_(r, c)]
