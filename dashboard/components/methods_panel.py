"""The menu of saliency methods: what to compute for one side of the comparison, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboard.components.viewer import Layer, Scene
from mmxai_core.explain.cam_library import LAYERS
from mmxai_core.explain.cam_library import Layer as NetworkLayer
from mmxai_core.explain.menu import MENU, Method
from mmxai_core.results import SaliencyMap
from mmxai_core.study import StudyImage

#: Above this many forward passes a map is computed only when the reader presses the button.
CHEAP = 20
_SHORT: dict[NetworkLayer, str] = {"neck": "Last", "stride_16": "Stage 1/16", "stride_8": "Stage 1/8"}


@dataclass(frozen=True)
class MethodChoice:
    """One map to compute.

    Attributes:
        method: A key of the menu.
        target_class: The class explained.
        layer: The layer read.
    """

    method: Method
    target_class: str
    layer: NetworkLayer

    @property
    def name(self) -> str:
        """Under which the map is kept."""
        return f"map:{self.method}:{self.target_class if MENU[self.method].by_class else 'any'}:{self.layer}"

    @property
    def cheap(self) -> bool:
        """True where it is computed at once."""
        return MENU[self.method].passes <= CHEAP


def method_choice(side: str, *, classes: tuple[str, ...], called: str, default: Method) -> MethodChoice:
    """Method, class and layer of one side, in one row.

    Args:
        side: "A" or "B".
        classes: The bundle's classes.
        called: The class the model calls: the default.
        default: The method to start from.
    """
    methods = list(MENU)
    one, two, three = st.columns([4, 3, 4], gap="small")
    with one:
        method = st.selectbox(
            f"Method {side}", methods, index=methods.index(default), format_func=lambda m: MENU[m].name,
            key=f"method-{side}", persist_state="session",
        )  # fmt: skip
    entry = MENU[method]
    with two:
        target = st.selectbox(
            "Class", list(classes), index=classes.index(called), format_func=lambda c: c.replace("_", " "),
            key=f"method-class-{side}", disabled=not entry.by_class, persist_state="session",
            help=None if entry.by_class else "This method does not depend on the class.",
        )  # fmt: skip
    with three:
        layer = st.selectbox(
            "Layer", list(entry.layers), format_func=_SHORT.__getitem__, key=f"method-layer-{side}-{len(entry.layers)}",
            disabled=len(entry.layers) == 1, persist_state="session",
            help="Deeper layers say more about the class, earlier ones more about place. "
            + "; ".join(f"{_SHORT[x]}: {LAYERS[x]}" for x in entry.layers),
        )  # fmt: skip
    return MethodChoice(method, target, layer)


def method_scene(
    image: StudyImage, found: SaliencyMap, *, height: int, as_grey: bool = False, owner: str = ""
) -> Scene:  # fmt: skip
    """The image with one map over it.

    Args:
        image: The image.
        found: The map.
        height: Pixels.
        as_grey: As for `evidence.scene`.
        owner: The case; see `Scene`.
    """
    label = found.method if found.target_class == "any class" else f"{found.method}, {found.target_class}"
    layer = Layer(
        "map", label.replace("_", " "), "Method", found.source, 0.0, found.reference, found.unit,
        f"{found.semantics} Read from the {found.layer}.",
    )  # fmt: skip
    pixels = image.grey if as_grey else image.pixels
    return Scene(
        pixels, image.geometry.spacing_mm, (layer,), height=height, levels=image.levels,
        value_range=image.value_range, follows=True, source=image.pixels, owner=owner,
    )  # fmt: skip
