from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from study_protocols import AI, EXPLAINED, UNAIDED, protocol

from mmxai_core.reader_study.assignment import Assignment, assign, shuffled, williams_row

THREE = (UNAIDED, AI, EXPLAINED)


def of(made: tuple[Assignment, ...], reader: str, *, practice: bool = False) -> list[Assignment]:
    return [a for a in made if a.reader == reader and a.practice == practice]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 9])
def test_a_williams_square_balances_place_and_predecessor(n: int) -> None:
    rows = [williams_row(n, r) for r in range(n if n % 2 == 0 else 2 * n)]
    assert all(sorted(row) == list(range(n)) for row in rows)
    for place in range(n):
        assert len(set(Counter(row[place] for row in rows).values())) == 1
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(follows) == n * (n - 1) and len(set(follows.values())) <= 1
    assert williams_row(n, len(rows)) == rows[0]


def test_a_draw_depends_on_seed_and_purpose_only() -> None:
    assert shuffled("abcdef", 1, "x") == shuffled("fedcba", 1, "x")
    assert len({tuple(shuffled("abcdef", seed, purpose)) for seed in (1, 2) for purpose in ("x", "y")}) == 4
    assert shuffled("abcdef", 1, "x") == list("aebcfd")  # on every machine, with every version of Python


@pytest.mark.parametrize("crossover", [False, True])
@pytest.mark.parametrize("method", ["latin_square", "blocked"])
def test_every_reader_reads_every_case_as_the_design_says(crossover: bool, method: str) -> None:
    made = protocol(arms=THREE, cases=12, readers=6, strata=2, crossover=crossover, method=method)
    found = assign(made)
    assert found == assign(made) and found != assign(protocol(
        arms=THREE, cases=12, readers=6, strata=2, crossover=crossover, method=method, seed=8))  # fmt: skip
    for reader in made.readers:
        mine = of(found, reader.code)
        for period in range(1, made.periods + 1):
            here = [a for a in mine if a.period == period]
            assert [a.position for a in here] == list(range(1, 13))
            assert len({a.case for a in here}) == 12
        pairs = Counter((a.arm, a.case) for a in mine)
        assert set(pairs.values()) == {1}
        assert len(pairs) == (36 if crossover else 12)


def test_a_latin_square_crossover_balances_arms_over_periods_and_cases_over_places() -> None:
    made = protocol(arms=THREE, cases=6, readers=6, crossover=True)
    found = assign(made)
    orders = {r.code: tuple(dict.fromkeys(a.arm for a in of(found, r.code))) for r in made.readers}
    assert len(set(orders.values())) == 6  # all orders of three arms
    for period in (1, 2, 3):
        arms = Counter(a.arm for a in found if a.period == period)
        assert set(arms.values()) == {12}
        places = Counter((a.case, a.position) for a in found if a.period == period)
        assert len(places) == 36 and set(places.values()) == {1}


@pytest.mark.parametrize("crossover", [False, True])
def test_blocked_arms_are_balanced_within_strata_and_truth(crossover: bool) -> None:
    made = protocol(arms=(UNAIDED, AI), cases=16, readers=4, strata=2, crossover=crossover, method="blocked")
    found = assign(made)
    for reader in made.readers:
        for period in range(1, made.periods + 1):
            here = [a for a in of(found, reader.code) if a.period == period]
            groups = Counter((a.arm, made.case(a.case).stratum, made.case(a.case).truth) for a in here)
            assert len(groups) == 8 and set(groups.values()) == {2}
            order = [made.case(a.case).stratum for a in here]
            assert abs(order[:8].count("s0") - 4) <= 1  # strata are spread over the period
    assert len({tuple(a.case for a in of(found, r.code) if a.period == 1) for r in made.readers}) == 4


def test_a_sequential_latin_square_gives_each_case_to_each_arm_equally_often() -> None:
    made = protocol(arms=THREE, cases=12, readers=6, strata=2)
    found = assign(made)
    per_case = Counter((a.case, a.arm) for a in found)
    assert len(per_case) == 36 and set(per_case.values()) == {2}
    per_reader = Counter((a.reader, a.arm) for a in found)
    assert set(per_reader.values()) == {4}


def test_reader_strata_are_balanced_in_themselves() -> None:
    made = protocol(arms=(UNAIDED, AI), cases=4, readers=8, crossover=True)
    found = assign(made)
    first = Counter((r.stratum, of(found, r.code)[0].arm) for r in made.readers)
    assert set(first.values()) == {2} and len(first) == 4


@pytest.mark.parametrize("method", ["latin_square", "blocked"])
@pytest.mark.parametrize("crossover", [False, True])
def test_seeded_errors_and_placebos_have_their_share_and_are_spread(crossover: bool, method: str) -> None:
    wrong = replace(EXPLAINED, wrong_share=0.25, placebo_share=0.5)
    made = protocol(
        arms=(replace(AI, wrong_share=0.25), wrong), cases=16, readers=8, crossover=crossover, method=method
    )
    found = assign(made)
    n = 16 if crossover else 8
    for reader in made.readers:
        for arm in made.arms:
            here = [a for a in of(found, reader.code) if a.arm == arm.id]
            assert sum(a.ai_seeded_wrong for a in here) == n * 0.25
            assert sum(a.placebo for a in here) == n * arm.placebo_share
            assert sum(a.ai_seeded_wrong and bool(made.case(a.case).truth) for a in here) == n * 0.125
    if crossover:  # the two arms differ in what is shown, not in which cases the AI is wrong on
        for reader in made.readers:
            by_arm = [
                {a.case for a in of(found, reader.code) if a.arm == x.id and a.ai_seeded_wrong} for x in made.arms
            ]
            assert by_arm[0] == by_arm[1]
    if method == "latin_square":
        per_case = Counter(a.case for a in found if a.ai_seeded_wrong)
        assert len(per_case) == 16 and max(per_case.values()) == min(per_case.values())


def test_shares_that_do_not_divide_come_out_right_over_readers() -> None:
    made = protocol(arms=(UNAIDED, replace(AI, wrong_share=0.25)), cases=6, readers=8, crossover=True)
    counts = [sum(a.ai_seeded_wrong for a in of(assign(made), r.code)) for r in made.readers]
    assert sum(counts) == 12 and set(counts) == {1, 2}  # 8 readers x 6 cases x 0.25


def test_practice_comes_first_in_the_arm_that_shows_most_and_carries_no_flags() -> None:
    made = protocol(arms=(AI, replace(EXPLAINED, wrong_share=1.0)), cases=4, readers=2, practice=2)
    for reader in made.readers:
        practice = of(assign(made), reader.code, practice=True)
        assert [(a.case, a.arm, a.position) for a in practice] == [("P0", "explained", 1), ("P1", "explained", 2)]
        assert not any(a.ai_seeded_wrong for a in practice)
    crossed = assign(protocol(arms=(UNAIDED, AI), practice=1, crossover=True))
    assert [(a.period, a.arm) for a in of(crossed, "R01", practice=True)] in (
        [(1, "unaided"), (2, "ai_only")], [(1, "ai_only"), (2, "unaided")],
    )  # fmt: skip
    mixed = assign(protocol(arms=(UNAIDED, AI), practice=1, crossover=True, method="blocked"))
    assert [(a.period, a.arm) for a in of(mixed, "R01", practice=True)] == [(1, "ai_only")]


def test_a_large_study_is_drawn_quickly() -> None:
    found = assign(protocol(arms=(UNAIDED, AI), cases=200, readers=30, crossover=True))
    assert len(found) == 12_000
