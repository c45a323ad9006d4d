"""The cache: named by content, whole or not there, and it says where it is damaged."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from preprocessing.generated_pictures import save, speckle

from mmxai_core.cohorts.case import Case
from mmxai_core.errors import CohortError
from mmxai_core.preprocessing import cache as cache_module
from mmxai_core.preprocessing.cache import (
    DamagedCacheError,
    cached_path,
    content_key,
    read_prepared,
    sweep,
    write_prepared,
)
from mmxai_core.preprocessing.prepared import prepare_case
from mmxai_core.preprocessing.settings import PreprocessSettings

SETTINGS = PreprocessSettings(on=True)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    mask = np.zeros((96, 120), np.float32)
    mask[30:51, 40:73] = 1
    return Case(
        "c", "p", save(tmp_path / "a.png", speckle((96, 120))), (save(tmp_path / "m.png", mask),), "benign",
        boxes=((1.0, 2.0, 30.5, 40.25),),
    )  # fmt: skip


def test_what_comes_back_is_what_was_made(case: Case, tmp_path: Path) -> None:
    made = prepare_case(case, "US", SETTINGS)
    key = content_key(case, "US", SETTINGS)
    assert read_prepared(tmp_path / "cache", key) is None
    write_prepared(tmp_path / "cache", key, made)
    back = read_prepared(tmp_path / "cache", key)
    assert back is not None and back.lesion is not None and made.lesion is not None
    assert np.array_equal(back.levels, made.levels) and np.array_equal(back.planes, made.planes)
    assert np.array_equal(back.lesion, made.lesion) and back.boxes == made.boxes and back.account == made.account
    assert not list((tmp_path / "cache").rglob("*.part"))
    bare = prepare_case(replace(case, masks=()), "US", SETTINGS)
    write_prepared(tmp_path / "cache", "ab" + "0" * 62, bare)
    again = read_prepared(tmp_path / "cache", "ab" + "0" * 62)
    assert again is not None and again.lesion is None


def test_the_key_is_of_everything_that_counts_and_of_nothing_else(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = content_key(case, "US", SETTINGS)
    moved = replace(case, case_id="other", label="malignant", image=tmp_path / "moved.png")
    moved.image.write_bytes(case.image.read_bytes())
    assert content_key(moved, "US", SETTINGS) == key
    assert content_key(case, "US", replace(SETTINGS, ct_low=-900.0, n4=False)) == key  # another modality's settings
    others = [
        content_key(case, "US", replace(SETTINGS, marks=False)),
        content_key(case, "US", replace(SETTINGS, margin=0.1)),
        content_key(case, "MG", SETTINGS),
        content_key(replace(case, masks=()), "US", SETTINGS),
        content_key(replace(case, boxes=()), "US", SETTINGS),
    ]
    save(case.image, speckle((96, 120), seed=9))
    others.append(content_key(case, "US", SETTINGS))
    monkeypatch.setattr(cache_module, "VERSION", 2)
    others.append(content_key(case, "US", SETTINGS))
    assert len({key, *others}) == 8


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "other file"])
def test_a_damaged_file_is_said(case: Case, tmp_path: Path, harm: str) -> None:
    key = content_key(case, "US", SETTINGS)
    write_prepared(tmp_path, key, prepare_case(case, "US", SETTINGS))
    path = cached_path(tmp_path, key)
    data = bytearray(path.read_bytes())
    if harm == "flipped":
        data[len(data) // 2] ^= 1
    path.write_bytes({"cut": data[:-40], "flipped": data, "empty": b"", "other file": b"PK\3\4" * 30}[harm])
    with pytest.raises(DamagedCacheError, match="damaged"):
        read_prepared(tmp_path, key)


def test_only_old_halves_are_swept(tmp_path: Path) -> None:
    for name, age in (("old", 7200), ("new", 5)):
        path = tmp_path / "ab" / f"{name}.1.part"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    assert sweep(tmp_path) == 1 and [p.name for p in (tmp_path / "ab").iterdir()] == ["new.1.part"]


def test_a_missing_file_is_named_without_its_folder(case: Case) -> None:
    case.image.unlink()
    with pytest.raises(CohortError, match=r"^Cannot read image a.png: No such file or directory\.$"):
        content_key(case, "US", SETTINGS)
