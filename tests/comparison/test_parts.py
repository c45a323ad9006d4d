"""Tables, blanked images, heads, radiomics and models of the comparison, each by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from comparison.tiny_cohort import CONFIG, SCHEMA, tiny_cohort

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Cohort
from mmxai_core.comparison.cohort import make_splits, subgroup_of, with_fields
from mmxai_core.comparison.heads import attention_in_lesion
from mmxai_core.comparison.leakage import meaning, missingness
from mmxai_core.comparison.models import chosen, levels
from mmxai_core.comparison.radiomics import NAMES, features
from mmxai_core.comparison.subgroups import _interval
from mmxai_core.comparison.tabular import choose, field_table
from mmxai_core.evaluation.bootstrap import Interval
from mmxai_core.training.altered_inputs import altered_inputs
from mmxai_core.training.data import CohortArrays, load_arrays


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CohortArrays:
    return load_arrays(tiny_cohort(tmp_path_factory.mktemp("c"), images=2), schema=SCHEMA, canvas=96)


def test_an_unknown_value_is_the_training_mean() -> None:
    values = np.array([[0.2, 1], [0.6, 0], [0.0, 0]], np.float32)
    known = np.array([[True, True], [True, True], [False, False]])
    table, means = field_table(values, known, SCHEMA)
    assert means == pytest.approx([0.4, 0.5, 0.5])
    assert table[2] == pytest.approx(means)
    other, _ = field_table(values[:1], np.zeros((1, 2), bool), SCHEMA, like=means)
    assert other[0] == pytest.approx(means)


def test_a_level_with_nothing_known_is_a_constant_table() -> None:
    table, _ = field_table(np.ones((4, 2), np.float32), np.zeros((4, 2), bool), SCHEMA)
    assert np.ptp(table, axis=0).max() == 0


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_a_rival_learns_and_repeats_itself(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 3))
    y = (x[:, 0] + 0.3 * rng.normal(size=160) > 0).astype(np.int64)
    tables = (x[:80], x[80:120], x[120:])
    a, b = (choose(name, tables, (y[:80], y[80:120]), seed=3) for _ in range(2))
    assert np.array_equal(a.test, b.test) and a.setting == b.setting
    assert ((a.test > 0.5) == y[120:]).mean() > 0.8


def test_blanking_takes_out_what_it_says(data: CohortArrays) -> None:
    changed = altered_inputs(data)
    assert set(changed) == {"borders_masked", "markers_masked", "lesion_blanked", "only_lesion"}
    lesion = data.lesion[0] > 0
    y, x, h, w = data.content[0]
    content = np.zeros(lesion.shape, bool)
    content[y : y + h, x : x + w] = True
    assert np.ptp(changed["lesion_blanked"].grey[0][lesion]) == 0
    assert np.array_equal(changed["only_lesion"].grey[0][lesion], data.grey[0][lesion])
    far = content & (changed["only_lesion"].grey[0] != data.grey[0])
    assert np.array_equal(changed["lesion_blanked"].grey[0][far], data.grey[0][far])
    assert np.ptp(changed["borders_masked"].grey[0][y, x : x + w]) == 0
    assert not changed["borders_masked"].grey[0][~content].any()


def test_a_drawn_mark_is_replaced(data: CohortArrays) -> None:
    marked = replace(data, grey=data.grey.copy())
    marked.grey[:, 40:43, 50] = 255
    assert (altered_inputs(marked)["markers_masked"].grey[:, 41, 50] < 200).all()


def test_lesion_tests_need_outlines(data: CohortArrays) -> None:
    assert set(altered_inputs(replace(data, lesion=data.lesion * 0))) == {"borders_masked", "markers_masked"}


def test_radiomics_are_finite_and_named() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    lesion, content = np.zeros((64, 64), bool), np.ones((64, 64), bool)
    lesion[20:40, 20:50] = True
    x = features(grey, lesion, content, 0.9)
    found = dict(zip(NAMES, x, strict=True))
    assert np.isfinite(x).all()
    assert found["shape_area"] == pytest.approx(600 / 4096) and found["shape_height_width"] == pytest.approx(2 / 3)
    dark = np.where(lesion, 10, 200).astype(np.uint8)
    assert dict(zip(NAMES, features(dark, lesion, content, 0.9), strict=True))["contrast_ring"] < -1
    point = np.zeros((64, 64), bool)
    point[5, 5] = True
    assert np.isfinite(features(grey * 0, point, content, 0.0)).all()


def test_splits_keep_patients_together(data: CohortArrays) -> None:
    splits = make_splits(data, folds=3, seed=1, validation=0.3)
    assert sorted(np.concatenate([s.test for s in splits]).tolist()) == list(range(len(data)))
    for s in splits:
        sides = [{data.patients[i] for i in part} for part in (s.train, s.validation, s.test)]
        assert sum(map(len, sides)) == 24


def test_a_published_split_is_kept(data: CohortArrays) -> None:
    parts = ["test" if int(p.rsplit("p", 1)[1]) < 6 else "train" for p in data.patients]
    (split,) = make_splits(data, folds=5, seed=1, validation=0.3, parts=parts)
    assert [parts[i] for i in split.test] == ["test"] * 12 and not {"test"} & {parts[i] for i in split.train}


def test_levels_are_those_that_add_a_field() -> None:
    assert list(levels(SCHEMA)) == ["history", "history+descriptor"]
    assert levels(ClinicalSchema(())) == {}
    only = ClinicalSchema((Field("birads", "B", "ordinal", "assessment", categories=(("2", "2"), ("3", "3"))),))
    assert list(levels(only)) == ["history+descriptor+assessment"]
    assert [m.name for m in chosen(ClinicalSchema(()))] == [
        "image", "radiomics", "gradients", "no_transformer", "no_cnn", "no_lesion_loss",
    ]  # fmt: skip


def test_bus_bra_gets_its_one_field(tmp_path: Path) -> None:
    plain = tiny_cohort(tmp_path, fields=False)
    cases = tuple(replace(c, strata={"birads": "2" if i % 2 else "4"}) for i, c in enumerate(plain.cases))
    made: Cohort = with_fields(replace(plain, name="bus_bra", cases=cases))
    assert made.schema.ids == ("birads",) and made.schema["birads"].group == "assessment"
    assert made.cases[1].clinical == {"birads": "2"}
    assert with_fields(plain) is plain


def test_subgroup_facts_have_age_bands(tmp_path: Path) -> None:
    case = replace(tiny_cohort(tmp_path).cases[1], clinical={"age": 39.9})
    assert subgroup_of(case) == {"manufacturer": "A", "age_band": "under 40"}
    assert subgroup_of(replace(case, clinical={"age": 71}))["age_band"] == "70 and over"
    assert subgroup_of(replace(case, clinical={"age": 40}))["age_band"] == "40 to 54"


def test_coherence_rewards_looking_into_the_lesion() -> None:
    inside = torch.tensor([[True, True, False, False]])
    known, outlined = torch.tensor([[True, False]]), torch.tensor([True])
    into = torch.tensor([[[[0.45, 0.45, 0.05, 0.05], [0.0, 0.0, 0.5, 0.5]]]])
    beside = torch.tensor([[[[0.05, 0.05, 0.45, 0.45], [0.5, 0.5, 0.0, 0.0]]]])
    assert attention_in_lesion(into, known, inside, outlined) == pytest.approx(-np.log(0.9), abs=1e-5)
    assert attention_in_lesion(beside, known, inside, outlined) > 2
    assert attention_in_lesion(beside, known, inside, ~outlined) == 0


def test_gaps_that_tell_the_label_are_found() -> None:
    rng = np.random.default_rng(0)
    labels, ids = rng.random(200) < 0.4, [str(i) for i in range(200)]
    telling = np.stack([labels | (rng.random(200) < 0.2), rng.random(200) < 0.5], 1)
    found = missingness(telling, labels, ids, seed=0, replicates=50)
    assert found is not None and found.value.low is not None and found.value.low > 0.7
    assert found.note.startswith("Better than chance: the form's gaps tell something")
    silent = missingness(rng.random((200, 2)) < 0.5, labels, ids, seed=0, replicates=50)
    assert silent is not None and silent.value.value is not None and silent.value.value < 0.62
    assert (silent.note == "Not shown to be better than chance.") == ((silent.value.low or 0) <= 0.5)
    assert missingness(np.ones((200, 2), bool), labels, ids, seed=0, replicates=50) is None


def test_what_a_changed_input_means_is_drawn_from_its_figures() -> None:
    def told(name: str, changed: Interval, difference: Interval, plain: Interval | None = None) -> str:
        return meaning(name, {"plain": plain or high, "changed": changed, "difference": difference})

    high, low = Interval(0.8, 0.7, 0.9), Interval(0.5, 0.4, 0.6)
    assert "falls (change -0.100, 95 % interval -0.200 to -0.010): it reads the border" in told(
        "borders_masked", high, Interval(-0.1, -0.2, -0.01)
    )
    assert told("only_lesion", high, Interval(-0.01, -0.1, 0.08)).startswith("No fall beyond chance is shown")
    assert told("only_lesion", high, Interval(0.05, 0.01, 0.08)).startswith("The AUC rises")
    assert told("lesion_blanked", high, Interval(-0.1, -0.2, -0.01)).startswith("Better than chance without the lesion")
    assert told("lesion_blanked", low, Interval(-0.3, -0.4, -0.2)).startswith("Not shown to be better than chance")
    assert told("only_lesion", high, Interval(0.0, -0.1, 0.1), plain=low).startswith("No fall can be told")
    assert told("only_lesion", high, Interval(0.1, 0.02, 0.2), plain=low).startswith("The AUC rises")
    nothing = dict.fromkeys(("plain", "changed", "difference"))
    assert meaning("borders_masked", nothing) == "Not measured: a class is missing."


def test_a_group_whose_cases_are_all_called_alike_still_has_an_interval() -> None:
    missed = _interval("sensitivity", Interval(0.0, 0.0, 0.0), positives=1, negatives=40)
    assert missed.value == missed.low == 0 and missed.high == pytest.approx(0.793, abs=1e-3)
    spared = _interval("specificity", Interval(1.0, 1.0, 1.0), positives=1, negatives=40)
    assert spared.high == 1 and spared.low == pytest.approx(0.912, abs=1e-3)
    usual = _interval("sensitivity", Interval(0.5, 0.2, 0.8), positives=9, negatives=9)
    assert (usual.low, usual.high) == (0.2, 0.8)
    once_of_three = _interval("sensitivity", Interval(1 / 3, 1 / 3, 1 / 3), positives=1, negatives=40)
    assert once_of_three.low is not None and once_of_three.high is not None and once_of_three.low < 0.1
    perfect = _interval("auc", Interval(1.0, 1.0, 1.0), positives=2, negatives=20)
    assert (perfect.value, perfect.low, perfect.high) == (1.0, None, None)


def test_settings_are_checked() -> None:
    with pytest.raises(Exception, match="unit must be one of"):
        replace(CONFIG, unit="lesion")
