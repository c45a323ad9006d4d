"""A stage's checkpoint: everything that the rest of the stage depends on, so that a killed run goes on bit for bit."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmxai_core.errors import CohortError
from mmxai_core.types import Json


def random_states() -> dict[str, Any]:
    """States of the process-wide generators: torch on the CPU and on the current GPU, NumPy, Python."""
    name, keys, *rest = np.random.get_state(legacy=True)
    states = {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, np.int64)), *rest),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_states(states: dict[str, Any]) -> None:
    """Puts the generators back to where `random_states` found them; one that is not in `states` is left alone."""
    torch.set_rng_state(states["torch"])
    if "python" in states:
        random.setstate(states["python"])
    if "numpy" in states:
        name, keys, *rest = states["numpy"]
        np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def write_checkpoint(path: Path, content: Json) -> None:
    """Replaces the checkpoint in one move: a process killed at any time leaves the old one or the new one, whole."""
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_checkpoint(path: Path | None, *, processes: int) -> dict[str, Any] | None:
    """What `write_checkpoint` wrote; None where there is no file.

    Raises:
        CohortError: The file is damaged, or was written by another number of processes: each has its own random state.
    """
    if path is None or not path.is_file():
        return None
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        said = str(error).partition("\n")[0]
        raise CohortError(
            f"Checkpoint {path.name} cannot be read ({said}); without it the stage starts again."
        ) from error
    if "torch_rng" in saved:  # as written before checkpoints within an epoch: of one process, after a whole epoch
        saved |= {
            "epoch": saved["epoch"] + 1, "step": 0, "cases": torch.zeros(0, dtype=torch.long), "sums": {},
            "seconds": 0.0, "scaler": {}, "random": [{"torch": saved.pop("torch_rng")}],
        }  # fmt: skip
    if len(saved["random"]) != processes:
        raise CohortError(
            f"Checkpoint {path.name} is of a run of {len(saved['random'])} processes, this is one of {processes}; "
            "go on with as many, or delete it."
        )
    return saved
