"""What lies in a bundle's `results` folder: finished, partial and just started comparisons, and other measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmxai_core.comparison import files
from mmxai_core.comparison.results import Findings, Metrics, RunConfig, Subgroups, Tests
from mmxai_core.errors import CohortError

#: Names of cohorts as their publishers write them.
COHORTS = {
    "breast_lesions_usg": "BrEaST", "bus_bra": "BUS-BRA", "duke_breast_mri": "Duke breast MRI",
    "cbis_ddsm": "CBIS-DDSM", "tcga_brca": "TCGA-BRCA", "tcga_luad": "TCGA-LUAD", "tcga_gbm": "TCGA-GBM",
    "tcga_lgg": "TCGA-LGG",
}  # fmt: skip
#: Files of a run that the page is drawn from.
RUN_FILES = (
    "config.json", "metrics.json", "tests.json", "subgroups.json", "leakage.json", "generalisation.json",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A comparison with metrics, whole or partial.

    Attributes:
        name: Its folder.
        config: What was compared, on what.
        metrics: By model and level.
        tests: Paired tests; None where the file is missing.
        subgroups: None where the file is missing.
        leakage: None where it was not measured.
        generalisation: None where it was not measured.
    """

    name: str
    config: RunConfig
    metrics: Metrics
    tests: Tests | None
    subgroups: Subgroups | None
    leakage: Findings | None
    generalisation: Findings | None


@dataclass(frozen=True)
class Started:
    """A comparison that has no metrics yet.

    Attributes:
        name: Its folder.
        config: What is compared; None where not even this is written.
        units: Finished units.
        planned: Units in all; None where it is not known.
    """

    name: str
    config: RunConfig | None
    units: int
    planned: int | None


@dataclass(frozen=True)
class Measurement:
    """A measurement with `results.json` and `config.json`: explanations, input check, cost.

    Attributes:
        name: Folder below `results`.
        kind: "explanations", "inputs" or "cost".
        results: results.json.
        config: config.json; empty where there is none.
        conformal: The bundle's prediction sets, as its metadata have them; empty where there are none.
    """

    name: str
    kind: str
    results: Mapping[str, Any]
    config: Mapping[str, Any]
    conformal: Mapping[str, Any] = field(default_factory=dict)


def cohort_name(name: str) -> str:
    """A cohort's name as its publisher writes it."""
    return COHORTS.get(name, name)


def run_title(config: RunConfig | None, name: str) -> str:
    """A run as a reader chooses it."""
    if config is None:
        return name
    task = f", {config.task.replace('_', ' ')}" if config.task else ""
    return f"{cohort_name(config.cohort)}{task} ({name})"


def read_run(folder: Path) -> Run:
    """A run that has metrics.

    Raises:
        CohortError: A file is missing, malformed, or of another format.
    """
    return Run(
        folder.name, files.read_config(folder), files.read_metrics(folder),
        files.read_tests(folder) if (folder / "tests.json").is_file() else None,
        files.read_subgroups(folder) if (folder / "subgroups.json").is_file() else None,
        files.read_leakage(folder), files.read_generalisation(folder),
    )  # fmt: skip


def run_folders(results: Path) -> tuple[Path, ...]:
    """Runs that have metrics, by name."""
    return files.runs(results)


def started_runs(results: Path) -> tuple[Started, ...]:
    """Comparisons that were set up or begun, but not measured yet."""
    found = []
    for folder in sorted({p.parent for p in (*results.glob("*/settings.toml"), *results.glob("*/splits.json"))}):
        if (folder / "metrics.json").is_file():
            continue
        try:
            config = files.read_config(folder) if (folder / "config.json").is_file() else None
        except CohortError:
            config = None  # being written just now, or of another version; the run itself says so when it goes on
        planned = sum(m.seeds for m in config.models) * config.folds if config else None
        found.append(Started(folder.name, config, len(list((folder / "units").glob("*.json"))), planned))
    return tuple(found)


def stamp(folder: Path, names: tuple[str, ...] = RUN_FILES) -> tuple[tuple[str, int], ...]:
    """Names and times of the files that are there: what is read again when it changes, and not before."""
    found = ((n, folder / n) for n in names)
    return tuple((n, p.stat().st_mtime_ns) for n, p in found if p.is_file())


def measurement_files(results: Path) -> tuple[Path, ...]:
    """The `results.json` of other measurements, at most two folders down."""
    return tuple(sorted({*results.glob("*/results.json"), *results.glob("*/*/results.json")}))


def read_measurement(path: Path, results: Path) -> Measurement | None:
    """A measurement, told by what it holds; None where it is of no known kind.

    Args:
        path: Its `results.json`.
        results: The bundle's results folder.

    Raises:
        CohortError: The file cannot be read.
    """
    name = path.parent.relative_to(results).as_posix()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        beside = path.with_name("config.json")
        config = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
        bundle = results.parent / "metadata.json"
        conformal = json.loads(bundle.read_text(encoding="utf-8")).get("conformal") if bundle.is_file() else None
    except (OSError, ValueError) as error:
        raise CohortError(f"Result file {path.name} of {name} cannot be read: {error}.") from error
    keys = {"shares": "explanations", "sets": "inputs", "ratios": "cost"}
    kind = next((k for key, k in keys.items() if isinstance(found, dict) and key in found), None)
    if kind is None:
        return None
    told, sets = (x if isinstance(x, dict) else {} for x in (config, conformal))
    return Measurement(name, kind, found, told, sets)


def resume_command(name: str, config: RunConfig | None, *, bundle: str) -> str:
    """The command that makes, goes on with, or repeats a run."""
    out = f"pretrained/{bundle}/results/{name}"
    if config is None:
        return f"python -m mmxai_core compare --cohort NAME --root DIR --out {out}"
    parts = [f"python -m mmxai_core compare --cohort {config.cohort} --root DIR"]
    parts += [f"--task {config.task}"] if config.task else []
    parts += ["--source-root DIR"] if config.raw.get("source") else []
    parts += [f"--folds {config.folds}"] if config.folds > 1 else []
    parts += [f"--seeds {len(config.seeds)}", f"--config {out}/settings.toml", f"--out {out}"]
    return " ".join(parts)
