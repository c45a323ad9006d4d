"""The smallest plausible change of unlocked fields that turns the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mmxai_core.clinical import Field, Value
from mmxai_core.explain.options import UNKNOWN, FieldOptions, OptionHead, softmax
from mmxai_core.explain.plausible import DRAWS, LEVEL, OptionChances
from mmxai_core.results.what_if import Counterfactual, CounterfactualSearch, FieldChange

#: Most changed records of one level; above it only the most promising smaller changes are taken further.
MAX_ROWS = 150_000
#: How many of them, where a level is too large to enumerate.
BEAM = 200


def gower(field: Field, before: Value | None, after: Value | None) -> float:
    """Part of a field's scale between two values, in [0, 1] (Gower 1971); from unknown, or between categories: 1."""
    if before == after:
        return 0.0
    if before is None or after is None or field.kind in ("categorical", "yes_no"):
        return 1.0
    if field.kind == "ordinal":
        steps = field.category_ids.index(str(after)) - field.category_ids.index(str(before))
        return abs(steps) / (len(field.category_ids) - 1)
    low, high = field.scale
    return min(abs(float(after) - float(before)) / (high - low), 1.0)


@dataclass(frozen=True, eq=False)
class _Level:
    """Changed records of one level that turn the decision or not: the plausible ones only."""

    rows: NDArray[np.int64]
    probability: NDArray[np.float64]
    turns: NDArray[np.bool_]
    plausibility: NDArray[np.float64]
    refused: int
    evaluated: int


def search(
    head: OptionHead, chances: OptionChances, *, positive: int, classes: tuple[str, ...], threshold: float,
    locked: Iterable[str] = (), max_changes: int = 3, fill_unknown: bool = False, alternatives: int = 3,
    seed: int = 0, accept: Callable[[NDArray[np.int64]], bool] = lambda _: True,
    check: Callable[[], None] = lambda: None,
) -> CounterfactualSearch:  # fmt: skip
    """Looks at every change of one field, then of two, then of three, and ends at the first level with an answer.

    On the worker; batches of heads, no forward pass. Values that training has not seen are never tried.

    Args:
        head: The case's options.
        chances: For plausibility.
        positive: Index of the positive class.
        classes: Class ids.
        threshold: Operating point.
        locked: Field ids that may not change.
        max_changes: 1 to 3.
        fill_unknown: Also let unknown fields take a value.
        alternatives: Most answers, each with another set of fields.
        seed: Of the records drawn to judge plausibility.
        accept: A last test of an answer's (F,) options, e.g. the network's own pass.
        check: Called between batches; may raise to end the work.
    """
    options, now = head.options, head.options.current
    fields, held = options.schema.fields, set(locked)
    distance = _distances(options)
    may = chances.in_range.copy()
    may[np.arange(len(now)), now] = False
    free = [
        i for i, f in enumerate(fields)
        if f.id not in held and (fill_unknown or now[i] != UNKNOWN) and may[i].any()
    ]  # fmt: skip
    start_logits = head.logits(now[None])
    start = float(softmax(start_logits)[0, positive])
    found: list[Counterfactual] = []
    evaluated = refused = 0
    exhaustive, closest = True, None
    seeds: NDArray[np.int64] | None = None
    judge = _Judge(chances, now, seed)
    for level in range(1, max_changes + 1):
        alternatives_of = {i: np.flatnonzero(may[i]) for i in free}
        sizes = [len(alternatives_of[i]) for i in free]
        if _count(sizes, level) <= MAX_ROWS:
            rows = _every(now, free, alternatives_of, level)
        else:
            exhaustive = False
            assert seeds is not None
            rows = _extend(seeds, now, free, alternatives_of)
        result = _evaluate(head, rows, judge, start=start, threshold=threshold, positive=positive, check=check)
        evaluated, refused = evaluated + result.evaluated, refused + result.refused
        if len(result.probability):
            ahead = result.probability.min() if start >= threshold else result.probability.max()
            if closest is None or (ahead < closest) == (start >= threshold):
                closest = float(ahead)
        found = list(
            _answers(result, options, distance, alternatives, threshold, accept, head, positive, classes)
        )  # fmt: skip
        if found:
            break
        order = np.argsort(result.probability if start >= threshold else -result.probability, kind="stable")
        seeds = result.rows[order[:BEAM]]
    return CounterfactualSearch(
        tuple(found), start, _decision(start_logits[0], positive, classes, threshold), threshold,
        tuple(f.id for f in fields if f.id in held), tuple(fields[i].id for i in free), max_changes, evaluated,
        exhaustive, refused, closest,
        _search_sentence(found, len(free), max_changes, closest, start, threshold, exhaustive, classes[positive]),
        _semantics(chances),
    )  # fmt: skip


def _distances(options: FieldOptions) -> NDArray[np.float64]:
    """(F, O) Gower distance of every option from the case's own value; 1 to unknown."""
    out = np.ones((len(options.values), options.encoded.shape[0]))
    for i, (field, values) in enumerate(zip(options.schema.fields, options.values, strict=True)):
        before = values[options.current[i]]
        out[i, : len(values)] = [gower(field, before, v) for v in values]
    return out


def _count(sizes: list[int], level: int) -> int:
    """How many records change exactly `level` fields: elementary symmetric polynomial of the sizes."""
    ways = [1] + [0] * level
    for size in sizes:
        for k in range(level, 0, -1):
            ways[k] += ways[k - 1] * size
    return ways[level]


def _every(
    now: NDArray[np.int64], free: list[int], values: dict[int, NDArray[np.int64]], level: int
) -> NDArray[np.int64]:
    """(R, F) every record that differs from `now` in exactly `level` free fields."""
    parts = []
    for chosen in combinations(free, level):
        grid = np.stack(np.meshgrid(*(values[i] for i in chosen), indexing="ij"), -1).reshape(-1, level)
        part = np.tile(now, (len(grid), 1))
        part[:, chosen] = grid
        parts.append(part)
    return np.concatenate(parts) if parts else np.empty((0, len(now)), np.int64)


def _extend(
    seeds: NDArray[np.int64], now: NDArray[np.int64], free: list[int], values: dict[int, NDArray[np.int64]]
) -> NDArray[np.int64]:
    """(R, F) the seeds with one more free field changed, each record once."""
    parts = [np.empty((0, len(now)), np.int64)]
    for i in free:
        base = np.repeat(seeds[seeds[:, i] == now[i]], len(values[i]), 0)
        base[:, i] = np.tile(values[i], len(base) // max(len(values[i]), 1))
        parts.append(base)
    return np.unique(np.concatenate(parts), axis=0)


class _Judge:
    """Plausibility of changed records: their rank among records drawn with the same fields known."""

    def __init__(self, chances: OptionChances, now: NDArray[np.int64], seed: int) -> None:
        self._chances, self._seed = chances, seed
        self._usual: dict[bytes, NDArray[np.float64]] = {}
        known = now != UNKNOWN
        self.level = LEVEL
        if known.any():  # an unusual case may stay as unusual as it is
            self.level = min(LEVEL, float(self._rank(known, chances.log_likelihood(now[None]))[0]))

    def _rank(self, known: NDArray[np.bool_], log: NDArray[np.float64]) -> NDArray[np.float64]:
        key = known.tobytes()
        if key not in self._usual:
            self._usual[key] = self._chances.usual(known, rng=np.random.default_rng(self._seed))
        return np.searchsorted(self._usual[key], log + 1e-9, side="right") / DRAWS

    def plausibility(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R, F) -> (R,) share of drawn records that are no likelier."""
        out = np.zeros(len(rows))
        patterns, which = np.unique(rows != UNKNOWN, axis=0, return_inverse=True)
        log = self._chances.log_likelihood(rows)
        for k, known in enumerate(patterns):
            mine = which.reshape(-1) == k
            out[mine] = self._rank(known, log[mine])
        return out


def _evaluate(
    head: OptionHead, rows: NDArray[np.int64], judge: _Judge, *, start: float, threshold: float, positive: int,
    check: Callable[[], None],
) -> _Level:  # fmt: skip
    """Plausible records of a level with their probabilities; how many turned the decision but were refused."""
    if not len(rows):
        return _Level(rows, np.empty(0), np.empty(0, bool), np.empty(0), 0, 0)
    p = head.probability(rows, check=check)
    turns = (p >= threshold) != (start >= threshold)
    plausibility = judge.plausibility(rows)
    keep = plausibility >= judge.level
    return _Level(rows[keep], p[keep], turns[keep], plausibility[keep], int((turns & ~keep).sum()), len(rows))


def _answers(
    result: _Level, options: FieldOptions, distance: NDArray[np.float64], alternatives: int, threshold: float,
    accept: Callable[[NDArray[np.int64]], bool], head: OptionHead, positive: int, classes: tuple[str, ...],
) -> Iterator[Counterfactual]:  # fmt: skip
    """The nearest turning records, one a set of fields."""
    index = np.flatnonzero(result.turns)
    moved = distance[np.arange(len(options.values)), result.rows[index]] * (result.rows[index] != options.current)
    total = moved.sum(1)
    taken: set[bytes] = set()
    for k in np.lexsort((-result.plausibility[index], np.round(total, 9))):
        row = result.rows[index[k]]
        key = (row != options.current).tobytes()
        if len(taken) == alternatives:
            return
        if key in taken or not accept(row):
            continue
        taken.add(key)
        p = float(result.probability[index[k]])
        changes = tuple(_field_change(options, int(i), int(row[i])) for i in np.flatnonzero(row != options.current))
        decision = _decision(head.logits(row[None])[0], positive, classes, threshold)
        steps = " and ".join(f"{c.label} were {c.after} (now {c.before})" for c in changes)
        yield Counterfactual(
            changes, p, decision, float(total[k]), float(result.plausibility[index[k]]),
            f"The decision would be {decision} ({100 * p:.0f} % {classes[positive]}) if {steps}.",
        )  # fmt: skip


def _field_change(options: FieldOptions, index: int, option: int) -> FieldChange:
    """What changed in one field."""
    values = options.values[index]
    return value_change(options.schema.fields[index], values[options.current[index]], values[option])


def value_change(field: Field, before: Value | None, after: Value | None) -> FieldChange:
    """One field's change in words."""
    return FieldChange(
        field.id, field.label, field.describe(before), field.describe(after), after, gower(field, before, after)
    )


def _decision(logits: NDArray[np.float64], positive: int, classes: tuple[str, ...], threshold: float) -> str:
    """As `Prediction.predicted_class`: the positive class at or above the threshold, else the likeliest other."""
    if float(softmax(logits)[positive]) >= threshold:
        return classes[positive]
    return classes[int(np.argmax(np.where(np.arange(len(classes)) == positive, -np.inf, logits)))]


def _search_sentence(
    found: list[Counterfactual], free: int, most: int, closest: float | None, start: float, threshold: float,
    exhaustive: bool, name: str,
) -> str:  # fmt: skip
    if found:
        return found[0].sentence
    if not free:
        return "There is no unlocked known field to change."
    upto = f"{min(most, free)} unlocked field{'s' if min(most, free) > 1 else ''}"
    said = f"No plausible change of up to {upto} turns the decision"
    said += "." if exhaustive else ", among the most promising changes (not all could be tried)."
    if closest is not None:
        said += f" The closest gives {100 * closest:.1f} % {name}, from {100 * start:.1f} %; the decision changes at "
        said += f"{100 * threshold:.1f} %."
    return said


def _semantics(chances: OptionChances) -> str:
    by_class = "class by class" if len(chances.statistics.prior) > 1 else "without classes"
    return (
        "Fewest changed fields first, then the smallest sum of distances (Gower: numbers and ordered categories by "
        "part of their scale, others 1). Plausible: every new value lies in the range seen in training, and the whole "
        f"record is at least as likely as the least likely {100 * LEVEL:.0f} % of {DRAWS} records drawn for the same "
        f"fields (or as the case itself, if that is rarer), fields drawn independently, {by_class}, from "
        f"{chances.statistics.source}. It says what the model would answer, not what treatment or time would change."
    )
