"""Trains a fusion head, or the clinical sibling, on cached tokens: one loop for all, so that budgets are equal."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.comparison.config import CompareConfig
from mmxai_core.comparison.models import IMAGE_LEVEL, levels
from mmxai_core.comparison.tokens import Tokens
from mmxai_core.model.baselines import ClinicalOnlyNetwork
from mmxai_core.model.fusion_rivals import AttentionHead, ConcatenationHead, DaftHead, FusionHead, HeadOutput
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import validation_numbers
from mmxai_core.training.loop import Hooks, fit
from mmxai_core.training.missing import MissingBalance, drop_fields, level_mask

#: The head of each model's name.
HEADS: Mapping[str, type[FusionHead]] = {
    "concatenation": ConcatenationHead, "attention": AttentionHead, "attention_coherence": AttentionHead,
    "daft": DaftHead,
}  # fmt: skip


def new_head(
    name: str, config: CompareConfig, schema: ClinicalSchema, *, seed: int
) -> FusionHead | ClinicalOnlyNetwork:
    """An untrained head; models not named in `HEADS` and not "clinical" (the ablations) take attention."""
    torch.manual_seed(seed)
    if name == "clinical":
        return ClinicalOnlyNetwork(config.arch, schema)
    return HEADS.get(name, AttentionHead)(config.arch, schema)


def _run(
    head: nn.Module, tokens: Tokens | None, view: Tensor, case: Tensor, values: Tensor, known: Tensor
) -> HeadOutput:
    if isinstance(head, ClinicalOnlyNetwork):
        return HeadOutput(head(None, values, known).logits)
    assert tokens is not None
    result: HeadOutput = head(tokens.states.take(view, case), values, known)
    return result


@torch.no_grad()
def head_logits(
    head: nn.Module, tokens: Tokens | None, data: CohortArrays, schema: ClinicalSchema
) -> dict[str, Tensor]:
    """(N, K) logits of the plain view at each level; a head that reads the image also with no field known."""
    head.eval()
    n = len(data)
    values, known = torch.from_numpy(data.values), torch.from_numpy(data.known)
    masks = {name: known & level_mask(schema, groups) for name, groups in levels(schema).items()}
    if tokens is not None:
        masks = {IMAGE_LEVEL: torch.zeros_like(known), **masks}
    view, case = torch.zeros(n, dtype=torch.long), torch.arange(n)
    return {name: _run(head, tokens, view, case, values, m).logits for name, m in masks.items()}


def attention_in_lesion(attention: Tensor, known: Tensor, inside: Tensor, has_mask: Tensor) -> Tensor:
    """-log of the attention mass that the known fields' queries lay into the lesion; mean over heads and fields.

    Args:
        attention: (B, heads, F, N).
        known: (B, F) bool.
        inside: (B, N) bool.
        has_mask: (B,) bool.
    """
    used = known & has_mask[:, None]
    if not bool(used.any()):
        return attention.sum() * 0.0
    mass = (attention.mean(1) * inside[:, None].float()).sum(-1)
    return -torch.log(mass[used].clamp_min(1e-4)).mean()


def train_head(
    head: nn.Module, train: CohortArrays, validation: CohortArrays, *, schema: ClinicalSchema,
    tokens: tuple[Tokens, Tokens] | None, config: CompareConfig, seed: int, coherence: float = 0.0,
    keep_epoch: int | None = None, hooks: Hooks | None = None,
) -> dict[str, float | int]:  # fmt: skip
    """Trains in place with random loss of fields; early stopping on the mean validation loss over the levels.

    Args:
        head: From `new_head`.
        train: Training cases.
        validation: Validation cases.
        schema: Their schema.
        tokens: Of (train, validation); None for a head that reads no image.
        config: Settings.
        seed: Seed.
        coherence: Weight of `attention_in_lesion`.
        keep_epoch: See `training.loop.fit`.
        hooks: Log, progress, cancel.
    """
    labels = torch.from_numpy(train.labels)
    values, known = torch.from_numpy(train.values), torch.from_numpy(train.known)
    balance = MissingBalance.measure(train.known, train.labels, config.arch.classes)
    views = tokens[0].inside.shape[0] if tokens else 1

    def step(index: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        y = labels[index]
        left = drop_fields(known[index], y, schema=schema, balance=balance, drop=config.drop, rng=rng)
        view = torch.randint(views, (len(index),), generator=rng)
        out = _run(head, tokens[0] if tokens else None, view, index, values[index], left)
        loss = F.cross_entropy(out.logits, y, label_smoothing=config.loss.smoothing)
        if out.clinical_logits is not None:
            branch = F.cross_entropy(out.clinical_logits, y, label_smoothing=config.loss.smoothing)
            loss = loss + config.loss.branch * branch
        if coherence and out.attention is not None and tokens is not None:
            inside, outlined = tokens[0].inside[view, index], tokens[0].has_mask[index]
            loss = loss + coherence * attention_in_lesion(out.attention, left, inside, outlined)
        return loss, {"loss": float(loss.detach())}

    def validate(model: nn.Module) -> dict[str, float]:
        found = head_logits(model, tokens[1] if tokens else None, validation, schema)
        rows = [validation_numbers(x, validation.labels)["loss"] for k, x in found.items() if k != IMAGE_LEVEL]
        return {"loss": sum(rows) / len(rows)}

    drawn = config.heads.samples or len(train)
    return fit(
        head, config=config.heads, order=lambda rng: torch.randperm(len(train), generator=rng)[:drawn], step=step,
        validate=validate, seed=seed, keep_epoch=keep_epoch, hooks=hooks,
    )  # fmt: skip
