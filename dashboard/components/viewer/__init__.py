"""The image viewer: a Streamlit components-v2 component, without a framework or a build step.

Window and level, zoom, pan, scroll, measurements, opacity, threshold, colours, panes and the fields of a place cost no
run of the server; a chosen map and a marked lesion are reported to it. README.md beside this file says how it works.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.components.viewer.packing import pack
from dashboard.components.viewer.scene import Brush, Layer, Picture, Scene
from dashboard.pixel_route import PATH, PixelSource
from mmxai_core.types import Box

__all__ = ["Brush", "Layer", "Picture", "Scene", "ViewerState", "pack", "viewer"]

_HERE = Path(__file__).resolve().parent
#: Plain scripts in the order they build on each other; together one module, so that no build step is needed.
_SCRIPTS = (
    "decode.js", "picture.js", "paint.js", "gl.js", "pane.js", "marks.js", "commands.js", "panel.js", "gestures.js",
    "seen.js", "viewer.js", "mount.js",
)  # fmt: skip


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "mmxai_viewer", html=_read("viewer.html"), css=_read("viewer.css"), js="\n".join(map(_read, _SCRIPTS))
)


@dataclass(frozen=True)
class ViewerState:
    """What the reader did in the viewer.

    Attributes:
        layer: Id of the chosen map; None before a choice: the first.
        region: Box round the lesion the reader marked, image pixels; None where none is marked.
        picture: Index of the slice it was marked on.
        outline: The line the reader drew round it, (x, y) image pixels; None for a box.
        cleared: True where the reader took the mark away.
    """

    layer: str | None
    region: Box | None
    picture: int = 0
    outline: tuple[tuple[float, float], ...] | None = None
    cleared: bool = False


def viewer(
    packed: PixelSource, *, key: str, layer: str | None = None, region: tuple[Box, int] | None = None,
    picture: int | None = None, look: tuple[Box, int] | None = None,
) -> ViewerState:  # fmt: skip
    """Shows a packed scene.

    Args:
        packed: From `pack`; keep it in the session, or the browser cannot read it.
        key: Identity of this viewer on the page.
        layer: A map to show; taken up whenever it changes.
        region: A lesion marked earlier and the index of its slice, to be shown where the reader has marked none.
        picture: A slice to go to; taken up whenever it changes.
        look: Where the model looked a second time and the index of its slice; dashed, while the reader has marked
            nothing. A scene that states its own box needs none.
    """
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    address = f"{'/' + base if base else ''}/{PATH}/{packed.token}"
    state = _component(
        data={
            "scene": address, "layer": layer, "region": [*region[0], region[1]] if region else None, "picture": picture,
            "look": [*look[0], look[1]] if look else None,
        },
        key=key, on_layer_change=lambda: None, on_region_change=lambda: None,
    )  # fmt: skip
    return _state(state.get("layer"), state.get("region"))


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """What the browser sent, if it is that many finite numbers."""
    if not isinstance(value, list) or len(value) != count:
        return None
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in value):
        return None
    return tuple(float(v) for v in value)


def _state(layer: Any, region: Any) -> ViewerState:
    chosen = layer if isinstance(layer, str) else None
    if not isinstance(region, dict) or (box := _numbers(region.get("box"), 4)) is None:
        return ViewerState(chosen, None, cleared=isinstance(region, dict) and region.get("cleared") is True)
    x0, y0, x1, y1 = box
    picture = region.get("picture")
    points = region.get("outline")
    line = [_numbers(p, 2) for p in points] if isinstance(points, list) else []
    outline = tuple((p[0], p[1]) for p in line if p is not None)
    return ViewerState(
        chosen, (x0, y0, x1, y1), picture if isinstance(picture, int) and picture >= 0 else 0,
        outline if outline and len(outline) == len(line) else None,
    )  # fmt: skip
