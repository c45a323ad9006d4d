"""The capsule: what goes in comes out, nothing names a patient, and whatever was changed is refused."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from synthetic_report import RECORD, report_case

from mmxai_core.errors import CapsuleError
from mmxai_core.explain.files import explanation_json
from mmxai_core.report import capsule_zip
from mmxai_core.report.capsule import (
    BundleRef,
    ReplaySettings,
    clinical_hash,
    explanation_maps,
    read_capsule,
    write_capsule,
)
from mmxai_core.report.capsule_compare import compare, finite
from mmxai_core.report.capsule_zip import open_zip, pack_array, unpack_array
from mmxai_core.results import InputCheck

MACHINE = {"device": "cpu", "threads": 1}
PICTURES = {"overlay.png": b"not really a picture"}


def packed(*, include_inputs: bool = True, image: bool = True) -> bytes:
    case = report_case(image=image)
    check = InputCheck(False, True, (), (), (), "Usual.", "cases")
    prediction = replace(case.explanation.prediction, notes=("Age 57 years was clipped.",))
    case = replace(case, explanation=replace(case.explanation, input_check=check, prediction=prediction))
    return write_capsule(
        case, results=explanation_json(case.explanation, study=case.study), pictures=PICTURES,
        bundle=BundleRef("breast-us", "ab" * 32, "cd" * 32), settings=ReplaySettings.of(case.explanation),
        machine=MACHINE, include_inputs=include_inputs,
    )  # fmt: skip


def changed(data: bytes, name: str, content: bytes | None, *, add: bool = False) -> bytes:
    """The zip with one entry replaced, added or, with None, left out."""
    out, given = io.BytesIO(), zipfile.ZipFile(io.BytesIO(data))
    with zipfile.ZipFile(out, "w") as archive:
        for entry in given.namelist():
            kept = content if entry == name else given.read(entry)
            if kept is not None:
                archive.writestr(entry, kept)
        if add and content is not None:
            archive.writestr(name, content)
    return out.getvalue()


def test_what_goes_in_comes_out() -> None:
    case, found = report_case(), read_capsule(packed())
    assert found.record == dict(RECORD.values) and found.clinical_sha256 == clinical_hash(RECORD)
    assert found.study is not None and case.study is not None
    assert np.array_equal(found.study.images[0].pixels, case.study.images[0].pixels)
    assert found.study.images[0].geometry == case.study.images[0].geometry and found.study.modality == "US"
    assert found.study_sha256 == case.study.sha256 and found.bundle.name == "breast-us"
    assert set(found.maps) == set(explanation_maps(case.explanation)) and found.machine == MACHINE
    assert found.pictures == PICTURES and found.results["prediction"]["notes"] == ["Age 57 years was clipped."]
    assert packed() == packed(), "the same case gives the same bytes"


def test_no_name_from_the_file_goes_in() -> None:
    data = packed()
    entries = open_zip(data)
    assert not any(b"MUELLER" in d for d in entries.values()) and b"MUELLER" not in data


def test_without_inputs_only_hashes_go_in() -> None:
    data = packed(include_inputs=False)
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert not [n for n in names if n.startswith(("inputs/", "pictures/"))]
    found = read_capsule(data)
    assert found.study is None and found.record is None and found.study_sha256 and found.clinical_sha256
    text = b" ".join(open_zip(data)[n] for n in ("capsule.json", "results.json"))
    assert b"57" not in text.replace(b"0.57", b"").split(b"notes")[-1] or b"57 years" not in text
    assert b"Age 57 years" not in text


def test_clinical_data_alone_needs_no_pixels() -> None:
    found = read_capsule(packed(image=False))
    assert found.study is None and found.study_sha256 is None and found.record


@pytest.mark.parametrize("name", ["results.json", "maps/saliency.npy", "inputs/clinical.json", "pictures/overlay.png"])
def test_a_changed_entry_is_named(name: str) -> None:
    with pytest.raises(CapsuleError, match=f"changed after it was written: {name} does not match its hash"):
        read_capsule(changed(packed(), name, b"{}"))
    with pytest.raises(CapsuleError, match=f"{name} is missing"):
        read_capsule(changed(packed(), name, None))


def test_a_changed_manifest_does_not_match_its_seal() -> None:
    manifest = json.loads(open_zip(packed())["capsule.json"])
    manifest["bundle"]["name"] = "another"
    with pytest.raises(CapsuleError, match="does not match its seal"):
        read_capsule(changed(packed(), "capsule.json", json.dumps(manifest).encode()))


def test_an_entry_that_the_manifest_does_not_list_is_refused() -> None:
    with pytest.raises(CapsuleError, match=r"maps/extra\.npy does not match"):
        read_capsule(changed(packed(), "maps/extra.npy", b"x", add=True))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "maps/../x.npy", "maps/a/b.npy", "C:\\x.npy",
                                  "inputs/image_00001.npy", "script.py"])  # fmt: skip
def test_a_name_that_no_capsule_has_is_refused(name: str) -> None:
    with pytest.raises(CapsuleError, match="which no capsule has"):
        open_zip(changed(packed(), name, b"x", add=True))


def test_a_bomb_is_refused_before_it_inflates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capsule_zip, "_read", lambda *_: pytest.fail("nothing may be inflated"))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("maps/zeros.npy", b"\0" * (80 * 1024 * 1024))
    with pytest.raises(CapsuleError, match="claims to inflate"):
        open_zip(out.getvalue())


def test_an_entry_longer_or_shorter_than_it_claims_is_refused() -> None:
    data = bytearray(packed(image=False))
    at = data.rindex(b"PK\x01\x02")  # the last central directory entry: its uncompressed size lies 24 bytes on
    data[at + 24 : at + 28] = (5).to_bytes(4, "little")
    with pytest.raises(CapsuleError, match=r"not of the size|damaged"):
        open_zip(bytes(data))


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", b"\x89PNG\r\n"])
def test_what_is_no_zip_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(CapsuleError, match="not a case capsule"):
        read_capsule(data)


def test_another_format_version_is_refused() -> None:
    with pytest.raises(CapsuleError, match="not a case capsule"):
        read_capsule(changed(packed(), "capsule.json", b'{"format": "zip"}'))
    with pytest.raises(CapsuleError, match="version 9"):
        read_capsule(changed(packed(), "capsule.json", b'{"format": "mmxai-capsule", "format_version": 9}'))


def test_an_array_whose_header_lies_is_refused() -> None:
    good = pack_array(np.zeros((4, 4), np.float32))
    assert unpack_array(good, "a").shape == (4, 4)
    for bad in (good[:-1], good + b"x", good.replace(b"(4, 4)", b"(9, 9)"), b"", pack_array(np.array(["a"]))):
        with pytest.raises(CapsuleError, match="not an array of numbers"):
            unpack_array(bad, "a")


def test_settings_are_read_from_the_explanation() -> None:
    made = report_case().explanation
    usual = ReplaySettings.of(replace(made, parts=("maps", "joint")), roi=(1.0, 2.0, 3.0, 4.0), roi_image=2)
    assert usual == ReplaySettings(None, "logit", 7, "lesion", ("joint",), (1.0, 2.0, 3.0, 4.0), 2)
    assert ReplaySettings.of(replace(made, target_class="benign")).target_class == "benign"
    with pytest.raises(CapsuleError, match="settings"):
        ReplaySettings.from_json({"seed": 1})


def test_a_difference_is_found_where_it_is() -> None:
    case = report_case()
    results, maps = finite(explanation_json(case.explanation, study=case.study)), explanation_maps(case.explanation)
    same = compare(results, results, maps=(maps, maps), pictures=({}, {}))
    assert all(d.identical for d in same) and sum(d.values for d in same) > 5000
    other = json.loads(json.dumps(results))
    other["prediction"]["probabilities"]["malignant"] += 1e-9
    other["reliability"][0]["verdict"] = "Another."
    other["seconds"] = {"total": 99}
    del other["base_value"]
    moved = maps | {"saliency": maps["saliency"] + np.float32(1e-3)}
    moved.pop("lesion_map")
    found = {d.quantity: d for d in compare(results, other, maps=(maps, moved), pictures=({}, {}))}
    wrong = {name for name, d in found.items() if not d.identical}
    assert wrong == {"probabilities", "reliability", "base value", "map saliency", "map lesion_map"}
    assert found["probabilities"].largest == pytest.approx(1e-9, rel=1e-3) and found["reliability"].texts == 1
    assert found["map lesion_map"].largest == float("inf") == found["base value"].largest
