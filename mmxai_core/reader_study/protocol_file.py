"""Protocols as TOML and JSON files. Reading says every problem at once, with the field and the value seen."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmxai_core.reader_study.protocol import FORMAT, Protocol, ProtocolError


def to_dict(protocol: Protocol, *, truth: bool = True) -> dict[str, Any]:
    """Plain values, as JSON and TOML hold them; None and what is empty by default are left out.

    Args:
        protocol: The protocol.
        truth: False leaves out what readers must not know (`Protocol.blinded`).
    """
    shown = protocol if truth else protocol.blinded()
    return {"format": FORMAT, **_plain(shown)}


def canonical_json(protocol: Protocol) -> str:
    """Sorted keys, no spaces, UTF-8; numbers that are whole are written as integers, so that 60 and 60.0 agree."""
    return json.dumps(_whole(to_dict(protocol)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def to_json(protocol: Protocol, *, truth: bool = True) -> str:
    """Indented JSON with a final line break."""
    return json.dumps(to_dict(protocol, truth=truth), indent=2, ensure_ascii=False) + "\n"


def to_toml(protocol: Protocol, *, truth: bool = True) -> str:
    """TOML 1.0 with a final line break."""
    return "\n".join(_toml(to_dict(protocol, truth=truth), ())).lstrip("\n") + "\n"


def from_dict(raw: Mapping[str, Any]) -> Protocol:
    """A protocol from plain values.

    Raises:
        ProtocolError: With a sentence for every field that is missing, unknown, of the wrong kind, or breaks a rule.
    """
    found: list[str] = []
    values = dict(raw)
    if (version := values.pop("format", FORMAT)) != FORMAT:
        raise ProtocolError((f"format: this version of the program reads format {FORMAT}; got {version!r}.",))
    made = _object(Protocol, values, "", found)
    if found or made is None:
        raise ProtocolError(tuple(found))
    return typing.cast(Protocol, made)


def from_json(text: str) -> Protocol:
    """A protocol from JSON text.

    Raises:
        ProtocolError: It is no JSON, or as `from_dict`.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise ProtocolError((f"The file is no JSON: {error}.",)) from error
    if not isinstance(raw, dict):
        raise ProtocolError((f"The file must hold one object; got {_kind(raw)}.",))
    return from_dict(raw)


def from_toml(text: str) -> Protocol:
    """A protocol from TOML text.

    Raises:
        ProtocolError: It is no TOML, or as `from_dict`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProtocolError((f"The file is no TOML: {error}.",)) from error
    return from_dict(raw)


def read_protocol(path: Path) -> Protocol:
    """A protocol from a .toml or .json file.

    Raises:
        ProtocolError: The file cannot be read, has another ending, or as `from_dict`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ProtocolError((f"{path.name}: cannot be read ({reason}).",)) from error
    return parse_protocol(text, path.name)


def parse_protocol(text: str, name: str) -> Protocol:
    """A protocol from the text of an uploaded file.

    Args:
        text: What is in it.
        name: File name; its ending tells TOML from JSON.

    Raises:
        ProtocolError: Another ending, or as `from_dict`.
    """
    readers = {".toml": from_toml, ".json": from_json}
    read = readers.get(Path(name).suffix.lower())
    if read is None:
        raise ProtocolError((f"A protocol is a .toml or .json file; got {Path(name).suffix or 'no ending'!r}.",))
    return read(text)


def write_protocol(protocol: Protocol, path: Path, *, truth: bool = True) -> None:
    """Write a .toml or .json file.

    Raises:
        ProtocolError: The path has another ending.
    """
    writers = {".toml": to_toml, ".json": to_json}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise ProtocolError((f"A protocol is a .toml or .json file; got {path.suffix or 'no ending'!r}.",))
    path.write_text(write(protocol, truth=truth), encoding="utf-8")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {f.name: _plain(v) for f, v in pairs if v is not None and not _says_nothing(f, v)}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value


def _says_nothing(field: dataclasses.Field[Any], value: Any) -> bool:
    """An empty value that is also what is assumed where the field is missing."""
    assumed = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return value in ("", (), {}) and value == assumed


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _whole(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_whole(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _toml(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """Lines of one table: its own values first, then its tables, then its arrays of tables."""
    lines, below = [], []
    for key, value in table.items():
        if isinstance(value, dict):
            below += ["", f"[{'.'.join((*path, _key(key)))}]", *_toml(value, (*path, _key(key)))]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for row in value:
                below += ["", f"[[{'.'.join((*path, _key(key)))}]]", *_toml(row, (*path, _key(key)))]
        else:
            lines.append(f"{_key(key)} = {_toml_value(value)}")
    return lines + below


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    if isinstance(value, str):  # a JSON string is a TOML basic string, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _object(cls: type, raw: Any, where: str, found: list[str]) -> Any:
    """An instance, or None with what is wrong added to `found`."""
    label = where or "The protocol"
    if not isinstance(raw, Mapping):
        found.append(f"{label}: must be a table of fields; got {_kind(raw)}.")
        return None
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    before = len(found)
    for key in raw:
        if key not in fields:
            near = get_close_matches(str(key), fields, n=1)
            found.append(f"{label}: has no field {key!r}" + (f"; is {near[0]!r} meant?" if near else "."))
    values = {}
    for name, field in fields.items():
        if name in raw:
            values[name] = _value(hints[name], raw[name], f"{where}.{name}" if where else name, found)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            found.append(f"{label}: the field {name!r} is missing.")
    if len(found) > before:
        return None
    try:
        return cls(**values)
    except ProtocolError as error:
        found.extend(error.problems)
        return None


def _value(hint: Any, raw: Any, where: str, found: list[str]) -> Any:
    origin, of = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object(hint, raw, where, found)
    if origin is types.UnionType:  # X | None
        return None if raw is None else _value(of[0], raw, where, found)
    if origin is tuple:
        if not isinstance(raw, list | tuple):
            found.append(f"{where}: must be a list; got {_kind(raw)}.")
            return ()
        if of[-1] is not Ellipsis and len(raw) != len(of):
            found.append(f"{where}: must have {len(of)} entries; got {len(raw)}.")
            return ()
        return tuple(_value(of[0], v, f"{where} {n}", found) for n, v in enumerate(raw, start=1))
    kinds: dict[Any, tuple[tuple[type, ...], str]] = {
        bool: ((bool,), "true or false"),
        int: ((int,), "a whole number"),
        float: ((int, float), "a number"),
        str: ((str,), "a text"),
        typing.Literal: ((str,), "a text"),
    }
    if hint in kinds or origin in kinds:
        allowed, words = kinds[hint] if hint in kinds else kinds[origin]
        usable = isinstance(raw, allowed) and (hint is bool) == isinstance(raw, bool)
        if not usable or (isinstance(raw, float) and not math.isfinite(raw)):
            found.append(f"{where}: must be {words}; got {_kind(raw)}.")
            return None
        return float(raw) if hint is float else raw
    if not isinstance(raw, Mapping):
        found.append(f"{where}: must be a table of fields; got {_kind(raw)}.")
        return {}
    return dict(raw)


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return repr(value)
