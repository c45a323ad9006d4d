"""Small generated pictures of each modality, and cohorts of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.cohorts.case import Case, Cohort

Picture = NDArray[np.float32]


def speckle(shape: tuple[int, int] = (240, 320), seed: int = 0) -> Picture:
    """Smoothed speckle, as B-mode looks: no mark in it."""
    noise = np.random.default_rng(seed).rayleigh(0.18, shape)
    return np.clip(1.6 * ndimage.gaussian_filter(noise, 1.5), 0.12, 0.8).astype(np.float32)


def cross(grey: Picture, y: int, x: int, arm: int = 5) -> None:
    """Burns a calliper in."""
    grey[y, x - arm : x + arm + 1] = 1.0
    grey[y - arm : y + arm + 1, x] = 1.0


def letters(grey: Picture, y: int, x: int, count: int, height: int = 9) -> None:
    """Burns a line of letters like a square n in."""
    for k in range(count):
        left = x + 9 * k
        grey[y : y + height, left : left + 2] = 0.95
        grey[y : y + height, left + 5 : left + 7] = 0.95
        grey[y, left : left + 7] = 0.95


def mammogram(shape: tuple[int, int] = (400, 300), seed: int = 0) -> Picture:
    """A half-disc at the left edge with a skin line that fades, a label and a side marker away from it."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    inside = ((rows / shape[0] - 0.5) / 0.42) ** 2 + (cols / shape[1] / 0.62) ** 2 < 1
    film = 0.03 + 0.45 * ndimage.gaussian_filter(inside.astype(np.float64), 4)
    film += 0.01 * np.random.default_rng(seed).normal(size=shape)
    film[20:50, 220:285] = 0.95
    film[350:362, 250:258] = 0.9
    return np.clip(film, 0, 1).astype(np.float32)


def save(path: Path, grey: Picture) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.round(grey * 255).astype(np.uint8)).save(path)
    return path


def cohort_of(cases: tuple[Case, ...], name: str = "generated") -> Cohort:
    return Cohort(
        name, cases, ClinicalSchema(()), ("benign", "malignant"), "malignant", "Drawn.", (), (), "CC0", "this test",
        "nowhere",
    )  # fmt: skip


def ultrasound_cohort(folder: Path, count: int = 6) -> Cohort:
    """Speckle pictures with a mask each; every other one with a calliper."""
    cases = []
    for i in range(count):
        grey = speckle((96, 120), seed=i)
        if i % 2:
            cross(grey, 40, 60)
        mask = np.zeros(grey.shape, np.float32)
        mask[30:50, 40:70] = 1
        image, outline = save(folder / f"{i}.png", grey), save(folder / f"{i}_mask.png", mask)
        cases.append(Case(f"c{i}", f"p{i}", image, (outline,), "malignant" if i % 2 else "benign"))
    return cohort_of(tuple(cases), "bus_bra")
