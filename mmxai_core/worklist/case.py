"""One case of the worklist, as pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args

from mmxai_core.clinical import Value
from mmxai_core.errors import StudyStoreError
from mmxai_core.results import InputCheck, PredictionSet
from mmxai_core.types import Box

Status = Literal["new", "analysing", "analysed", "rated", "failed"]
Priority = Literal["routine", "soon", "urgent"]
Source = Literal["upload", "sample", "watch", "manifest", "clinical"]
Flag = Literal["unlike training", "training image", "abstains", "fields missing"]

STATES: tuple[Status, ...] = get_args(Status)
#: Lowest first.
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
FLAGS: tuple[Flag, ...] = get_args(Flag)
#: Owner of the cases that everyone at this site may see.
SITE = ""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Analysed:
    """What a kept answer was computed from and, in short, what it says.

    Attributes:
        values: Known clinical values, by field id.
        roi: Box the reader drew, image pixels, or None.
        roi_image: The image it was drawn on.
        probability: Of the positive class, in [0, 1].
        low: 5th percentile of it over what the unknown fields may turn out to be; None: not computed.
        high: 95th percentile; None: not computed.
        threshold: Operating point, in [0, 1].
        positive_class: The class the probability is of.
        predicted_class: The class called.
        set_classes: Classes that the conformal set holds; empty where it is not calibrated or holds none.
        flags: See `Flag`.
        bundle: Bundle name.
        bundle_sha256: Hash of its weights.
        at: When, UTC.
    """

    values: Mapping[str, Value]
    roi: Box | None
    roi_image: int
    probability: float
    low: float | None
    high: float | None
    threshold: float
    positive_class: str
    predicted_class: str
    set_classes: tuple[str, ...]
    flags: tuple[Flag, ...]
    bundle: str
    bundle_sha256: str
    at: datetime


@dataclass(frozen=True)
class WorklistCase:
    """One case.

    Attributes:
        code: Pseudonym: a keyed hash, 12 letters and digits.
        owner: Reader code, a browser's own mark, or `SITE`.
        source: Where it came from.
        title: A sample's title, else "".
        status: See `Status`.
        priority: See `Priority`.
        modality: DICOM Modality code, or None.
        images: Images in the study; 0: clinical data only.
        synthetic: True for a phantom.
        has_pixels: True where the de-identified pixels are kept.
        values: Known clinical values, by field id.
        initial: The values the file, sample or manifest gave.
        prefilled: Where each of these came from, in words.
        roi: Box the reader drew, or None.
        roi_image: The image it was drawn on.
        image_index: The image shown last.
        analysed: The latest answer in short, or None.
        problem: One sentence on why it failed, or "".
        added_at: UTC.
        opened_at: Last opened, UTC.
        bundle: Name of the bundle that reads it; "" in rows of format 1, which did not say.
        parked: Values that this bundle does not know, for another one.
    """

    code: str
    owner: str
    source: Source
    title: str
    status: Status
    priority: Priority
    modality: str | None
    images: int
    synthetic: bool
    has_pixels: bool
    values: Mapping[str, Value] = field(default_factory=dict)
    initial: Mapping[str, Value] = field(default_factory=dict)
    prefilled: Mapping[str, str] = field(default_factory=dict)
    roi: Box | None = None
    roi_image: int = 0
    image_index: int = 0
    analysed: Analysed | None = None
    problem: str = ""
    added_at: datetime = _LONG_AGO
    opened_at: datetime = _LONG_AGO
    bundle: str = ""
    parked: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, value, allowed in (("status", self.status, STATES), ("priority", self.priority, PRIORITIES),
                                     ("source", self.source, get_args(Source))):  # fmt: skip
            if value not in allowed:
                raise StudyStoreError(f"A case's {what} must be one of {', '.join(allowed)}; got {value!r}.")

    @property
    def is_current(self) -> bool:
        """True where the kept answer belongs to the values and the region of now."""
        a = self.analysed
        return a is not None and dict(a.values) == dict(self.values) and a.roi == self.roi


def flags_of(check: InputCheck | None, kept: PredictionSet | None, *, unknown: int) -> tuple[Flag, ...]:
    """The flags of an answer.

    Args:
        check: Whether this is the model's kind of input.
        kept: The classes that cannot be ruled out.
        unknown: How many fields are unknown.
    """
    told: list[Flag] = []
    if check is not None and check.flagged:
        told.append("unlike training")
    if check is not None and any(f.rule == "training image" for image in check.images for f in image.findings):
        told.append("training image")
    if kept is not None and kept.outcome != "not_calibrated" and kept.abstains:
        told.append("abstains")
    if unknown:
        told.append("fields missing")
    return tuple(told)
