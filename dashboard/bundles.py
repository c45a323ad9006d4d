"""The bundles that this program offers: its own, the others in the same folder, and those that the site lists."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmxai_core.errors import BundleError
from mmxai_core.evaluation.similar_cases import trained_cohorts
from mmxai_core.training.purpose import known_purpose

ROOT = Path(__file__).resolve().parents[1]
_METADATA = "metadata.json"


@dataclass(frozen=True)
class Offer:
    """What is told of a bundle before it is loaded.

    Attributes:
        name: Name of its folder, by which a case remembers it; see `offered`.
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
    chosen = os.environ.get("MMXAI_BUNDLE", "").strip()
    # Absolute, for "." has no name; not resolved, for a link's own name is the one that cases remember.
    return Path(chosen).expanduser().absolute() if chosen else ROOT / "pretrained" / "breast-us"


def listed() -> tuple[Path, ...]:
    """Folders that MMXAI_BUNDLES lists and that hold a bundle."""
    given = (p.strip() for p in os.environ.get("MMXAI_BUNDLES", "").split(os.pathsep))
    places = (Path(p).expanduser().absolute() for p in given if p)
    return tuple(p for p in places if _holds_bundle(p))


def _holds_bundle(path: Path) -> bool:
    try:
        return (path / _METADATA).is_file()
    except OSError:  # a folder that may not be looked into
        return False


def offered() -> Mapping[str, Offer]:
    """Every bundle by name: the program's own first, then its neighbours by name, then the listed ones.

    Of two folders of one name the second is named with its parent's, e.g. "site/breast-us".
    """
    first = own()
    beside = (p.parent for p in sorted(first.parent.glob(f"*/{_METADATA}")))
    found: dict[str, Offer] = {}
    for path in (first, *beside, *listed()):
        name = path.name
        if name in found and found[name].path.resolve() != path.resolve():
            name = f"{path.parent.name}/{path.name}"
        if name not in found:
            found[name] = replace(offer(path), name=name)
    return found


def named(name: str) -> Path:
    """The folder of an offered bundle.

    Args:
        name: Its name; "" for the program's own.

    Raises:
        BundleError: It is not offered, or not any more.
    """
    if name in ("", own().name):
        return own()
    beside = own().parent / name  # the usual place, without a look at every neighbour
    if "/" not in name and name not in (".", "..") and _holds_bundle(beside):
        return beside
    if (known := offered().get(name)) is not None:
        return known.path
    raise BundleError(
        f"This program does not offer the model {name}: put its folder beside {own().name}, or list it in "
        "MMXAI_BUNDLES."
    )


def with_weights(sha256: str) -> Path | None:
    """The folder of the offered bundle with these weights; None where there is none.

    Args:
        sha256: Hash of the weights, hex.
    """
    return next((o.path for o in offered().values() if sha256 and o.weights == sha256), None)


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
