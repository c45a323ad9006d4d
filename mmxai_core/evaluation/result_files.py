"""A measurement as files that travel with a bundle: `results.json`, `cases.csv`, `config.json`. No pixels."""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import mmxai_core
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.bundle_format import dump_json
from mmxai_core.types import Json

RESULTS, CASES, CONFIG = "results.json", "cases.csv", "config.json"


def write_results(
    folder: Path, *, results: Json, cases: Sequence[Mapping[str, Any]], config: Mapping[str, Any], bundle: Bundle
) -> None:
    """Writes the three files; the folder is made where it is missing.

    Args:
        folder: Where.
        results: Figures with intervals, bars, whether each is met.
        cases: One row a case, by column; the first row's columns are the table's. None becomes an empty cell.
        config: What was asked for; the bundle's hash, versions and the machine are added.
        bundle: What was measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).write_text(dump_json(results), encoding="utf-8")
    with (folder / CASES).open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, fieldnames=list(cases[0]) if cases else ["case_id"], lineterminator="\n")
        table.writeheader()
        table.writerows({k: _cell(v) for k, v in row.items()} for row in cases)
    made = {"bundle": bundle.name, "bundle_sha256": bundle.sha256, "machine": machine_words(), "versions": versions()}
    (folder / CONFIG).write_text(dump_json({**config, **made}), encoding="utf-8")


def machine_words() -> str:
    """The hardware in words: architecture, processors, threads in use, GPU where torch sees one."""
    words = f"{platform.machine()}, {os.cpu_count()} processors, {torch.get_num_threads()} torch threads"
    if torch.cuda.is_available():
        return f"{words}, {torch.cuda.get_device_name()}"
    return f"{words}, no GPU"


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    return {"mmxai": mmxai_core.__version__, "torch": torch.__version__, "python": platform.python_version()}


def _cell(value: object) -> object:
    """Six digits say more than any of these figures holds."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else value
