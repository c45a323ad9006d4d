from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmxai_core.errors import BundleError
from mmxai_core.model.bundle import load_bundle, refresh_hashes
from mmxai_core.model.reference import PARTS, REFERENCE, load_reference
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def test_an_older_bundle_loads_and_says_what_is_missing(bundle: Path) -> None:
    found = load_reference(load_bundle(bundle))
    assert found.conformal is None and found.inputs is None and len(found.missing) == len(PARTS)
    assert "This bundle does not carry similar training cases." in found.missing


def test_arrays_come_back_by_part(bundle: Path) -> None:
    np.savez(bundle / REFERENCE, **{"similar_cases/means": np.ones(3), "field_statistics/prior": np.ones(2)})
    refresh_hashes(bundle, add=[REFERENCE], extra={"reference": {"similar_cases": {"source": "made up"}}})
    found = load_reference(load_bundle(bundle))
    np.testing.assert_array_equal(found.part("similar_cases")["means"], np.ones(3))
    assert found.entries["similar_cases"]["source"] == "made up" and len(found.missing) == len(PARTS) - 2


def test_a_changed_file_is_refused(bundle: Path) -> None:
    np.savez(bundle / REFERENCE, a=np.ones(3))
    refresh_hashes(bundle, add=[REFERENCE])
    np.savez(bundle / REFERENCE, a=np.zeros(3))
    with pytest.raises(BundleError, match=r"reference\.npz was changed"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("extra", "content", "said"),
    [
        ({"reference": {"input": {"modality": "US", "source": ""}}}, None, "lacks or misstates an entry"),
        ({"conformal": {"coverage": 0.9}}, None, "lacks or misstates an entry"),
        ({}, b"no archive", "cannot be read"),
    ],
)
def test_a_broken_reference_is_one_sentence(bundle: Path, extra: dict, content: bytes | None, said: str) -> None:  # type: ignore[type-arg]
    np.savez(bundle / REFERENCE, a=np.ones(3))
    if content is not None:
        (bundle / REFERENCE).write_bytes(content)
    with pytest.raises(BundleError, match=said):
        load_reference(refresh_hashes(bundle, add=[REFERENCE], extra=extra))
