"""Phantoms: determinism, the physics that can be measured, the class overlap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from mmxai_core.errors import ClinicalValueError
from mmxai_core.phantom import Phantom, PhantomSpec, draw_clinical, draw_spec, make_phantom, make_phantoms
from mmxai_core.phantom.acquisition import scan
from mmxai_core.phantom.anatomy import Tissue
from mmxai_core.phantom.fields import Grid

OVAL = PhantomSpec(label="benign", tissue_composition="fibroglandular", size_mm=12.0, depth_mm=12.0)


@pytest.fixture(scope="module")
def oval() -> Phantom:
    return make_phantom(OVAL, seed=5)


def ring(mask: np.ndarray) -> np.ndarray:
    return ndimage.binary_dilation(mask, iterations=25) & ~ndimage.binary_dilation(mask, iterations=8)


def behind(phantom: Phantom) -> np.ndarray:
    """A box below the mass, as wide as half of it and 5 mm high."""
    rows, cols = np.nonzero(phantom.mask)
    box = np.zeros_like(phantom.mask)
    quarter = (cols.max() - cols.min()) // 4
    top = rows.max() + 10
    box[top : top + round(5 / phantom.spacing_mm[0]), cols.min() + quarter : cols.max() - quarter] = True
    return box


def test_frame_has_the_promised_shape_types_and_dark_margins(oval: Phantom) -> None:
    assert oval.pixels.shape == oval.mask.shape == (480, 560)
    assert oval.pixels.dtype == np.uint8 and oval.mask.dtype == bool
    x0, y0, x1, y1 = oval.field_box
    outside = np.ones_like(oval.mask)
    outside[y0:y1, x0:x1] = False
    above_the_mark = outside.copy()
    above_the_mark[y1:] = False
    assert oval.pixels[above_the_mark].max() == 0
    assert not oval.mask[outside].any()


def test_marked_synthetic_below_the_tissue_at_the_corner(oval: Phantom) -> None:
    _, _, _, y1 = oval.field_box
    rows, cols = np.nonzero(oval.pixels[y1:])
    assert len(rows) > 100  # glyphs
    assert cols.min() > 280 and rows.min() > 0


def test_same_seed_same_pixels_other_seed_other_pixels(oval: Phantom) -> None:
    again = make_phantom(OVAL, seed=5)
    assert np.array_equal(oval.pixels, again.pixels) and dict(oval.clinical) == dict(again.clinical)
    assert not np.array_equal(oval.pixels, make_phantom(OVAL, seed=6).pixels)


def test_grey_levels_and_texture_lie_where_real_frames_do(oval: Phantom) -> None:
    x0, y0, x1, y1 = oval.field_box
    tissue = oval.pixels[y0:y1, x0:x1].astype(float)
    # The middle of the ranges seen in 24 real frames: median 35-103, 95th centile 91-179.
    assert 35 < np.median(tissue) < 103
    assert 91 < np.percentile(tissue, 95) < 179
    patch = tissue[85:212, 100:300]
    fine = patch - ndimage.gaussian_filter(patch, 15)
    power = np.abs(np.fft.fft2(fine)) ** 2
    similar = np.real(np.fft.ifft2(power)) / power.mean()
    across = int(np.argmax(similar[0] < 0.5))
    along = int(np.argmax(similar[:, 0] < 0.5))
    assert 4 <= across <= 18 and 2 <= along <= 5  # real: 5-18 and 2-5 pixels; wider than long, as a beam is


def test_envelope_of_one_tissue_is_compounded_rayleigh_speckle() -> None:
    grid = Grid(34.0)
    flat = np.zeros(grid.shape)
    uniform = Tissue(backscatter_db=flat, specular_db=np.full(grid.shape, -np.inf), loss_db_mm=flat)
    grey = scan(uniform, grid, 15.0, np.random.default_rng(0)).astype(float)
    envelope = 10 ** (grey[120:300] * 60 / 255 / 20)
    # Rayleigh: sd / mean = 0.523; the mean of three independent looks divides it by sqrt(3): 0.302.
    local = envelope[:, 100:400]
    assert local.std() / local.mean() == pytest.approx(0.302, abs=0.05)


@pytest.mark.parametrize("size", [8.0, 16.0])
def test_mask_has_the_size_of_the_design(size: float) -> None:
    phantom = make_phantom(replace(OVAL, size_mm=size, aspect=0.7, depth_mm=14.0), seed=3)
    area = phantom.mask.sum() * phantom.spacing_mm[0] * phantom.spacing_mm[1]
    assert area == pytest.approx(np.pi / 4 * size * size * 0.7, rel=0.05)
    assert ndimage.label(phantom.mask)[1] == 1


def test_hypoechoic_is_darker_and_hyperechoic_brighter_than_the_tissue_around(oval: Phantom) -> None:
    bright = make_phantom(replace(OVAL, echogenicity="hyperechoic"), seed=5)
    black = make_phantom(replace(OVAL, echogenicity="anechoic"), seed=5)
    assert oval.pixels[oval.mask].mean() < oval.pixels[ring(oval.mask)].mean() - 15
    assert bright.pixels[bright.mask].mean() > oval.pixels[oval.mask].mean() + 30
    assert black.pixels[black.mask].mean() < oval.pixels[oval.mask].mean() - 10


def test_beam_behind_the_mass_follows_the_posterior_feature() -> None:
    level = {}
    for feature in ("none", "enhancement", "shadowing"):
        phantom = make_phantom(replace(OVAL, posterior_features=feature), seed=8)
        level[feature] = phantom.pixels[behind(phantom)].mean()
    assert level["shadowing"] + 15 < level["none"] < level["enhancement"] - 10


def test_halo_and_calcifications_change_the_picture_where_they_should() -> None:
    plain = make_phantom(replace(OVAL, margin="indistinct"), seed=9)
    rind = ndimage.binary_dilation(plain.mask, iterations=22) & ~ndimage.binary_dilation(plain.mask, iterations=8)
    halo = make_phantom(replace(OVAL, margin="indistinct", halo=True), seed=9)
    assert halo.pixels[rind].mean() > plain.pixels[rind].mean() + 8
    specks = make_phantom(replace(OVAL, margin="indistinct", calcifications="in_mass"), seed=9)
    assert np.percentile(specks.pixels[plain.mask], 99.5) > np.percentile(plain.pixels[plain.mask], 99.5) + 20


def test_spiculated_outline_is_longer_than_the_circumscribed_one() -> None:
    def edge_per_root_area(margin: str) -> float:
        mask = make_phantom(replace(OVAL, margin=margin, shape="irregular"), seed=4).mask
        edge = mask & ~ndimage.binary_erosion(mask)
        return float(edge.sum() / np.sqrt(mask.sum()))

    assert edge_per_root_area("spiculated") > 1.15 * edge_per_root_area("circumscribed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": "fuzzy"}, "fuzzy"),
        ({"size_mm": 60.0}, "60"),
        ({"depth_mm": 5.0, "size_mm": 20.0, "aspect": 1.0}, "does not fit"),
        ({"size_mm": float("nan")}, "nan"),
    ],
)
def test_an_impossible_design_is_refused_in_one_sentence(change: dict[str, object], words: str) -> None:
    with pytest.raises(ClinicalValueError, match=words):
        replace(OVAL, **change)


@pytest.mark.parametrize("call", [lambda: make_phantoms(0, seed=1), lambda: make_phantom(OVAL, seed=-1)])
def test_bad_counts_and_seeds_are_refused(call: object) -> None:
    with pytest.raises(ClinicalValueError):
        call()


def test_make_phantoms_is_deterministic_and_reports_progress() -> None:
    seen: list[tuple[int, int]] = []
    first = make_phantoms(2, seed=11, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    again = make_phantom(first[1].spec, seed=first[1].seed)
    assert np.array_equal(again.pixels, first[1].pixels) and dict(again.clinical) == dict(first[1].clinical)


def test_classes_overlap_and_differ_and_missingness_does_not_tell_them_apart() -> None:
    rng = np.random.default_rng(0)
    specs = [draw_spec(rng) for _ in range(1500)]
    rows = [(s.label == "malignant", s, draw_clinical(s, rng)) for s in specs]
    share = np.mean([malignant for malignant, _, _ in rows])
    assert 0.4 < share < 0.5
    for malignant, low, high in ((True, 0.75, 0.95), (False, 0.15, 0.4)):
        irregular = np.mean([s.shape == "irregular" for m, s, _ in rows if m is malignant])
        assert low < irregular < high
    ages = {m: np.mean([c["age"] for k, _, c in rows if k is m and "age" in c]) for m in (True, False)}
    assert ages[True] > ages[False] + 8
    unknown = {m: np.mean([18 - len(c) for k, _, c in rows if k is m]) for m in (True, False)}
    assert 1.5 < unknown[True] < 4.0
    assert unknown[True] == pytest.approx(unknown[False], abs=0.3)


def test_clinical_values_use_the_bundles_words() -> None:
    rng = np.random.default_rng(1)
    fields = set()
    for _ in range(40):
        spec = draw_spec(rng)
        values = draw_clinical(spec, rng)
        fields |= set(values)
        for name in ("shape", "margin", "echogenicity", "halo"):
            assert values.get(name, getattr(spec, name)) == getattr(spec, name)
        assert values.get("birads", "3") in {"2", "3", "4a", "4b", "4c", "5"}
        assert 18 <= values.get("age", 50) <= 90
        assert isinstance(values.get("palpable", False), bool)
    assert len(fields) == 18
