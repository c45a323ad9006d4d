from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_results import FIELDS, LABELS, attribution, blob, explanation, grey

from dashboard.components.evidence import brush, field_of, field_sentence, layer_of, layers, scene
from dashboard.components.study_scene import study_scene
from dashboard.components.viewer import _SCRIPTS, Layer, Scene, ViewerState, _state, pack
from dashboard.components.viewer.packing import reduce_map, thin_map
from dashboard.pixel_route import PixelSource
from dashboard.tiles import decode
from mmxai_core.results import EvidenceScale, JointAccount, SourceGrid, UnifiedMap
from mmxai_core.study import GreyLevels, PixelGeometry, Study, StudyImage


def unpack(source: PixelSource) -> tuple[dict, bytes]:
    data = source.scene
    assert data[:4] == b"MXV2"
    length = int.from_bytes(data[4:8], "little")
    return json.loads(zlib.decompress(data[8 : 8 + length])), data[8 + length :]


def grid(blocks: bytes, sent: dict) -> np.ndarray:
    start, length = sent["at"]
    w, h = sent["size"]
    return decode(blocks[start : start + length], (h, w, 1))[:, :, 0]


def layer(values: np.ndarray, *, reference: float = 1.0) -> Layer:
    return Layer("cam", "Grad-CAM++", "Model", values, 0.0, reference, "evidence", "Meaning.")


def test_an_8_bit_image_arrives_without_loss_and_as_8_bits() -> None:
    pixels = np.round(grey((40, 50)) * 255).astype(np.float32) / 255
    source = pack(Scene(pixels, (0.2, 0.1)))
    head, _ = unpack(source)
    (picture,) = head["pictures"]
    sent = decode(source.tile(0, 0, 0, 0), (40, 50, 1))[:, :, 0]
    assert np.array_equal(sent, np.round(pixels * 255).astype(np.uint16))
    assert (picture["width"], picture["height"], picture["spacing"]) == (50, 40, [0.2, 0.1])
    assert picture["window"] == [0.0, 255.0] and picture["slope"] == 1.0 and head["layers"] == []


def test_stored_values_arrive_whole_with_their_scale_and_the_stated_window() -> None:
    stored = np.arange(0, 60000, 100, dtype=np.uint16).reshape(20, 30)
    levels = GreyLevels(stored, 0.5, -1000.0, "HU", inverted=True, padding=(0, 0))
    source = pack(Scene(grey((20, 30)), levels=levels, value_range=(240.0, -160.0), modality="CT"))
    head, _ = unpack(source)
    (picture,) = head["pictures"]
    assert np.array_equal(decode(source.tile(0, 0, 0, 0), (20, 30, 1))[:, :, 0], stored)
    assert picture["window"] == [-160.0, 240.0] and picture["range"] == [-1000.0, 0.5 * 59900 - 1000]
    assert picture["inverted"] and picture["padding"] == [0, 0] and picture["unit"] == "HU"


def test_an_8_bit_display_that_was_inverted_gives_its_values_back() -> None:
    pixels = np.array([[0.0, 1.0]], np.float32)
    (picture,) = unpack(pack(Scene(pixels, value_range=(255.0, 0.0))))[0]["pictures"]
    assert [picture["slope"] * s + picture["intercept"] for s in (0, 255)] == [255.0, 0.0]
    assert picture["inverted"] and picture["window"] == [0.0, 255.0]


def test_colour_images_keep_their_colour() -> None:
    pixels = np.dstack([grey((20, 30), s) for s in range(3)])
    source = pack(Scene(pixels))
    sent = decode(source.tile(0, 0, 0, 0), (20, 30, 3))
    assert np.abs(sent / 65535 - pixels).max() < 1e-5


def test_a_map_arrives_in_its_own_unit_and_keeps_its_mean() -> None:
    values = blob((600, 900), 3.7)
    head, blocks = unpack(pack(Scene(grey((600, 900)), None, (layer(values, reference=2.0),))))
    (sent,) = head["layers"]
    low, high = sent["map"]["low"], sent["map"]["high"]
    back = low + grid(blocks, sent["map"]) / 65535 * (high - low)
    assert max(back.shape) == 128 and sent["reference"] == 2.0
    assert back.mean() == pytest.approx(values.mean(), rel=0.01)
    assert back.max() == pytest.approx(3.7, rel=0.02)


def test_equal_scenes_have_one_id_and_tokens_of_their_own() -> None:
    make = lambda peak: pack(Scene(grey(), None, (layer(blob((60, 90), peak)),)))  # noqa: E731
    first, second = make(0.5), make(0.5)
    assert unpack(first)[0]["id"] == unpack(second)[0]["id"] != unpack(make(0.6))[0]["id"]
    assert first.token != second.token and len(first.token) >= 43


def test_small_maps_are_left_alone_and_blocks_keep_their_edges() -> None:
    values = blob((20, 30), 1.0)
    assert np.array_equal(reduce_map(values), values)
    blocks = np.kron(np.arange(4).reshape(2, 2), np.ones((100, 100), int))
    assert set(np.unique(thin_map(blocks))) == {0, 1, 2, 3}


def test_layers_cover_every_map_of_an_explanation() -> None:
    found = layers(explanation(), LABELS)
    assert [x.id for x in found] == ["gradcam", "rollout", "lesion", *(f"field:{f}" for f in FIELDS)]
    assert all(x.semantics and x.unit and x.reference > x.floor for x in found)
    image = StudyImage(grey(), PixelGeometry((60, 90), (0.1, 0.1), "test"))
    head, _ = unpack(pack(scene(image, explanation(), LABELS, height=400)))
    assert len(head["layers"]) == 6 and head["box"] == [40.0, 10.0, 70.0, 40.0]
    assert [f["contribution"] for f in head["brush"]["fields"]] == [0.4, -0.7, 0.001]
    assert layers(explanation(image=False), LABELS) == ()


def test_a_measured_scale_and_an_audit_are_used_where_there_are_any() -> None:
    (cam, *_) = layers(replace(explanation(), evidence_scale=EvidenceScale(0.2, 2.0, 50)), LABELS)
    assert (cam.floor, cam.reference, cam.label) == (0.2, 2.0, "Grad-CAM++ for malignant")


def test_a_field_says_what_it_did_in_numbers() -> None:
    assert field_of("field:age") == "age" and field_of("gradcam") == field_of(None) == ""
    text = field_sentence(explanation(), "palpable", "Palpable lump: yes")
    assert text == (
        "Palpable lump: yes. It moves the prediction by -0.70 log-odds, away from malignant; "
        "it gets 5 % of the image's attention."
    )
    assert field_sentence(explanation(), "halo", "Halo") == ""


def test_sentence_and_list_of_fields_quote_the_account_that_is_on_screen() -> None:
    case, account = explanation(), attribution()
    regional = replace(account, values=account.values + 0.03)
    joint = JointAccount("lesion", (), None, None, regional, regional, None, None, 0, 7)
    case = replace(case, joint=joint)
    assert "-0.67 log-odds" in field_sentence(case, "palpable", "Lump"), "regions, as Account shows first"
    assert "-0.70 log-odds" in field_sentence(case, "palpable", "Lump", account=case.attribution)
    odds = replace(account, space="probability", values=account.values / 10)
    assert "by -7.0 points, away from" in field_sentence(case, "palpable", "Lump", account=odds)
    made = brush(case, LABELS)
    assert made is not None and [f[2] for f in made.fields] == pytest.approx([0.43, -0.67, 0.031])


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed; the browser test runs the script too")
def test_the_scripts_parse_as_one_module(tmp_path: Path) -> None:
    folder = Path(__file__).resolve().parents[2] / "dashboard" / "components" / "viewer"
    module = tmp_path / "viewer.mjs"
    module.write_text("\n".join((folder / s).read_text() for s in _SCRIPTS))
    subprocess.run(["node", "--check", str(module)], check=True, timeout=60)


def test_what_links_a_place_to_the_fields_comes_from_the_explanations_own_arrays() -> None:
    source = SourceGrid(np.eye(60, 28, dtype=np.float32), np.eye(90, 28, dtype=np.float32))
    grids = np.stack([blob((28, 28), p) for p in (1.0, -2.0, 0.5)])
    unified = UnifiedMap(FIELDS, grids.sum(0), grids, 0.5 * grids, source, "malignant", 4.0, "log-odds", "Meaning.")
    account = attribution()
    joint = JointAccount(
        "lesion", ("image",), np.zeros((28, 28), np.int8), np.full((60, 90), 0, np.int8),
        replace(account, interactions=np.arange(16.0).reshape(4, 4)), account, None, None, 0, 7,
    )  # fmt: skip
    found = replace(explanation(), unified=unified, joint=joint)
    made = brush(found, LABELS)
    assert made is not None and [f[2] for f in made.fields] == [0.4, -0.7, 0.001]
    assert made.interactions is not None and made.interactions[:, 0].tolist() == [3.0, 7.0, 11.0]
    shown = {layer.id: layer for layer in layers(found, LABELS)}
    difference = shown["difference:palpable"]
    assert difference.signed and difference.field == "palpable" and difference.reference == 4.0
    assert np.array_equal(difference.values, unified.difference("palpable"))
    benign = replace(found, unified=replace(unified, target_class="benign"))  # called benign: orange stays malignant
    for name in ("unified", "difference:palpable"):
        turned = {layer.id: layer for layer in layers(benign, LABELS)}[name]
        assert np.array_equal(turned.values, -shown[name].values)
        assert "Orange: toward malignant" in turned.semantics and "Orange: toward malignant" in shown[name].semantics
    assert layer_of("age", found) == "field:age" and layer_of("image", found) == "gradcam"
    assert layer_of("", found) is None and layer_of("halo", found) is None
    assert brush(explanation(image=False), LABELS) is None
    assert brush(replace(explanation(), attribution=attribution(residual=0.1)), LABELS) is None


@pytest.mark.parametrize(
    "sent", [None, 3, "box", {"box": [1, 2, 3]}, {"box": [1, 2, 3, float("nan")]}, {"box": "1234"}]
)
def test_what_the_browser_sends_is_a_region_or_nothing(sent: object) -> None:
    assert _state(7, sent) == ViewerState(None, None)


def test_a_marked_lesion_and_its_removal_arrive() -> None:
    line = [[0.0, 1.0], [5.0, 1.0], [5.0, 9.0]]
    state = _state("cam", {"box": [0, 1, 5, 9], "picture": 12, "outline": line})
    assert state == ViewerState("cam", (0.0, 1.0, 5.0, 9.0), 12, ((0.0, 1.0), (5.0, 1.0), (5.0, 9.0)))
    assert _state("cam", {"cleared": True}) == ViewerState("cam", None, cleared=True)


def test_a_series_is_one_scene_and_views_stand_side_by_side() -> None:
    def image(view: str | None, side: str | None) -> StudyImage:
        return StudyImage(grey(), PixelGeometry((60, 90)), view=view, laterality=side)  # type: ignore[arg-type]

    views = Study(tuple(image(*v) for v in (("MLO", "L"), ("CC", "L"), ("MLO", "R"), ("CC", "R"))), "dicom", "ab" * 32)
    assert study_scene(views).side_by_side == (3, 1, 2, 0)
    series = study_scene(Study((image(None, None),) * 5, "dicom", "ab" * 32, modality="CT"), start=2)
    assert series.side_by_side == () and len(series.pictures) == 5 and (series.start, series.modality) == (2, "CT")
    assert len(study_scene(Study((image("CC", "L"),), "dicom", "ab" * 32)).pictures) == 1
