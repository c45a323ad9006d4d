"""The synthetic studies that ship in assets/samples, as their index tells of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmxai_core.errors import BundleError
from mmxai_core.model.bundle_format import WEIGHTS
from mmxai_core.training.purpose import known_purpose

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "samples"
#: Whose samples a bundle of no public cohort is shown.
USUAL = "breast_lesions_usg"
#: By the start of the weights' hash of a bundle that ships: whether its input check flags its samples. A test asks each
#: of them; here it is written down, since to ask takes seconds and the opening page does not wait.
FLAGGED: Mapping[str, bool] = MappingProxyType({"eacbffcd58a7": True, "49f00e71d8f6": False, "244c8263e8fa": False})


@dataclass(frozen=True)
class Sample:
    """A synthetic study that ships with the program.

    Attributes:
        file: File name below assets/samples.
        title: Short title.
        description: What is seen, one line.
        clinical: Known values by field id.
        note: What must be said beside it.
        truth: The class it was designed as, or "".
        cohort: The public cohort whose kind of image it imitates.
    """

    file: str
    title: str
    description: str
    clinical: Mapping[str, Any]
    note: str
    truth: str = ""
    cohort: str = USUAL


def read_samples(folder: Path = FOLDER) -> tuple[Sample, ...]:
    """Every sample; none where the folder is missing.

    Args:
        folder: Of the samples and their index.

    Raises:
        BundleError: The index is malformed.
    """
    index = folder / "samples.json"
    if not index.is_file():
        return ()
    try:
        rows = json.loads(index.read_text(encoding="utf-8"))["samples"]
        return tuple(
            Sample(
                r["file"], r["title"], r["description"], r.get("clinical", {}), r.get("expected", ""),
                r.get("truth", ""), r.get("cohort", USUAL),
            )
            for r in rows
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"The samples' index {index.name} is malformed: {error}.") from error


def of_cohorts(samples: Sequence[Sample], cohorts: Sequence[str]) -> tuple[Sample, ...]:
    """The samples of a bundle's kind of image; for a bundle of no public cohort those of breast ultrasound.

    Args:
        samples: All of them.
        cohorts: What the bundle was trained on.
    """
    wanted = {r for name in cohorts if (r := _reads(name))} or {_reads(USUAL)}
    return tuple(s for s in samples if _reads(s.cohort) in wanted)


def check_told(metadata: Mapping[str, Any]) -> str:
    """What a bundle's input check will say of its samples, in one sentence; "" where it was not tried.

    Args:
        metadata: Of the bundle. One without statistics of its training images cannot tell phantoms from patients.
    """
    files = metadata.get("files")
    weights = str(files.get(WEIGHTS, "")) if isinstance(files, Mapping) else ""
    flagged = FLAGGED.get(weights[:12])
    reference = metadata.get("reference")
    if flagged is None or not isinstance(reference, Mapping) or "input" not in reference:
        return ""
    if flagged:
        return "The input check will say that these are not the model's kind of input, as it should."
    return "The input check takes these for the model's kind of input: it does not detect every synthetic image."


def _reads(cohort: str) -> str:
    """The kind of image of a public cohort; "" of another."""
    purpose = known_purpose(cohort)
    return purpose.reads if purpose else ""


def truths(samples: Sequence[Sample]) -> Mapping[str, bool]:
    """By file, whether it was designed as the positive class; those without a class are left out."""
    return {s.file: s.truth != "benign" for s in samples if s.truth}
