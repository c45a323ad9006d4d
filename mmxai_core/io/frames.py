"""Decoding the frames of a DICOM object, one at a time, after their size was checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import Decoder, get_decoder

from mmxai_core.errors import StudyReadError
from mmxai_core.io.dataset import pixel_keyword, syntax_name
from mmxai_core.io.header import numbers, text, value
from mmxai_core.io.reading import Reading
from mmxai_core.io.refusal import READ_FAILURES, cause


def frame_shape(dataset: FileDataset) -> tuple[int, int, int]:
    """Rows, columns and values a pixel, as the header states them.

    Args:
        dataset: The object.

    Returns:
        (rows, columns, samples).

    Raises:
        StudyReadError: A tag is not a whole number.
    """
    sizes = [numbers(dataset, keyword) for keyword in ("Rows", "Columns")]
    if not all(len(s) == 1 and s[0].is_integer() for s in sizes):
        raise StudyReadError("Rows (0028,0010) and Columns (0028,0011) must each be one whole number.")
    samples = (numbers(dataset, "SamplesPerPixel") or (1.0,))[0]
    return int(sizes[0][0]), int(sizes[1][0]), max(1, int(samples))


def frame_count(dataset: FileDataset) -> int:
    """Number of Frames (0028,0008); 1 where absent, empty or 0.

    Args:
        dataset: The object.

    Returns:
        At least 1.

    Raises:
        StudyReadError: It is present but not a whole number above 0.
    """
    stated = dataset.get_item("NumberOfFrames")
    if stated is None or not stated.value:
        return 1
    found = numbers(dataset, "NumberOfFrames")
    if len(found) != 1 or found[0] < 0 or not found[0].is_integer():
        raise StudyReadError("Number of Frames (0028,0008) is not a whole number above 0.")
    return int(found[0]) or 1


def complete_frames(dataset: FileDataset, reading: Reading) -> int:
    """How many frames are whole; the data set is cut to them.

    Args:
        dataset: The object, with its pixel data.
        reading: Gets a note where frames are missing.

    Returns:
        At least 1.

    Raises:
        StudyReadError: Not even one frame is whole.
    """
    stated = frame_count(dataset)
    keyword = pixel_keyword(dataset)
    if keyword is None or not _decoder(dataset).is_native:
        return stated
    rows, columns, samples = frame_shape(dataset)
    bits = rows * columns * samples * int((numbers(dataset, "BitsAllocated") or (8.0,))[0])
    if text(dataset, "PhotometricInterpretation", 16) == "YBR_FULL_422":
        bits = bits // 3 * 2  # two of three values are stored (PS3.3 C.7.6.3.1.2)
    held = len(value(dataset, keyword) or b"")
    whole = held * 8 // max(bits, 1)
    if whole >= stated:
        return stated
    if whole < 1 or stated == 1:
        raise StudyReadError(
            f"The pixel data (7FE0,0010) is cut short: {-(-bits * stated // 8):,} bytes are needed, {held:,} are there."
        )
    reading.note(f"The file is cut short: {whole} of {stated} frames are whole and shown.")
    dataset.NumberOfFrames = whole
    return whole


def decode_frames(
    dataset: FileDataset, reading: Reading, *, count: int, order: Sequence[int] | None = None
) -> Iterator[tuple[int, NDArray[Any], str]]:
    """Decode frames in turn; YBR becomes RGB, planes become pixels, signs are set right (pydicom does it).

    Args:
        dataset: The object.
        reading: Gets a note where a later frame cannot be decoded.
        count: Frames to expect.
        order: Frame indices in the order wanted; None for the file's order.

    Yields:
        Frame index, (H, W) or (H, W, 3) stored values, photometric interpretation after decoding.

    Raises:
        StudyReadError: The syntax is not supported, or the first frame cannot be decoded.
    """
    name = syntax_name(dataset)
    decoder = _decoder(dataset)
    indices = list(order) if order is not None else list(range(count))
    done = 0
    try:
        frames = decoder.iter_array(dataset, indices=order)
        for index, (array, properties) in zip(indices, frames, strict=False):
            yield index, _native(array), str(properties["photometric_interpretation"])
            done += 1
    except READ_FAILURES as error:
        if done == 0:
            raise StudyReadError(f"The pixel data ({name}) cannot be decoded: {cause(error)}.") from error
    if done == 0:
        raise StudyReadError(f"The pixel data ({name}) holds no frame.")
    if done < len(indices):
        reading.note(f"Only {done} of {len(indices)} frames could be decoded and are shown.")


def _decoder(dataset: FileDataset) -> Decoder:
    try:
        return get_decoder(dataset.file_meta.TransferSyntaxUID)
    except NotImplementedError as error:
        raise StudyReadError(
            f"The pixel data's transfer syntax (0002,0010) is {syntax_name(dataset)}, which cannot be decoded here."
        ) from error


def _native(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def scale_colour(array: NDArray[Any], bits: int) -> NDArray[np.float32]:
    """Scale colour values to [0, 1]; equal channels become grey.

    Args:
        array: (H, W, 3) unsigned values.
        bits: Bits the values use; more where a value needs more.

    Returns:
        (H, W, 3) float32, or (H, W) where the three channels are equal everywhere.
    """
    top = float(2**bits - 1)
    if array.size and float(array.max()) > top:
        top = float(np.iinfo(array.dtype).max)
    if np.array_equal(array[..., 0], array[..., 1]) and np.array_equal(array[..., 0], array[..., 2]):
        array = array[..., 0]
    scaled = array.astype(np.float32)
    scaled /= np.float32(top)
    return np.clip(scaled, 0.0, 1.0, out=scaled)
