"""Epochs as CSV and TensorBoard: whole, without doubles, and one clear sentence where the package is missing."""

from __future__ import annotations

import builtins
import csv
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmxai_core.errors import CohortError
from mmxai_core.training.metrics_log import MetricsCsv, TensorBoardLog


def _lines(path: Path) -> list[tuple[str, ...]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)]


def test_one_line_a_number_and_no_epoch_twice(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    log = MetricsCsv(path)
    log.write("fold 0, image", {"epoch": 0, "train_ce": 0.7, "val_loss": 0.6})
    log.write("fold 0, image", {"epoch": 1, "val_loss": 0.5})
    log.write("fold 1", {"epoch": 1, "val_loss": 0.4})
    log.write("fold 1", {"initial_weights": "random", "best_epoch": 1})  # no epoch of its own
    MetricsCsv(path).write("fold 0, image", {"epoch": 1, "val_loss": 0.55})  # killed before its checkpoint, done again
    assert _lines(path) == [
        ("stage", "epoch", "metric", "value"), ("fold 0, image", "0", "train_ce", "0.7"),
        ("fold 0, image", "0", "val_loss", "0.6"), ("fold 1", "1", "val_loss", "0.4"),
        ("fold 0, image", "1", "val_loss", "0.55"),
    ]  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    for epoch in range(3):
        log.write("fold 0 image", {"epoch": epoch, "seconds": 1.5, "train_ce": 0.5, "val_loss": 1 / (1 + epoch)})
    log.write("fold 1 image", {"epoch": 0, "val_loss": 0.25})
    log.close()
    read = EventAccumulator(str(tmp_path / "fold-0-image"))
    read.Reload()
    assert set(read.Tags()["scalars"]) == {"seconds", "train/ce", "val/loss"}
    assert [(e.step, round(e.value, 3)) for e in read.Scalars("val/loss")] == [(0, 1.0), (1, 0.5), (2, 0.333)]
    assert (tmp_path / "fold-1-image").is_dir()


def test_without_the_package_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("tensorboard"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    for name in [n for n in sys.modules if n.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CohortError, match="need the Python package tensorboard") as refused:
        TensorBoardLog(tmp_path)
    assert "\n" not in str(refused.value)
