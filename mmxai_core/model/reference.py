"""What a bundle carries of its training cohort, as aggregates: `reference.npz` and two entries of `metadata.json`.

Optional: a bundle without it loads, and `Reference.missing` says what cannot be told. Arrays of a part share a prefix
("input/", "field_statistics/" ...); no array holds a patient's row.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import BundleError
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.bundle_format import read_bytes_of
from mmxai_core.model.fingerprints import VERSION as FINGERPRINTS
from mmxai_core.model.fingerprints import TrainingImages
from mmxai_core.results.uncertainty import ClassCoverage
from mmxai_core.types import Json

REFERENCE = "reference.npz"
#: Entry of `metadata.json` beside "conformal".
ENTRY = "reference"
#: Parts, and what a reader misses without them.
PARTS = {
    "conformal": "which classes can be ruled out (prediction sets)",
    "input": "whether an image is the model's kind of input",
    "reliability_thresholds": "the cohort's own thresholds of the reliability numbers",
    "null_saliency_peaks": "the absolute scale of the evidence",
    "field_statistics": "the distribution of the clinical fields",
    "similar_cases": "similar training cases",
    "training_images": "which images it was trained on",
}


@dataclass(frozen=True)
class ConformalReference:
    """Thresholds of prediction sets.

    Attributes:
        coverage: Asked for within each class, in (0, 1).
        levels: By level of known field groups (see `mmxai_core.explain.conformal.level_of`), by class id.
        computed_from: What they were calibrated on, in words.
    """

    coverage: float
    levels: Mapping[str, Mapping[str, ClassCoverage]]
    computed_from: str

    def to_json(self) -> Json:
        """Plain values."""
        rows = {n: {c: dict(v.__dict__) for c, v in by_class.items()} for n, by_class in self.levels.items()}
        return {"coverage": self.coverage, "computed_from": self.computed_from, "levels": rows}

    @classmethod
    def from_json(cls, stored: Json) -> ConformalReference:
        """What `to_json` gave; KeyError or TypeError where it is of another form."""
        levels = {n: {c: ClassCoverage(**v) for c, v in by.items()} for n, by in stored["levels"].items()}
        return cls(float(stored["coverage"]), levels, str(stored["computed_from"]))


@dataclass(frozen=True, eq=False)
class GaussianBlock:
    """Gaussians with one shrunken covariance around the centre of each training cohort, and how far held-out cases lie.

    Attributes:
        name: "picture", "whole glance" or "lesion glance".
        centre: (D,) mean of all cases.
        scale: (D,) SD of all cases, above 0.
        means: (G, D) centre of each cohort, standardised.
        precision: (D, D) inverse covariance within cohorts (Ledoit and Wolf 2004), standardised.
        location: Mean of log distance over held-out training cases.
        spread: SD of it, above 0.
    """

    name: str
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    means: NDArray[np.float64]
    precision: NDArray[np.float64]
    location: float = 0.0
    spread: float = 1.0

    def log_distance(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B, D) -> (B,) log of the Mahalanobis distance to the nearest centre, per root dimension."""
        gap = ((x - self.centre) / self.scale)[:, None] - self.means
        squared = np.einsum("bgd,de,bge->bg", gap, self.precision, gap).min(1) / x.shape[1]
        return np.asarray(0.5 * np.log(np.maximum(squared, 1e-12)))

    def score(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B, D) -> (B,): SDs above the mean log distance of held-out training cases."""
        return (self.log_distance(x) - self.location) / self.spread


@dataclass(frozen=True, eq=False)
class ScoreReference:
    """Where a score counts as unusual.

    Attributes:
        limit: At most 5 % of held-out training cases lie above it, in every training cohort.
        quantiles: (Q,) ascending, equally spaced quantiles of the held-out training cases' scores.
    """

    limit: float
    quantiles: NDArray[np.float64]

    def tail(self, score: float) -> float:
        """Share of held-out training cases with at least this score, in [0, 1]."""
        return float((self.quantiles >= score).mean())


@dataclass(frozen=True, eq=False)
class InputReference:
    """Statistics that tell the model's kind of input.

    Attributes:
        modality: DICOM code the model reads, e.g. "US"; None: not stated.
        blocks: Of the image branch; its score is the largest of theirs.
        image: Limit of the image score.
        clinical: Limit of the clinical score; None: not measured.
        joint: Limit of the joint score; None: not measured.
        source: What it was measured on, in words.
    """

    modality: str | None
    blocks: tuple[GaussianBlock, ...]
    image: ScoreReference
    clinical: ScoreReference | None
    joint: ScoreReference | None
    source: str

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays for `reference.npz`, prefix "input/" left out."""
        out: dict[str, NDArray[Any]] = {"blocks": np.array([b.name for b in self.blocks])}
        for i, b in enumerate(self.blocks):
            out |= {f"{i}/{n}": getattr(b, n) for n in ("centre", "scale", "means", "precision")}
            out[f"{i}/held_out"] = np.array([b.location, b.spread])
        for n in ("image", "clinical", "joint"):
            if (score := getattr(self, n)) is not None:
                out |= {f"{n}/limit": np.array(score.limit), f"{n}/quantiles": score.quantiles}
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], stored: Json) -> InputReference:
        """What `to_arrays` gave; KeyError where one is missing."""

        def score(name: str) -> ScoreReference | None:
            if f"{name}/limit" not in arrays:
                return None
            return ScoreReference(float(arrays[f"{name}/limit"]), arrays[f"{name}/quantiles"])

        blocks = tuple(
            GaussianBlock(
                str(name), arrays[f"{i}/centre"], arrays[f"{i}/scale"], arrays[f"{i}/means"],
                arrays[f"{i}/precision"],
                location=float(arrays[f"{i}/held_out"][0]), spread=float(arrays[f"{i}/held_out"][1]),
            )
            for i, name in enumerate(arrays["blocks"])
        )  # fmt: skip
        image = ScoreReference(float(arrays["image/limit"]), arrays["image/quantiles"])
        return cls(stored["modality"], blocks, image, score("clinical"), score("joint"), str(stored["source"]))


@dataclass(frozen=True, eq=False)
class Reference:
    """Everything a bundle carries of its training cohort.

    Attributes:
        conformal: Prediction sets; None: not calibrated.
        inputs: Kind of input; None: not measured.
        training_images: The images it was trained on; None: not told, or by another version of `fingerprints`.
        entries: The "reference" entry of `metadata.json`, by part.
        arrays: `reference.npz`, whole.
        missing: One sentence a part that is not there.
    """

    conformal: ConformalReference | None = None
    inputs: InputReference | None = None
    training_images: TrainingImages | None = None
    entries: Mapping[str, Json] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def part(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of one part, its prefix left out; empty where the part is missing."""
        return {k.removeprefix(f"{name}/"): v for k, v in self.arrays.items() if k.startswith(f"{name}/")}


def load_reference(bundle: Bundle) -> Reference:
    """What the bundle carries; an older bundle without it gives an empty reference that says what is missing.

    Raises:
        BundleError: The file is listed but is not what `mmxai_core.training.enrich` writes.
    """
    entries = bundle.metadata.get(ENTRY) or {}
    arrays: dict[str, NDArray[Any]] = {}
    if REFERENCE in bundle.metadata.get("files", {}):
        try:
            with np.load(io.BytesIO(read_bytes_of(bundle.path / REFERENCE, bundle.name)), allow_pickle=False) as stored:
                arrays = {k: stored[k] for k in stored.files}
        except (ValueError, OSError, EOFError) as error:
            raise BundleError(f"Bundle {bundle.name!r}: {REFERENCE} cannot be read ({error}).") from error
    conformal, inputs, images = None, None, None
    try:
        if bundle.metadata.get("conformal"):
            conformal = ConformalReference.from_json(bundle.metadata["conformal"])
        if "input" in entries:
            own = {k.removeprefix("input/"): v for k, v in arrays.items() if k.startswith("input/")}
            inputs = InputReference.from_arrays(own, entries["input"])
        if entries.get("training_images", {}).get("version") == FINGERPRINTS:
            kept = entries["training_images"]["images"]
            images = TrainingImages({name: arrays[f"training_images/{name}"].astype(np.uint32) for name in kept})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"Bundle {bundle.name!r}: its reference lacks or misstates an entry ({error}).") from error
    present = set(entries) | {k.partition("/")[0] for k in arrays} | ({"conformal"} if conformal else set())
    missing = tuple(f"This bundle does not carry {what}." for name, what in PARTS.items() if name not in present)
    return Reference(conformal, inputs, images, entries, arrays, missing)
