"""The committed cards are what their results say, to the letter; runs of other seeds are taken up, others refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mmxai_core.cli.main import main
from mmxai_core.errors import CohortError
from mmxai_core.model.bundle import load_bundle, refresh_hashes
from mmxai_core.training.card_file import config_of, other_seeds
from mmxai_core.training.config import TrainConfig

PRETRAINED = Path(__file__).resolve().parents[2] / "pretrained"
SHIPPED = {
    "breast-us": ("breast_lesions_usg", "breast_lesions_usg", "bus_bra", None),
    "duke-mri": ("duke_breast_mri", "duke_breast_mri", None, "nodal_status"),
    "lgg-mri": ("tcga_lgg", "tcga_lgg_mri", None, "grade"),
}


def _copy(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(PRETRAINED / name, folder / name, ignore=shutil.ignore_patterns("results", "training")))


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_card_is_written_again_to_the_letter(
    name: str, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = _copy(name, tmp_path)
    cohort, folder, pretrain, task = SHIPPED[name]
    before = {f: (bundle / f).read_bytes() for f in ("MODEL_CARD.md", "results.json", "metadata.json")}
    (bundle / "MODEL_CARD.md").write_text("# Typed by hand\n", encoding="utf-8")
    refresh_hashes(bundle)
    args = ["card", "--bundle", str(bundle), "--cohort", cohort, "--root", str(data_dir / folder), "--json"]
    args += ["--pretrain-root", str(data_dir / pretrain)] if pretrain else []
    args += ["--task", task] if task else []
    assert main(args) == 0
    assert {f: (bundle / f).read_bytes() for f in before} == before
    told = json.loads(capsys.readouterr().out)["other_seeds"]
    assert told.get("seeds", []) == ([8, 9] if name == "breast-us" else [])


@pytest.mark.data
def test_another_cohort_is_refused(tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = _copy("lgg-mri", tmp_path)
    before = (bundle / "MODEL_CARD.md").read_bytes()
    args = ["card", "--bundle", str(bundle), "--cohort", "breast_lesions_usg"]
    assert main([*args, "--root", str(data_dir / "breast_lesions_usg")]) == 2
    assert "is of cohort tcga_lgg; got breast_lesions_usg" in capsys.readouterr().err
    duke = _copy("duke-mri", tmp_path)
    args = ["card", "--bundle", str(duke), "--cohort", "duke_breast_mri", "--root", str(data_dir / "duke_breast_mri")]
    assert main([*args, "--task", "grade"]) == 2
    assert "answers nodal_status; got grade" in capsys.readouterr().err
    assert (bundle / "MODEL_CARD.md").read_bytes() == before


def test_a_missing_cohort_or_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["card", "--bundle", str(PRETRAINED / "breast-us"), "--cohort", "breast_lesions_usg", "--root", "x"]
    assert main(args) == 2
    assert "--pretrain-root is needed: the image branch was first trained on bus_bra" in capsys.readouterr().err
    assert main([*args, "--seed-run", str(tmp_path / "gone")]) == 2
    assert "--seed-run: there is no folder" in capsys.readouterr().err


def _run(folder: Path, config: TrainConfig, folds: int, cases: str) -> Path:
    folder.mkdir()
    inputs = {"breast_lesions_usg": {"task": "", "cases": cases}}
    kept = {"settings": config.to_json(), "cohorts": inputs}
    (folder / "config.json").write_text(json.dumps(kept), encoding="utf-8")
    for k in range(folds):
        (folder / f"fold-{k}.json").write_text(
            json.dumps({"case_ids": ["a"] * 40, "patients": ["a"] * 40}), encoding="utf-8"
        )
    return folder


def test_a_run_that_is_not_the_recipe_s_is_refused(tmp_path: Path) -> None:
    results = load_bundle(PRETRAINED / "breast-us").results()
    own, cases = config_of(results), results["training"]["cases"]
    refused = {
        "of another recipe than the bundle: image_mix differ": (replace(own, seed=8, image_mix=0.4), 5, cases),
        "has seed 7, which is there already": (own, 5, cases),
        "is of other cases than the bundle": (replace(own, seed=8), 5, "another"),
        "has 4 of 5 folds": (replace(own, seed=8), 4, cases),
        "lacks the entry 'temperature'": (replace(own, seed=8, checkpoint_steps=9), 5, cases),
    }
    for i, (said, (config, folds, hashed)) in enumerate(refused.items()):
        with pytest.raises(CohortError, match=said):
            other_seeds([_run(tmp_path / str(i), config, folds, hashed)], results)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match=r"empty has no config\.json"):
        other_seeds([tmp_path / "empty"], results)
