from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import what_if_case as made
from tiny_bundle import SCHEMA

from mmxai_core.errors import CancelledError
from mmxai_core.explain import counterfactual
from mmxai_core.explain.counterfactual import gower, search
from mmxai_core.explain.plausible import LEVEL
from mmxai_core.results.what_if import CounterfactualSearch

FULL = {"age": 60, "palpable": True, "nipple_discharge": False, "margin": "spiky", "birads": "5"}
CLASSES = ("benign", "malignant")


def find(raw: dict[str, object], threshold: float, **options: object) -> CounterfactualSearch:
    head, _, chances = made.case(raw)
    return search(head, chances, positive=1, classes=CLASSES, threshold=threshold, **options)  # type: ignore[arg-type]


def brute(raw: dict[str, object], level: int) -> list[tuple[float, tuple[int, ...]]]:
    """(probability, options) of every record that differs in exactly `level` fields, values in range."""
    head, _, chances = made.case(raw)
    now, out = head.options.current, []
    for fields in combinations(range(len(now)), level):
        for values in product(*(np.flatnonzero(chances.in_range[i]) for i in fields)):
            row = now.copy()
            row[list(fields)] = values
            if (row != now).sum() == level:
                out.append(row)
    p = head.probability(np.array(out))
    return [(float(a), tuple(r)) for a, r in zip(p, out, strict=True)]


def start() -> float:
    head, _, _ = made.case(FULL)
    return float(head.probability(head.options.current[None])[0])


def test_it_finds_the_smallest_single_change_that_brute_force_finds() -> None:
    singles = sorted(brute(FULL, 1))
    now = start()
    below = [p for p, _ in singles if p < now - 0.002]
    threshold = (below[len(below) // 2] + now) / 2
    result = find(FULL, threshold)
    head, _, chances = made.case(FULL)
    usual = chances.usual(head.options.known, rng=np.random.default_rng(0))

    def rank(row: object) -> float:
        return float((usual <= chances.log_likelihood(np.array([row]))[0] + 1e-9).mean())

    level = min(LEVEL, rank(head.options.current))
    turning = [r for p, r in singles if p < threshold and rank(r) >= level]

    def moved(row: tuple[int, ...]) -> float:
        return sum(
            gower(f, v[a], v[b])
            for f, v, a, b in zip(SCHEMA.fields, head.options.values, head.options.current, row, strict=True)
        )

    assert turning and result.found and result.exhaustive
    assert result.found[0].distance == pytest.approx(min(map(moved, turning)))
    assert result.found[0].probability < threshold and result.predicted_class == "malignant"
    assert result.found[0].predicted_class == "benign" and "benign" in result.sentence
    assert all(len(c.changes) == 1 for c in result.found)
    assert len({c.changes[0].field for c in result.found}) == len(result.found)
    assert result.evaluated == len(singles)


def test_it_goes_on_to_two_and_three_fields_only_when_fewer_do_not_do() -> None:
    best = {level: min(p for p, _ in brute(FULL, level)) for level in (1, 2, 3)}
    assert best[1] > best[2] > best[3]
    for level in (2, 3):
        threshold = best[level - 1] - 1e-6
        result = find(FULL, threshold, max_changes=level)
        assert result.found or result.implausible  # every turning record of that level may be implausible
        assert all(len(c.changes) == level for c in result.found)
        assert not find(FULL, threshold, max_changes=level - 1).found


def test_locked_fields_do_not_move_and_none_is_said() -> None:
    free = find(FULL, start() - 1e-4)
    assert free.found
    locked = find(FULL, start() - 1e-4, locked=[c.changes[0].field for c in free.found] + ["age"], max_changes=1)
    assert not {c.field for f in locked.found for c in f.changes} & set(locked.locked)
    none = find(FULL, 1e-9, max_changes=3)
    assert none.found == () and none.exhaustive and none.closest_probability is not None
    assert none.sentence.startswith("No plausible change of up to 3 unlocked fields turns the decision.")
    assert "at 0.0 %" in none.sentence
    every = find(FULL, 0.3, locked=SCHEMA.ids)
    assert every.evaluated == 0 and every.sentence == "There is no unlocked known field to change."


def test_an_unlikely_combination_is_refused_and_counted() -> None:
    """Palpable, spiky, BI-RADS 5 at 20 years: each value is in range, the combination is not."""
    head, _, chances = made.case(FULL)
    judge = counterfactual._Judge(chances, head.options.current, 0)
    young = head.options.current.copy()
    young[0] = head.options.values[0].index(30.0)
    smooth = head.options.current.copy()
    smooth[2] = 2
    assert chances.in_range[0, young[0]]
    low, usual, own = judge.plausibility(np.stack([young, smooth, head.options.current]))
    assert low < judge.level <= LEVEL < own and usual >= LEVEL
    p = head.probability(young[None])[0]
    result = find(FULL, (start() + float(p)) / 2, locked=[i for i in SCHEMA.ids if i != "age"], max_changes=1)
    assert result.implausible >= 1
    assert all(c.plausibility >= judge.level for c in result.found)


def test_values_that_training_has_not_seen_are_never_tried() -> None:
    _, _, chances = made.case(FULL)
    low, high = chances.statistics.limits[0]
    ages = [chances.options.values[0][o] for o in np.flatnonzero(chances.in_range[0])]
    assert ages and min(ages) >= low and max(ages) <= high < 89


def test_unknown_fields_take_part_only_when_asked() -> None:
    raw = {"age": 60}
    assert find(raw, 1e-9).unlocked == ("age",)
    assert set(find(raw, 1e-9, fill_unknown=True, max_changes=1).unlocked) == set(SCHEMA.ids)


def test_a_level_too_large_is_searched_by_beam_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = find(FULL, 1e-9)
    monkeypatch.setattr(counterfactual, "MAX_ROWS", 120)
    beam = find(FULL, 1e-9)
    assert exact.exhaustive and not beam.exhaustive and beam.evaluated < exact.evaluated
    assert "not all could be tried" in beam.sentence
    assert exact.closest_probability <= beam.closest_probability <= start()


def test_an_answer_that_the_last_test_refuses_is_not_given_and_work_can_be_ended() -> None:
    assert not find(FULL, start() - 1e-4, accept=lambda _: False, max_changes=1).found

    def stop() -> None:
        raise CancelledError("stop")

    with pytest.raises(CancelledError):
        find(FULL, 0.3, check=stop)


@pytest.mark.parametrize(
    ("field", "before", "after", "distance"),
    [
        ("age", 30.0, 50.0, 0.25), ("age", None, 50.0, 1), ("birads", "2", "4", 2 / 3), ("age", 40.0, 40.0, 0),
        ("palpable", True, False, 1), ("margin", "smooth", "spiky", 1),
    ],
)  # fmt: skip
def test_distance(field: str, before: object, after: object, distance: float) -> None:
    assert gower(SCHEMA[field], before, after) == pytest.approx(distance)  # type: ignore[arg-type]
