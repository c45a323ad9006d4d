"""Who reads which case in which arm, when: drawn from the protocol's seed, balanced, the same on every machine.

Every draw orders things by the SHA-256 of seed, purpose and thing, so that it depends on no library's generator.
Balance comes from Williams squares (Williams EJ, Aust J Sci Res 1949;2:149-168), in which each treatment stands once in
each place and follows each other treatment equally often.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from mmxai_core.reader_study.protocol import Case, Protocol, Reader

T = TypeVar("T")


@dataclass(frozen=True)
class Assignment:
    """One reading to be done.

    Attributes:
        reader: Reader code.
        period: From 1.
        position: Place within the period, from 1; practice cases come first, with positions of their own from 1.
        arm: Arm id.
        case: Case id.
        practice: True for a practice case.
        ai_seeded_wrong: The AI's output is to be made wrong (`session.shown_probability`).
        placebo: The saliency map is to be a placebo (`placebo.placebo_map`).
        id: Row in the store; 0 before it is kept.
    """

    reader: str
    period: int
    position: int
    arm: str
    case: str
    practice: bool = False
    ai_seeded_wrong: bool = False
    placebo: bool = False
    id: int = 0


def assign(protocol: Protocol) -> tuple[Assignment, ...]:
    """Every reading of a study, in the order of reader (as in the protocol), period, practice first, position."""
    rows = {reader.code: row for row, reader in enumerate(_drawn_readers(protocol))}
    out: list[Assignment] = []
    for reader in protocol.readers:
        row = rows[reader.code]
        practised: set[tuple[str, str]] = set()
        readings: list[Assignment] = []
        for period, arms in enumerate(_arms_by_period(protocol, row, reader), start=1):
            for a in _practice(protocol, reader, period, arms):
                if (a.arm, a.case) not in practised:  # an arm is practised once
                    practised.add((a.arm, a.case))
                    out.append(a)
            order = _case_order(protocol, row, reader, period)
            readings += [
                Assignment(reader.code, period, position, arms[case.id], case.id)
                for position, case in enumerate(order, start=1)
            ]
        wrong = _drawn(protocol, readings, row, "wrong", {a.id: a.wrong_share for a in protocol.arms})
        placebo = _drawn(protocol, readings, row, "placebo", {a.id: a.placebo_share for a in protocol.arms})
        out += [
            replace(a, ai_seeded_wrong=(a.arm, a.case) in wrong, placebo=(a.arm, a.case) in placebo) for a in readings
        ]
    place = {reader.code: n for n, reader in enumerate(protocol.readers)}
    return tuple(sorted(out, key=lambda a: (place[a.reader], a.period, not a.practice, a.position)))


def shuffled(things: Iterable[T], seed: int, *purpose: object) -> list[T]:
    """The things in an order fixed by seed and purpose; they differ in `id`, `code` or, lacking these, as text."""

    def rank(thing: T) -> bytes:
        name = getattr(thing, "id", None) or getattr(thing, "code", None) or thing
        return hashlib.sha256("|".join(map(str, (seed, *purpose, name))).encode()).digest()

    return sorted(things, key=rank)


def williams_row(n: int, row: int) -> list[int]:
    """One row of a Williams square of n treatments, numbered from 0.

    Args:
        n: Treatments, 1 or more.
        row: Any number from 0; rows repeat after n (2n for odd n).
    """
    first, high = [0], n - 1
    low = 1
    while len(first) < n:  # 0, 1, n-1, 2, n-2 ...
        first.append(low if len(first) % 2 else high)
        low, high = (low + 1, high) if len(first) % 2 == 0 else (low, high - 1)
    shifted = [(v + row) % n for v in first]
    return shifted[::-1] if n % 2 and (row // n) % 2 else shifted


def _drawn_readers(protocol: Protocol) -> list[Reader]:
    """Readers in a drawn order, stratum after stratum, so that each stratum is balanced in itself."""
    drawn = shuffled(protocol.readers, protocol.randomisation.seed, "readers")
    return sorted(drawn, key=lambda r: r.stratum)


def _arms_by_period(protocol: Protocol, row: int, reader: Reader) -> list[dict[str, str]]:
    """For each period, the arm of each case by id."""
    arms = [a.id for a in protocol.arms]
    count, seed = len(arms), protocol.randomisation.seed
    crossover = protocol.design.kind == "crossover"
    if protocol.randomisation.method == "latin_square":
        if crossover:
            order = williams_row(count, row)
            return [{c.id: arms[order[period]] for c in protocol.study_cases} for period in range(count)]
        dealt = _by_group(protocol, seed, "groups")
        return [{c.id: arms[(n + row) % count] for n, c in enumerate(dealt)}]
    dealt = _by_group(protocol, seed, "blocks", reader.code)
    first: dict[str, int] = {}
    for start in range(0, len(dealt), count):
        block = shuffled(range(count), seed, "block", reader.code, start)
        first |= {c.id: arm for c, arm in zip(dealt[start : start + count], block, strict=False)}
    periods = count if crossover else 1
    return [{c: arms[(arm + period) % count] for c, arm in first.items()} for period in range(periods)]


def _by_group(protocol: Protocol, seed: int, *purpose: object) -> list[Case]:
    """The cases in a drawn order, one group of stratum and truth after another: dealt in turn, each group is split."""
    drawn = shuffled(protocol.study_cases, seed, *purpose)
    return sorted(drawn, key=lambda c: (c.stratum, str(c.truth)))


def _case_order(protocol: Protocol, row: int, reader: Reader, period: int) -> list[Case]:
    seed = protocol.randomisation.seed
    if protocol.randomisation.method == "latin_square":
        base = shuffled(protocol.study_cases, seed, "order", period)
        return [base[i] for i in williams_row(len(base), row)]
    strata: dict[str, list[Case]] = {}
    for case in shuffled(protocol.study_cases, seed, "order", period, reader.code):
        strata.setdefault(case.stratum, []).append(case)
    placed: list[tuple[float, Case]] = []
    for name in sorted(strata):  # each stratum is spread over the whole period, with chance within its places
        for n, case in enumerate(strata[name]):
            digest = hashlib.sha256(f"{seed}|jitter|{period}|{reader.code}|{case.id}".encode()).digest()
            chance = int.from_bytes(digest[:4], "big") / 2**32
            placed.append(((n + chance) / len(strata[name]), case))
    return [case for _, case in sorted(placed, key=lambda p: p[0])]


def _practice(protocol: Protocol, reader: Reader, period: int, arms: Mapping[str, str]) -> list[Assignment]:
    """Practice in the arm of the period that shows most."""
    here = [a.id for a in protocol.arms if a.id in set(arms.values())]
    arm = max(here, key=lambda a: (len(protocol.stages(a)), len(protocol.arm(a).explanations)))
    return [
        Assignment(reader.code, period, position, arm, case.id, practice=True)
        for position, case in enumerate(protocol.practice_cases, start=1)
    ]


def _drawn(
    protocol: Protocol, readings: Sequence[Assignment], row: int, flag: str, shares: Mapping[str, float]
) -> set[tuple[str, str]]:
    """(arm, case) of the readings that carry a flag.

    Readers take turns along one drawn order of positive and of negative cases: each case is flagged for about the
    same number of readers, each reader has his share of both kinds, and arms with one share flag the same cases.
    """
    turns = row
    if protocol.design.kind == "sequential" and protocol.randomisation.method == "latin_square":
        turns = row // len(protocol.arms)  # readers that far apart read the same cases in an arm
    found: set[tuple[str, str]] = set()
    for arm, share in shares.items():
        mine = [protocol.case(a.case) for a in readings if a.arm == arm]
        drawn = shuffled(mine, protocol.randomisation.seed, flag)
        positive = [c for c in drawn if c.truth]
        negative = [c for c in drawn if not c.truth]
        each = Fraction(share).limit_denominator(10_000) * len(mine)
        before, after = int(turns * each), int((turns + 1) * each)
        if after == before:
            continue
        split = [t * len(positive) // len(mine) for t in (before, after)]
        found |= {(arm, positive[i % len(positive)].id) for i in range(*split)}
        found |= {(arm, negative[i % len(negative)].id) for i in range(before - split[0], after - split[1])}
    return found
