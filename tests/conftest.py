"""Fixtures every test may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first, so that no process takes one when the others are nearly done."""
    long = {item.path for item in items if any(map(item.get_closest_marker, ("browser", "slow")))}
    items.sort(key=lambda item: item.path not in long)


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
