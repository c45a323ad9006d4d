"""A bundle: a folder that holds a network together with everything needed to use it rightly.

`weights.safetensors`, `metadata.json`, `background.csv`, `MODEL_CARD.md`, `results.json`. `metadata.json` carries the
sha256 of every other file; nothing is used whose hash does not match.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import mmxai_core
from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import BundleError, ClinicalValueError
from mmxai_core.model.bundle_format import (
    BACKGROUND,
    FORMAT,
    FORMAT_VERSION,
    METADATA,
    MODEL_CARD,
    REQUIRED_FILES,
    RESULTS,
    WEIGHTS,
    describe_preprocessing,
    dump_json,
    file_sha256,
    parse_json,
    read_bytes_of,
    read_metadata,
)
from mmxai_core.model.config import Architecture
from mmxai_core.model.network import FusedNetwork
from mmxai_core.types import Json


@dataclass(frozen=True, eq=False)
class Bundle:
    """A checked bundle. Made by `load_bundle`.

    Attributes:
        name: Bundle name.
        path: Its folder.
        arch: Shapes of the network.
        schema: Clinical fields in the network's order.
        classes: Class ids in the network's order.
        positive_class: The class whose probability leads the page.
        temperature: Raw logits are divided by it (Guo et al. 2017); above 0.
        threshold: Operating point on the positive class's probability, between 0 and 1.
        sha256: Hash of the weights file, hex.
        aggregation: How a study of many images is answered; "max": the image with the highest positive probability.
        saliency_reference: Grad-CAM++ value that a full colour scale stands for; None where it was not measured.
        metadata: `metadata.json` as read.
    """

    name: str
    path: Path
    arch: Architecture
    schema: ClinicalSchema
    classes: tuple[str, ...]
    positive_class: str
    temperature: float
    threshold: float
    sha256: str
    aggregation: str
    saliency_reference: float | None
    metadata: Json

    def __post_init__(self) -> None:
        problems = {
            f"lists {len(self.classes)} classes for a network of {self.arch.classes}": len(self.classes)
            != self.arch.classes,
            f"has positive class {self.positive_class!r}, which is not among {', '.join(self.classes)}": (
                self.positive_class not in self.classes
            ),
            f"has temperature {self.temperature:g}; it must be finite and above 0": not (
                math.isfinite(self.temperature) and self.temperature > 0
            ),
            f"has threshold {self.threshold:g}; it must lie between 0 and 1": not 0 < self.threshold < 1,
            f"aggregates a study by {self.aggregation!r}; this version knows 'max'": self.aggregation != "max",
        }
        for problem, found in problems.items():
            if found:
                raise BundleError(f"Bundle {self.name!r} {problem} ({METADATA}).")

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of the planes that its training pictures show as red, green and blue; empty for grey pictures.

        The network reads their luma (ITU-R BT.601), as it does of any colour picture.
        """
        told = self.metadata.get("planes")
        return tuple(str(p) for p in told) if isinstance(told, list) else ()

    @property
    def positive_index(self) -> int:
        """Index of the positive class."""
        return self.classes.index(self.positive_class)

    def build_network(self) -> FusedNetwork:
        """The network with its weights, in evaluation mode, on the CPU, no parameter asking for a gradient.

        Raises:
            BundleError: The weights do not fit the architecture or the schema.
        """
        with torch.random.fork_rng(devices=[]):  # random initial weights must not move the caller's generator
            network = FusedNetwork(self.arch, self.schema)
        try:
            network.load_state_dict(load_file(self.path / WEIGHTS), strict=True)
        except FileNotFoundError as error:
            raise BundleError(f"Bundle {self.name!r} has no file {WEIGHTS}.") from error
        except SafetensorError as error:
            raise BundleError(f"Bundle {self.name!r}: {WEIGHTS} is not a safetensors file ({error}).") from error
        except RuntimeError as error:  # torch lists every misfit, one a line; the first says enough
            lines = str(error).splitlines()
            raise BundleError(
                f"Bundle {self.name!r}: {WEIGHTS} does not fit the architecture in {METADATA}: {lines[-1].strip()}"
            ) from error
        return network.eval().requires_grad_(False)

    def background(self) -> pd.DataFrame:
        """Synthetic or aggregate rows, one column a field id, blank = unknown.

        Raises:
            BundleError: `background.csv` is not a table of the schema's fields.
        """
        try:
            table = pd.read_csv(self.path / BACKGROUND, dtype=object, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise BundleError(f"Bundle {self.name!r}: {BACKGROUND} cannot be read as a table ({error}).") from error
        if extra := [c for c in table.columns if c not in self.schema.ids]:
            raise BundleError(f"Bundle {self.name!r}: {BACKGROUND} has columns the schema lacks: {', '.join(extra)}.")
        return table

    def model_card(self) -> str:
        """The text of `MODEL_CARD.md`."""
        return read_bytes_of(self.path / MODEL_CARD, self.name).decode("utf-8", errors="replace")

    def results(self) -> Json:
        """The content of `results.json`.

        Raises:
            BundleError: It is not valid JSON.
        """
        return parse_json(read_bytes_of(self.path / RESULTS, self.name), RESULTS, self.name)


def load_bundle(path: Path | str) -> Bundle:
    """A bundle whose every file is present and unchanged.

    Args:
        path: The bundle's folder.

    Raises:
        BundleError: The message names the bundle, the file, and what is wrong: missing, changed, not valid JSON, an
            entry missing or out of range.
    """
    folder = Path(path)
    metadata = read_metadata(folder)
    files = metadata.get("files")
    if not isinstance(files, dict) or any(f not in files for f in REQUIRED_FILES):
        raise BundleError(f"Bundle {folder.name!r}: {METADATA} must list a hash for {', '.join(REQUIRED_FILES)}.")
    for name, expected in files.items():
        if Path(name).name != name:
            raise BundleError(f"Bundle {folder.name!r}: {METADATA} lists {name!r}, which is not a plain file name.")
        if not (folder / name).is_file():
            raise BundleError(f"Bundle {folder.name!r}: file {name} is missing.")
        if (found := file_sha256(folder / name)) != expected:
            raise BundleError(
                f"Bundle {folder.name!r}: file {name} was changed after the bundle was written "
                f"(sha256 is {found[:12]}..., {METADATA} says {str(expected)[:12]}...)."
            )
    try:
        reference = metadata.get("saliency_reference")
        return Bundle(
            name=str(metadata["name"]),
            path=folder,
            arch=Architecture.from_json(metadata["architecture"]),
            schema=ClinicalSchema.from_json(metadata["clinical_schema"]),
            classes=tuple(str(c) for c in metadata["classes"]),
            positive_class=str(metadata["positive_class"]),
            temperature=float(metadata["calibration"]["temperature"]),
            threshold=float(metadata["calibration"]["threshold"]),
            sha256=files[WEIGHTS],
            aggregation=str(metadata["study_aggregation"]),
            saliency_reference=None if reference is None else float(reference),
            metadata=metadata,
        )
    except KeyError as error:
        raise BundleError(f"Bundle {folder.name!r}: {METADATA} lacks the entry {error}.") from error
    except (TypeError, ValueError, ClinicalValueError) as error:
        raise BundleError(f"Bundle {folder.name!r}: {METADATA} has an entry of the wrong kind: {error}") from error


def write_bundle(
    path: Path | str, *, name: str, network: FusedNetwork, arch: Architecture, schema: ClinicalSchema,
    classes: Iterable[str], positive_class: str, temperature: float, threshold: float, intended_use: str,
    training_data: Json, background: pd.DataFrame, model_card: str, results: Json, extra: Json = None,
) -> Bundle:  # fmt: skip
    """Writes a bundle and reads it back through `load_bundle`.

    Files move into place whole, `metadata.json` last: a crash leaves the old bundle, the new one, or one that
    `load_bundle` refuses. Other files stay.

    Args:
        path: Folder; made where missing.
        name: Bundle name.
        network: Weights are stored as float32.
        arch: Its architecture.
        schema: Its clinical schema, with fences from the training data.
        classes: Class ids in the network's order.
        positive_class: One of them.
        temperature: From validation data, as is the threshold.
        threshold: On the positive class's probability.
        intended_use: In words.
        training_data: Cohorts, numbers and terms; plain values.
        background: Synthetic or aggregate rows, columns are field ids, blank = unknown. Never a patient's row.
        model_card: Markdown.
        results: Plain values; non-finite numbers become null.
        extra: More entries of `metadata.json`: "saliency_reference", "conformal", "calibration" (merged) ...

    Raises:
        BundleError: The values do not make a valid bundle.
    """
    folder = Path(path)
    if unknown := [str(c) for c in background.columns if c not in schema.ids]:
        raise BundleError(f"The background has columns the schema lacks: {', '.join(unknown)}.")
    more = dict(extra or {})
    calibration = {
        "method": "temperature scaling on validation data (Guo et al. 2017)",
        **more.pop("calibration", {}),
        "temperature": float(temperature),
        "threshold": float(threshold),
    }
    metadata: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": name,
        "intended_use": intended_use,
        "classes": list(classes),
        "positive_class": positive_class,
        "architecture": arch.to_json(),
        "clinical_schema": schema.to_json(),
        "preprocessing": describe_preprocessing(arch),
        "calibration": calibration,
        "training_data": training_data,
        "written_by": {"mmxai": mmxai_core.__version__, "torch": torch.__version__},
    }
    defaults: dict[str, Any] = {"conformal": None, "study_aggregation": "max", "saliency_reference": None}
    if clash := sorted(set(more) & (set(metadata) | {"files"})):
        raise BundleError(f"Extra metadata cannot replace {', '.join(clash)}.")
    metadata |= defaults | more
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as stage_name:
        stage = Path(stage_name)
        save_file(_weights(network), stage / WEIGHTS)
        background.to_csv(stage / BACKGROUND, index=False)
        (stage / MODEL_CARD).write_text(model_card, encoding="utf-8")
        (stage / RESULTS).write_text(dump_json(results), encoding="utf-8")
        metadata["files"] = {f: file_sha256(stage / f) for f in REQUIRED_FILES}
        (stage / METADATA).write_text(dump_json(metadata), encoding="utf-8")
        for f in (*REQUIRED_FILES, METADATA):
            (stage / f).replace(folder / f)
    bundle = load_bundle(folder)
    bundle.build_network()  # raises here, not at the clinic, where arch, schema and weights do not fit
    return bundle


def refresh_hashes(path: Path | str, *, add: Iterable[str] = (), extra: Mapping[str, Any] | None = None) -> Bundle:
    """Takes files of a bundle that were regenerated (results, model card, background) as its own.

    Args:
        path: The bundle's folder.
        add: Names of further files in the folder to list.
        extra: Top-level entries of `metadata.json` to set, e.g. {"saliency_reference": 3.1}.

    Raises:
        BundleError: A file is missing, or the weights were changed: those are only ever written by `write_bundle`.
    """
    folder = Path(path)
    metadata = read_metadata(folder)
    files = dict.fromkeys([*metadata.get("files", {}), *REQUIRED_FILES, *add])
    for f in files:
        if not (folder / f).is_file():
            raise BundleError(f"Bundle {folder.name!r}: file {f} is missing.")
    hashes = {f: file_sha256(folder / f) for f in files}
    if hashes[WEIGHTS] != metadata.get("files", {}).get(WEIGHTS):
        raise BundleError(f"Bundle {folder.name!r}: file {WEIGHTS} was changed after the bundle was written.")
    metadata |= {**(extra or {}), "files": hashes}
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as stage:
        (Path(stage) / METADATA).write_text(dump_json(metadata), encoding="utf-8")
        (Path(stage) / METADATA).replace(folder / METADATA)
    return load_bundle(folder)


def _weights(network: FusedNetwork) -> dict[str, torch.Tensor]:
    """Contiguous CPU tensors, floats as float32; counters keep their type."""
    return {
        k: (v.detach().float() if v.is_floating_point() else v.detach()).cpu().contiguous()
        for k, v in network.state_dict().items()
    }
