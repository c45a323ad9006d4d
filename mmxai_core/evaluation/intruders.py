"""Twenty seeded images that are no breast ultrasound: what an input check must flag. No patient is behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mmxai_core.phantom import make_phantoms
from mmxai_core.study import PixelGeometry, Study, StudyImage
from mmxai_core.types import DisplayImage, FloatArray

#: Rows and columns of every intruder: about an ultrasound frame's size.
SHAPE = (420, 560)


@dataclass(frozen=True, eq=False)
class Intruder:
    """An image that is not the model's kind of input.

    Attributes:
        name: What it imitates, e.g. "chest CT".
        pixels: (H, W) grey or (H, W, 3) colour, float32 in [0, 1].
    """

    name: str
    pixels: DisplayImage

    def study(self) -> Study:
        """As if it had been uploaded as a PNG file: no header says what it is."""
        shape = (self.pixels.shape[0], self.pixels.shape[1])
        name = self.name.encode()
        return Study(
            (StudyImage(self.pixels.copy(), PixelGeometry(shape), label=self.name),), "png", sha256=name.hex()[:64]
        )


def make_intruders(*, seed: int = 0) -> tuple[Intruder, ...]:
    """The twenty intruders, the same for the same seed.

    Args:
        seed: Of noise, textures and places.
    """
    return tuple(
        Intruder(name, np.clip(draw(np.random.default_rng([seed, i])), 0, 1).astype(np.float32))
        for i, (name, draw) in enumerate(_DRAW.items())
    )


def _grid() -> tuple[FloatArray, FloatArray]:
    """(y, x), each (H, W), from -1 to 1."""
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    return y, x


def _disc(cy: float, cx: float, ry: float, rx: float) -> FloatArray:
    """(H, W), 1 in the ellipse, 0 outside, a soft edge."""
    y, x = _grid()
    return np.asarray(np.clip((1 - np.hypot((y - cy) / ry, (x - cx) / rx)) * 25, 0, 1))


def _clouds(rng: np.random.Generator, power: float = 2.0) -> FloatArray:
    """(H, W) noise whose amplitude falls as 1 / f^(power / 2), scaled to [0, 1]."""
    frequency = np.hypot(np.fft.fftfreq(SHAPE[0])[:, None], np.fft.rfftfreq(SHAPE[1])[None])
    frequency[0, 0] = 1
    phase = rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)
    field: FloatArray = np.fft.irfft2(phase / frequency ** (power / 2), s=SHAPE)
    low, high = np.percentile(field, [0.5, 99.5])
    return np.asarray(np.clip((field - low) / (high - low), 0, 1))


def _black(rng: np.random.Generator) -> FloatArray:
    return np.zeros(SHAPE)


def _white(rng: np.random.Generator) -> FloatArray:
    return np.ones(SHAPE)


def _flat(rng: np.random.Generator) -> FloatArray:
    return np.full(SHAPE, 0.4)


def _normal_noise(rng: np.random.Generator) -> FloatArray:
    return rng.normal(0.5, 0.2, SHAPE)


def _uniform_noise(rng: np.random.Generator) -> FloatArray:
    return rng.random(SHAPE)


def _salt_and_pepper(rng: np.random.Generator) -> FloatArray:
    return (rng.random(SHAPE) > 0.5).astype(np.float64)


def _clouds_grey(rng: np.random.Generator) -> FloatArray:
    return _clouds(rng, 3.0)


def _gradient(rng: np.random.Generator) -> FloatArray:
    return (_grid()[1] + 1) / 2


def _stripes(rng: np.random.Generator) -> FloatArray:
    return 0.5 + 0.5 * np.sin(_grid()[1] * 60 + 4 * _grid()[0])


def _checkerboard(rng: np.random.Generator) -> FloatArray:
    rows, cols = np.indices(SHAPE) // 40
    return ((rows + cols) % 2).astype(np.float64)


def _text_page(rng: np.random.Generator) -> FloatArray:
    page = np.ones(SHAPE)
    for top in range(30, SHAPE[0] - 30, 18):
        column = 30
        while column < SHAPE[1] - 60:
            word = int(rng.integers(12, 50))
            strokes = rng.random((9, word)) < 0.45
            page[top : top + 9, column : column + word] -= 0.9 * strokes
            column += word + 8
    return page


def _barcode(rng: np.random.Generator) -> FloatArray:
    bars = np.repeat(rng.random(SHAPE[1] // 5) > 0.5, 5)
    page = np.ones(SHAPE)
    page[60:-60] = bars[: SHAPE[1]]
    return page


def _chest_ct(rng: np.random.Generator) -> FloatArray:
    body, lungs = _disc(0, 0, 0.75, 0.85), _disc(-0.1, -0.4, 0.5, 0.3) + _disc(-0.1, 0.4, 0.5, 0.3)
    out = 0.55 * body - 0.5 * lungs + 0.15 * lungs * (_clouds(rng, 1.5) > 0.7)
    out += 0.35 * _disc(0.5, 0, 0.14, 0.1) + 0.1 * _disc(-0.1, 0.05, 0.25, 0.15)
    return out + rng.normal(0, 0.02, SHAPE) * body


def _brain_mri(rng: np.random.Generator) -> FloatArray:
    skull, brain = _disc(0, 0, 0.9, 0.65), _disc(0, 0, 0.78, 0.54)
    out = 0.6 * skull - 0.55 * _disc(0, 0, 0.83, 0.59) + brain * (0.35 + 0.2 * (_clouds(rng, 2.5) > 0.5))
    out -= 0.4 * (_disc(-0.05, -0.1, 0.25, 0.07) + _disc(-0.05, 0.1, 0.25, 0.07)) - 0.35 * _disc(0.3, 0.25, 0.16, 0.12)
    return np.asarray(ndimage.gaussian_filter(out, 1.5) + rng.normal(0, 0.01, SHAPE) * skull)


def _mammogram(rng: np.random.Generator) -> FloatArray:
    breast = _disc(0, -1.0, 0.8, 1.3)
    return breast * (0.25 + 0.5 * _clouds(rng, 3.0) * _disc(0, -0.7, 0.6, 0.8)) + 0.5 * _disc(-0.1, -0.4, 0.06, 0.05)


def _radiograph(rng: np.random.Generator) -> FloatArray:
    out = 0.8 - 0.5 * (_disc(0, -0.4, 0.7, 0.32) + _disc(0, 0.4, 0.7, 0.32)) + 0.1 * _disc(0.3, 0.1, 0.35, 0.3)
    y, x = _grid()
    out += 0.08 * (np.sin(14 * y + 6 * np.abs(x) ** 2) > 0.6)
    return np.asarray(ndimage.gaussian_filter(out, 3) + 0.05 * _clouds(rng, 1.5) + rng.normal(0, 0.01, SHAPE))


def _pathology(rng: np.random.Generator) -> FloatArray:
    nuclei = np.zeros(SHAPE)
    nuclei[tuple(rng.integers(0, n, 700) for n in SHAPE)] = 1
    dark = np.clip(np.asarray(ndimage.gaussian_filter(nuclei, 3.5)) * 90, 0, 1)[..., None]
    stroma = np.array([0.93, 0.72, 0.85]) - 0.12 * _clouds(rng, 1.5)[..., None]
    return np.asarray(stroma * (1 - dark) + np.array([0.35, 0.22, 0.55]) * dark)


def _photograph(rng: np.random.Generator) -> FloatArray:
    y, _ = _grid()
    sky, ground = np.array([0.45, 0.65, 0.95]), np.array([0.3, 0.5, 0.2])
    below = (y > 0.1 + 0.15 * (_clouds(rng, 3.5)[:1] - 0.5))[..., None]
    base = np.where(below, ground * (0.5 + _clouds(rng, 1.2)[..., None]), sky + 0.4 * _clouds(rng, 3)[..., None])
    sun = _disc(-0.6, 0.5, 0.15, 0.11)[..., None]
    return np.asarray(base * (1 - sun) + np.array([1.0, 0.95, 0.7]) * sun)


def _fundus(rng: np.random.Generator) -> FloatArray:
    disc = _disc(0, 0, 0.95, 0.72) * (0.5 + 0.15 * _clouds(rng, 2.5)) + 0.4 * _disc(0, 0.3, 0.15, 0.11)
    y, x = _grid()
    vessels = np.abs(np.sin(5 * y + 9 * x * y)) < 0.05
    return np.asarray((disc * (1 - 0.4 * vessels))[..., None] * np.array([1.0, 0.5, 0.25]))


def _inverted_ultrasound(rng: np.random.Generator) -> FloatArray:
    return 1 - make_phantoms(1, seed=int(rng.integers(1000)))[0].pixels.astype(np.float64) / 255


_DRAW: dict[str, Callable[[np.random.Generator], FloatArray]] = {
    "black frame": _black, "white frame": _white, "flat grey": _flat, "normal noise": _normal_noise,
    "uniform noise": _uniform_noise, "salt and pepper": _salt_and_pepper, "clouds": _clouds_grey,
    "gradient": _gradient, "stripes": _stripes, "checkerboard": _checkerboard, "page of text": _text_page,
    "barcode": _barcode, "chest CT": _chest_ct, "brain MRI": _brain_mri, "mammogram": _mammogram,
    "radiograph": _radiograph, "pathology": _pathology, "photograph": _photograph, "fundus": _fundus,
    "inverted ultrasound": _inverted_ultrasound,
}  # fmt: skip
