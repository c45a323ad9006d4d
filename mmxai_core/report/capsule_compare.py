"""A replay against its capsule: the largest difference of every quantity, and every text that is not the same."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmxai_core.types import Json

#: Keys that may differ between two runs of the same computation, at any depth.
_NOT_RESULTS = frozenset({"seconds", "versions", "device", "pictures", "notice", "format_version", "file"})


@dataclass(frozen=True)
class Difference:
    """One quantity, recorded and computed again.

    Attributes:
        quantity: Its name, e.g. "probabilities" or "map saliency".
        values: How many numbers were compared.
        largest: Largest absolute difference; infinity where one side lacks a number or the shapes differ.
        texts: How many texts (verdicts, sentences, classes) are not the same.
    """

    quantity: str
    values: int
    largest: float
    texts: int

    @property
    def identical(self) -> bool:
        """No difference at all."""
        return self.largest == 0 and self.texts == 0


def compare(
    recorded: Json, again: Json, *, maps: tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]],
    pictures: tuple[Mapping[str, bytes], Mapping[str, bytes]],
) -> tuple[Difference, ...]:  # fmt: skip
    """Every quantity of the capsule, in its order; what the capsule does not hold is not asked for.

    Args:
        recorded: The capsule's results.
        again: The same, computed now.
        maps: Arrays by name, recorded and now.
        pictures: PNG bytes by file name, recorded and now.
    """
    now = dict(_leaves(finite(again)))
    by_quantity: dict[str, list[tuple[Any, Any]]] = {}
    for path, value in _leaves(recorded):
        by_quantity.setdefault(_quantity(path), []).append((value, now.get(path, _ABSENT)))
    found = [_leaf_difference(name, pairs) for name, pairs in by_quantity.items()]
    found += [_array_difference(f"map {n}", a, maps[1].get(n)) for n, a in maps[0].items()]
    for name, data in pictures[0].items():
        before, after = _levels(data), _levels(pictures[1].get(name, b""))
        found.append(
            Difference(f"picture {name}", 0, math.inf, 0)
            if before is None
            else _array_difference(f"picture {name}", before, after)
        )
    return tuple(found)


_ABSENT = object()


def finite(value: Json) -> Json:
    """A value as JSON gives it back: tuples are lists, and a number that is not finite is null."""
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _leaves(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, value) of every number, text and null."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _NOT_RESULTS:
                yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        yield (*path, "#"), len(value)
        for i, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(i)))
    else:
        yield path, value


def _quantity(path: tuple[str, ...]) -> str:
    """The name under which a value is reported: the prediction's entries each have their own."""
    if path[0] == "prediction" and len(path) > 1:
        return path[1].replace("_", " ")
    return path[0].replace("_", " ")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaf_difference(name: str, pairs: list[tuple[Any, Any]]) -> Difference:
    values, largest, texts = 0, 0.0, 0
    for before, after in pairs:
        if _is_number(before):
            values += 1
            largest = max(largest, abs(before - after) if _is_number(after) else math.inf)
        elif before != after:
            texts += 1
    return Difference(name, values, largest, texts)


def _array_difference(name: str, before: NDArray[Any], after: NDArray[Any] | None) -> Difference:
    if after is None or before.shape != after.shape or before.dtype != after.dtype:
        return Difference(name, before.size, math.inf, 0)
    a, b = before.astype(np.float64), after.astype(np.float64)
    gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    largest = float(np.nan_to_num(gap, nan=math.inf).max(initial=0.0))
    return Difference(name, before.size, largest, 0)


def _levels(png: bytes) -> NDArray[np.uint8] | None:
    """(H, W, 3) levels of a picture; None where it is none."""
    try:
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.uint8)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
