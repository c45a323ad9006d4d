"""NIfTI, MetaImage and NRRD -> slices, through SimpleITK.

Slices are shown as a radiologist expects: axial with anterior at the top and the patient's left at the image's right,
coronal and sagittal with superior at the top.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import StudyReadError
from mmxai_core.io.frames import scale_colour
from mmxai_core.io.grayscale import display, robust_range
from mmxai_core.io.grey_levels import grey_levels
from mmxai_core.io.grey_rule import GreyRule
from mmxai_core.io.orient import as_slices, through_plane
from mmxai_core.io.reading import Reading
from mmxai_core.io.volume_header import VolumeFiles
from mmxai_core.study import PixelGeometry, StudyImage


def read_volume(files: VolumeFiles, scratch: Path, reading: Reading) -> Iterator[StudyImage]:
    """Read a volume.

    Args:
        files: Header and, where separate, data, with every path in the header already replaced.
        scratch: An empty folder of this read.
        reading: Limits and notes.

    Yields:
        Slices along the through-plane axis, feet to head, front to back or right to left.

    Raises:
        StudyReadError: It is damaged, of an unusual pixel type, or breaks a limit.
    """
    import SimpleITK as sitk  # noqa: N813  # the library's own short name; 0.1 s and 100 MB of memory: only a volume pays for it

    image, axis = _load(sitk, files, scratch, reading)
    spacing = image.GetSpacing()
    array: NDArray[Any] = sitk.GetArrayViewFromImage(image)
    channels = image.GetNumberOfComponentsPerPixel()
    if channels not in (1, 3):
        reading.note(f"Each voxel has {channels} values; the first is shown.")
        array = array[..., 0]
    if axis is None:
        stack, in_plane, name = array[None], (spacing[1], spacing[0]), "Image"
    else:
        matrix = np.asarray(image.GetDirection(), dtype=np.float64).reshape(3, 3)
        stack, in_plane, plane = as_slices(array, matrix, spacing, axis)
        name = f"{plane} slice"
    source = files.spacing_source
    pixel_range = None if channels == 3 else robust_range(iter(stack))
    for number, plane_values in enumerate(stack, start=1):
        where = PixelGeometry((plane_values.shape[0], plane_values.shape[1]), in_plane if source else None, source)
        label = name if len(stack) == 1 else f"{name} {number}"
        yield _slice(plane_values, where, label, pixel_range)


def _load(sitk: ModuleType, files: VolumeFiles, scratch: Path, reading: Reading) -> tuple[Any, int | None]:
    """The first volume of the file, and its through-plane index axis; None for a single image."""
    held = [_place(scratch / name, content) for name, content in files.contents.items()]
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(scratch / files.main))
    reader.SetImageIO(files.image_io)
    try:
        reader.ReadImageInformation()
        size = [int(s) for s in reader.GetSize()]
        if not 2 <= len(size) <= 4 or min(size) < 1:
            raise StudyReadError(f"A volume of 2, 3 or 4 axes can be read; the header says {tuple(size)} voxels.")
        axis = through_plane(reader.GetSpacing()[:3]) if len(size) > 2 else None
        rows, columns = (n for index, n in enumerate(size[:3]) if index != axis)
        frames = 1 if axis is None else size[axis]
        reading.budget.take_images(rows, columns, samples=max(1, reader.GetNumberOfComponents()), frames=frames)
        if len(size) == 4:
            if size[3] > 1:
                reading.note(f"The file holds {size[3]} volumes (time points); the first is shown.")
            reader.SetExtractIndex([0, 0, 0, 0])
            reader.SetExtractSize([*size[:3], 0])
        return reader.Execute(), axis
    except RuntimeError as error:
        if "memory" in str(error).lower() or "bad_alloc" in str(error):
            raise MemoryError from error
        raise StudyReadError(f"The {files.name} file is damaged, cut short or of an unsupported kind.") from error
    finally:
        for descriptor in held:
            os.close(descriptor)


def _place(path: Path, content: bytes) -> int:
    """Give bytes a path without writing them to a disk: a link to an anonymous file in memory."""
    descriptor = os.memfd_create(path.name)
    with open(descriptor, "wb", closefd=False) as stream:  # a descriptor, not a path
        stream.write(content)
    path.symlink_to(f"/proc/self/fd/{descriptor}")
    return descriptor


def _slice(
    values: NDArray[Any], where: PixelGeometry, label: str, pixel_range: tuple[float, float] | None
) -> StudyImage:
    if values.ndim == 3:
        bits = 8 * values.dtype.itemsize
        if values.dtype.kind != "u":
            raise StudyReadError(f"Colour voxels of type {values.dtype} are not supported; 8 or 16 bit are.")
        return StudyImage(
            pixels=scale_colour(values, bits), geometry=where, label=label, display=(f"Colour, {bits} bits a channel",)
        )
    rule = GreyRule(bits=0)
    values = np.ascontiguousarray(values)
    shown = display(values, rule, pixel_range=pixel_range, scope="volume")
    return StudyImage(
        pixels=shown.pixels, geometry=where, label=label, value_range=shown.value_range, display=shown.steps,
        levels=grey_levels(values, rule) if shown.value_range else None,
    )  # fmt: skip
