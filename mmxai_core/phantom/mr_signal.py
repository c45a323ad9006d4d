"""What an MR scanner makes of tissue: the textbook's signal equations, relaxation by contrast agent, Rician noise.

Equations: Bernstein, King and Zhou, Handbook of MRI Pulse Sequences (2004), chapter 14. The magnitude of a
complex signal with Gaussian noise in both parts is Rician (Gudbjartsson and Patz, Magn. Reson. Med. 34:910, 1995).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.phantom.fields import Field

#: Longitudinal relaxivity of a gadolinium chelate in tissue at 1.5 T, a second and mmol/l.
RELAXIVITY = 4.5


@dataclass(frozen=True)
class Tissue:
    """What a tissue answers with.

    Attributes:
        t1_ms: Longitudinal relaxation time, milliseconds.
        t2_ms: Transverse relaxation time, milliseconds.
        density: Proton density, of water's; less where fat suppression, flow or ordered water take signal away.
    """

    t1_ms: float
    t2_ms: float
    density: float

    def with_agent(self, millimolar: float) -> Tissue:
        """The tissue with contrast agent in it: 1/T1 grows by relaxivity x concentration."""
        return Tissue(1e3 / (1e3 / self.t1_ms + RELAXIVITY * millimolar), self.t2_ms, self.density)


def spin_echo(tissue: Tissue, *, repetition_ms: float, echo_ms: float) -> float:
    """Signal of a spin echo."""
    recovered = 1.0 - np.exp(-repetition_ms / tissue.t1_ms)
    return float(tissue.density * recovered * np.exp(-echo_ms / tissue.t2_ms))


def inversion_recovery(tissue: Tissue, *, repetition_ms: float, inversion_ms: float, echo_ms: float) -> float:
    """Magnitude of an inversion-recovery spin echo; FLAIR, where the inversion time nulls water."""
    recovered = 1.0 - 2.0 * np.exp(-inversion_ms / tissue.t1_ms) + np.exp(-repetition_ms / tissue.t1_ms)
    return float(tissue.density * abs(recovered) * np.exp(-echo_ms / tissue.t2_ms))


def spoiled_echo(tissue: Tissue, *, repetition_ms: float, flip_degrees: float) -> float:
    """Signal of a spoiled gradient echo with an echo time far below T2*."""
    flip, left = np.radians(flip_degrees), np.exp(-repetition_ms / tissue.t1_ms)
    return float(tissue.density * np.sin(flip) * (1.0 - left) / (1.0 - np.cos(flip) * left))


def mix(shares: Mapping[str, Field], signals: Mapping[str, float]) -> Field:
    """The signal of samples that hold several tissues: the sum of share x signal."""
    out = np.zeros_like(next(iter(shares.values())))
    for name, share in shares.items():
        out += signals[name] * share
    return out


def sampled(field: Field, *, side: int, blur_mm: float, spacing_mm: float) -> Field:
    """The plane as a scanner samples it: blurred by the point-spread function, then averaged over each pixel.

    Args:
        field: (n, n) signal, n a multiple of side.
        side: Rows and columns wanted.
        blur_mm: Standard deviation of the point-spread function, millimetres.
        spacing_mm: Of the field, millimetres.

    Returns:
        (side, side) signal.
    """
    smooth = ndimage.gaussian_filter(field, blur_mm / spacing_mm)
    times = len(field) // side
    return np.asarray(smooth.reshape(side, times, side, times).mean(axis=(1, 3)))


def rician(signal: Field, sigma: float, rng: np.random.Generator) -> Field:
    """The magnitude picture of a signal with complex Gaussian noise of this standard deviation in each part."""
    noise = rng.standard_normal((2, *signal.shape)) * sigma
    return np.asarray(np.hypot(signal + noise[0], noise[1]))


def grey(signal: Field, white: float) -> NDArray[np.uint8]:
    """8-bit grey: 0 for no signal, 255 at and above white."""
    return np.asarray(np.round(255 * np.clip(signal / white, 0.0, 1.0)), dtype=np.uint8)
