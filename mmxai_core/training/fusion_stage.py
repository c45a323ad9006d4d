"""Trains the clinical branch and the fusion on cached image states of augmented views; the image encoder is frozen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.model.baselines import ClinicalOnlyNetwork
from mmxai_core.model.encoders import ImageEncoder, ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import encode_cases, validation_numbers
from mmxai_core.training.loop import Hooks, fit
from mmxai_core.training.missing import LEVELS, MissingBalance, drop_fields, level_mask


@dataclass(frozen=True, eq=False)
class StateCache:
    """Image states of N cases in V views: what the fusion reads of them.

    Attributes:
        tokens: (V, N, T, d).
        summary: (V, N, M, d).
        pooled: (V, N, d).
        logits: (V, N, K).
        rest: Any one state, for the parts that the fusion does not read.
    """

    tokens: Tensor
    summary: Tensor
    pooled: Tensor
    logits: Tensor
    rest: ImageState

    @classmethod
    def build(
        cls, encoder: ImageEncoder, data: CohortArrays, *, views: int, seed: int, marked: bool = False
    ) -> StateCache:
        """The plain image as view 0, then `views` augmented ones; the lesion is found by the model in each.

        `marked`: see `image_stage.encode_cases`.
        """
        encoder.eval()
        rngs = [None, *(torch.Generator().manual_seed(seed * 1000 + v) for v in range(views))]
        return cls.read(encode_cases(encoder, data, rng=rng, marked=marked) for rng in rngs)

    @classmethod
    def read(cls, views: Iterable[Iterable[ImageState]]) -> StateCache:
        """The states of each view, batch after batch; of each batch, only what the fusion reads stays in memory."""
        names = ("tokens", "summary", "pooled", "logits")
        whole: dict[str, list[Tensor]] = {name: [] for name in names}
        rest: ImageState | None = None
        for view in views:
            parts: dict[str, list[Tensor]] = {name: [] for name in names}
            for state in view:
                rest = rest or state
                for name in names:
                    parts[name].append(getattr(state, name).float())
            for name in names:
                whole[name].append(torch.cat(parts[name]))
        if rest is None:
            raise ValueError("No state to keep: there is no case, or no view.")
        return cls(**{name: torch.stack(whole[name]) for name in names}, rest=rest)

    @staticmethod
    def join(*parts: StateCache) -> StateCache:
        """The cases of several caches of as many views, one after the other."""

        def along(name: str) -> Tensor:
            return torch.cat([getattr(p, name) for p in parts], 1)

        return StateCache(along("tokens"), along("summary"), along("pooled"), along("logits"), parts[0].rest)

    def take(self, view: Tensor, case: Tensor) -> ImageState:
        """(B,) views and (B,) cases -> their states."""
        return replace(
            self.rest, tokens=self.tokens[view, case], summary=self.summary[view, case],
            pooled=self.pooled[view, case], logits=self.logits[view, case],
        )  # fmt: skip


def _mix_absent(network: FusedNetwork, state: ImageState, absent: Tensor) -> ImageState:
    """States with those of the (B,) bool `absent` replaced by the learned absent-image state."""
    blank = network.encode_image(None, batch=1)

    def pick(name: str) -> Tensor:
        a, b = getattr(blank, name), getattr(state, name)
        return torch.where(absent.view(-1, *[1] * (b.ndim - 1)), a.expand_as(b), b)

    return replace(state, tokens=pick("tokens"), summary=pick("summary"), pooled=pick("pooled"), logits=pick("logits"))


def _read_again(network: FusedNetwork, state: ImageState, *, dropout: float = 0.0) -> ImageState:
    """The state with the logits that the network's image head gives of its vector now."""
    return replace(state, logits=network.image_encoder.head(F.dropout(state.pooled, dropout)))


def _level_loss(logits: dict[str, Tensor], data: CohortArrays) -> dict[str, float]:
    """Mean validation cross-entropy over the levels, and the AUC of each."""
    numbers = {name: validation_numbers(x, data.labels) for name, x in logits.items()}
    out = {"loss": sum(v["loss"] for v in numbers.values()) / len(numbers)}
    return out | {f"auc_{name.count('+')}": v["auc"] for name, v in numbers.items() if "auc" in v}


@torch.no_grad()
def fused_logits(
    network: FusedNetwork, cache: StateCache, data: CohortArrays, schema: ClinicalSchema
) -> dict[str, Tensor]:
    """(N, K) logits of the plain view at each level of field groups, by level name, and "image" with no field."""
    network.eval()
    n = len(data)
    state = _read_again(network, cache.take(torch.zeros(n, dtype=torch.long), torch.arange(n)))
    values, known = torch.from_numpy(data.values), torch.from_numpy(data.known)
    masks = {name: known & level_mask(schema, groups) for name, groups in LEVELS.items()}
    masks["image"] = torch.zeros_like(known)
    return {name: network.fuse(state, network.encode_clinical(values, m))[0].logits for name, m in masks.items()}


def train_fusion(
    network: FusedNetwork, train: CohortArrays, validation: CohortArrays, *, schema: ClinicalSchema,
    caches: tuple[StateCache, StateCache], stage: StageConfig, config: TrainConfig, seed: int,
    keep_epoch: int | None = None, hooks: Hooks | None = None,
) -> dict[str, float | int]:  # fmt: skip
    """Trains clinical branch, fusion and absent-image token in place; the rest of the image encoder does not move.

    With `config.readout` "own", the network's image head starts anew and is trained too.

    Args:
        network: Its image encoder is trained already.
        train: Training cases.
        validation: Validation cases.
        schema: Their schema.
        caches: Image states of (train, validation).
        stage: Settings.
        config: Loss weights and input dropout.
        seed: Seed.
        keep_epoch: See `fit`.
        hooks: Log, progress, cancel, checkpoint.
    """
    network.image_encoder.requires_grad_(False)
    network.image_encoder.absent.requires_grad_(True)
    own = config.readout == "own"
    if own:
        network.image_encoder.head.reset_parameters()
        network.image_encoder.head.requires_grad_(True)
    labels, n_views = torch.from_numpy(train.labels), len(caches[0].tokens)
    values, known = torch.from_numpy(train.values), torch.from_numpy(train.known)
    balance = MissingBalance.measure(train.known, train.labels, network.arch.classes)

    def step(index: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        network.image_encoder.eval()
        y, b = labels[index], len(index)
        left = drop_fields(known[index], y, schema=schema, balance=balance, drop=config.drop, rng=rng)
        absent = torch.rand(b, generator=rng) < config.drop.image
        if config.nothing:
            nothing = torch.rand(b, generator=rng) < config.nothing
            absent, left = absent | nothing, left & ~nothing[:, None]
        state = _mix_absent(network, caches[0].take(torch.randint(n_views, (b,), generator=rng), index), absent)
        if own:
            state = _read_again(network, state, dropout=network.arch.dropout)
        fused, _ = network.fuse(state, network.encode_clinical(values[index], left))
        ce = F.cross_entropy(fused.logits, y, label_smoothing=config.loss.smoothing)
        branch = F.cross_entropy(fused.clinical_logits, y, label_smoothing=config.loss.smoothing)
        if own:  # so that it says by itself what the image alone says, as the strip and the page read it
            branch = branch + F.cross_entropy(state.logits, y, label_smoothing=config.loss.smoothing)
        return ce + config.loss.branch * branch, {"ce": float(ce.detach()), "branch": float(branch.detach())}

    def validate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, FusedNetwork)
        logits = fused_logits(model, caches[1], validation, schema)
        return _level_loss({k: v for k, v in logits.items() if k != "image"}, validation)

    result = fit(
        network, config=stage, order=lambda rng: torch.randperm(len(train), generator=rng), step=step,
        validate=validate, seed=seed, keep_epoch=keep_epoch, hooks=hooks,
    )  # fmt: skip
    network.requires_grad_(True)
    return result


@torch.no_grad()
def clinical_logits(network: ClinicalOnlyNetwork, data: CohortArrays, schema: ClinicalSchema) -> dict[str, Tensor]:
    """(N, K) logits at each level of field groups."""
    network.eval()
    values, known = torch.from_numpy(data.values), torch.from_numpy(data.known)
    return {k: network(None, values, known & level_mask(schema, groups)).logits for k, groups in LEVELS.items()}


def train_clinical(
    network: ClinicalOnlyNetwork, train: CohortArrays, validation: CohortArrays, *, schema: ClinicalSchema,
    stage: StageConfig, config: TrainConfig, seed: int,
    keep_epoch: int | None = None, hooks: Hooks | None = None,
) -> dict[str, float | int]:  # fmt: skip
    """Trains the clinical-only sibling in place, with the same input dropout and schedule as the fusion."""
    labels = torch.from_numpy(train.labels)
    values, known = torch.from_numpy(train.values), torch.from_numpy(train.known)
    balance = MissingBalance.measure(train.known, train.labels, config.arch.classes)

    def step(index: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        y = labels[index]
        left = drop_fields(known[index], y, schema=schema, balance=balance, drop=config.drop, rng=rng)
        ce = F.cross_entropy(network(None, values[index], left).logits, y, label_smoothing=config.loss.smoothing)
        return ce, {"ce": float(ce.detach())}

    def validate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, ClinicalOnlyNetwork)
        return _level_loss(clinical_logits(model, validation, schema), validation)

    return fit(
        network, config=stage, order=lambda rng: torch.randperm(len(train), generator=rng), step=step,
        validate=validate, seed=seed, keep_epoch=keep_epoch, hooks=hooks,
    )  # fmt: skip
