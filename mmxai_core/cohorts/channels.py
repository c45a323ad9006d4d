"""The planes of a case that has several (contrast phases, MR sequences), on one intensity scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmxai_core.cohorts.case import Case, Channel, is_raster, read_grey
from mmxai_core.errors import CohortError
from mmxai_core.types import FloatArray


def read_channels(case: Case) -> NDArray[np.float32]:
    """(C, H, W) float32 in [0, 1], in the order of `case.channels`; (1, H, W) where there are none.

    DICOM planes share one scale (percentiles 0.5 and 99.5 of all planes together), because the rise from before to
    after contrast is what they are read for; a window for each would take it away. Raster bands are taken as published.

    Raises:
        CohortError: A file cannot be read, or the planes differ in size.
    """
    if not case.channels:
        return read_grey(case.image)[None]
    dicom = [c for c in case.channels if not is_raster(c.path)]
    if dicom and len(dicom) < len(case.channels):
        raise CohortError(f"Case {case.case_id} mixes DICOM and raster planes, which share no intensity scale.")
    planes = _from_dicom(case.channels) if dicom else [_band(c) for c in case.channels]
    if len({p.shape for p in planes}) > 1:
        sizes = ", ".join(f"{c.name} {p.shape}" for c, p in zip(case.channels, planes, strict=True))
        raise CohortError(f"The planes of case {case.case_id} differ in size: {sizes}.")
    return np.stack(planes).astype(np.float32)


def _from_dicom(channels: tuple[Channel, ...]) -> list[FloatArray]:
    from mmxai_core.cohorts.dicom_pixels import modality_values
    from mmxai_core.io.grayscale import robust_range

    values = [modality_values(c.path) for c in channels]
    low, high = robust_range(values)
    return [np.clip((v - low) / (high - low), 0.0, 1.0) for v in values]


def _band(channel: Channel) -> FloatArray:
    if channel.band is None:
        return read_grey(channel.path)
    try:
        with Image.open(channel.path) as image:
            bands = np.asarray(image.convert("RGB"), np.float32)
    except OSError as error:
        raise CohortError(f"Cannot read image {channel.path.name}: {error}.") from error
    plane: FloatArray = bands[..., channel.band] / np.float32(255.0)
    return plane
