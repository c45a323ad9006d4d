"""A page that holds one viewer and says what it returned: for tests that drive the viewer in a browser.

streamlit run tests/viewer_app.py, then /?scene=NAME
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import streamlit as st

for _folder in (Path(__file__).resolve().parent, Path(__file__).resolve().parents[1]):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))


def mammogram(side: int = 2048, seed: int = 0) -> np.ndarray:
    """(side, side) uint16: a half-ellipse of tissue with detector noise, dark outside, and a bright spot."""
    y, x = np.mgrid[:side, :side] / side
    tissue = np.clip(1.2 - ((x / 0.8) ** 2 + ((y - 0.5) / 0.48) ** 2), 0, 1) ** 0.4
    rng = np.random.default_rng(seed)
    texture = np.kron(rng.normal(0, 1, (side // 16, side // 16)), np.ones((16, 16)))
    signal = 2000 + 30000 * tissue + 900 * texture * tissue
    signal += 15000 * np.exp(-(((x - 0.35) / 0.03) ** 2 + ((y - 0.55) / 0.04) ** 2))
    noise = rng.normal(0, 1, signal.shape) * (4 + np.sqrt(signal) * 0.35)  # quantum noise grows as the root
    return np.clip(signal + noise, 0, 65535).astype(np.uint16)


def page() -> None:
    """The page."""
    from synthetic_results import LABELS, blob, explanation, grey

    from dashboard.components.evidence import scene as evidence_scene
    from dashboard.components.viewer import Picture, Scene, pack, viewer
    from mmxai_core.study import GreyLevels, PixelGeometry, StudyImage

    def steps(name: str) -> Scene:
        if name == "ramp":  # value = 10 x column + row, spacing 0.5 x 0.25 mm
            stored = (10 * np.arange(200)[None, :] + np.arange(120)[:, None]).astype(np.uint16)
            levels = GreyLevels(stored, 1.0, -1000.0, "HU", padding=(0, 0))
            return Scene(
                (stored / 2200).astype(np.float32), (0.5, 0.25), title="Ramp", region_tool=True, levels=levels,
                value_range=(-1000.0, 1200.0), modality="CT",
            )  # fmt: skip
        if name == "plain":  # no spacing, colour
            return Scene(np.dstack([grey((90, 120), s) for s in range(3)]), region_tool=True)
        if name == "large":
            stored = mammogram()
            shape = stored.shape
            found = replace(explanation(shape=shape), prediction=replace(explanation().prediction, lesion_box=None))
            image = StudyImage(
                (stored / 65535).astype(np.float32), PixelGeometry(shape, (0.07, 0.07), "test"),
                value_range=(0.0, 65535.0), levels=GreyLevels(stored),
            )  # fmt: skip
            return evidence_scene(image, found, LABELS, height=440)
        if name == "series":
            rng = np.random.default_rng(1)
            y, x = np.mgrid[:512, :512]
            slices = []
            for i in range(300):
                body = np.where(((x - 256) / 220) ** 2 + ((y - 256) / 160) ** 2 < 1, 1064.0, 24.0)
                body[(x - 100 - i) ** 2 + (y - 256) ** 2 < 900] = 1300
                stored = np.clip(body + rng.normal(0, 12, body.shape), 0, 4095).astype(np.uint16)
                shown = np.clip((stored - 864.0) / 400, 0, 1).astype(np.float32)
                levels = GreyLevels(stored, 1.0, -1024.0, "HU")
                slices.append(Picture(shown, (0.8, 0.8), f"Slice {i + 1}", levels, (-160.0, 240.0)))
            return Scene(slices[0].pixels, (0.8, 0.8), region_tool=True, modality="CT", slices=tuple(slices), start=150)
        if name == "views":
            pictures = tuple(
                Picture(grey((150, 100), s) * (1 + s) / 4, (0.1, 0.1), title)
                for s, title in enumerate(("R CC", "L CC", "R MLO", "L MLO"))
            )
            return Scene(pictures[0].pixels, (0.1, 0.1), slices=pictures, side_by_side=(0, 1, 2, 3))
        if name.startswith("read"):  # a slice of three; the evidence in it; a study's readings; two methods
            cuts = tuple(
                Picture(grey((60, 90), s), (0.1, 0.1), f"Slice {s + 1}", value_range=(0.0, 200.0)) for s in range(3)
            )
            shown = StudyImage(cuts[1].pixels, PixelGeometry((60, 90), (0.1, 0.1), "test"))
            if name == "read-explained":  # its values are told otherwise, and fall
                return evidence_scene(replace(shown, value_range=(1000.0, 0.0)), explanation(), LABELS, height=400)
            if name == "read-twin":
                return Scene(cuts[2].pixels, (0.1, 0.1), region_tool=True, owner="read-study-1")
            if name.startswith("read-study"):
                return Scene(cuts[1].pixels, (0.1, 0.1), region_tool=True, owner=name)
            if name.startswith("read-method"):
                method = replace(evidence_scene(shown, explanation(), LABELS, height=300), brush=None)
                return replace(method, layers=method.layers[:1] if name.endswith("a") else method.layers[1:2])
            return Scene(cuts[1].pixels, (0.1, 0.1), region_tool=True, slices=cuts, start=1, follows=True)
        found = explanation()
        image = StudyImage(grey(), PixelGeometry((60, 90), (0.1, 0.1), "test"))
        made = evidence_scene(image, found, LABELS, height=400)
        signed = [
            replace(
                layer, id=f"difference:{layer.field}", values=blob((60, 90), 1.0) - blob((60, 90), 1.0, (0.7, 0.2)),
                floor=0.0, reference=1.0, unit="log-odds", signed=True,
            ) for layer in made.layers if layer.field
        ]  # fmt: skip
        return replace(made, layers=(*made.layers, *signed))

    st.set_page_config(layout="wide")
    name = st.query_params.get("scene", "evidence")
    if name.startswith("read"):  # from page to page without a reload, as the dashboard goes
        names = ["read", "read-explained", "read-methods", "read-study-1", "read-study-2", "read-twin"]
        name = str(st.segmented_control("Scene", names, default=name))
    if name == "read-methods":
        for side, place in zip("ab", st.columns(2), strict=True):
            if f"packed-{side}" not in st.session_state:
                st.session_state[f"packed-{side}"] = pack(steps(f"read-method-{side}"))
            with place:
                viewer(st.session_state[f"packed-{side}"], key=f"method-{side}")
        return
    if st.session_state.get("name") != name:
        st.session_state["packed"], st.session_state["name"] = pack(steps(name)), name
    wanted = st.selectbox("Layer", [None, "field:age", "field:palpable"])
    look = ((40.0, 30.0, 120.0, 90.0), 0) if st.session_state.get("look") else None
    key = "viewer-study" if name in ("read-study-1", "read-twin") else f"viewer-{name}"  # one viewer goes on
    state = viewer(st.session_state["packed"], key=key, layer=wanted, look=look)
    if st.button("Close the case"):
        st.session_state.clear()
    st.checkbox("Second look", key="look")  # below the viewer, which it must not move
    st.code(json.dumps(asdict(state)))


if __name__ == "__main__":
    page()
else:
    from dashboard.pixel_route import routes

    app = st.App(__file__, routes=routes())
