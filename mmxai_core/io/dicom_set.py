"""Many DICOM objects -> one study: which to keep, and in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import StudyReadError
from mmxai_core.io.dataset import read_dataset, require_image
from mmxai_core.io.dicom import frame_slice, object_images, range_samples
from mmxai_core.io.frames import frame_count, frame_shape
from mmxai_core.io.grayscale import robust_range
from mmxai_core.io.grey_rule import grey_rule
from mmxai_core.io.header import numbers, side_and_view, text
from mmxai_core.io.limits import Budget
from mmxai_core.io.reading import Reading
from mmxai_core.io.series import Slice, order_slices
from mmxai_core.io.source import Source
from mmxai_core.study import StudyImage


@dataclass(frozen=True, eq=False)
class Header:
    """What is kept of an object while the others are looked at.

    Attributes:
        source: Where its bytes are.
        patient: PatientID (0010,0020); compared, never shown.
        instance: SOPInstanceUID (0008,0018).
        series: SeriesInstanceUID (0020,000E).
        series_number: SeriesNumber (0020,0011), or 0.
        frames: Number of Frames.
        shape: (rows, columns, samples).
        place: Position and orientation.
        name: Side and view where stated, e.g. "L CC", else "".
        needs_range: Whether grey ends must come from the pixels.
    """

    source: Source
    patient: str
    instance: str
    series: str
    series_number: float
    frames: int
    shape: tuple[int, int, int]
    place: Slice
    name: str
    needs_range: bool


def read_dicom_set(sources: Sequence[Source], reading: Reading) -> Iterator[StudyImage]:
    """Read DICOM files that were uploaded together.

    A series whose images have positions is a stack and is sorted along its normal. Of several series, where one is a
    stack or a cine, the largest is shown; single images (the views of a mammogram) are all shown.

    Args:
        sources: The files.
        reading: Filled with facts and notes.

    Yields:
        The images, in reading order.

    Raises:
        StudyReadError: None is an image, they belong to several patients, or a limit is passed.
    """
    headers = _headers(sources, reading)
    if len({header.patient for header in headers if header.patient}) > 1:
        raise StudyReadError("The files belong to more than one patient: Patient ID (0010,0020) differs.")
    headers = _without_copies(headers, reading)
    kept, stack = _choose(headers, reading)
    _check_room(kept, reading)
    pooled = None
    if stack and len(kept) > 1 and any(header.needs_range for header in kept):
        pooled = robust_range(_samples(kept, reading))
    for number, header in enumerate(kept, start=1):
        label = f"Slice {number}" if stack else header.name or f"Image {number}"
        dataset = read_dataset(header.source.load(), reading)
        yield from object_images(dataset, reading, label=label if len(kept) > 1 else None, series_range=pooled)


def _headers(sources: Sequence[Source], reading: Reading) -> list[Header]:
    headers: list[Header] = []
    reasons: list[str] = []
    for number, source in enumerate(sources):
        try:
            headers.append(_header(source, number, reading))
        except StudyReadError as error:
            reasons.append(str(error))
    if not headers:
        raise StudyReadError(
            reasons[0] if len(reasons) == 1 else f"None of the {len(reasons)} DICOM files can be shown. {reasons[0]}"
        )
    if reasons:
        reading.note(f"DICOM files left out: {len(reasons)}. {reasons[0]}")
    return headers


def _header(source: Source, number: int, reading: Reading) -> Header:
    dataset = read_dataset(source.load(), reading, header_only=True)
    require_image(dataset, header_only=True)
    shape = frame_shape(dataset)
    grey = text(dataset, "PhotometricInterpretation", 16).startswith("MONOCHROME")
    return Header(
        source=source,
        patient=text(dataset, "PatientID"),
        instance=text(dataset, "SOPInstanceUID"),
        series=text(dataset, "SeriesInstanceUID"),
        series_number=(numbers(dataset, "SeriesNumber") or (0.0,))[0],
        frames=frame_count(dataset),
        shape=shape,
        place=frame_slice(dataset, None, number),
        name=side_and_view(dataset),
        needs_range=grey and grey_rule(dataset).needs_range,
    )


def _without_copies(headers: Sequence[Header], reading: Reading) -> list[Header]:
    seen: set[str] = set()
    kept: list[Header] = []
    for header in headers:
        if header.instance and header.instance in seen:
            continue
        seen.add(header.instance)
        kept.append(header)
    if len(kept) < len(headers):
        reading.note(
            f"Images left out as copies, because SOP Instance UID (0008,0018) repeats: {len(headers) - len(kept)}."
        )
    return kept


def _choose(headers: Sequence[Header], reading: Reading) -> tuple[list[Header], bool]:
    """The objects to show, in order, and whether they are a stack of slices."""
    series: defaultdict[str, list[Header]] = defaultdict(list)
    for header in headers:
        series[header.series].append(header)
    extended = [group for group in series.values() if _is_stack(group) or any(h.frames > 1 for h in group)]
    if not extended:
        return sorted(headers, key=lambda h: (h.series_number, h.place.number)), False
    largest = max(extended, key=lambda group: sum(h.frames for h in group))
    if len(series) > 1:
        reading.note(
            f"The upload holds {len(series)} series; the largest is shown "
            f"({sum(h.frames for h in largest)} of {sum(h.frames for h in headers)} images)."
        )
    if not _is_stack(largest):
        return sorted(largest, key=lambda h: h.place.number), False
    found = order_slices([header.place for header in largest])
    for sentence in found.notes:
        reading.note(sentence)
    return [largest[index] for index in found.indices], True


def _is_stack(group: Sequence[Header]) -> bool:
    placed = [h for h in group if h.frames == 1 and h.place.placed]
    return len(placed) == len(group) and len({h.place.position for h in placed}) > 1


def _check_room(kept: Iterable[Header], reading: Reading) -> None:
    """Refuse a study that cannot fit before its first image is decoded."""
    trial = Budget(reading.limits)
    for header in kept:
        rows, columns, samples = header.shape
        trial.take_images(rows, columns, samples=samples, frames=header.frames)


def _samples(kept: Iterable[Header], reading: Reading) -> Iterator[NDArray[np.generic]]:
    for header in kept:
        yield from range_samples(read_dataset(header.source.load(), reading), reading, count=1)
