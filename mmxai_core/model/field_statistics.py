"""How the clinical fields are distributed, class by class: aggregates that a bundle may carry instead of patients.

From these come the weights of "what to ask next", the fill of unknown fields and the plausibility of a counterfactual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema, Value
from mmxai_core.errors import BundleError, ClinicalValueError
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.reference import load_reference

#: Added to every category's count: Jeffreys' prior, so that nothing is impossible.
SMOOTHING = 0.5
#: Categories seen in fewer cases than this are no plausible change; also the rank of the outermost numbers released.
MIN_SEEN = 3
NUMERIC_RANK = 5


@dataclass(frozen=True, eq=False)
class FieldStatistics:
    """Distributions of F fields within each of C classes, fields independent within a class.

    Attributes:
        schema: The fields.
        prior: (C,) share of each class; sums to 1.
        probability: (C, F, O) float64 of each category (`Field.category_ids` order), smoothed; 0 for numbers, and
            beyond a field's categories.
        seen: (F, O) bool: at least `MIN_SEEN` cases have this category.
        normal: (C, F, 2) mean and SD of a number, in the field's unit; NaN elsewhere.
        limits: (F, 2) lowest and highest plausible number: the 5th outermost value of the cohort on each side, so
            that no single patient's value is released; NaN elsewhere.
        known: (F,) number of cases in which the field is known.
        source: Where the numbers come from, in words.
    """

    schema: ClinicalSchema
    prior: NDArray[np.float64]
    probability: NDArray[np.float64]
    seen: NDArray[np.bool_]
    normal: NDArray[np.float64]
    limits: NDArray[np.float64]
    known: NDArray[np.int64]
    source: str

    def __post_init__(self) -> None:
        c, f = len(self.prior), len(self.schema.fields)
        fits = (
            c >= 1 and self.probability.shape[:2] == (c, f) and self.seen.shape == self.probability.shape[1:]
            and self.normal.shape == (c, f, 2) and self.limits.shape == (f, 2) and self.known.shape == (f,)
        )  # fmt: skip
        if not fits or abs(float(self.prior.sum()) - 1) > 1e-6:
            raise BundleError(f"Field statistics do not fit {f} fields, or their class shares do not sum to 1.")

    def weights(self, index: int, values: Sequence[Value]) -> NDArray[np.float64]:
        """(C, V) probability of each value of field `index` within each class; rows sum to 1.

        A number's density (normal) is multiplied by the width of its cell between its neighbours, and values beyond
        the plausible limits get 0.

        Args:
            index: The field.
            values: Distinct values; numbers ascending.
        """
        field = self.schema.fields[index]
        if field.kind != "numeric":
            ids = [("yes" if v else "no") if isinstance(v, bool) else str(v) for v in values]
            out = self.probability[:, index, [field.category_ids.index(i) for i in ids]]
        else:
            grid = np.array([float(v) for v in values])
            edges = np.concatenate([grid[:1], (grid[1:] + grid[:-1]) / 2, grid[-1:]])
            width = np.diff(edges) if len(grid) > 1 else np.ones(1)
            mean, sd = self.normal[:, index, :1], np.maximum(self.normal[:, index, 1:], 1e-6)
            low, high = self.limits[index]
            inside = (grid >= low) & (grid <= high)
            inside = inside if inside.any() else np.ones_like(inside)
            out = np.exp(-0.5 * ((grid - mean) / sd) ** 2) * width * inside + 1e-12 * inside
        total: NDArray[np.float64] = out / out.sum(1, keepdims=True)
        return total

    def in_range(self, index: int, value: Value) -> bool:
        """Whether the cohort has seen this value: a category often enough, a number within the limits."""
        field = self.schema.fields[index]
        if field.kind == "numeric":
            return bool(self.limits[index, 0] <= float(value) <= self.limits[index, 1])
        word = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        return bool(self.seen[index, field.category_ids.index(word)])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays for `reference.npz`; `source` goes into the metadata."""
        names = ("prior", "probability", "seen", "normal", "limits", "known")
        return {n: getattr(self, n) for n in names}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, schema: ClinicalSchema, source: str) -> FieldStatistics:
        """What `to_arrays` gave.

        Raises:
            BundleError: An array is missing or of another shape.
        """
        try:
            return cls(
                schema, np.asarray(arrays["prior"], float), np.asarray(arrays["probability"], float),
                np.asarray(arrays["seen"], bool), np.asarray(arrays["normal"], float),
                np.asarray(arrays["limits"], float), np.asarray(arrays["known"], np.int64), source,
            )  # fmt: skip
        except KeyError as error:
            raise BundleError(f"The bundle's field statistics lack the array {error}.") from error


def measure_field_statistics(
    records: Sequence[ClinicalRecord],
    labels: NDArray[np.int64],
    *,
    schema: ClinicalSchema,
    classes: int,
    source: str,
) -> FieldStatistics:
    """Counts, means and limits of the records, class by class. No forward pass.

    A field that no record knows gets even categories, or a wide normal over its scale.

    Args:
        records: N records.
        labels: (N,) class indices.
        schema: The fields.
        classes: C.
        source: Where the records come from, in words.
    """
    f = len(schema.fields)
    most = max((len(field.category_ids) for field in schema.fields if field.kind != "numeric"), default=1)
    probability, seen = np.zeros((classes, f, most)), np.zeros((f, most), bool)
    normal, limits = np.full((classes, f, 2), np.nan), np.full((f, 2), np.nan)
    known = np.zeros(f, np.int64)
    for i, field in enumerate(schema.fields):
        have = [(record.values[field.id], int(c)) for record, c in zip(records, labels, strict=True)
                if field.id in record.values]  # fmt: skip
        known[i] = len(have)
        of_class = np.array([c for _, c in have], np.int64)
        if field.kind == "numeric":
            numbers = np.array([float(v) for v, _ in have])
            normal[:, i], limits[i] = _numbers(numbers, of_class, field.scale, classes)
            continue
        n = len(field.category_ids)
        counts = np.zeros((classes, n))
        for value, c in have:
            word = ("yes" if value else "no") if isinstance(value, bool) else str(value)
            counts[c, field.category_ids.index(word)] += 1
        probability[:, i, :n] = (counts + SMOOTHING) / (counts + SMOOTHING).sum(1, keepdims=True)
        seen[i, :n] = counts.sum(0) >= MIN_SEEN if have else True
    share = np.bincount(labels, minlength=classes) / max(len(labels), 1)
    return FieldStatistics(schema, share, probability, seen, normal, limits, known, source)


def _numbers(
    numbers: NDArray[np.float64], of_class: NDArray[np.int64], scale: tuple[float, float], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """((C, 2) mean and SD, (2,) limits) of one numeric field; a class with too few values takes those of all."""
    if len(numbers) < 2:
        middle = (scale[0] + scale[1]) / 2
        return np.tile([middle, (scale[1] - scale[0]) / 2], (classes, 1)), np.array(scale)
    every = (numbers.mean(), max(float(numbers.std()), 1e-3 * (scale[1] - scale[0])))
    out = np.tile(every, (classes, 1))
    for c in range(classes):
        own = numbers[of_class == c]
        if len(own) >= NUMERIC_RANK:
            out[c] = own.mean(), max(float(own.std()), 1e-3 * (scale[1] - scale[0]))
    ordered, rank = np.sort(numbers), NUMERIC_RANK - 1
    limits = ordered[[rank, -1 - rank]] if len(numbers) > 2 * NUMERIC_RANK else np.array(scale)
    return out, limits


def bundle_statistics(bundle: Bundle) -> FieldStatistics:
    """What the bundle carries: measured class by class in training, or else its background rows. No forward pass.

    Raises:
        BundleError: What it carries does not fit its schema.
    """
    reference = load_reference(bundle)
    arrays, entry = reference.part("field_statistics"), reference.entries.get("field_statistics")
    if not arrays or entry is None:
        return background_statistics(bundle)
    return FieldStatistics.from_arrays(arrays, schema=bundle.schema, source=str(entry["source"]))


def background_statistics(bundle: Bundle) -> FieldStatistics:
    """The same from the bundle's synthetic background rows: one class for all, since the rows have no outcome.

    For a bundle without measured field statistics. No forward pass.

    Raises:
        BundleError: A row of `background.csv` does not fit the schema.
    """
    table = bundle.background()
    try:
        records = [bundle.schema.record({str(k): v for k, v in row.items()}) for row in table.to_dict("records")]
    except ClinicalValueError as error:
        raise BundleError(f"Bundle {bundle.name!r}: background.csv has a wrong value: {error}") from error
    blank = [f.label for f in bundle.schema.fields if not any(f.id in r.values for r in records)]
    words = f"the bundle's {len(records)} synthetic background rows, whatever the outcome"
    if blank:
        words += f" (none of them knows {', '.join(blank)}: every value of the schema counts alike)"
    labels = np.zeros(len(records), np.int64)
    if not records:
        records, labels = [ClinicalRecord()], np.zeros(1, np.int64)
    return measure_field_statistics(records, labels, schema=bundle.schema, classes=1, source=words)
