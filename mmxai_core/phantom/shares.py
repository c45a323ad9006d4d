"""Which tissues each sample of the plane holds, painted from the outside in; the shares always add to one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from mmxai_core.phantom.fields import Field
from mmxai_core.phantom.plane import Plane


class Shares:
    """Tissue shares under construction.

    Args:
        plane: Where they lie.
        ground: The tissue that fills the plane at first.
    """

    def __init__(self, plane: Plane, ground: str) -> None:
        self._plane = plane
        self._held: dict[str, Field] = {ground: np.ones((plane.side, plane.side))}

    def paint(self, tissue: str, share: Field) -> None:
        """Put a tissue over what is there.

        Args:
            tissue: Its name.
            share: (side, side), 0 leaves a sample as it is, 1 replaces it.
        """
        for name, held in self._held.items():
            self._held[name] = held * (1.0 - share)
        self._held[tissue] = self._held.get(tissue, 0.0) + share

    def of(self, *tissues: str) -> Field:
        """(side, side) summed share of some tissues, in [0, 1]."""
        return np.asarray(sum((self._held[t] for t in tissues if t in self._held), np.zeros_like(self._plane.x)))

    def push(self, centre_mm: tuple[float, float], strength_mm: float, reach_mm: float, stiff: Field) -> None:
        """Displace the tissues away from a point, as a mass does.

        Args:
            centre_mm: x and y of the point, millimetres.
            strength_mm: Largest displacement, millimetres.
            reach_mm: Distance at which the displacement is largest, millimetres.
            stiff: (side, side), 1 where nothing gives way, as bone does not.
        """
        dx, dy = self._plane.x - centre_mm[0], self._plane.y - centre_mm[1]
        far = np.hypot(dx, dy) / reach_mm
        # far * exp((1 - far^2) / 2) is 0 at the point, 1 at its reach, and fades beyond it.
        shift = strength_mm * np.exp((1.0 - far**2) / 2) / reach_mm * (1.0 - stiff) / self._plane.spacing_mm
        rows, cols = np.indices(dx.shape, dtype=np.float64)
        at = np.stack([rows - shift * dy, cols - shift * dx])
        self._held = {
            name: np.asarray(ndimage.map_coordinates(held, at, order=1, mode="nearest"))
            for name, held in self._held.items()
        }

    @property
    def all(self) -> Mapping[str, Field]:
        """Every tissue's (side, side) share."""
        return MappingProxyType(self._held)
