"""Fixtures every test may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads the files with long tests over the run, none near its end.

    Two processes take file after file. Two browsers at once slow each other down, and a long last file runs alone.
    """
    files = list(dict.fromkeys(item.path for item in items))
    long = {item.path for item in items if any(map(item.get_closest_marker, ("browser", "slow")))}
    short = [f for f in files if f not in long]
    every = max(1, int(0.8 * len(short) / max(len(long), 1)))
    place = {f: (every * i, 0) for i, f in enumerate(f for f in files if f in long)}
    place |= {f: (i, 1) for i, f in enumerate(short)}
    items.sort(key=lambda item: place[item.path])


def data_root() -> Path:
    """Where the real cohorts lie: MMXAI_DATA, or shared/data beside the checkout."""
    return Path(os.environ.get("MMXAI_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """A page under test is `__main__` and stays it; a process that is spawned later would run it again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder of real cohorts; a test that asks for it is skipped, with the reason, where it is missing."""
    root = data_root()
    if not root.is_dir():
        pytest.skip(f"real data not found at {root}; set MMXAI_DATA to run this test")
    return root
