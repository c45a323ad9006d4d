"""What a command shows: a progress bar on stderr, then a short table or one JSON object on stdout."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from tqdm import tqdm

from mmxai_core.types import Json

#: A bar that would be gone sooner is drawn only once, when its work is done.
_DELAY_S = 0.5


class Step(Protocol):
    """Called as work goes on."""

    def __call__(self, what: str, done: float, total: float = 1.0) -> None:
        """Shows that `done` of `total` is behind us, and what comes now."""
        ...


@contextmanager
def progress(command: str, *, unit: str = "") -> Iterator[Step]:
    """A progress bar on stderr. It stays, full, when the work is done, and is wiped where an error ends it.

    Args:
        command: Word before the bar.
        unit: What is counted, e.g. "case"; empty: a percentage.

    Yields:
        The callback.
    """
    layout = (
        "{l_bar}{bar:24}| {n:.0f}/{total:.0f} {unit} {elapsed}<{remaining}" if unit else "{l_bar}{bar:24}| {elapsed}"
    )
    bar = tqdm(total=1.0, desc=command, unit=unit, bar_format=layout, delay=_DELAY_S, leave=False, file=sys.stderr,
               mininterval=0.2 if sys.stderr.isatty() else 5.0)  # fmt: skip

    def show(what: str, done: float, total: float = 1.0) -> None:
        bar.total = total
        bar.set_description_str(f"{command}: {what}" if what else command, refresh=False)
        bar.update(done - bar.n)

    try:
        yield show
        bar.set_description_str(command, refresh=False)
        bar.n, bar.delay, bar.leave = bar.total, 0, True
        bar.refresh()
    finally:
        bar.close()


def write_json(value: Json) -> None:
    """One JSON object on one line; numbers that are not finite become null, for JSON has none."""
    sys.stdout.write(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False) + "\n")


def _finite(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_table(rows: Sequence[tuple[str, Any]]) -> None:
    """Two columns, name and value; floats with three decimals, None as "undefined"."""
    width = max(len(name) for name, _ in rows)
    sys.stdout.write("".join(f"{name:<{width}}  {in_words(value)}\n" for name, value in rows))


def in_words(value: Any) -> str:
    """A cell of a table."""
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping) and {"value", "low", "high"} <= value.keys():
        return f"{value['value']:.3f}  (95 % interval {value['low']:.3f} to {value['high']:.3f})"
    return str(value)
