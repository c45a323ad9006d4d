"""Any combination of field values from one image encoding, in one batch.

A field's terms in the fusion depend on that field's value and on the image only (see `mmxai_core.model.fusion`). So the
terms of every value of every field are computed once, some hundred tokens in one pass of the fusion; a changed record
is then a sum of rows and the small head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema, Field, Value
from mmxai_core.model.encoded import select
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.fusion import FieldSums
from mmxai_core.model.network import FusedNetwork

#: Most steps of a numeric field.
MAX_STEPS = 48
#: Records evaluated at once: some 20 MB.
CHUNK = 4096
#: Option 0 of every field: it is not known.
UNKNOWN = 0


def grid_values(field: Field, current: float | None) -> tuple[float, ...]:
    """Round numbers over a numeric field's scale, its ends, and the current value, ascending."""
    low, high = field.scale
    power = 10.0 ** math.floor(math.log10((high - low) / MAX_STEPS))
    step = next(s * power for s in (1, 2, 5, 10) if (high - low) / (s * power) <= MAX_STEPS)
    inner = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
    values = {round(float(v), 9) for v in inner if low <= v <= high} | {float(low), float(high)}
    return tuple(sorted(values | ({float(current)} if current is not None else set())))


@dataclass(frozen=True, eq=False)
class FieldOptions:
    """The values each field may take in what-if questions about one case.

    Attributes:
        schema: The fields.
        values: By field, option by option; option 0 is None (unknown) in every field.
        encoded: (O, F) float32: the same as the network takes them; 0 beyond a field's options.
        current: (F,) option of the case.
    """

    schema: ClinicalSchema
    values: tuple[tuple[Value | None, ...], ...]
    encoded: NDArray[np.float32]
    current: NDArray[np.int64]

    @classmethod
    def make(cls, schema: ClinicalSchema, record: ClinicalRecord) -> FieldOptions:
        """Every category; numbers in round steps, the record's own value among them."""
        values: list[tuple[Value | None, ...]] = []
        for field in schema.fields:
            now = record.get(field.id)
            if field.kind == "numeric":
                values.append((None, *grid_values(field, None if now is None else float(now))))
            elif field.kind == "yes_no":
                values.append((None, False, True))
            else:
                values.append((None, *field.category_ids))
        encoded = np.zeros((max((len(v) for v in values), default=1), len(values)), np.float32)
        for i, (field, options) in enumerate(zip(schema.fields, values, strict=True)):
            for o, value in enumerate(options):
                if value is not None:
                    encoded[o, i] = schema.encode(ClinicalRecord({field.id: value})).values[i]
        current = [
            options.index(record.get(field.id)) for field, options in zip(schema.fields, values, strict=True)
        ]  # fmt: skip
        return cls(schema, tuple(values), encoded, np.array(current, np.int64))

    @property
    def known(self) -> NDArray[np.bool_]:
        """(F,) fields the case knows."""
        known: NDArray[np.bool_] = self.current != UNKNOWN
        return known

    def answers(self, index: int) -> tuple[Value, ...]:
        """The values of field `index`, option 1 on: unknown is not among them."""
        return tuple(v for v in self.values[index] if v is not None)

    def record(self, choice: NDArray[np.int64]) -> ClinicalRecord:
        """(F,) options -> the record."""
        chosen = zip(self.schema.ids, self.values, choice, strict=True)
        return ClinicalRecord({i: v for i, options, o in chosen if (v := options[int(o)]) is not None})


class OptionHead:
    """Answers any combination of options for one case. Lives and runs on the predictor's worker.

    Building it costs one pass of the fusion over all options (about a tenth of a forward pass); a record afterwards
    costs one row of the head.
    """

    def __init__(
        self, network: FusedNetwork, image: ImageState, options: FieldOptions, *, temperature: float, positive: int
    ) -> None:
        """Precomputes every option's terms.

        Args:
            network: The network.
            image: State of one or more images; of several, each record is answered by the image with the highest
                probability of the positive class. `network.encode_image(None)`: no image.
            options: The fields' values.
            temperature: The logits are divided by it.
            positive: Index of the positive class.
        """
        self.options = options
        self._network, self._temperature, self._positive = network, temperature, positive
        device = image.tokens.device
        encoded = torch.from_numpy(options.encoded).to(device)
        known = (torch.arange(len(encoded), device=device) != UNKNOWN)[:, None].expand(-1, encoded.shape[1])
        counts = [len(v) for v in options.values]
        starts = np.cumsum([0, *counts[:-1]]) if counts else np.zeros(0, np.int64)
        self._starts = torch.from_numpy(starts.astype(np.int64)).to(device)
        with torch.no_grad():
            by_option = network.encode_clinical(encoded, known)
            tokens = torch.cat([by_option[:n, i] for i, n in enumerate(counts)])[None]
            self._sides = [self._side(select(image, slice(i, i + 1)), tokens) for i in range(len(image.tokens))]

    def _side(self, image: ImageState, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(T, d + M d + M) what each option adds to the sums, and the image's pooled vector and logits."""
        terms = self._network.fusion.field_terms(tokens, image)
        weight = terms.weight[0].T
        numerator = weight[:, :, None] * terms.value[0][:, None]
        return torch.cat([terms.vector[0], numerator.flatten(1), weight], 1), image.pooled, image.logits

    def logits(self, choices: NDArray[np.int64], *, check: Callable[[], None] = lambda: None) -> NDArray[np.float64]:
        """(R, F) options -> (R, K) float64 logits after temperature, of the image that decides each record.

        Args:
            choices: One option a field.
            check: Called between chunks; may raise to end the work.
        """
        rows = torch.from_numpy(np.ascontiguousarray(choices, np.int64)).to(self._starts.device) + self._starts
        out = []
        with torch.no_grad():
            for part in torch.split(rows, CHUNK):
                check()
                out.append(torch.stack([self._head(part, *side) for side in self._sides]).double().cpu().numpy())
        every = np.concatenate(out, 1) / self._temperature
        if len(every) == 1:
            first: NDArray[np.float64] = every[0]
            return first
        best = positive_probability(every, self._positive).argmax(0)
        decided: NDArray[np.float64] = every[best, np.arange(every.shape[1])]
        return decided

    def probability(
        self, choices: NDArray[np.int64], *, check: Callable[[], None] = lambda: None
    ) -> NDArray[np.float64]:
        """(R, F) options -> (R,) probability of the positive class."""
        return positive_probability(self.logits(choices, check=check), self._positive)

    def _head(self, rows: Tensor, table: Tensor, pooled: Tensor, image_logits: Tensor) -> Tensor:
        """(R, F) rows of the table -> (R, K) raw logits."""
        d, m = self._network.arch.width, self._network.arch.queries
        vector, numerator, denominator = torch.split(F.embedding_bag(rows, table, mode="sum"), [d, m * d, m], 1)
        sums = FieldSums(vector, numerator.reshape(-1, m, d), denominator)
        pooled = pooled.expand(len(rows), -1)
        return self._network.fusion.combine(pooled, image_logits, sums, fields=rows.shape[1]).logits


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., K) logits -> probabilities."""
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities: NDArray[np.float64] = odds / odds.sum(-1, keepdims=True)
    return probabilities


def positive_probability(logits: NDArray[np.float64], positive: int) -> NDArray[np.float64]:
    """(..., K) logits -> (...) softmax probability of one class."""
    one: NDArray[np.float64] = softmax(logits)[..., positive]
    return one


def entropy_bits(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., K) logits -> (...) entropy of their softmax in bits."""
    p = softmax(logits)
    bits: NDArray[np.float64] = -(p * np.log2(np.maximum(p, 1e-300))).sum(-1)
    return bits


def with_option(choice: NDArray[np.int64], index: int, options: Sequence[int]) -> NDArray[np.int64]:
    """(F,) options -> (len(options), F): the same with field `index` set to each."""
    rows = np.tile(choice, (len(options), 1))
    rows[:, index] = options
    return rows
