from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.cli.evaluate import summary_rows
from mmxai_core.cli.main import main
from tests.tiny_bundle import tiny_study, write_tiny_bundle

CASES = 6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six cases of three patients; a mask each but one."""
    folder = tmp_path_factory.mktemp("cohort")
    rows = []
    for i in range(CASES):
        Image.fromarray(np.round(tiny_study(seed=i).images[0].grey * 255).astype(np.uint8)).save(folder / f"{i}.png")
        mask = np.zeros((90, 120), np.uint8)
        mask[30:60, 15:45] = 255
        Image.fromarray(mask).save(folder / f"{i}_mask.png")
        rows.append([f"c{i}", f"p{i // 2}", f"{i}.png", f"{i}_mask.png" if i else "", ("benign", "malignant")[i % 2],
                     30 + i, "yes", "spiky"])  # fmt: skip
    with (folder / "cohort.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [["case_id", "patient_id", "image", "mask", "label", "age", "palpable", "margin"], *rows]
        )
    return folder / "cohort.csv"


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main([str(a) for a in ("evaluate", *args)])
    return (code, *capsys.readouterr())


def test_json_and_predictions(bundle: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, "--bundle", bundle, "--manifest", manifest, "--bootstrap", 50, "--device", "cpu", "--known", "history",
        "--predictions", tmp_path / "rows.csv", "--json",
    )  # fmt: skip
    assert code == 0 and len(out.splitlines()) == 1 and "6/6" in err
    found = json.loads(out)
    assert found["n"] == CASES and found["prevalence"] == 0.5 and set(found["auc"]) == {"value", "low", "high"}
    assert {"accuracy", "sensitivity", "specificity", "f1", "brier", "ece"} <= set(found)
    assert found["localization"]["n"] == CASES - 1
    assert {"n", "pointing_game", "iou"} <= set(found["localization"])
    assert found["known"] == ["history"] and found["bootstrap"]["replicates"] == 50
    with (tmp_path / "rows.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == CASES and {r["known_fields"] for r in rows} == {"2"}


def test_table_names_the_intervals(bundle: Path, manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--bundle", bundle, "--manifest", manifest, "--bootstrap", 20, "--no-localization")
    assert code == 0 and "95 % interval" in out and "localization" in out and "Research use only" in out


def test_the_table_says_where_the_cases_trained_the_model(
    bundle: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ("--bundle", bundle, "--manifest", manifest, "--bootstrap", 20, "--no-localization", "--json")
    summary = json.loads(run(capsys, *args)[1])
    assert summary["trained_on_this_cohort"] is False
    for trained in (True, False):
        said = [value for _, value in summary_rows({**summary, "trained_on_this_cohort": trained})]
        assert ("these cases trained the model; see the model card's cross-validation" in said) is trained


def test_a_bad_manifest_names_row_and_column(bundle: Path, manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = manifest.with_name("bad.csv")
    bad.write_text(manifest.read_text().replace(",33,", ",400,"))
    code, out, err = run(capsys, "--bundle", bundle, "--manifest", bad, "--json")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert "Row 5, column age: Age must be from 0 to 110 years; got 400" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--cohort", "bus_bra"), "--cohort bus_bra needs --root DIR"),
        (("--cohort", "nowhere", "--root", "."), "Unknown cohort 'nowhere'"),
        (("--cohort", "bus_bra", "--root", "/no/such/folder"), "does not exist"),
        (("--manifest", "none.csv"), "Cannot read the manifest none.csv"),
        (("--manifest", "none.csv", "--predictions", "/no/such/rows.csv"), "there is no folder /no/such"),
    ],
)
def test_refusals(bundle: Path, args: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--bundle", bundle, *args)
    assert (code, out) == (2, "") and said in err and len(err.splitlines()) == 1


@pytest.mark.data
def test_real_cohort_by_name(bundle: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tiny bundle knows little, but the whole path over the real files is the shipped bundle's."""
    code, out, _ = run(
        capsys, "--bundle", bundle, "--cohort", "breast_lesions_usg", "--root", data_dir / "breast_lesions_usg",
        "--known", "none", "--bootstrap", 10, "--no-localization", "--json",
    )  # fmt: skip
    found = json.loads(out)
    assert code == 0 and found["n"] == found["patients"] == 201 and found["positives"] == 78
    assert found["known"] == [] and found["cohort"] == "breast_lesions_usg" and found["localization"] is None
