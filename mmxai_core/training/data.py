"""Cases of a cohort as arrays in memory: letterboxed grey canvases, masks, encoded records.

The network has one grey channel. A case of several planes (contrast phases, MR sequences) is therefore read as the
luminance of three of them, 0.299 first + 0.587 second + 0.114 third: what an upload of the published RGB slice is read
as, so that training and the reading room see the same picture. Where a cohort has boxes but no outlines, the box
stands for the lesion. A publisher's close-up (`Case.crop`) is not read: the network cuts its own second glance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema
from mmxai_core.cohorts.case import Case, Cohort, read_grey, read_masks
from mmxai_core.cohorts.channels import read_channels
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.types import Box, GreyImage, Mask

#: ITU-R BT.601 luma, as Pillow's conversion to grey.
LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class Picture:
    """What is read of one case.

    Attributes:
        grey: (H, W) float32 in [0, 1].
        lesion: (H, W) bool; None where it is neither outlined nor boxed.
    """

    grey: GreyImage
    lesion: Mask | None


@dataclass(frozen=True, eq=False)
class CohortArrays:
    """N cases.

    Attributes:
        grey: (N, S, S) uint8 letterboxed display grey, padding 0.
        content: (N, 4) int64 (y0, x0, rows, cols) of the image on the canvas.
        lesion: (N, S, S) uint8, 1 in the lesion.
        has_mask: (N,) bool.
        values: (N, F) float32 encoded values.
        known: (N, F) bool.
        labels: (N,) int64 index into the cohort's classes.
        case_ids: N ids.
        patients: N patient ids.
        records: N clinical records, for encoding with another schema.
        assessed: N categories that readers gave (BI-RADS), each with its cohort's name, "" where unknown: read by
            `teacher` alone, never an input. May be empty: none is known.
    """

    grey: NDArray[np.uint8]
    content: NDArray[np.int64]
    lesion: NDArray[np.uint8]
    has_mask: NDArray[np.bool_]
    values: NDArray[np.float32]
    known: NDArray[np.bool_]
    labels: NDArray[np.int64]
    case_ids: tuple[str, ...]
    patients: tuple[str, ...]
    records: tuple[ClinicalRecord, ...]
    assessed: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Sequence[int] | NDArray[np.int64]) -> CohortArrays:
        """The cases at `index`, in that order."""
        i = np.asarray(index)
        return CohortArrays(
            self.grey[i], self.content[i], self.lesion[i], self.has_mask[i], self.values[i], self.known[i],
            self.labels[i], tuple(self.case_ids[k] for k in i), tuple(self.patients[k] for k in i),
            tuple(self.records[k] for k in i), tuple(self.assessed[k] for k in i) if self.assessed else (),
        )  # fmt: skip

    def encoded(self, schema: ClinicalSchema) -> CohortArrays:
        """The same cases with their records encoded by `schema`; fields it does not have are left out."""
        values, known = _encode(self.records, schema)
        return replace(self, values=values, known=known)

    @staticmethod
    def concatenate(parts: Sequence[CohortArrays]) -> CohortArrays:
        """Cases of several cohorts, one after the other; they must share a schema."""

        def join(name: str) -> Any:
            return np.concatenate([getattr(p, name) for p in parts])

        return CohortArrays(
            join("grey"), join("content"), join("lesion"), join("has_mask"), join("values"), join("known"),
            join("labels"), tuple(c for p in parts for c in p.case_ids), tuple(c for p in parts for c in p.patients),
            tuple(r for p in parts for r in p.records),
            tuple(a for p in parts for a in (p.assessed or ("",) * len(p))) if any(p.assessed for p in parts) else (),
        )  # fmt: skip


def read_picture(case: Case) -> Picture:
    """A case as its files show it.

    Raises:
        CohortError: An image or mask cannot be read.
    """
    grey = case_grey(case)
    shape = (grey.shape[0], grey.shape[1])
    if case.masks:
        return Picture(grey, read_masks(case.masks, shape))
    return Picture(grey, box_mask(case.boxes, shape) if case.boxes else None)


def load_arrays(
    cohort: Cohort, *, schema: ClinicalSchema, canvas: int, progress: Callable[[int, int], None] | None = None,
    read: Callable[[Case], Picture] = read_picture,
) -> CohortArrays:  # fmt: skip
    """Reads every labelled case of a cohort.

    Args:
        cohort: The cohort.
        schema: Schema to encode with; fields the cohort does not have are unknown.
        canvas: Canvas side S, pixels.
        progress: Called with (done, all).
        read: How a case's picture and lesion are read: as its files show them, or preprocessed.

    Raises:
        CohortError: An image or mask cannot be read.
        ClinicalValueError: A value breaks its field's rule.
    """
    cases = [c for c in cohort.cases if c.label is not None]
    n = len(cases)
    grey, lesion = np.zeros((n, canvas, canvas), np.uint8), np.zeros((n, canvas, canvas), np.uint8)
    content = np.zeros((n, 4), np.int64)
    for i, case in enumerate(cases):
        _place(read(case), canvas, grey[i], lesion[i], content[i])
        if progress:
            progress(i + 1, n)
    records = tuple(schema.record({k: v for k, v in c.clinical.items() if k in schema.ids}) for c in cases)
    return CohortArrays(
        grey, content, lesion, np.array([bool(c.masks or c.boxes) for c in cases]), *_encode(records, schema),
        np.array([cohort.classes.index(str(c.label)) for c in cases], np.int64),
        tuple(c.case_id for c in cases), tuple(c.patient_id for c in cases), records,
        tuple(f"{cohort.name} {a}" if (a := assessed_as(c)) else "" for c in cases),
    )  # fmt: skip


def assessed_as(case: Case) -> str:
    """The category that a reader gave the case, whether the cohort has it as a field or as a stratum; "" if none."""
    return str(case.clinical.get("birads") or case.strata.get("birads") or "")


def _encode(records: Sequence[ClinicalRecord], schema: ClinicalSchema) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Records -> ((N, F) values, (N, F) known)."""
    shape = (len(records), len(schema.fields))
    values, known = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    for i, record in enumerate(records):
        encoded = schema.encode(record)
        values[i], known[i] = encoded.values, encoded.known
    return values, known


def _place(
    picture: Picture, canvas: int, grey: NDArray[np.uint8], lesion: NDArray[np.uint8], content: NDArray[np.int64]
) -> None:
    """Fills one case's row of the arrays in place."""
    geometry = CanvasGeometry.letterbox((picture.grey.shape[0], picture.grey.shape[1]), canvas)
    grey[:] = np.round(geometry.to_canvas(picture.grey) * 255).astype(np.uint8)
    content[:] = (*geometry.offset, *geometry.content)
    if picture.lesion is not None:
        lesion[:] = geometry.to_canvas(picture.lesion.astype(np.float32)) > 0.5


def case_grey(case: Case) -> GreyImage:
    """The one grey picture the network sees: `case.image`, or the luminance of the first three of its planes.

    Raises:
        CohortError: A file cannot be read.
    """
    if not case.channels:
        return read_grey(case.image)
    return luminance(read_channels(case))


def luminance(planes: NDArray[np.float32]) -> GreyImage:
    """(C, H, W) planes -> (H, W): the luminance of the first three of them."""
    shown = planes[:3]
    weights = np.array(LUMINANCE[: len(shown)], np.float32)
    grey: GreyImage = np.tensordot(weights / weights.sum(), shown, 1).astype(np.float32)
    return grey


def box_mask(boxes: Sequence[Box], shape: tuple[int, int]) -> Mask:
    """(H, W) bool, True in any of the boxes (x0, y0, x1, y1)."""
    out = np.zeros(shape, bool)
    for x0, y0, x1, y1 in boxes:
        out[max(round(y0), 0) : max(round(y1), 0), max(round(x0), 0) : max(round(x1), 0)] = True
    return out


def content_masks(content: NDArray[np.int64], canvas: int) -> torch.Tensor:
    """(N, 4) content boxes -> (N, 1, S, S) float32, 1 on the image."""
    out = torch.zeros(len(content), 1, canvas, canvas)
    for mask, (y, x, rows, cols) in zip(out, content.tolist(), strict=True):
        mask[0, y : y + rows, x : x + cols] = 1.0
    return out


def standardise_batch(grey: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    """`mmxai_core.preprocess.standardise` for a batch: (B, 1, S, S) grey and content masks -> standardised canvases."""
    n = content.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1)
    mean = (grey * content).sum(dim=(1, 2, 3), keepdim=True) / n
    centred = (grey - mean) * content
    std = ((centred**2).sum(dim=(1, 2, 3), keepdim=True) / n).sqrt()
    return centred / std.clamp_min(1e-3)
