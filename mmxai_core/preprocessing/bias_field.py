"""N4 bias-field correction (Tustison et al. 2010): the coil's slow shading is divided out of an MR slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmxai_core.errors import CohortError
from mmxai_core.types import FloatMap, Mask

#: Fitting levels: each doubles the mesh of the B-spline.
_LEVELS = 4
#: A picture is not shrunk below this, and one below half of it is not corrected: there is no slow shading to fit.
_FIT_SIDE, SMALLEST_SIDE = 64, 32
#: N4 fits the log of the signal: values are kept above this part of the 98th percentile.
_FLOOR = 1e-3


@dataclass(frozen=True, eq=False)
class BiasField:
    """A fitted field.

    Attributes:
        field: (H, W) float32, mean 1 in the mask: divide by it.
        spread: Its coefficient of variation in the mask: how much shading was found.
    """

    field: FloatMap
    spread: float


def fit_bias_field(values: FloatMap, mask: Mask, *, shrink: int, iterations: int) -> BiasField:
    """Fits the field on a smaller picture, and gives it at full size.

    One thread, so that the result is the same on every machine with this library.

    Args:
        values: (H, W) MR signal, each side at least `SMALLEST_SIDE`.
        mask: (H, W) bool: where there is tissue.
        shrink: Largest factor to shrink by.
        iterations: At most, on each level.

    Raises:
        CohortError: The library cannot fit a field.
    """
    import SimpleITK  # 0.1 s and 100 MB of memory: only MR pays for it

    high = float(np.percentile(values[mask], 98))
    if not high > 0:
        raise CohortError(f"N4 needs a positive signal; the 98th percentile in the foreground is {high:g}.")
    image = SimpleITK.GetImageFromArray(np.maximum(values / high, _FLOOR).astype(np.float32))
    inside = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    factor = max(1, min(shrink, min(values.shape) // _FIT_SIDE))
    small, small_inside = (SimpleITK.Shrink(x, [factor, factor]) for x in (image, inside))
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([iterations] * _LEVELS)
    n4.SetNumberOfThreads(1)
    try:
        n4.Execute(small, small_inside)
        log_field = SimpleITK.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image))
    except RuntimeError as error:
        raise CohortError(f"N4 could not fit a bias field to {values.shape} pixels: {_first_line(error)}.") from error
    field = np.exp(log_field.astype(np.float64))
    field /= field[mask].mean()
    if not (np.isfinite(field).all() and float(field.min()) > 0):
        raise CohortError("N4 gave a bias field that is not finite and positive.")
    return BiasField(field.astype(np.float32), float(field[mask].std()))


def _first_line(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1][:120]
