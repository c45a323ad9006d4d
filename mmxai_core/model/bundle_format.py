"""What a bundle's files are called, and reading and writing their plain parts (see `mmxai_core.model.bundle`)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmxai_core.errors import BundleError
from mmxai_core.model.config import Architecture
from mmxai_core.model.glance import CONTEXT
from mmxai_core.types import Json

FORMAT = "mmxai-bundle"
FORMAT_VERSION = 1
METADATA, WEIGHTS, BACKGROUND = "metadata.json", "weights.safetensors", "background.csv"
MODEL_CARD, RESULTS = "MODEL_CARD.md", "results.json"
#: Every bundle has these beside `metadata.json`; more may be listed in its "files".
REQUIRED_FILES = (WEIGHTS, BACKGROUND, MODEL_CARD, RESULTS)


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_metadata(path: Path) -> dict[str, Any]:
    """`metadata.json` of a bundle folder, its format checked.

    Raises:
        BundleError: The folder or file is missing, is not valid JSON, or is of another format version.
    """
    if not path.is_dir():
        raise BundleError(f"There is no bundle folder {path.name!r}.")
    metadata = parse_json(read_bytes_of(path / METADATA, path.name), METADATA, path.name)
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise BundleError(f"Bundle {path.name!r}: {METADATA} does not describe a bundle (no format {FORMAT!r}).")
    if metadata.get("format_version") != FORMAT_VERSION:
        raise BundleError(
            f"Bundle {path.name!r} has format version {metadata.get('format_version')!r}; "
            f"this version reads {FORMAT_VERSION}."
        )
    return metadata


def read_bytes_of(file: Path, bundle: str) -> bytes:
    """The bytes of one of a bundle's files.

    Raises:
        BundleError: It is missing.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise BundleError(f"Bundle {bundle!r}: file {file.name} is missing or cannot be read.") from error


def parse_json(raw: bytes, name: str, bundle: str) -> Json:
    """Raises BundleError, with the file's name, where `raw` is not valid JSON."""
    try:
        return json.loads(raw)
    except ValueError as error:  # covers JSONDecodeError and UnicodeDecodeError
        raise BundleError(f"Bundle {bundle!r}: {name} is not valid JSON ({error}).") from error


def describe_preprocessing(arch: Architecture) -> Json:
    """What `mmxai_core.preprocess` and `mmxai_core.model.glance` do, in words and numbers."""
    return {
        "canvas": arch.canvas,
        "glance": arch.glance,
        "steps": [
            "display grey in [0, 1] (ITU-R BT.601 luma of colour images)",
            f"letterbox to {arch.canvas} x {arch.canvas} pixels, antialiased bilinear, never cropped",
            "standardise by the content's own mean and SD; padding 0",
            f"first glance: whole canvas to {arch.glance} x {arch.glance} by area averaging",
            f"second glance: square around the lesion map's main component, side x {CONTEXT:g}, "
            f"to {arch.glance} x {arch.glance}, standardised by itself",
        ],
        "clinical": "numbers min-max within Tukey fences, clipped and flagged outside; categories by index; "
        "unknown has its own learned token",
    }


def _plain(value: Json) -> Json:
    """The value as JSON has it: NumPy scalars and arrays unpacked, non-finite numbers null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def dump_json(value: Json) -> str:
    """Indented JSON; NumPy values unpacked, non-finite numbers null."""
    return json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
