"""What the scanner makes of the tissue: speckle, beam, attenuation, envelope, logarithmic compression.

Speckle: many scatterers inside each resolution cell, their phases uniform because their positions vary by more than a
wavelength, sum to a circular complex Gaussian (Wagner et al., IEEE Trans. Sonics Ultrason. 30:156, 1983). So the
demodulated (baseband) echo is drawn directly: complex Gaussian scatterers weighted by the tissue's backscatter, seen
through a separable Gaussian point-spread function. The envelope is its modulus, Rayleigh distributed where speckle is
fully developed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.phantom.anatomy import Tissue
from mmxai_core.phantom.fields import Field, Grid, smooth_noise

#: Decibels between black and white, as set on a breast preset.
DYNAMIC_RANGE_DB = 60.0
#: Standard deviation of the pulse's envelope along the beam, millimetres (about 10 MHz, 60 % bandwidth).
_AXIAL_MM = 0.075
#: Standard deviation of the beam across, at the focus, millimetres.
_LATERAL_MM = 0.2
#: Steered looks that are averaged (spatial compounding): speckle contrast falls with their square root.
_LOOKS = 3
_WIDENINGS = (1.0, 1.7, 2.6)


def _power(sigma_px: float) -> float:
    """Share of white noise's power that a normalised Gaussian kernel of this width lets through."""
    impulse = np.zeros(8 * int(np.ceil(sigma_px)) + 9)
    impulse[len(impulse) // 2] = 1.0
    return float((ndimage.gaussian_filter1d(impulse, sigma_px) ** 2).sum())


def _beam(field: NDArray[np.complex128], grid: Grid, widening: Field, normalise: bool) -> NDArray[np.complex128]:
    """Blur with the point-spread function, whose lateral width grows away from the focus.

    Args:
        field: (nz, nx) complex scatterers.
        grid: The field of view.
        widening: (nz, nx) lateral width over the width at the focus, in the span of _WIDENINGS.
        normalise: Keep the power of white noise, in place of the height of a plane reflector.

    Returns:
        (nz, nx) complex echo.
    """
    axial = _AXIAL_MM / grid.spacing_mm
    pulse = ndimage.gaussian_filter1d(field, axial, axis=0)
    if normalise:
        pulse = pulse / np.sqrt(_power(axial))
    levels = []
    for w in _WIDENINGS:
        lateral = w * _LATERAL_MM / grid.spacing_mm
        blurred = ndimage.gaussian_filter1d(pulse, lateral, axis=1)
        levels.append(blurred / np.sqrt(_power(lateral)) if normalise else blurred)
    out = levels[0]
    for low, high, w0, w1 in zip(levels, levels[1:], _WIDENINGS, _WIDENINGS[1:], strict=False):
        t = np.clip((widening - w0) / (w1 - w0), 0.0, 1.0)
        out = np.where(widening > w0, np.sqrt(1 - t) * low + np.sqrt(t) * high, out)
    return np.asarray(out)


def scan(tissue: Tissue, grid: Grid, focus_mm: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Image the tissue.

    Args:
        tissue: What the beam meets.
        grid: The field of view.
        focus_mm: Depth of the transmit focus, millimetres.
        rng: Source of scatterers, noise and the operator's gain.

    Returns:
        (nz, nx) uint8 log-compressed envelope, 0 black.
    """
    widening = np.clip(1.0 + np.abs(grid.z - focus_mm) / 14.0, _WIDENINGS[0], _WIDENINGS[-1])
    loss = np.cumsum(tissue.loss_db_mm, axis=0) * grid.spacing_mm
    # A shadow or an enhancement is as blunt as the aperture that looks past the mass.
    loss = ndimage.gaussian_filter1d(loss, 0.75 / grid.spacing_mm, axis=1)
    focusing = 2.0 * np.exp(-(((grid.z - focus_mm) / 7.0) ** 2))
    contact = -4.0 * np.maximum(smooth_noise(rng, 0 * grid.z, grid.x, (5.0, 5.0)) - 1.4, 0.0)
    gain = 10 ** ((focusing + contact - loss) / 20)

    diffuse = 10 ** (tissue.backscatter_db / 20)
    specular = 10 ** (np.maximum(tissue.specular_db, -80.0) / 20)
    # The time-gain curve lifts the electronic noise of deep echoes with them.
    # Side lobes and reverberation spill a little of the neighbourhood's echo into dark regions.
    clutter = ndimage.gaussian_filter(diffuse**2 + 0.05 * specular**2, 1.8 / grid.spacing_mm, truncate=2.5)
    noise = 0.07 * np.sqrt(clutter) * gain + 10 ** ((-33.0 + 15.0 * (grid.z / grid.depth_mm) ** 1.5) / 20)
    envelope = np.zeros(grid.shape)
    for _ in range(_LOOKS):
        white = rng.standard_normal((4, *grid.shape))
        scatterers = (white[0] + 1j * white[1]) * diffuse / np.sqrt(2)
        phase = np.exp(1j * 2.0 * smooth_noise(rng, grid.z, grid.x, (1.5, 2.5)))
        echo = _beam(scatterers, grid, widening, True) + _beam(specular * phase, grid, widening, False)
        hiss = ndimage.gaussian_filter(white[2] + 1j * white[3], 0.8) / np.sqrt(2 * _power(0.8) ** 2)
        envelope += np.abs(echo * gain + noise * hiss)
    decibels = 20 * np.log10(envelope / _LOOKS + 1e-6)

    # The operator turns the gain until mid-field tissue is mid-grey.
    middle = decibels[grid.shape[0] // 12 : int(0.7 * grid.shape[0])]
    white_db = np.median(middle) + DYNAMIC_RANGE_DB * (1 - rng.uniform(0.26, 0.38))
    grey = np.clip((decibels - white_db) / DYNAMIC_RANGE_DB + 1.0, 0.0, 1.0)
    return np.asarray(np.round(255 * grey), dtype=np.uint8)
