"""How the steps of a stage are carried out. What is learned stays the same but for rounding; what it needs does not."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mmxai_core.errors import CohortError
from mmxai_core.training.team import SOLO, Team

#: Mixed precision by name: the type that matrix products and convolutions are computed in.
AMP_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
AMP = ("none", *AMP_TYPES)
BATCH_NORM = ("batch", "frozen")
DRAWS = ("batch", "case")


@dataclass(frozen=True)
class Execution:
    """Precision, micro-batches, batch norm, checkpoints, processes. The default is one batch at once in float32.

    Attributes:
        amp: "none"; "bf16"; or "fp16", on CUDA only, with a scaled loss.
        accumulate: Micro-batches a process splits its cases of a batch into; their gradients add up to the batch's.
        batch_norm: "batch": statistics of the micro-batch, over all processes (with several micro-batches this is
            ghost batch norm, Hoffer et al. 2017, and the only part that does depend on the split); "frozen": the
            running statistics that are there, which do not move.
        checkpoint_steps: Steps between checkpoints within an epoch; 0: at the end of each epoch only.
        team: The processes that share each batch.
    """

    amp: str = "none"
    accumulate: int = 1
    batch_norm: str = "batch"
    checkpoint_steps: int = 0
    team: Team = SOLO


def check_amp(amp: str, device: torch.device) -> None:
    """Refuses mixed precision that the device cannot do.

    Raises:
        CohortError: float16 without CUDA, or bfloat16 on a GPU without it.
    """
    if amp == "fp16" and device.type != "cuda":
        raise CohortError(f'amp = "fp16" needs CUDA; this run is on {device.type}: use "bf16" or "none".')
    if amp == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise CohortError('This GPU has no bfloat16: use amp = "fp16" or "none".')
