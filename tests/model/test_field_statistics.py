from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import what_if_case as made
from tiny_bundle import SCHEMA, write_tiny_bundle

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.errors import BundleError
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.field_statistics import FieldStatistics, background_statistics, measure_field_statistics


def test_counts_means_and_limits_are_those_of_the_records() -> None:
    records, labels = made.cohort()
    found = made.statistics()
    for c in (0, 1):
        own = [r for r, y in zip(records, labels, strict=True) if y == c]
        spiky = [r.values["margin"] == "spiky" for r in own if "margin" in r.values]
        assert found.probability[c, 3, 1] == pytest.approx((sum(spiky) + 0.5) / (len(spiky) + 1))
        ages = [r.values["age"] for r in own if "age" in r.values]
        assert found.normal[c, 0] == pytest.approx([np.mean(ages), np.std(ages)])
    every = sorted(float(r.values["age"]) for r in records if "age" in r.values)
    assert found.limits[0].tolist() == [every[4], every[-5]]  # no single patient's value is released
    assert found.prior == pytest.approx(np.bincount(labels) / len(labels))
    assert found.known.tolist() == [sum(i in r.values for r in records) for i in SCHEMA.ids]
    assert found.in_range(0, every[4]) and not found.in_range(0, every[4] - 1)


def test_weights_sum_to_one_and_do_not_depend_on_how_fine_the_steps_are() -> None:
    found = made.statistics()
    coarse, fine = np.arange(10, 91, 5.0), np.unique(np.concatenate([np.arange(10, 91, 1.0), [57.5]]))
    means = [found.weights(0, list(g)) @ g for g in (coarse, fine)]
    assert np.allclose(found.weights(0, list(fine)).sum(1), 1)
    assert means[0] == pytest.approx(means[1], abs=0.5) and means[1] == pytest.approx(found.normal[:, 0, 0], abs=1)
    outside = fine < found.limits[0, 0]
    assert outside.any() and not found.weights(0, list(fine))[:, outside].any()
    assert found.weights(1, [False, True])[0] == pytest.approx(found.probability[0, 1, :2])


def test_a_rare_category_is_out_of_range() -> None:
    records = [ClinicalRecord({"margin": "smooth"})] * 20 + [ClinicalRecord({"margin": "spiky"})] * 2
    found = measure_field_statistics(records, np.zeros(22, int), schema=SCHEMA, classes=1, source="")
    assert found.in_range(3, "smooth") and not found.in_range(3, "spiky")
    assert found.in_range(4, "5") and found.weights(4, list("2345"))[0] == pytest.approx([0.25] * 4)  # none knows it


def test_arrays_give_it_back() -> None:
    found = made.statistics()
    again = FieldStatistics.from_arrays(found.to_arrays(), schema=SCHEMA, source=found.source)
    for name, array in found.to_arrays().items():
        assert np.array_equal(array, again.to_arrays()[name], equal_nan=array.dtype.kind == "f")
    broken = found.to_arrays()
    del broken["limits"]
    with pytest.raises(BundleError, match="lack the array 'limits'"):
        FieldStatistics.from_arrays(broken, schema=SCHEMA, source="")
    with pytest.raises(BundleError, match="do not fit 5 fields"):
        FieldStatistics.from_arrays(found.to_arrays() | {"known": np.zeros(3)}, schema=SCHEMA, source="")


def test_without_measured_statistics_the_background_rows_serve(tmp_path: Path) -> None:
    rows = pd.DataFrame({"age": [40.0, 60.0, None], "palpable": ["yes", "no", "yes"]})
    found = background_statistics(load_bundle(write_tiny_bundle(tmp_path / "b", background=rows)))
    assert len(found.prior) == 1 and found.normal[0, 0] == pytest.approx([50, 10])
    assert found.probability[0, 1, :2] == pytest.approx([1.5 / 4, 2.5 / 4])
    assert "3 synthetic background rows" in found.source and "Margin" in found.source
    bad = write_tiny_bundle(tmp_path / "bad", background=pd.DataFrame({"age": [400]}))
    with pytest.raises(BundleError, match=r"background\.csv has a wrong value: Age must be from 0 to 110"):
        background_statistics(load_bundle(bad))
    none = write_tiny_bundle(tmp_path / "none", background=pd.DataFrame({"age": []}))
    assert background_statistics(load_bundle(none)).prior.tolist() == [1.0]
