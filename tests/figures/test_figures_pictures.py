from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_results import FIELDS, LABELS, attribution, blob, cross_modal, explanation, grey

from mmxai_core.figures.colour import COLOUR_MAPS, lookup_table, opacity_of, scale_map
from mmxai_core.figures.cross_modal import cross_modal_png, image_to_clinical_figure, image_to_clinical_share
from mmxai_core.figures.overlay import blend, overlay_png
from mmxai_core.figures.pictures import explanation_pictures
from mmxai_core.figures.waterfall_png import waterfall_png

ROOT = Path(__file__).resolve().parents[2]


def opened(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    picture.load()
    return picture


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colour_maps_rise_in_lightness(name) -> None:
    luma = lookup_table(name) @ np.array([0.299, 0.587, 0.114])
    assert np.all(np.diff(luma) > -0.7) and luma[-1] - luma[0] > 120


def test_no_evidence_leaves_the_image_untouched_and_weak_evidence_stays_weak() -> None:
    image = grey()
    untouched = np.repeat(np.round(image * 255).astype(np.uint8)[..., None], 3, axis=2)
    nothing = blend(image, np.zeros_like(image), reference=1.0, opacity=1.0)
    assert np.array_equal(nothing, untouched)
    weak, strong = (
        np.abs(blend(image, blob(image.shape, p), reference=1.0, opacity=0.7).astype(int) - untouched).mean()
        for p in (0.02, 0.9)
    )
    assert 0 < weak < strong / 2


def test_the_scale_is_absolute() -> None:
    values = np.array([[0.0, 0.5, 1.0, 4.0]], np.float32)
    assert np.allclose(scale_map(values, reference=2.0), [[0, 0.25, 0.5, 1.0]])
    assert np.allclose(scale_map(values, reference=4.0, floor=1.0), [[0, 0, 0, 1.0]])
    assert np.allclose(
        opacity_of(np.array([[0.1, 0.25, 1.0]], np.float32), opacity=0.8, threshold=0.2), [[0, 0.4, 0.8]]
    )
    with pytest.raises(ValueError, match="above the floor"):
        scale_map(values, reference=1.0, floor=1.0)


def test_overlay_png_carries_the_notice_and_the_provenance() -> None:
    image = grey()
    png = overlay_png(
        image, blob(image.shape, 0.8), reference=1.0, box=(40, 10, 70, 40), title="Grad-CAM++", unit="evidence",
        semantics="Where evidence was found.", provenance="breast-us abab",
    )  # fmt: skip
    picture = opened(png)
    assert picture.size[0] > 1000
    assert picture.text["Description"] == "Research use only, not for diagnosis   |   breast-us abab"
    foot = np.asarray(picture.convert("RGB")).astype(int)[-60:]
    assert ((foot[..., 0] > 200) & (foot[..., 2] < 160)).sum() > 100  # the banner's own colour is printed


def test_overlay_refuses_a_map_on_other_pixels() -> None:
    with pytest.raises(ValueError, match="must lie on the image's"):
        overlay_png(grey((60, 90)), blob((30, 30), 1.0), reference=1.0)


def test_waterfall_png_is_drawn_the_same_in_parallel() -> None:
    alone = [
        np.asarray(opened(waterfall_png(attribution(space=s), LABELS, target="malignant")))
        for s in ("log_odds", "probability")
    ]
    drawn: dict[int, np.ndarray] = {}

    def draw(i: int) -> None:
        space = ("log_odds", "probability")[i % 2]
        drawn[i] = np.asarray(opened(waterfall_png(attribution(space=space), LABELS, target="malignant")))

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(np.array_equal(drawn[i], alone[i % 2]) for i in range(4))
    assert not np.array_equal(alone[0], alone[1])


def test_waterfall_png_is_withheld_when_it_does_not_add_up() -> None:
    with pytest.raises(ValueError, match="withheld"):
        waterfall_png(attribution(residual=2e-4), LABELS, target="malignant")


def test_cross_modal_pictures_and_shares() -> None:
    maps = cross_modal()
    assert image_to_clinical_share(maps) == pytest.approx({"age": 0.3, "palpable": 0.05, "margin": 0.2})
    figure = image_to_clinical_figure(maps, LABELS, highlight="age")
    assert list(figure.layout.yaxis.ticktext) == ["Age  30.0 %", "Margin  20.0 %", "Palpable lump  5.0 %"]
    assert list(figure.data[0].x) == pytest.approx([0.3, 0.2, 0.05])
    assert list(figure.data[0].marker.line.width) == [2, 0, 0]
    assert opened(cross_modal_png(grey(), maps, LABELS)).size[0] > 300 * len(FIELDS)


def test_figures_need_no_torch() -> None:
    code = (
        "import sys, mmxai_core.figures.overlay, mmxai_core.figures.waterfall, mmxai_core.figures.waterfall_png,"
        "mmxai_core.figures.cross_modal;"
        "print([m for m in ('torch', 'matplotlib.pyplot', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_every_picture_of_an_explanation_by_name() -> None:
    assert set(explanation_pictures(explanation(), grey=grey(), labels=LABELS)) == {
        "overlay.png", "rollout.png", "cross_modal.png", "waterfall.png", "waterfall_probability.png",
    }  # fmt: skip
    withheld = explanation_pictures(explanation(residual=1.0, image=False), grey=None, labels={})
    assert set(withheld) == {"waterfall_probability.png"}
