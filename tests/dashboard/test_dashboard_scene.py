from __future__ import annotations

import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_results import FIELDS, LABELS, blob, explanation, grey

from dashboard.components.evidence import field_of, field_sentence, layers, scene
from dashboard.components.viewer import _SCRIPTS, Layer, Scene, pack
from dashboard.components.viewer.scene import IMAGE_SIDE, reduce_map
from mmxai_core.results import EvidenceScale
from mmxai_core.study import PixelGeometry, StudyImage


def unpack(data: bytes) -> tuple[dict, bytes]:
    assert data[:4] == b"MXV1"
    length = int.from_bytes(data[4:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def block(blocks: bytes, at: list[int]) -> bytes:
    return blocks[at[0] : at[0] + at[1]]


def layer(values: np.ndarray, *, reference: float = 1.0) -> Layer:
    return Layer("cam", "Grad-CAM++", "Model", values, 0.0, reference, "evidence", "Meaning.")


def test_the_image_arrives_without_loss() -> None:
    pixels = grey((40, 50))
    head, blocks = unpack(pack(Scene(pixels, (0.2, 0.1))))
    sent = np.asarray(Image.open(io.BytesIO(block(blocks, head["image"]["at"]))))
    assert np.array_equal(sent, np.round(pixels * 255).astype(np.uint8))
    assert (head["image"]["width"], head["image"]["height"], head["image"]["spacing"]) == (50, 40, [0.2, 0.1])
    assert head["layers"] == []


def test_colour_images_keep_their_colour() -> None:
    pixels = np.dstack([grey((20, 30), s) for s in range(3)])
    head, blocks = unpack(pack(Scene(pixels)))
    assert np.asarray(Image.open(io.BytesIO(block(blocks, head["image"]["at"])))).shape == (20, 30, 3)


def test_a_map_arrives_in_its_own_unit_and_keeps_its_mean() -> None:
    values = blob((600, 900), 3.7)
    head, blocks = unpack(pack(Scene(grey((600, 900)), None, (layer(values, reference=2.0),))))
    (sent,) = head["layers"]
    steps = np.frombuffer(block(blocks, sent["at"]), "<u2").reshape(sent["height"], sent["width"])
    back = steps / 65535 * sent["top"]
    assert max(back.shape) == 128 and sent["reference"] == 2.0
    assert back.mean() == pytest.approx(values.mean(), rel=0.01)
    assert back.max() == pytest.approx(3.7, rel=0.02)


def test_equal_scenes_are_equal_bytes_so_that_a_rerun_sends_nothing() -> None:
    make = lambda peak: pack(Scene(grey(), None, (layer(blob((60, 90), peak)),)))  # noqa: E731
    assert make(0.5) == make(0.5)
    assert unpack(make(0.5))[0]["id"] != unpack(make(0.6))[0]["id"]


def test_a_large_image_stays_small_on_the_wire_and_says_that_it_was_reduced() -> None:
    smooth = np.tile(np.linspace(0, 1, 3000, dtype=np.float32), (2400, 1))
    data = pack(Scene(smooth, None, (layer(smooth),)))
    head, _ = unpack(data)
    assert max(head["image"]["sent"]) == IMAGE_SIDE < head["image"]["width"] == 3000
    assert len(data) < 1_500_000


def test_small_maps_are_left_alone() -> None:
    values = blob((20, 30), 1.0)
    assert np.array_equal(reduce_map(values), values)


def test_layers_cover_every_map_of_an_explanation() -> None:
    found = layers(explanation(), LABELS)
    assert [x.id for x in found] == ["gradcam", "rollout", "lesion", *(f"field:{f}" for f in FIELDS)]
    assert all(x.semantics and x.unit and x.reference > x.floor for x in found)
    image = StudyImage(grey(), PixelGeometry((60, 90), (0.1, 0.1), "test"))
    head, _ = unpack(pack(scene(image, explanation(), LABELS, height=400)))
    assert len(head["layers"]) == 6 and head["box"] == [40.0, 10.0, 70.0, 40.0]
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


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed; the browser test runs the script too")
def test_the_scripts_parse_as_one_module(tmp_path: Path) -> None:
    folder = Path(__file__).resolve().parents[2] / "dashboard" / "components" / "viewer"
    module = tmp_path / "viewer.mjs"
    module.write_text("\n".join((folder / s).read_text() for s in _SCRIPTS))
    subprocess.run(["node", "--check", str(module)], check=True, timeout=60)
