"""A comparison reads its pictures plain or preprocessed, and says which; runs that leave it alone stay as they were."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparison.tiny_cohort import CONFIG, tiny_cohort

from mmxai_core.comparison.config import CompareConfig, load_compare_config
from mmxai_core.comparison.prepared_data import read_cohort
from mmxai_core.comparison.run import Comparison, plan_of
from mmxai_core.errors import CohortError
from mmxai_core.preprocessing.settings import PreprocessSettings
from mmxai_core.training.data import load_arrays

PRETRAINED = Path(__file__).resolve().parents[2] / "pretrained"
ON = PreprocessSettings(on=True, modality="US", marks=False)


def test_plain_pictures_touch_no_cache(tmp_path: Path) -> None:
    cohort = tiny_cohort(tmp_path / "c")
    found = read_cohort(cohort, config=CONFIG, folder=tmp_path / "cache")
    assert found.preprocessing is None and found.cohort is cohort and not (tmp_path / "cache").exists()
    assert (found.pairs["complete"], found.pairs["without_fields"], found.pairs["dropped"]) == (19, 5, 0)


def test_a_recipe_that_changes_nothing_gives_the_plain_arrays(tmp_path: Path) -> None:
    """Through decoding, levels, cache and letterbox: not one value differs."""
    cohort = tiny_cohort(tmp_path / "c")
    plain = load_arrays(cohort, schema=cohort.schema, canvas=96)
    for _ in range(2):  # made, then from the cache
        found = read_cohort(cohort, config=replace(CONFIG, preprocess=ON), folder=tmp_path / "cache")
        for name in ("grey", "content", "lesion", "has_mask", "values", "known", "labels"):
            assert np.array_equal(getattr(found.data, name), getattr(plain, name)), name
    assert found.preprocessing["modalities"] == {"US": 24} and found.preprocessing["dropped"] == 0
    assert "images_per_second" not in found.preprocessing and "reused" not in found.preprocessing


def test_another_recipe_changes_the_pictures_and_nothing_else(tmp_path: Path) -> None:
    cohort = tiny_cohort(tmp_path / "c")
    plain = load_arrays(cohort, schema=cohort.schema, canvas=96)
    config = replace(CONFIG, preprocess=replace(ON, modality="MR", n4=False))
    found = read_cohort(cohort, config=config, folder=tmp_path / "cache")
    assert not np.array_equal(found.data.grey, plain.grey) and found.data.case_ids == plain.case_ids
    assert np.array_equal(found.data.has_mask, plain.has_mask) and found.data.lesion.any(axis=(1, 2)).all()


def test_a_run_states_what_was_done_and_refuses_another_recipe(tmp_path: Path) -> None:
    cohort = tiny_cohort(tmp_path / "c")
    cohort.cases[3].image.write_bytes(b"broken")

    def comparison(config: CompareConfig, folder: str = "run") -> Comparison:
        return Comparison(
            plan_of(cohort, tmp_path / folder, config=config, folds=2, seeds=1, cache=tmp_path / "encoders",
                    preprocessed=tmp_path / "cache")
        )  # fmt: skip

    first = comparison(replace(CONFIG, preprocess=ON, incomplete="drop"))
    first.prepare()
    said = json.loads((tmp_path / "run" / "config.json").read_text())
    assert said["settings"]["preprocess"]["on"] and said["settings"]["incomplete"] == "drop"
    assert said["preprocessing"]["version"] == 1 and said["preprocessing"]["dropped"] == 1
    assert said["pairs"]["dropped"] == 5 and said["cases"] == 18 and len(first.data) == 18
    assert said["dropped"][1:] == [
        ["incomplete pair: no clinical value is known", 5], ["picture cannot be prepared", 1]
    ]  # fmt: skip
    comparison(replace(CONFIG, preprocess=ON, incomplete="drop")).prepare()  # goes on
    with pytest.raises(CohortError, match="other settings or cases"):
        comparison(replace(CONFIG, preprocess=replace(ON, margin=0.3), incomplete="drop")).prepare()
    with pytest.raises(CohortError, match="Cannot read image"):  # plain pictures: nothing is dropped in silence
        comparison(CONFIG, "plain")


def test_settings_come_from_the_one_file(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('incomplete = "drop"\n[preprocess]\non = true\nn4 = false\nmargin = 0\n')
    config = load_compare_config(tmp_path / "s.toml")
    assert config.incomplete == "drop" and config.preprocess == PreprocessSettings(on=True, n4=False, margin=0.0)
    for text, said in (
        ('incomplete = "impute"', "got 'impute'"), ("[preprocess]\nsharpen = 1", "preprocess.sharpen"),
        ("[preprocess]\nn4_shrink = 99", "n4_shrink must be from 1 to 16; got 99"),
    ):  # fmt: skip
        (tmp_path / "s.toml").write_text(text)
        with pytest.raises(CohortError, match=said):
            load_compare_config(tmp_path / "s.toml")


@pytest.mark.parametrize(
    "run", sorted(p.parent for p in PRETRAINED.glob("*/results/*/settings.toml")), ids=lambda p: p.name
)
def test_the_committed_runs_settings_are_what_they_were(run: Path) -> None:
    config = load_compare_config(run / "settings.toml")
    config = replace(config, arch=replace(config.arch, classes=2))
    committed = json.loads((run / "config.json").read_text())["settings"]
    assert json.loads(json.dumps(config.to_json())) == committed


def test_a_preprocessed_run_trains_encoders_of_its_own(tmp_path: Path) -> None:
    cohort = tiny_cohort(tmp_path / "c")

    def keys(config: CompareConfig, folder: str) -> set[str]:
        plan = plan_of(
            cohort, tmp_path / folder, config=config, folds=2, seeds=1, cache=tmp_path / "encoders", only=("image",),
            preprocessed=tmp_path / "cache",
        )  # fmt: skip
        comparison = Comparison(plan)
        comparison.run()
        return {u.account["encoder"]["key"] for u in comparison.finished()}

    plain, on = keys(CONFIG, "plain"), keys(replace(CONFIG, preprocess=ON), "on")
    assert len(plain) == len(on) == 2 and not plain & on
    shutil.rmtree(tmp_path / "cache")  # lost: made again, and the run ends where it did
    before = (tmp_path / "on" / "units" / "7-0-image.json").read_text()
    (tmp_path / "on" / "units" / "7-0-image.json").unlink()
    shutil.rmtree(tmp_path / "encoders")
    assert keys(replace(CONFIG, preprocess=ON), "on") == on
    assert (tmp_path / "on" / "units" / "7-0-image.json").read_text() == before
