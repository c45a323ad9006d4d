"""Frozen dataclasses as plain JSON values, and back, by their type hints. Arrays are set apart.

Only types that are named by the caller are ever built: nothing in the data chooses a class.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import StudyStoreError
from mmxai_core.types import Json

T = TypeVar("T")
Array = NDArray[Any]
_ARRAY = "$array"


def to_plain(value: object, arrays: list[Array] | None = None) -> Json:
    """The value as JSON can hold it.

    Args:
        value: A dataclass, or what its fields may hold.
        arrays: Arrays are appended here, and a reference stands in their place.

    Raises:
        StudyStoreError: The value holds something that has no plain form.
    """
    if isinstance(value, np.ndarray) and arrays is not None:
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name), arrays) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v, arrays) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v, arrays) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, np.generic):
        return to_plain(value.item(), arrays)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise StudyStoreError(f"A kept case cannot hold a {type(value).__name__}.")


def from_plain(kind: type[T], data: Json, arrays: typing.Sequence[Array] = ()) -> T:
    """The dataclass that `to_plain` wrote. A field that the data lacks takes its default.

    Args:
        kind: The class to build.
        data: From `to_plain`, through JSON.
        arrays: The arrays set apart.

    Raises:
        StudyStoreError: The data does not fit the class: another version wrote it, or it was damaged.
    """
    try:
        built: T = _build(kind, data, arrays)
        return built
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise StudyStoreError(f"A kept {kind.__name__} cannot be read by this version ({error}).") from error


def _build(kind: Any, data: Any, arrays: typing.Sequence[Array]) -> Any:  # a type hint has no type of its own
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(data, dict) and data.keys() == {_ARRAY}:
        return arrays[data[_ARRAY]]
    if origin in (typing.Union, types.UnionType):
        if data is None and type(None) in inner:
            return None
        return _build_union([k for k in inner if k is not type(None)], data, arrays)
    if origin is Literal:
        if data not in inner:
            raise ValueError(f"{data!r} is none of {inner}")
        return data
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_build(inner[0], d, arrays) for d in data)
        return tuple(_build(k, d, arrays) for k, d in zip(inner, data, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {k: _build(inner[1], v, arrays) for k, v in data.items()}
    if kind is datetime:
        return datetime.fromisoformat(data)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        given = {f.name: _build(hints[f.name], data[f.name], arrays) for f in fields(kind) if f.name in data}
        lacking = [f.name for f in fields(kind) if f.name not in data and f.default is MISSING
                   and f.default_factory is MISSING]  # fmt: skip
        if lacking:
            raise KeyError(lacking[0])
        made: Any = kind
        return made(**given)
    if kind is float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise TypeError(f"{data!r} is no number")
        return float(data)
    if kind in (bool, int, str) and type(data) is not kind:
        raise TypeError(f"{data!r} is no {kind.__name__}")
    return data


def _build_union(kinds: list[Any], data: Any, arrays: typing.Sequence[Array]) -> Any:
    """The first of several kinds that the data is exactly; a clinical value is a float, a string or a bool."""
    for kind in kinds:
        if kind in (bool, int, str, float) and type(data) is kind:
            return data
    for kind in kinds:
        try:
            return _build(kind, data, arrays)
        except (KeyError, TypeError, ValueError):
            continue
    raise ValueError(f"{data!r} is none of {kinds}")
