"""Unreachable cycles: found now and then, the libraries' objects never looked at again, a session's always."""

from __future__ import annotations

import gc
import tomllib
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard import garbage

ROOT = Path(__file__).resolve().parents[2]


class Cycle:
    """Keeps itself, as a page's elements do."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def nothing_spared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    gc.unfreeze()
    monkeypatch.setattr(garbage, "_last", 0.0)
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def test_it_collects_at_most_once_in_the_interval() -> None:
    first, second = Cycle(), Cycle()
    seen_first, seen_second = weakref.ref(first), weakref.ref(second)
    del first
    assert garbage.tidy(now=100.0) and seen_first() is None
    del second
    assert not garbage.tidy(now=100.0 + garbage.EVERY_S - 0.1) and seen_second() is not None
    assert garbage.tidy(now=100.0 + garbage.EVERY_S) and seen_second() is None


def test_what_a_session_makes_later_stays_collectable() -> None:
    garbage.spare_what_stays()
    spared = gc.get_freeze_count()
    assert spared > 10_000  # pytest's and the libraries'
    later = Cycle()
    seen = weakref.ref(later)
    garbage.spare_what_stays()  # another bundle is loaded
    assert abs(gc.get_freeze_count() - spared) < 100
    del later
    assert garbage.tidy(now=100.0) and seen() is None


def test_streamlit_does_not_collect_after_every_run() -> None:
    assert tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["runner"]["postScriptGC"] is False
