"""A run's numbers by epoch, for a spreadsheet (CSV) and for TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmxai_core.errors import CohortError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Row = Mapping[str, float | int | str]
COLUMNS = ("stage", "epoch", "metric", "value")


def _numbers(row: Row) -> dict[str, float | int]:
    return {k: v for k, v in row.items() if k != "epoch" and not isinstance(v, str)}


class MetricsCsv:
    """One line a number: `stage,epoch,metric,value`.

    An epoch that is done again, because the run was killed before its checkpoint, takes the place of its old lines.

    Args:
        path: The file; made with the first row, gone on with where it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._epochs: set[tuple[str, str]] | None = None

    def write(self, stage: str, row: Row) -> None:
        """Adds one epoch's numbers; a row without an epoch is left out."""
        if "epoch" not in row:
            return
        epochs = self._known()
        key = (stage, str(row["epoch"]))
        if key in epochs:
            kept = [line for line in self._lines() if (line["stage"], line["epoch"]) != key]
            partial = self.path.with_suffix(".csv.part")
            with partial.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([COLUMNS, *([line[c] for c in COLUMNS] for line in kept)])
            partial.replace(self.path)
        epochs.add(key)
        fresh = not self.path.is_file()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            lines = [(*key, metric, value) for metric, value in _numbers(row).items()]
            csv.writer(file).writerows([COLUMNS, *lines] if fresh else lines)

    def _lines(self) -> list[dict[str, str]]:
        """Whole lines only: the last one of a killed process may be cut."""
        if not self.path.is_file():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return [line for line in csv.DictReader(file) if all(line.get(c) for c in COLUMNS)]

    def _known(self) -> set[tuple[str, str]]:
        if self._epochs is None:
            self._epochs = {(line["stage"], line["epoch"]) for line in self._lines()}
        return self._epochs


class TensorBoardLog:
    """Event files, one folder a stage, so that TensorBoard lays the same number of several folds over one another.

    Args:
        folder: What `tensorboard --logdir` is given.

    Raises:
        CohortError: The package `tensorboard` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._writer_type = _summary_writer()
        self._folder = folder
        self._stage = ""
        self._writer: SummaryWriter | None = None

    def write(self, stage: str, row: Row) -> None:
        """Adds one epoch's numbers; a row without an epoch is left out."""
        if "epoch" not in row:
            return
        writer = self._open(stage)
        for metric, value in _numbers(row).items():
            part, _, name = metric.partition("_")
            writer.add_scalar(f"{part}/{name}" if name else metric, value, int(row["epoch"]))
        writer.flush()

    def _open(self, stage: str) -> SummaryWriter:
        if self._writer is None or stage != self._stage:
            self.close()
            self._stage, self._writer = stage, self._writer_type(str(self._folder / stage.replace(" ", "-")))
        return self._writer

    def close(self) -> None:
        """Closes the open file; a later row opens another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _summary_writer() -> type[Any]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise CohortError(
            "TensorBoard files need the Python package tensorboard (it is in requirements.txt); "
            f"train without --tensorboard, or install it ({error})."
        ) from error
    return SummaryWriter
