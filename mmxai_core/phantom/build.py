"""A design and a seed in, a phantom out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmxai_core.errors import ClinicalValueError
from mmxai_core.phantom.acquisition import scan
from mmxai_core.phantom.anatomy import build_anatomy
from mmxai_core.phantom.cases import ClinicalValue, draw_clinical, draw_spec
from mmxai_core.phantom.fields import Grid
from mmxai_core.phantom.lesion import add_mass, bend_around, place_mass
from mmxai_core.phantom.spec import Label, PhantomSpec
from mmxai_core.types import Mask

#: (rows, columns) of every frame, pixels.
FRAME_SHAPE = (480, 560)
#: Row of the frame at which the field of view starts.
TOP_ROW = 16
_MARK = "SYNTHETIC"
_MARK_GREY = 170


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic breast ultrasound frame with everything that is known about it.

    Attributes:
        pixels: (480, 560) uint8, 0 black; dark margins, "SYNTHETIC" burned in below the field of view.
        mask: (480, 560) bool, True in the mass.
        spacing_mm: (row, column) pixel spacing, millimetres; the pixels are square.
        field_box: (x0, y0, x1, y1) of the field of view, pixels, x1 and y1 exclusive.
        clinical: Known clinical values by field id; a field that is not there is unknown.
        label: The class the phantom was designed as.
        spec: The design.
        seed: The seed that gives these pixels again.
    """

    pixels: NDArray[np.uint8]
    mask: Mask
    spacing_mm: tuple[float, float]
    field_box: tuple[int, int, int, int]
    clinical: Mapping[str, ClinicalValue]
    label: Label
    spec: PhantomSpec
    seed: int


def _burn_in(frame: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    image = Image.fromarray(frame)
    # The bitmap font ships inside Pillow: same glyphs on every machine.
    font = ImageFont.load_default_imagefont()
    left, top, right, bottom = font.getbbox(text)
    at = (frame.shape[1] - (right - left) - 8, frame.shape[0] - (bottom - top) - 8)
    ImageDraw.Draw(image).text(at, text, fill=_MARK_GREY, font=font)
    return np.asarray(image)


def make_phantom(spec: PhantomSpec, *, seed: int, clinical: Mapping[str, ClinicalValue] | None = None) -> Phantom:
    """Compute one phantom.

    Args:
        spec: What it shows.
        seed: Seed of every random number in the pixels; the same spec and seed give the same pixels.
        clinical: Known clinical values by field id; drawn from the spec and the seed where None.

    Returns:
        The phantom.

    Raises:
        ClinicalValueError: The seed is negative.
    """
    if seed < 0:
        raise ClinicalValueError(f"A phantom's seed must not be negative; got {seed}.")
    rng = np.random.default_rng([seed, 1])
    grid = Grid(spec.field_depth_mm)
    # A scirrhous mass draws tissue in; one with a smooth edge pushes it aside.
    strength = -0.35 if spec.margin == "spiculated" else 0.65 if spec.margin == "circumscribed" else 0.25
    tissue = build_anatomy(spec, grid, rng, *bend_around(spec, grid, strength))
    mass = place_mass(spec, grid, rng)
    focus = float(np.clip(spec.depth_mm + rng.normal(0.0, 2.0), 6.0, 28.0))
    view = scan(add_mass(spec, grid, tissue, mass, rng), grid, focus, rng)

    frame, mask = np.zeros(FRAME_SHAPE, np.uint8), np.zeros(FRAME_SHAPE, bool)
    rows, cols = view.shape
    left = (FRAME_SHAPE[1] - cols) // 2
    inside = np.s_[TOP_ROW : TOP_ROW + rows, left : left + cols]
    frame[inside], mask[inside] = view, mass.mask
    frame = _burn_in(frame, _MARK)
    frame.setflags(write=False)
    mask.setflags(write=False)
    known = draw_clinical(spec, np.random.default_rng([seed, 2])) if clinical is None else clinical
    return Phantom(
        pixels=frame,
        mask=mask,
        spacing_mm=(grid.spacing_mm, grid.spacing_mm),
        field_box=(left, TOP_ROW, left + cols, TOP_ROW + rows),
        clinical=MappingProxyType(dict(known)),
        label=spec.label,
        spec=spec,
        seed=seed,
    )


def make_phantoms(n: int, *, seed: int, progress: Callable[[int, int], None] | None = None) -> tuple[Phantom, ...]:
    """Draw n phantoms of mixed design, about 45 % of them malignant.

    Args:
        n: How many, at least 1.
        seed: Seed of the designs and of each phantom's own seed.
        progress: Called with (done, total) after each phantom; may raise to cancel.

    Returns:
        n phantoms.

    Raises:
        ClinicalValueError: n is below 1, or the seed is negative.
    """
    if n < 1:
        raise ClinicalValueError(f"The number of phantoms must be at least 1; got {n}.")
    if seed < 0:
        raise ClinicalValueError(f"A phantom's seed must not be negative; got {seed}.")
    made = []
    for own in np.random.SeedSequence([seed, 3]).generate_state(n):
        made.append(make_phantom(draw_spec(np.random.default_rng([int(own), 0])), seed=int(own)))
        if progress is not None:
            progress(len(made), n)
    return tuple(made)
