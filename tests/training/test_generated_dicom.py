"""From DICOM in the layout of the upstream download to a bundle with metrics and predictions, training included.

The pixels are generated and the network is tiny: what is tested is that nothing between the files and the numbers is
missing, for a mammography, an MRI and a TCGA adapter, the last one by two processes under torchrun.
"""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from generated_dicom import flat, write_series, write_table
from sklearn.metrics import roc_auc_score

from mmxai_core.cli.main import main
from mmxai_core.cohorts.registry import load_cohort
from tests.cohorts import test_cbis_ddsm as cbis
from tests.cohorts import test_duke_breast_mri as duke

pytestmark = pytest.mark.slow

PATIENTS, SHAPE = 8, (48, 40)
SETTINGS = """
folds = 2
validation = 0.5
pretrain_validation = 0.5
views = 1
init = "none"
[arch]
backbone = "test_efficientnet"
canvas = 96
glance = 32
width = 16
heads = 2
depth = 1
[pretrain]
epochs = 1
batch = 4
[image]
epochs = 1
batch = 4
[fusion]
epochs = 2
batch = 4
"""


def mammograms(root: Path) -> None:
    """Every second patient malignant; half of the masks under the close-up's name, as in the collection."""
    names = [f"P_{i:05d}" for i in range(PATIENTS)]
    cbis.tables(root, [cbis.row(n, pathology=("MALIGNANT", "BENIGN")[i % 2]) for i, n in enumerate(names)], [])
    for i, name in enumerate(names):
        cbis.pixels(root, name, swapped=i % 3 == 0)


def dynamic_mri(root: Path) -> None:
    """Series of five phases; every second patient with a positive node."""
    names = [f"Breast_MRI_{i:03d}" for i in range(PATIENTS)]
    duke.workbooks(root, {n: i % 2 for i, n in enumerate(names)})
    for name in names:
        study = root / "Duke-Breast-Cancer-MRI" / name / "01-01-1990-NA-MRI BREAST BILATERAL-97538"
        for k, phase in enumerate(("ax dyn pre", "ax dyn 1st pass", "ax dyn 2nd pass", "ax dyn 3rd pass"), start=3):
            write_series(
                study / f"{k}.000000-{phase}-{k:05d}", patient=name, modality="MR", description=phase, number=k,
                slices=[flat(100 * k + i, SHAPE) for i in range(7)],
            )  # fmt: skip


def brain_mri(root: Path) -> None:
    """A FLAIR series a patient in the folders of the NBIA retriever, and the BCR biotab."""
    names = [f"TCGA-AA-{i:04d}" for i in range(PATIENTS)]
    columns = [
        "bcr_patient_uuid",
        "bcr_patient_barcode",
        "tumor_grade",
        "gender",
        "age_at_initial_pathologic_diagnosis",
    ]
    rows = [["u", n, ("G2", "G3")[i % 2], "FEMALE", str(40 + i)] for i, n in enumerate(names)]
    table = root / "nationwidechildrens.org_clinical_patient_lgg.txt"
    write_table(table, [columns, columns, ["CDE_ID:"] * len(columns), *rows])
    for name in names:
        folder = root / "manifest-1" / "TCGA-LGG" / name / "1.3.6.1.4.1.14519.5" / "1.3.6.1.4.1.14519.5.1"
        slices = [flat(40 * i, SHAPE) for i in range(8)]
        write_series(folder, patient=name, modality="MR", description="AX FLAIR", slices=slices)


def command_line(name: str, folder: Path) -> list[str]:
    (folder / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    options = {"root": "data", "out": "bundle", "config": "settings.toml", "run-dir": "run", "tensorboard": "board"}
    given = [word for option, path in options.items() for word in (f"--{option}", str(folder / path))]
    return ["train", "--cohort", name, *given, "--accumulate", "2", "--json"]


def run_as_team(arguments: list[str], processes: int) -> str:
    """What all processes print together."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [*start, "-m", "mmxai_core", *arguments], cwd=Path(__file__).resolve().parents[2], capture_output=True,
        text=True, timeout=280, check=False, env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "write", "images", "processes"),
    [("cbis_ddsm", mammograms, 1, 1), ("duke_breast_mri", dynamic_mri, 2, 1), ("tcga_lgg", brain_mri, 3, 2)],
)
def test_from_dicom_to_metrics(
    name: str, write: Callable[[Path], None], images: int, processes: int, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root, run, bundle = tmp_path / "data", tmp_path / "run", tmp_path / "bundle"
    root.mkdir()
    write(root)
    cohort = load_cohort(name, root)
    assert (len(cohort.cases), cohort.patients) == (PATIENTS * images, PATIENTS)
    arguments = command_line(name, tmp_path)
    if processes > 1:
        out = run_as_team(arguments, processes)
    else:
        assert main(arguments) == 0
        out = capsys.readouterr().out
    assert len(out.splitlines()) == 1  # of all processes together
    assert json.loads(out)["path"] == str(bundle)

    # Split by patient: each case is held out once, and no patient on both sides.
    folds = [json.loads((run / f"fold-{k}.json").read_text()) for k in range(2)]
    assert sorted(c for f in folds for c in f["case_ids"]) == sorted(c.case_id for c in cohort.cases)
    assert not set(folds[0]["patients"]) & set(folds[1]["patients"])

    # Metrics of the run: by epoch, and the cross-validated ones, which its held-out predictions give again.
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["stage"] for r in rows} >= {"pretrain", "fold 0 image", "fold 1 fusion", "all cases image"}
    assert all(math.isfinite(float(r["value"])) for r in rows)
    assert len(rows) == len({(r["stage"], r["epoch"], r["metric"]) for r in rows})  # one process wrote
    assert list((tmp_path / "board" / "pretrain").glob("events.out.tfevents.*"))
    results = json.loads((bundle / "results.json").read_text())
    assert results["training"]["processes"] == processes
    assert results["training"]["config"]["accumulate"] == 2
    labels = np.concatenate([f["labels"] for f in folds])
    held_out = np.concatenate([f["probabilities"]["image"] for f in folds])
    found = results["cross_validation"]["models"]["image"]["auc"]
    assert found["value"] == pytest.approx(roc_auc_score(labels, held_out))

    # The bundle predicts every case of the cohort from its files.
    predictions = tmp_path / "rows.csv"
    arguments = ["evaluate", "--bundle", str(bundle), "--cohort", name, "--root", str(root), "--json", "--bootstrap",
                 "20", "--no-localization", "--device", "cpu", "--predictions", str(predictions)]  # fmt: skip
    assert main(arguments) == 0
    metrics = json.loads(capsys.readouterr().out)
    with predictions.open(newline="") as file:
        scored = list(csv.DictReader(file))
    assert metrics["n"] == len(scored) == PATIENTS * images
    truth = [r["label"] == cohort.positive_class for r in scored]
    assert metrics["auc"]["value"] == pytest.approx(roc_auc_score(truth, [float(r["probability"]) for r in scored]))
