"""The clinical record: a schema that drives the form, the validation and the encoding. Unknown is always allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import ClinicalValueError
from mmxai_core.types import Json

FieldKind = Literal["numeric", "ordinal", "categorical", "yes_no"]
FieldGroup = Literal["history", "descriptor", "assessment"]
Value: TypeAlias = float | str | bool

GROUPS: tuple[FieldGroup, ...] = ("history", "descriptor", "assessment")
_YES = {"yes", "true", "1", "y"}
_NO = {"no", "false", "0", "n"}
_UNKNOWN = {"", "unknown", "not available", "not evaluated", "not applicable", "na", "n/a", "nan", "none given", "--"}


@dataclass(frozen=True)
class Field:
    """One clinical field.

    Attributes:
        id: snake_case name used in JSON, CSV and on the command line.
        label: What the form shows.
        kind: numeric, ordinal (categories in order), categorical or yes_no.
        group: history, descriptor (a reader's description of the image) or assessment.
        help: One sentence for the form.
        unit: Unit of a numeric field.
        plausible: (low, high) of a numeric field, inclusive; outside it a value is refused.
        fences: Tukey fences (q1 - 1.5 IQR, q3 + 1.5 IQR) of the training data; outside them a value is flagged
            and clipped before encoding.
        categories: ((id, label), ...) of an ordinal or categorical field. Of a yes_no field optionally what its answers
            are called, (("no", "Negative"), ("yes", "Positive")), shown and also read; a value stays True or
            False.
    """

    id: str
    label: str
    kind: FieldKind
    group: FieldGroup
    help: str = ""
    unit: str | None = None
    plausible: tuple[float, float] | None = None
    fences: tuple[float, float] | None = None
    categories: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.id.isidentifier() or self.id != self.id.lower():
            raise ClinicalValueError(f"A field id is plain snake_case; got {self.id!r}.")
        for what, value, allowed in (("kind", self.kind, get_args(FieldKind)), ("group", self.group, GROUPS)):
            if value not in allowed:
                raise ClinicalValueError(
                    f"Field {self.id!r}: {what} must be one of {', '.join(allowed)}; got {value!r}."
                )
        if self.kind == "numeric" and (self.plausible is None or self.plausible[0] >= self.plausible[1]):
            raise ClinicalValueError(
                f"Numeric field {self.id!r} needs a plausible range (low, high); got {self.plausible}."
            )
        if self.kind in ("ordinal", "categorical") and len(self.categories) < 2:
            raise ClinicalValueError(f"Field {self.id!r} needs at least two categories; got {len(self.categories)}.")
        if self.kind == "yes_no" and self.categories and tuple(c for c, _ in self.categories) != ("no", "yes"):
            raise ClinicalValueError(
                f"Yes/no field {self.id!r}: the answers named are no and yes, in this order; got {self.categories}."
            )
        if self.kind == "yes_no" and self.categories:
            no, yes = (label.strip().lower() for _, label in self.categories)
            if no == yes or no in (*_YES, *_UNKNOWN) or yes in (*_NO, *_UNKNOWN):
                raise ClinicalValueError(
                    f"Yes/no field {self.id!r}: each answer needs a name that does not mean another; got {no!r} for no "
                    f"and {yes!r} for yes."
                )
        if len(set(self.category_ids)) != len(self.category_ids):
            raise ClinicalValueError(f"Field {self.id!r}: category ids must be unique; got {self.category_ids}.")

    @property
    def category_ids(self) -> tuple[str, ...]:
        """Category ids in order; ("no", "yes") for a yes/no field."""
        return ("no", "yes") if self.kind == "yes_no" else tuple(c for c, _ in self.categories)

    @property
    def scale(self) -> tuple[float, float]:
        """(low, high) that min-max encoding maps to 0 and 1: fences within the plausible range, or the range itself."""
        if self.plausible is None:
            raise ClinicalValueError(f"Field {self.id!r} is not numeric and has no scale.")
        lo, hi = self.fences or self.plausible
        lo, hi = max(lo, self.plausible[0]), min(hi, self.plausible[1])
        return (lo, hi) if lo < hi else self.plausible  # no width left: every training value was alike

    @property
    def usual(self) -> tuple[float, float]:
        """`scale` as it is said: a wide range in whole numbers, inward, so that what is outside is not called usual."""
        lo, hi = self.scale
        return (float(math.ceil(lo)), float(math.floor(hi))) if hi - lo >= 20 else (lo, hi)

    @property
    def answers(self) -> dict[str, str]:
        """What the answers of a yes/no field are called, by id."""
        return {"no": "No", "yes": "Yes"} | dict(self.categories)

    def parse(self, raw: object) -> Value | None:
        """A valid value of this field, or None for unknown.

        Args:
            raw: What a form, a JSON file or a CSV cell holds.

        Raises:
            ClinicalValueError: The value breaks the field's rule; the message gives rule, value and the field's label.
        """
        if raw is None or (isinstance(raw, float | np.floating) and math.isnan(raw)):
            return None
        if isinstance(raw, str) and raw.strip().lower() in _UNKNOWN and raw.strip() not in self.category_ids:
            return None
        if self.kind == "numeric":
            return self._number(raw)
        if self.kind == "yes_no":
            word = str(raw).strip().lower()
            no, yes = (self.answers[answer].lower() for answer in ("no", "yes"))
            if word in _YES or word in ("1.0", yes):
                return True
            if word in _NO or word in ("0.0", no):
                return False
            raise ClinicalValueError(f"{self.label} must be {yes}, {no} or unknown; got {raw!r}.")
        if isinstance(raw, float | np.floating) and float(raw).is_integer():
            raw = int(raw)  # a table with a blank in the column gives category 3 as 3.0
        names = {label.lower(): c for c, label in self.categories} | {c.lower(): c for c in self.category_ids}
        if (word := str(raw).strip().lower()) in names:
            return names[word]
        raise ClinicalValueError(f"{self.label} must be one of {', '.join(self.category_ids)} or unknown; got {raw!r}.")

    def _number(self, raw: object) -> float:
        lo, hi = self.plausible or (-math.inf, math.inf)
        unit = f" {self.unit}" if self.unit else ""
        try:
            value = math.nan if isinstance(raw, bool | np.bool_) else float(raw)  # type: ignore[arg-type]
        except OverflowError:  # an integer beyond what a float holds; printing all its digits helps nobody
            raise ClinicalValueError(
                f"{self.label} must be a number from {lo:g} to {hi:g}{unit}; got one too large."
            ) from None
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise ClinicalValueError(f"{self.label} must be a number from {lo:g} to {hi:g}{unit}; got {raw!r}.")
        if not lo <= value <= hi:
            raise ClinicalValueError(f"{self.label} must be from {lo:g} to {hi:g}{unit}; got {value:g}.")
        return value

    def describe(self, value: Value | None) -> str:
        """The value in words, with its unit."""
        if value is None:
            return "unknown"
        if self.kind == "numeric":
            return f"{value:g} {self.unit}" if self.unit else f"{value:g}"
        if self.kind == "yes_no":
            answer = "yes" if value else "no"
            return dict(self.categories).get(answer, answer)
        return dict(self.categories).get(str(value), str(value))


@dataclass(frozen=True)
class ClinicalRecord:
    """Known values by field id; a field that is absent is unknown. Made by `ClinicalSchema.record`."""

    values: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def get(self, field_id: str) -> Value | None:
        """The value, or None where unknown."""
        return self.values.get(field_id)


@dataclass(frozen=True, eq=False)
class EncodedRecord:
    """A record as the network takes it.

    Attributes:
        values: (F,) float32. Numeric: min-max in [0, 1]; ordinal and categorical: category index; yes/no: 0 or 1;
            unknown: 0.
        known: (F,) bool.
        outliers: Ids of numeric fields beyond the Tukey fences, clipped to them before scaling.
    """

    values: NDArray[np.float32]
    known: NDArray[np.bool_]
    outliers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClinicalSchema:
    """The fields a bundle knows, in the order the network sees them."""

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        ids = self.ids
        if len(set(ids)) != len(ids):
            raise ClinicalValueError(
                f"Field ids must be unique; repeated: {sorted({i for i in ids if ids.count(i) > 1})}."
            )

    @property
    def ids(self) -> tuple[str, ...]:
        """Field ids in order."""
        return tuple(f.id for f in self.fields)

    def __getitem__(self, field_id: str) -> Field:
        """The field of that id.

        Raises:
            ClinicalValueError: No such field.
        """
        for f in self.fields:
            if f.id == field_id:
                return f
        raise ClinicalValueError(
            f"Unknown clinical field {field_id!r}; this bundle knows {', '.join(self.ids) or 'none'}."
        )

    def record(self, raw: Mapping[str, Any] | None) -> ClinicalRecord:
        """A validated record.

        Args:
            raw: Values by field id; None, NaN, "" and "unknown" mean unknown.

        Raises:
            ClinicalValueError: A field is not in the schema, or a value breaks its rule; the message gives the field's
                id too, which is what a file or a command line calls it.
        """
        parsed: dict[str, Value] = {}
        for field_id, given in (raw or {}).items():
            known = self[field_id]
            try:
                value = known.parse(given)
            except ClinicalValueError as error:
                raise ClinicalValueError(f"{str(error).removesuffix('.')} (field {field_id}).") from error
            if value is not None:
                parsed[field_id] = value
        return ClinicalRecord(parsed)

    def restrict(self, record: ClinicalRecord, groups: Iterable[str]) -> ClinicalRecord:
        """The record with every field outside `groups` made unknown.

        Raises:
            ClinicalValueError: A group does not exist.
        """
        wanted = set(groups)
        if bad := wanted - set(GROUPS):
            raise ClinicalValueError(f"Field groups are {', '.join(GROUPS)}; got {', '.join(sorted(bad))}.")
        return ClinicalRecord({k: v for k, v in record.values.items() if self[k].group in wanted})

    def unknown(self, record: ClinicalRecord) -> tuple[str, ...]:
        """Ids of the fields the record leaves unknown, in order."""
        return tuple(i for i in self.ids if i not in record.values)

    def encode(self, record: ClinicalRecord) -> EncodedRecord:
        """Min-max with the IQR outlier rule for numbers, index for categories (see `EncodedRecord`)."""
        values = np.zeros(len(self.fields), np.float32)
        known = np.zeros(len(self.fields), np.bool_)
        outliers: list[str] = []
        for i, f in enumerate(self.fields):
            value = record.get(f.id)
            if value is None:
                continue
            known[i] = True
            if f.kind == "numeric":
                lo, hi = f.scale
                if f.fences and not f.fences[0] <= float(value) <= f.fences[1]:
                    outliers.append(f.id)
                values[i] = (min(max(float(value), lo), hi) - lo) / (hi - lo)
            elif f.kind == "yes_no":
                values[i] = float(bool(value))
            else:
                values[i] = f.category_ids.index(str(value))
        return EncodedRecord(values, known, tuple(outliers))

    def to_json(self) -> Json:
        """A list of plain dicts, in order."""
        return [
            {
                "id": f.id, "label": f.label, "kind": f.kind, "group": f.group, "help": f.help, "unit": f.unit,
                "plausible": list(f.plausible) if f.plausible else None,
                "fences": list(f.fences) if f.fences else None,
                "categories": [list(c) for c in f.categories],
            }
            for f in self.fields
        ]  # fmt: skip

    @classmethod
    def from_json(cls, rows: Json) -> ClinicalSchema:
        """The schema that `to_json` wrote.

        Raises:
            ClinicalValueError: A row is not a valid field.
        """
        try:
            return cls(
                tuple(
                    Field(
                        id=r["id"], label=r["label"], kind=r["kind"], group=r["group"], help=r.get("help", ""),
                        unit=r.get("unit"),
                        plausible=tuple(r["plausible"]) if r.get("plausible") else None,
                        fences=tuple(r["fences"]) if r.get("fences") else None,
                        categories=tuple((c[0], c[1]) for c in r.get("categories", [])),
                    )
                    for r in rows
                )
            )  # fmt: skip
        except (KeyError, TypeError, IndexError) as error:
            raise ClinicalValueError(f"The clinical schema is malformed: {error!r}.") from error


def tukey_fences(values: NDArray[np.float64]) -> tuple[float, float]:
    """(q1 - 1.5 IQR, q3 + 1.5 IQR) of the finite values (Tukey 1977).

    Raises:
        ClinicalValueError: No value is finite.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise ClinicalValueError(f"Outlier fences need at least one number; got no finite value among {len(values)}.")
    q1, q3 = np.percentile(finite, [25, 75])
    return float(q1 - 1.5 * (q3 - q1)), float(q3 + 1.5 * (q3 - q1))
