"""Settings as TOML: tables to frozen dataclasses, with messages that name the setting, and back."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from mmxai_core.errors import CohortError
from mmxai_core.training.config import TrainConfig
from mmxai_core.types import Json

T = TypeVar("T")


def build_settings(kind: type[Any], values: Json, where: str, default: Any) -> Any:
    """A settings dataclass from a TOML table; what it leaves out keeps the default's value.

    Args:
        kind: The dataclass.
        values: The table.
        where: Prefix of the settings' names in messages, with its dot.
        default: An instance that gives the other values.

    Raises:
        CohortError: A setting does not exist, or is of another type or out of range.
    """
    known = {f.name: f for f in fields(kind)}
    hints = get_type_hints(kind)
    out = {f: getattr(default, f) for f in known}
    for key, value in values.items():
        if key not in known:
            raise CohortError(f"Unknown training setting {where}{key}; known: {', '.join(known)}.")
        wanted = hints[key]
        if is_dataclass(wanted):
            if not isinstance(value, dict):
                raise CohortError(f"Training setting {where}{key} must be a table; got {value!r}.")
            out[key] = build_settings(wanted, value, f"{where}{key}.", getattr(default, key))  # type: ignore[arg-type]
        else:
            if wanted is float and isinstance(value, int):
                value = float(value)
            if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
                raise CohortError(f"Training setting {where}{key} must be {wanted.__name__}; got {value!r}.")
            out[key] = value
    return kind(**out)


def read_settings(path: Path | None, usual: T, *, what: str) -> T:
    """Settings from a TOML file; what it leaves out keeps its default.

    Args:
        path: The file, or None: the defaults.
        usual: The defaults, an instance of the settings' dataclass.
        what: Of which settings a message speaks.

    Raises:
        CohortError: The file is missing or malformed, or names a setting that does not exist.
    """
    if path is None:
        return usual
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CohortError(f"Cannot read {what} {path.name}: {error}.") from error
    found: T = build_settings(type(usual), values, "", usual)
    return found


def load_config(path: Path | None) -> TrainConfig:
    """Training settings; see `read_settings`."""
    return read_settings(path, TrainConfig(), what="the training settings")


def save_config(config: TrainConfig, path: Path) -> None:
    """Writes all settings as TOML that `load_config` reads back to an equal object."""
    path.write_text("\n".join(_lines(config.to_json(), "")) + "\n", encoding="utf-8")


def _lines(table: Json, name: str) -> list[str]:
    """One TOML table: plain values first, then the tables within."""
    plain = {k: v for k, v in table.items() if not isinstance(v, dict)}
    out = [f"[{name}]"] if name else []
    # A JSON string is a TOML basic string (toml.io 1.0), and Python writes numbers as both do.
    out += [f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in plain.items()]
    for key, value in table.items():
        if isinstance(value, dict):
            out += ["", *_lines(value, f"{name}.{key}" if name else key)]
    return out
