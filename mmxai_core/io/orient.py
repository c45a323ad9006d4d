"""Which axis of a volume is through-plane, and how its slices are turned for display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A spacing this much larger than the next marks the through-plane axis.
CLEARLY_LARGER = 1.5
_PLANES = ("Sagittal", "Coronal", "Axial")


def through_plane(spacing: Sequence[float]) -> int:
    """Choose the through-plane axis.

    Args:
        spacing: (3,) mm, in index order (i, j, k).

    Returns:
        The axis whose spacing is at least 1.5 times the others; k, the slowest in the file, where none is.
    """
    largest = int(np.argmax(spacing))
    others = [s for axis, s in enumerate(spacing) if axis != largest]
    return largest if spacing[largest] >= CLEARLY_LARGER * max(others) else 2


def world_axes(direction: NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """Match each patient axis with the index axis that runs along it most.

    Args:
        direction: (3, 3) cosines; column a is the direction of index axis a in patient coordinates (x to the left,
            y to the back, z to the head).

    Returns:
        For x, y, z: (index axis, +1 or -1).
    """
    weight = np.abs(direction).copy()
    found: dict[int, tuple[int, int]] = {}
    for _ in range(3):
        world, axis = (int(i) for i in np.unravel_index(int(np.argmax(weight)), weight.shape))
        found[world] = (axis, 1 if direction[world, axis] >= 0 else -1)
        weight[world, :] = weight[:, axis] = -1.0
    return found[0], found[1], found[2]


def as_slices(
    array: NDArray[Any], direction: NDArray[np.float64], spacing: Sequence[float], axis: int
) -> tuple[NDArray[Any], tuple[float, float], str]:
    """View a volume as a stack of display slices. No voxel is copied or resampled.

    Args:
        array: (k, j, i) or (k, j, i, channels), as SimpleITK gives it.
        direction: (3, 3) cosines, as for world_axes.
        spacing: (3,) mm, in index order.
        axis: The through-plane index axis.

    Returns:
        (n, rows, columns[, channels]) view; (row, column) spacing in mm; "Axial", "Coronal" or "Sagittal".
    """
    axes = world_axes(direction)
    through = next(world for world in range(3) if axes[world][0] == axis)
    # Rows and columns in patient axes: axial (y, x), coronal (z, x), sagittal (z, y); z runs down from the head.
    rows, columns = {2: (1, 0), 1: (2, 0), 0: (2, 1)}[through]
    order = [axes[world][0] for world in (through, rows, columns)]
    stack = array.transpose(*(2 - index for index in order), *range(3, array.ndim))
    signs = [axes[world][1] for world in (through, rows, columns)]
    if rows == 2:
        signs[1] = -signs[1]
    stack = stack[tuple(slice(None, None, sign) for sign in signs)]
    return stack, (float(spacing[order[1]]), float(spacing[order[2]])), _PLANES[through]
