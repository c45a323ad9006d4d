"""One DICOM object -> its images, ready for display."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_color_lut

from mmxai_core.errors import StudyReadError
from mmxai_core.io.dataset import read_dataset, require_image
from mmxai_core.io.frames import complete_frames, decode_frames, frame_shape, scale_colour
from mmxai_core.io.grayscale import display, modality_values, padding_mask, robust_range
from mmxai_core.io.grey_levels import grey_levels
from mmxai_core.io.grey_rule import grey_rule
from mmxai_core.io.header import functional_group, gather_facts, laterality, numbers, side_and_view, text, view
from mmxai_core.io.reading import Reading
from mmxai_core.io.refusal import READ_FAILURES, printable
from mmxai_core.io.series import Slice, order_slices
from mmxai_core.io.sop import caution
from mmxai_core.io.spacing import geometry
from mmxai_core.study import GreyLevels, StudyImage

Range = tuple[float, float]


def read_dicom(data: bytes, reading: Reading) -> Iterator[StudyImage]:
    """Read one uploaded DICOM file.

    Args:
        data: The whole file.
        reading: Filled with facts and notes.

    Yields:
        Each frame, in spatial order where the frames state their positions, else in the file's order.

    Raises:
        StudyReadError: It is no image, is damaged, or breaks a limit.
    """
    dataset = read_dataset(data, reading)
    yield from object_images(dataset, reading)


def object_images(
    dataset: FileDataset, reading: Reading, *, label: str | None = None, series_range: Range | None = None
) -> Iterator[StudyImage]:
    """Turn one parsed object into images.

    Args:
        dataset: The object, with its pixel data.
        reading: Filled with facts and notes.
        label: Label of the object among others; None: its side and view, or "Image".
        series_range: Black and white of the series it belongs to, where it states no window.

    Yields:
        Its frames.

    Raises:
        StudyReadError: It is no image, cannot be decoded, or breaks a limit.
    """
    require_image(dataset)
    gather_facts(dataset, reading)
    if sentence := caution(dataset):
        reading.note(sentence)
    if any(tag.group & 0xFF01 == 0x6000 for tag in dataset.keys()):  # noqa: SIM118  # iterating converts every element
        reading.note("Overlays (60xx,3000) in the file are not shown.")
    rows, columns, samples = frame_shape(dataset)
    reading.budget.check_size(rows, columns)
    count = complete_frames(dataset, reading)
    reading.budget.take_images(rows, columns, samples=samples, frames=count)
    order = _frame_order(dataset, count, reading)
    pixel_range, scope = series_range, "series"
    if pixel_range is None and count > 1 and grey_rule(dataset).needs_range:
        # One pair of ends for all frames, or a cine would flicker: decode once to find it and once to show.
        pixel_range, scope = robust_range(range_samples(dataset, reading, count=count)), "frames"
    for number, (index, stored, photometric) in enumerate(
        decode_frames(dataset, reading, count=count, order=order), start=1
    ):
        name = (label or side_and_view(dataset) or "Image") if count == 1 else f"Frame {number}"
        if label and count > 1:
            name = f"{label}, {name.lower()}"
        yield _image(dataset, reading, index, stored, photometric, name, pixel_range, scope)


def range_samples(dataset: FileDataset, reading: Reading, *, count: int) -> Iterator[NDArray[np.generic]]:
    """Modality values of an object's grey frames, padding removed, for a range over all of them.

    Args:
        dataset: The object.
        reading: For notes.
        count: Its frames.

    Yields:
        One array a frame.

    Raises:
        StudyReadError: It cannot be decoded.
    """
    for index, stored, _ in decode_frames(dataset, reading, count=count):
        if stored.ndim == 2:
            yield _present_values(dataset, index, stored)


def _present_values(dataset: FileDataset, index: int, stored: NDArray[Any]) -> NDArray[np.generic]:
    rule = grey_rule(dataset, index)
    absent = padding_mask(stored, rule)
    values = modality_values(stored, rule)
    return values if absent is None else values[~absent]


def _image(
    dataset: FileDataset,
    reading: Reading,
    index: int,
    stored: NDArray[Any],
    photometric: str,
    label: str,
    pixel_range: Range | None,
    scope: str,
) -> StudyImage:
    where = geometry(dataset, (stored.shape[0], stored.shape[1]), index, reading)
    value_range: Range | None = None
    levels: GreyLevels | None = None
    if photometric.startswith("MONOCHROME") and stored.ndim == 2:
        rule = grey_rule(dataset, index)
        if rule.needs_range and pixel_range is None:
            pixel_range, scope = robust_range([_present_values(dataset, index, stored)]), "image"
        shown = display(stored, rule, pixel_range=pixel_range, scope=scope)
        pixels, value_range, steps = shown.pixels, shown.value_range, shown.steps
        levels = grey_levels(stored, rule) if value_range else None
    else:
        pixels, steps = _colour(dataset, stored, photometric)
    return StudyImage(
        pixels=pixels,
        geometry=where,
        label=label,
        view=view(dataset),
        laterality=laterality(dataset, index),
        value_range=value_range,
        display=steps,
        levels=levels,
    )


def _colour(
    dataset: FileDataset, stored: NDArray[Any], photometric: str
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    if photometric == "PALETTE COLOR" and stored.ndim == 2:
        try:
            table = apply_color_lut(stored, dataset)[..., :3]
        except READ_FAILURES as error:
            raise StudyReadError("The colour palette (0028,1101 to 0028,1203) is missing or damaged.") from error
        bits = int((numbers(dataset, "RedPaletteColorLookupTableDescriptor") or (0.0, 0.0, 8.0))[-1])
        return scale_colour(table, bits), ("Colour palette applied (PALETTE COLOR)",)
    if photometric == "RGB" and stored.ndim == 3:
        bits = int((numbers(dataset, "BitsStored") or (8.0,))[0])
        source = text(dataset, "PhotometricInterpretation", 16)
        step = "RGB" if source == "RGB" else f"{source} converted to RGB"
        return scale_colour(stored, bits), (f"{step}, {bits} bits a channel",)
    raise StudyReadError(
        f"Photometric Interpretation (0028,0004) {printable(photometric, 20)} with "
        f"{stored.shape[2] if stored.ndim == 3 else 1} values a pixel is not supported."
    )


def frame_slice(dataset: FileDataset, frame: int | None, number: float) -> Slice:
    """Where a frame, or a single-frame object, lies.

    Args:
        dataset: The object; its pixel data is not needed.
        frame: Index from 0 for functional groups, or None for the object's own tags only.
        number: Its place in the upload, used where InstanceNumber (0020,0013) is absent.

    Returns:
        Position, orientation and number.
    """
    plane = functional_group(dataset, "PlanePositionSequence", frame or 0) or dataset
    tilt = functional_group(dataset, "PlaneOrientationSequence", frame or 0) or dataset
    stated = numbers(dataset, "InstanceNumber") if frame is None else ()
    return Slice(
        position=numbers(plane, "ImagePositionPatient") or None,
        orientation=numbers(tilt, "ImageOrientationPatient") or None,
        number=(stated or (number,))[0],
    )


def _frame_order(dataset: FileDataset, count: int, reading: Reading) -> list[int] | None:
    """Spatial order of the frames where each states its own place and no two share one; None: the file's order."""
    if count == 1 or "PerFrameFunctionalGroupsSequence" not in dataset:
        return None
    found = order_slices([frame_slice(dataset, index, index) for index in range(count)])
    # Frames at one place are time points, echoes or segments: dropping them, as for files, would lose data.
    if not found.by_position or len(found.indices) < count:
        return None
    for sentence in found.notes:
        reading.note(sentence)
    return None if list(found.indices) == list(range(count)) else list(found.indices)
