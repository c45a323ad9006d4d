"""Array aliases that name shape, unit and range. They document; NumPy does not check shapes."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: (H, W) float32, display grey in [0, 1], 0 black.
GreyImage: TypeAlias = NDArray[np.float32]
#: (H, W) or (H, W, 3) float32, display values in [0, 1].
DisplayImage: TypeAlias = NDArray[np.float32]
#: (H, W) bool.
Mask: TypeAlias = NDArray[np.bool_]
#: (h, w) float32 on a model or source grid; unit stated where it is made.
FloatMap: TypeAlias = NDArray[np.float32]
#: Any float array, shape stated where it is made.
FloatArray: TypeAlias = NDArray[np.float64] | NDArray[np.float32]
#: (x0, y0, x1, y1), pixels of the source image, x to the right, y down, x1 and y1 exclusive.
Box: TypeAlias = tuple[float, float, float, float]
#: A value that json can write.
Json: TypeAlias = Any
