"""The unified multi-modal map: image evidence where the fields look, weighted by what the fields contribute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmxai_core.types import FloatMap


@dataclass(frozen=True, eq=False)
class SourceGrid:
    """Takes any map of the canvas grid to the source image's pixels: source = rows @ map @ columns^T, bilinear.

    Attributes:
        rows: (H, h) float32.
        columns: (W, w) float32.
    """

    rows: FloatMap
    columns: FloatMap

    def on_source(self, grid: FloatMap) -> FloatMap:
        """(h, w) on the canvas grid -> (H, W) float32 on the source image's pixels."""
        placed: FloatMap = (self.rows @ np.asarray(grid, np.float32) @ self.columns.T).astype(np.float32)
        return placed


@dataclass(frozen=True, eq=False)
class UnifiedMap:
    """Signed map over the canvas: above 0 for the class, below 0 against it. Raw, on an absolute scale.

    Attributes:
        fields: Ids of the known fields, F of them.
        grid: (h, w) float32 on the canvas grid: Grad-CAM++ (over the bundle's reference) x sum over fields of
            contribution (log-odds) x attention density (1 = even).
        field_grids: (F, h, w) float32: each field's own term; they sum to `grid`.
        without: (F, h, w) float32: the map when the field is made unknown, with the other fields' contributions and
            Grad-CAM++ as they are then. `grid - without[i]` is the difference map of toggling field i.
        source: How a grid is placed on the source image.
        target_class: The class explained.
        reference: Absolute value that a full colour scale stands for.
        unit: What 1.0 means.
        semantics: One sentence: what the map means and what it does not.
    """

    fields: tuple[str, ...]
    grid: FloatMap
    field_grids: FloatMap
    without: FloatMap
    source: SourceGrid
    target_class: str
    reference: float
    unit: str
    semantics: str

    def difference(self, field_id: str) -> FloatMap:
        """(H, W) float32 on source pixels: what making this field unknown takes from the map."""
        return self.source.on_source(self.grid - self.without[self.fields.index(field_id)])

    def on_source(self) -> FloatMap:
        """(H, W) float32: the map on the source image's pixels."""
        return self.source.on_source(self.grid)
