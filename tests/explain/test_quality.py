from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.explain.marks import cross_centres, stroke_map
from mmxai_core.explain.quality import mark_findings, pixel_findings
from mmxai_core.study import PixelGeometry, StudyImage
from mmxai_core.types import FloatMap


def image(pixels: FloatMap) -> StudyImage:
    return StudyImage(pixels.astype(np.float32), PixelGeometry((pixels.shape[0], pixels.shape[1])))


def speckle(shape: tuple[int, int] = (300, 400), seed: int = 0) -> FloatMap:
    rng = np.random.default_rng(seed)
    return np.clip(rng.rayleigh(0.15, shape), 0, 0.9).astype(np.float32)


def rules(pixels: FloatMap) -> dict[str, str]:
    return {f.rule: f.severity for f in pixel_findings(image(pixels))}


def test_a_usual_image_has_no_finding() -> None:
    assert rules(speckle()) == {}


def test_each_rule_and_its_words() -> None:
    white = speckle()
    white[:60] = 1.0
    colour = np.repeat(speckle()[..., None], 3, 2)
    overlay = colour.copy()
    overlay[:30, :30, 0] = 1.0
    colour[..., 2] *= 0.2
    assert rules(speckle((50, 200))) == {"too small": "stop"}
    assert rules(speckle((120, 200))) == {"too small": "caution"}
    assert rules(np.zeros((300, 400))) == {"almost black": "stop"}
    assert rules(np.full((300, 400), 0.4)) == {"flat": "stop"}
    assert rules(white) == {"saturated": "caution"}
    assert rules(colour) == {"colour": "stop"} and rules(overlay) == {"colour": "caution"}
    (found,) = pixel_findings(image(white))
    assert found.value is not None and found.value > 0.1 and "20 % of its pixels are white" in found.sentence


def with_cross(canvas: FloatMap, y: int, x: int, arm: int = 4) -> FloatMap:
    out = canvas.copy()
    out[y, x - arm : x + arm + 1] = 0.8
    out[y - arm : y + arm + 1, x] = 0.8
    return out


def test_callipers_are_found_where_they_are() -> None:
    smooth = speckle() * 0.5
    found = cross_centres(with_cross(with_cross(smooth, 100, 120), 200, 260))
    assert sorted(map(tuple, found.tolist())) == [(100, 120), (200, 260)]
    assert len(cross_centres(smooth)) == 0


@pytest.mark.parametrize("at", [(100, 120), (100, 300)])
def test_only_marks_over_the_lesion_are_named(at: tuple[int, int]) -> None:
    canvas = np.zeros((448, 448), np.float32)
    canvas[74:374, :400] = speckle() * 0.5
    found = mark_findings(with_cross(canvas, *at), (80, 60, 180, 160))
    if at[1] == 120:
        assert "1 calliper mark, which" in found[0].sentence and found[0].severity == "caution"
    else:
        assert found == ()


def test_letters_are_strokes_and_layers_of_tissue_are_not() -> None:
    layers = np.full((100, 100), 0.2, np.float32)
    layers[40:43] = 0.9
    assert not stroke_map(layers).any()
    letters = np.full((100, 100), 0.2, np.float32)
    letters[40:50, 20:80:8] = 0.9
    assert stroke_map(letters).sum() == 80
    assert "text" in mark_findings(letters, (10, 10, 90, 90))[0].sentence


def test_a_model_of_several_planes_wants_them_in_colour() -> None:
    rng = np.random.default_rng(0)
    coloured = rng.uniform(0, 0.9, (200, 200, 3))
    grey = np.repeat(coloured[..., :1], 3, axis=2)
    planes = ("pre", "flair", "post")
    assert [f.rule for f in pixel_findings(image(coloured))] == ["colour"]
    assert pixel_findings(image(coloured), planes=planes) == ()
    for plain in (grey, grey[..., 0]):
        (found,) = pixel_findings(image(plain), planes=planes)
        assert (found.rule, found.severity) == ("one plane", "caution")
        assert "red pre, green flair, blue post" in found.sentence
