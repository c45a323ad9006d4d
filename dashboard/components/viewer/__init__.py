"""The image viewer: a Streamlit components-v2 component that blends image and maps in the browser.

Window and level, zoom, pan, opacity, threshold, colours and the choice of a map cost no run of the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dashboard.components.viewer.scene import Layer, Scene, pack
from mmxai_core.types import Box

__all__ = ["Layer", "Scene", "ViewerState", "pack", "viewer"]

_HERE = Path(__file__).resolve().parent
#: Plain scripts in the order they build on each other; together one module, so that no build step is needed.
_SCRIPTS = ("decode.js", "paint.js", "pane.js", "controls.js", "viewer.js", "gestures.js")


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
        region: Box the reader drew, image pixels; None where none is drawn.
    """

    layer: str | None
    region: Box | None


def viewer(packed: bytes, *, key: str) -> ViewerState:
    """Shows a packed scene.

    Args:
        packed: From `pack`; keep it, so that a rerun sends nothing.
        key: Identity of this viewer on the page.
    """
    state = _component(
        data=packed, key=key, on_layer_change=lambda: None, on_region_change=lambda: None,
    )  # fmt: skip
    region = state.get("region")
    box = None
    if isinstance(region, list) and len(region) == 4 and all(isinstance(v, (int, float)) for v in region):
        x0, y0, x1, y1 = (float(v) for v in region)
        box = (x0, y0, x1, y1)
    layer = state.get("layer")
    return ViewerState(layer if isinstance(layer, str) else None, box)
