"""The bundles that this program offers: its own, the others in the same folder, and those that the site lists."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmxai_core.evaluation.similar_cases import trained_cohorts
from mmxai_core.training.purpose import known_purpose

ROOT = Path(__file__).resolve().parents[1]
_METADATA = "metadata.json"


@dataclass(frozen=True)
class Offer:
    """What is told of a bundle before it is loaded.

    Attributes:
        name: Name of its folder, by which a case remembers it.
        path: The folder.
        classes: Its classes; empty where its metadata cannot be read.
        cohorts: Public cohorts it was trained on, the one it answers for first.
        reads: The kind of image it was trained for, or "" where its cohort is no public one.
        question: What its probability is of, or "".
        weights: Hash of its weights, hex, or "".
    """

    name: str
    path: Path
    classes: tuple[str, ...] = ()
    cohorts: tuple[str, ...] = ()
    reads: str = ""
    question: str = ""
    weights: str = ""


def own() -> Path:
    """MMXAI_BUNDLE where set, else the bundle for breast ultrasound that ships."""
    return Path(os.environ.get("MMXAI_BUNDLE", ROOT / "pretrained" / "breast-us"))


def listed() -> tuple[Path, ...]:
    """Folders that MMXAI_BUNDLES lists and that hold a bundle."""
    places = (Path(p).expanduser() for p in os.environ.get("MMXAI_BUNDLES", "").split(os.pathsep) if p.strip())
    return tuple(p for p in places if (p / _METADATA).is_file())


def offered() -> Mapping[str, Offer]:
    """Every bundle by name: the program's own first, then its neighbours by name, then the listed ones."""
    first = own()
    beside = (p.parent for p in sorted(first.parent.glob(f"*/{_METADATA}")))
    found: dict[str, Offer] = {}
    for path in (first, *beside, *listed()):
        if path.name not in found:
            found[path.name] = offer(path)
    return found


def named(name: str) -> Path:
    """The folder of an offered bundle; the program's own where the name is "" or no longer offered."""
    if not name or name == own().name:
        return own()
    known = offered().get(name)
    return own() if known is None else known.path


def key(name: str) -> str:
    """A bundle's name as a session and a case keep it: "" for the program's own, whichever that is."""
    return "" if name == own().name else name


def with_weights(sha256: str) -> Path:
    """The folder of the offered bundle with these weights; the program's own where there is none or "" is asked for."""
    fits = (o.path for o in offered().values() if sha256 and o.weights == sha256)
    return next(fits, own())


def offer(path: Path) -> Offer:
    """What the metadata tells; where it cannot be read, the bundle is offered by its name and says so when opened."""
    try:
        stamp = (path / _METADATA).stat().st_mtime_ns
    except OSError:
        return Offer(path.name, path)
    return _offer(path, stamp)


@lru_cache(maxsize=64)
def _offer(path: Path, stamp: int) -> Offer:
    try:
        told: Mapping[str, Any] = json.loads((path / _METADATA).read_text(encoding="utf-8"))
        cohorts = tuple(trained_cohorts(told))
        classes = tuple(str(c) for c in told["classes"])
        purpose = next(filter(None, (known_purpose(c, str(told.get("task", ""))) for c in cohorts)), None)
        return Offer(
            path.name, path, classes, cohorts, purpose.reads if purpose else "", purpose.question if purpose else "",
            str(told["files"]["weights.safetensors"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Offer(path.name, path)
