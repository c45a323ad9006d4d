"""How fast an image branch is trained here: images a second, augmentation and the optimiser's step included."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.config import Architecture
from mmxai_core.model.device import choose_device
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.execution import Execution
from mmxai_core.training.image_stage import ImageObjective
from mmxai_core.training.stepper import Stepper
from mmxai_core.types import Json

#: Images a step, and micro-batches where it is split.
BATCH, PARTS = 8, 4
#: The ways a step is taken, by name.
WAYS = {
    "whole_batch": Execution(), "accumulated": Execution(accumulate=PARTS), "bf16": Execution(amp="bf16"),
    "fp16": Execution(amp="fp16"),
}  # fmt: skip


def measure_training(
    bundle: Path, *, repeats: int = 3, device: str = "auto", seed: int = 0,
    progress: Callable[[str, float], None] = lambda what, done: None,
) -> Json:  # fmt: skip
    """Trains a new image branch of a bundle's architecture for a few steps in one process, in each of `WAYS`.

    Args:
        bundle: The bundle; its weights are not used.
        repeats: Steps behind each median, after one that is not counted.
        device: See `choose_device`.
        seed: Of weights and pictures.
        progress: Called with what comes now and the part done.

    Returns:
        "device", "threads", "batch", "parts", "steps", and by way "images_per_second", "against_whole_batch", which
        alone holds across machines, and on CUDA "peak_memory_gib".

    Raises:
        BundleError: The bundle cannot be read.
        DeviceError: The device is not there.
    """
    arch, where = load_bundle(bundle).arch, choose_device(device)
    cuda = where.torch_device.type == "cuda"
    data = _speckle(arch, BATCH, seed)
    ways = {name: way for name, way in WAYS.items() if cuda or way.amp != "fp16"}
    found: dict[str, Json] = {}
    for k, (name, way) in enumerate(ways.items()):
        progress(f"Training, {name.replace('_', ' ')}", k / len(ways))
        if cuda:
            torch.cuda.reset_peak_memory_stats(where.torch_device)
        seconds = _seconds(arch, data, way, device=where.torch_device, repeats=repeats, seed=seed)
        found[name] = {"images_per_second": BATCH / seconds}
        if cuda:
            found[name]["peak_memory_gib"] = torch.cuda.max_memory_allocated(where.torch_device) / 2**30
    whole = found["whole_batch"]["images_per_second"]
    for row in found.values():
        row["against_whole_batch"] = row["images_per_second"] / whole
    return {
        "device": where.label, "threads": torch.get_num_threads(), "batch": BATCH, "parts": PARTS, "steps": repeats,
        "ways": found,
    }  # fmt: skip


def rows(found: Json) -> list[tuple[str, str]]:
    """The block as rows of the command's table."""
    return [
        (
            f"training, {name.replace('_', ' ')}",
            f"{row['images_per_second']:.2f} images a second ({row['against_whole_batch']:.2f} times the whole batch)",
        )
        for name, row in found["ways"].items()
    ]


def _seconds(
    arch: Architecture, data: CohortArrays, way: Execution, *, device: torch.device, repeats: int, seed: int
) -> float:
    """Median seconds of a step."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = ImageEncoder(arch).to(device).to(memory_format=torch.channels_last)
        objective = ImageObjective(encoder, data, TrainConfig(seed=seed, amp=way.amp, arch=arch))
        stepper = Stepper(
            encoder, objective, config=StageConfig(batch=len(data)), execution=way, total=repeats + 1
        )  # fmt: skip
        stepper.train()
        rng, index, seconds = torch.Generator().manual_seed(seed), torch.arange(len(data)), []
        for done in range(repeats + 1):
            start = time.perf_counter()
            stepper.take(done, index, rng)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def _speckle(arch: Architecture, count: int, seed: int) -> CohortArrays:
    """Canvases of seeded speckle with a dark disc that is outlined: they cost what real ones cost."""
    size = arch.canvas
    y, x = np.mgrid[:size, :size]
    disc = (y - size / 2) ** 2 + (x - size / 2) ** 2 < (size / 8) ** 2
    grey = np.random.default_rng(seed).rayleigh(60, (count, size, size)) * np.where(disc, 0.2, 1.0)
    return CohortArrays(
        np.clip(grey, 0, 255).astype(np.uint8), np.tile([0, 0, size, size], (count, 1)).astype(np.int64),
        np.repeat(disc[None].astype(np.uint8), count, 0), np.ones(count, np.bool_), np.zeros((count, 0), np.float32),
        np.zeros((count, 0), np.bool_), np.arange(count) % arch.classes, (), (), (),
    )  # fmt: skip
