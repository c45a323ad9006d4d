"""Lookup tables of a DICOM header: Modality LUT and VOI LUT (PS3.3 C.11.1, C.11.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from mmxai_core.io.header import numbers, value


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A table over consecutive input values; inputs outside it take its first or last entry.

    Attributes:
        first: Input value of the first entry.
        entries: (n,) float32 outputs.
        bits: Nominal bits an entry.
    """

    first: float
    entries: NDArray[np.float32]
    bits: int

    @property
    def full_scale(self) -> float:
        """The largest output the nominal bits allow."""
        return float(2**self.bits - 1)

    def apply(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """Look values up.

        Args:
            values: (H, W) inputs; fractions are rounded to the nearest entry.

        Returns:
            (H, W) float32 outputs.
        """
        index = np.nan_to_num(np.rint(values.astype(np.float64) - self.first))
        looked_up: NDArray[np.float32] = self.entries[np.clip(index, 0, len(self.entries) - 1).astype(np.intp)]
        return looked_up


def lookup_table(item: Dataset, dataset: Dataset) -> LookupTable | None:
    """Read one item of a Modality or VOI LUT Sequence.

    Args:
        item: Holds LUTDescriptor (0028,3002) and LUTData (0028,3006).
        dataset: The object, for the byte order.

    Returns:
        The table; None where the item is incomplete.
    """
    descriptor = numbers(item, "LUTDescriptor")
    data = value(item, "LUTData")
    if len(descriptor) != 3 or data is None or not 1 <= descriptor[2] <= 16:
        return None
    count = int(descriptor[0]) or 2**16  # 0 stands for 65,536 (C.11.1.1)
    if isinstance(data, bytes):
        # Entries of 8 bits may be packed one a byte or one a 16-bit word (C.11.1.1).
        order = "<" if dataset.original_encoding[1] is not False else ">"
        data = np.frombuffer(data[: 2 * count], np.uint8 if len(data) < 2 * count else f"{order}u2")
    entries = np.atleast_1d(np.asarray(data, dtype=np.float32))[:count]
    if entries.size == 0:
        return None
    return LookupTable(first=descriptor[1], entries=entries, bits=int(descriptor[2]))
