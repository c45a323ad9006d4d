"""The work of one fold: its encoders, tokens and tables, made when first needed, and a unit for each model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.comparison.cohort import Split
from mmxai_core.comparison.config import CompareConfig
from mmxai_core.comparison.encoders import Trained, train_encoder
from mmxai_core.comparison.gradients import Seen, fitted, score, scores_without, strength_of
from mmxai_core.comparison.heads import head_logits, new_head, train_head
from mmxai_core.comparison.models import IMAGE_LEVEL, EncoderKind, Model, levels
from mmxai_core.comparison.radiomics import radiomics
from mmxai_core.comparison.tabular import choose, field_table
from mmxai_core.comparison.tokens import Tokens, build_tokens
from mmxai_core.comparison.units import Localised, Scores, Unit
from mmxai_core.evaluation.calibration import fit_temperature, youden_threshold
from mmxai_core.evaluation.localization import localize
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.model.fusion_rivals import AttentionHead, ImageReader
from mmxai_core.model.network import FusedNetwork
from mmxai_core.training.altered_inputs import altered_inputs
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import image_logits
from mmxai_core.training.missing import level_mask
from mmxai_core.training.recipe import blend, fence_schema
from mmxai_core.training.run_log import RunLog
from mmxai_core.training.saliency_scale import case_maps
from mmxai_core.types import Json

Logits = dict[str, Tensor]
#: Gives the source's encoder of a kind for this fold; None where there is no source.
Source = Callable[[EncoderKind], Trained]


class FoldWork:
    """One seed's fold of a cohort.

    Args:
        data: The cohort.
        split: The fold.
        schema: The cohort's fields.
        config: Settings.
        cache: Folder of trained encoders.
        log: Where epochs are written.
        source: Gives encoders to start from, or None.
        replay: The source's cases, or None.
        gradients: Gives the source's cases as the rival of oriented gradients sees them, or None.
    """

    def __init__(
        self, data: CohortArrays, split: Split, *, schema: ClinicalSchema, config: CompareConfig, cache: Path,
        log: RunLog, source: Source | None = None, replay: CohortArrays | None = None,
        gradients: Callable[[], Seen] | None = None,
    ) -> None:  # fmt: skip
        self.split, self.config, self.log, self.cache = split, config, log, cache
        self.source, self.replay, self.gradients = source, replay, gradients
        self.schema = fence_schema(schema, data.take(split.train))
        self.train, self.validation, self.test = (
            data.take(i).encoded(self.schema) for i in (split.train, split.validation, split.test)
        )
        self.seed = split.seed * 100 + split.fold
        self._trained: dict[EncoderKind, Trained] = {}
        self._tokens: dict[EncoderKind, tuple[Tokens, Tokens, Tokens]] = {}

    @property
    def name(self) -> str:
        """Of the split in logs."""
        return f"seed {self.split.seed} fold {self.split.fold}"

    def trained(self, kind: EncoderKind) -> Trained:
        """The fold's image branch of a kind, tuned to the end."""
        if kind not in self._trained:
            self._trained[kind] = train_encoder(
                kind, self.train, self.validation, config=self.config, seed=self.seed, cache=self.cache, log=self.log,
                name=self.name, start=self.source(kind) if self.source else None, replay=self.replay,
            )  # fmt: skip
        return self._trained[kind]

    def encoder(self, kind: EncoderKind) -> ImageEncoder:
        """The image branch whose tokens the heads read: with a source, part of the way from its weights (WiSE-FT)."""
        tuned = self.trained(kind).encoder
        if self.source is None or self.config.image_mix == 1.0:
            return tuned
        return blend(self.source(kind).encoder, tuned, self.config.image_mix)

    def tokens(self, kind: EncoderKind) -> tuple[Tokens, Tokens, Tokens]:
        """Of (train, validation, test); validation cases in several views too, for the refit."""
        if kind not in self._tokens:
            self._tokens.clear()  # one kind at a time: they are large
            encoder, views = self.encoder(kind), self.config.views
            self._tokens[kind] = (
                build_tokens(encoder, self.train, views=views, seed=self.seed),
                build_tokens(encoder, self.validation, views=views, seed=self.seed + 1),
                build_tokens(encoder, self.test, views=0, seed=0),
            )
        return self._tokens[kind]

    @cached_property
    def image_features(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Radiomics of (train, validation, test)."""
        encoder = self.encoder("main")
        return radiomics(encoder, self.train), radiomics(encoder, self.validation), radiomics(encoder, self.test)

    @cached_property
    def rest(self) -> CohortArrays:
        """Training and validation cases together."""
        return CohortArrays.concatenate([self.train, self.validation])

    def fit(self, model: Model, done: Callable[[str], Unit]) -> Unit:
        """The unit of one model.

        Args:
            model: Which.
            done: Gives a finished unit of the same seed and fold by the model's name.
        """
        make = {
            "image": self._image, "clinical": self._head, "head": self._head, "ablation": self._ablation,
            "fields": self._fields, "radiomics": self._fields, "gradients": self._gradients,
        }  # fmt: skip
        if model.kind == "late":
            scores, localised, account, extra = self._late(done("image"), done("clinical"))
        else:
            validation, test, localised, account, extra_logits = make[model.kind](model)
            scores, temperature = self._scores(validation, test)
            extra = {k: tuple(_positive(v, temperature).tolist()) for k, v in extra_logits.items()}
        return Unit(
            self.split.seed, self.split.fold, model.name, self.test.case_ids, self.validation.case_ids, scores,
            localised, account, extra,
        )  # fmt: skip

    def _scores(self, validation: Logits, test: Logits) -> tuple[dict[str, Scores], float]:
        """Calibrates: one temperature for all levels of a model, a threshold for each."""
        labels = self.validation.labels
        stacked = torch.cat(list(validation.values())).double().numpy()
        t = fit_temperature(stacked, np.tile(labels, len(validation)))
        out = {}
        for level, logits in test.items():
            v = _positive(validation[level], t)
            out[level] = Scores(_positive(logits, t), v, youden_threshold(labels.astype(bool), v), t)
        return out, t

    def _image(self, model: Model) -> tuple[Logits, Logits, Localised | None, Json, Logits]:
        trained = self.trained("main")
        encoder = trained.encoder
        reader = ImageReader(self.config.arch)
        reader.image_encoder = encoder
        return (
            {IMAGE_LEVEL: image_logits(encoder, self.validation)}, {IMAGE_LEVEL: image_logits(encoder, self.test)},
            self._localise(reader), {"encoder": trained.account},
            {name: image_logits(encoder, changed) for name, changed in altered_inputs(self.test).items()},
        )  # fmt: skip

    def _head(
        self, model: Model, kind: EncoderKind | None = None
    ) -> tuple[Logits, Logits, Localised | None, Json, Logits]:
        kind = kind or model.encoder
        tokens = self.tokens(kind) if kind else None
        coherence = self.config.coherence if model.name == "attention_coherence" else 0.0
        head = new_head(model.name, self.config, self.schema, seed=self.seed)
        stop = train_head(
            head, self.train, self.validation, schema=self.schema, tokens=tokens[:2] if tokens else None,
            config=self.config, seed=self.seed, coherence=coherence,
        )  # fmt: skip
        validation = head_logits(head, tokens[1] if tokens else None, self.validation, self.schema)
        final = new_head(model.name, self.config, self.schema, seed=self.seed)
        joined = Tokens.join(tokens[0], tokens[1]) if tokens else None
        train_head(
            final, self.rest, self.validation, schema=self.schema,
            tokens=(joined, tokens[1]) if tokens and joined else None, config=self.config, seed=self.seed,
            coherence=coherence, keep_epoch=int(stop["best_epoch"]),
        )  # fmt: skip
        test = head_logits(final, tokens[2] if tokens else None, self.test, self.schema)
        account: Json = {"head": stop, "refit": "training and validation cases, for the best number of epochs"}
        localised = None
        if kind and isinstance(final, AttentionHead):
            localised = self._localise(_assemble(self.encoder(kind), final, self.schema))
        if kind:
            account["encoder"] = self.trained(kind).account
        return validation, test, localised, account, {}

    def _ablation(self, model: Model) -> tuple[Logits, Logits, Localised | None, Json, Logits]:
        """Levels with fields come from attention fusion; the image level from the encoder's own head."""
        assert model.encoder is not None
        trained = self.trained(model.encoder)
        validation = {IMAGE_LEVEL: image_logits(trained.encoder, self.validation)}
        test = {IMAGE_LEVEL: image_logits(trained.encoder, self.test)}
        if not levels(self.schema):
            reader = ImageReader(self.config.arch)
            reader.image_encoder = trained.encoder
            return validation, test, self._localise(reader), {"encoder": trained.account}, {}
        v, t, localised, account, _ = self._head(model, model.encoder)
        return {**v, **validation}, {**t, **test}, localised, account, {}

    def _fields(self, model: Model) -> tuple[Logits, Logits, Localised | None, Json, Logits]:
        """Logistic regression and boosting on the fields; boosting on radiomics, and on both together."""
        images = self.image_features if model.kind == "radiomics" else None
        offered: dict[str, tuple[str, ...]] = dict(levels(self.schema))
        if images is not None:
            offered = {IMAGE_LEVEL: (), **offered}
        validation, test, settings = {}, {}, {}
        for level, groups in offered.items():
            estimator = "logistic" if model.name == "logistic" else "boosting"
            found = choose(
                estimator, self._tables(groups, images), (self.train.labels, self.validation.labels), seed=self.seed
            )
            validation[level], test[level] = _logits(found.validation), _logits(found.test)
            settings[level] = found.setting
        account: Json = {"setting": settings, "refit": "training and validation cases"}
        if images is not None:
            account["encoder"] = self.trained("main").account
        return validation, test, None, account, {}

    def _gradients(self, model: Model) -> tuple[Logits, Logits, Localised | None, Json, Logits]:
        """Oriented gradients alone; with fields, their cross-fitted log-odds as one more column of the table.

        The source's cases are trained on beside the fold's, as the image branches of other models start from them.
        """
        more = self.gradients() if self.gradients else None
        train, validation, test = (Seen.of(d) for d in (self.train, self.validation, self.test))
        rest = train.join(validation)
        strength, loss = strength_of(train, validation, more)
        first, last = fitted(train.join(more), strength), fitted(rest.join(more), strength)
        out: tuple[Logits, Logits] = ({}, {})
        seen, unseen = score(first, validation), score(last, test)
        for logits, margin in zip(out, (seen, unseen), strict=True):
            logits[IMAGE_LEVEL] = torch.from_numpy(np.stack([np.zeros_like(margin), margin], 1))
        settings: Json = {IMAGE_LEVEL: {"c": strength, "validation_loss": round(loss, 5)}}
        apart = scores_without(train, strength, more, seed=self.seed)
        for level, groups in levels(self.schema).items():
            tables = self._tables(groups, (apart, seen, unseen))
            found = choose("logistic", tables, (train.labels, validation.labels), seed=self.seed)
            out[0][level], out[1][level] = _logits(found.validation), _logits(found.test)
            settings[level] = found.setting
        cases = {"own": len(rest.labels), "source": 0 if more is None else len(more.labels)}
        account: Json = {"setting": settings, "cases": cases, "refit": "training and validation cases"}
        return out[0], out[1], None, account, {}

    def _tables(
        self, groups: tuple[str, ...], columns: tuple[NDArray[np.float64], ...] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The known fields of (train, validation, test), after other columns of each."""
        allowed = level_mask(self.schema, groups).numpy()
        first, means = field_table(self.train.values, self.train.known & allowed, self.schema)
        others = (self.validation, self.test)
        parts = [first, *(field_table(d.values, d.known & allowed, self.schema, like=means)[0] for d in others)]
        if columns is not None:
            parts = [np.concatenate([x.reshape(len(p), -1), p], 1) for x, p in zip(columns, parts, strict=True)]
        return parts[0], parts[1], parts[2]

    def _late(
        self, image: Unit, clinical: Unit
    ) -> tuple[dict[str, Scores], Localised | None, Json, dict[str, tuple[float, ...]]]:
        labels = self.validation.labels.astype(bool)
        i, out = image.scores[IMAGE_LEVEL], {}
        for level, c in clinical.scores.items():
            v = (i.validation + c.validation) / 2
            out[level] = Scores((i.test + c.test) / 2, v, youden_threshold(labels, v), 1.0)
        return out, None, {"of": ["image", "clinical"]}, {}

    def _localise(self, network: FusedNetwork) -> Localised | None:
        """Grad-CAM++ of the predicted class against each outlined held-out case; first level's fields known."""
        test = self.test
        first = next(iter(levels(self.schema).values()), ())
        known = torch.from_numpy(test.known) & level_mask(self.schema, first)
        size, rows = test.grey.shape[-1], []
        if not test.lesion.any():
            return None
        for i, grid in enumerate(case_maps(network.eval(), test, known)):
            if not test.lesion[i].any():
                continue
            y, x, h, w = test.content[i].tolist()
            fine = F.interpolate(torch.from_numpy(grid)[None, None], size=(size, size), mode="bilinear")[0, 0].numpy()
            found = localize(fine[y : y + h, x : x + w], test.lesion[i][y : y + h, x : x + w].astype(bool))
            rows.append((test.case_ids[i], float(found.hit), found.iou, found.energy, found.lesion_share))
        ids, hit, iou, energy, share = zip(*rows, strict=True)
        return Localised(ids, hit, iou, energy, share)


def _assemble(encoder: ImageEncoder, head: AttentionHead, schema: ClinicalSchema) -> FusedNetwork:
    network = FusedNetwork(encoder.arch, schema)
    network.image_encoder, network.clinical_encoder, network.fusion = encoder, head.clinical_encoder, head.fusion
    return network.eval()


def _positive(logits: Tensor, temperature: float) -> NDArray[np.float64]:
    p: NDArray[np.float64] = torch.softmax(logits.double() / temperature, -1)[:, 1].numpy()
    return p


def _logits(probability: NDArray[np.float64]) -> Tensor:
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return torch.from_numpy(np.stack([np.zeros_like(p), np.log(p / (1 - p))], 1))
