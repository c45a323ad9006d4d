from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import what_if_case as made
from tiny_bundle import SCHEMA

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema
from mmxai_core.cohorts import breast_lesions_usg
from mmxai_core.explain.options import FieldOptions
from mmxai_core.explain.plausible import LEVEL, OptionChances
from mmxai_core.model.field_statistics import FieldStatistics, measure_field_statistics


def rank(statistics: FieldStatistics, schema: ClinicalSchema, record: ClinicalRecord) -> float:
    """Share of drawn records that are no likelier."""
    options = FieldOptions.make(schema, record)
    chances = OptionChances.make(statistics, options)
    usual = chances.usual(options.known, rng=np.random.default_rng(0))
    return float((usual <= chances.log_likelihood(options.current[None])[0] + 1e-9).mean())


def test_the_likelihood_is_the_sum_over_classes_of_products_over_fields() -> None:
    statistics = made.statistics()
    options = FieldOptions.make(SCHEMA, SCHEMA.record({"palpable": True, "birads": "5"}))
    chances = OptionChances.make(statistics, options)
    expected = sum(
        statistics.prior[c] * statistics.probability[c, 1, 1] * statistics.probability[c, 4, 3] for c in (0, 1)
    )
    assert np.exp(chances.log_likelihood(options.current[None])[0]) == pytest.approx(expected)
    assert chances.log_likelihood(np.zeros((1, 5), np.int64))[0] == pytest.approx(0, abs=1e-9)


def test_ranks_of_records_from_the_same_source_are_spread_evenly() -> None:
    records, _ = made.cohort(150, seed=9)
    ranks = [rank(made.statistics(), SCHEMA, r) for r in records if r.values]
    assert np.mean(ranks) == pytest.approx(0.53, abs=0.1) and 0.01 <= np.mean(np.array(ranks) < LEVEL) <= 0.12
    odd = SCHEMA.record({"age": 28, "margin": "spiky", "birads": "5", "palpable": False})
    assert rank(made.statistics(), SCHEMA, odd) < LEVEL


@pytest.mark.data
def test_most_real_patients_who_were_not_counted_are_plausible(data_dir: Path) -> None:
    """A rule that calls real patients implausible would hide real counterfactuals."""
    cohort = breast_lesions_usg.load(data_dir / "breast_lesions_usg")
    schema = cohort.schema
    records = [schema.record({k: v for k, v in c.clinical.items() if k in schema.ids}) for c in cohort.cases]
    labels = np.array([cohort.classes.index(str(c.label)) for c in cohort.cases])
    order = np.random.default_rng(0).permutation(len(records))
    counted, held = order[:120], order[120:170]
    statistics = measure_field_statistics(
        [records[i] for i in counted], labels[counted], schema=schema, classes=2, source=""
    )
    ranks = np.array([rank(statistics, schema, records[i]) for i in held])
    assert (ranks >= LEVEL).mean() >= 0.8
