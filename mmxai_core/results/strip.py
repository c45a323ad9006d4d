"""What the reliability strip shows beside its numbers: curves, the cascade, and how strong the evidence is at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmxai_core.results.reliability import ReliabilityNumber
from mmxai_core.types import FloatMap


@dataclass(frozen=True, eq=False)
class DeletionCurves:
    """Deletion and insertion (Petsiuk et al. 2018, RISE), each against random regions of the same areas and shapes.

    Attributes:
        fractions: (n,) float64 part of the image deleted (or inserted), rising from 0.
        deletion: (n,) probability of the class with the map's strongest regions deleted.
        deletion_random: (R, n) the same for random regions.
        insertion: (n,) probability with only the map's strongest regions shown.
        insertion_random: (R, n) the same for random regions.
        how: What deleting means, in words.
    """

    fractions: NDArray[np.float64]
    deletion: NDArray[np.float64]
    deletion_random: NDArray[np.float64]
    insertion: NDArray[np.float64]
    insertion_random: NDArray[np.float64]
    how: str

    def area(self, curve: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., n) curve -> (...) area under it over the range of `fractions`: the mean probability, in [0, 1]."""
        f = self.fractions
        mean: NDArray[np.float64] = np.trapezoid(curve, f, axis=-1) / (f[-1] - f[0])
        return mean

    @property
    def deletion_gain(self) -> float:
        """Random regions' mean deletion area minus the map's: above 0, the map beats random regions."""
        return float(self.area(self.deletion_random).mean() - self.area(self.deletion))

    @property
    def insertion_gain(self) -> float:
        """The map's insertion area minus the random regions' mean: above 0, the map beats random regions."""
        return float(self.area(self.insertion) - self.area(self.insertion_random).mean())


@dataclass(frozen=True)
class FieldRemoval:
    """Removing the fields that speak most for the class, against removing as many fields at random.

    Attributes:
        fields: Ids of the removed fields, strongest first.
        drop: Fall of the class's probability when they become unknown; negative: it rose.
        random_drop: Mean fall over all sets of as many known fields (exact).
        share_beaten: Part of those sets that lower the probability less; ties count half.
        sets: How many sets there are.
    """

    fields: tuple[str, ...]
    drop: float
    random_drop: float
    share_beaten: float
    sets: int

    @property
    def gain(self) -> float:
        """`drop` - `random_drop`: above 0, the account beats random fields."""
        return self.drop - self.random_drop


@dataclass(frozen=True)
class CascadeStep:
    """The map after the weights from the output down to some layer were replaced by random ones (Adebayo et al. 2018).

    Attributes:
        stage: What is random now, in words.
        similarity: Pearson correlation with the true map, mean of both glances, in [-1, 1]; 0 where a map is empty.
    """

    stage: str
    similarity: float


@dataclass(frozen=True)
class EvidenceScale:
    """An absolute scale: what maps look like where the model's weights mean nothing.

    Attributes:
        floor: Value below which a map is drawn blank: 95th percentile of the null maps' peaks.
        reference: Value a full colour stands for.
        maps: How many null maps it rests on.
    """

    floor: float
    reference: float
    maps: int

    def opacity(self, values: FloatMap) -> FloatMap:
        """Map values -> float32 opacity in [0, 1]: 0 up to the floor, 1 from the reference on, linear between."""
        span = max(self.reference - self.floor, 1e-9 + 0.05 * abs(self.floor))
        shown: FloatMap = np.clip((np.asarray(values) - self.floor) / span, 0, 1).astype(np.float32)
        return shown


@dataclass(frozen=True, eq=False)
class ReliabilityStrip:
    """The strip of one case.

    Attributes:
        numbers: In display order.
        curves: None without an image, or where the map is empty.
        removal: None with fewer known fields than one more than are removed.
        cascade: From the output down to the first layer; empty without an image.
        keys: Stable key of each number in `numbers`, for thresholds and tables.
        seconds: Wall time by step.
    """

    numbers: tuple[ReliabilityNumber, ...]
    curves: DeletionCurves | None
    removal: FieldRemoval | None
    cascade: tuple[CascadeStep, ...]
    keys: tuple[str, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)

    def values(self) -> dict[str, float | None]:
        """The numbers by key."""
        return {k: n.value for k, n in zip(self.keys, self.numbers, strict=True)}
