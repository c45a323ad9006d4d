"""Paired tests of the project's model against every other, and who is ahead, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.models import IMAGE_LEVEL, SHIPPED, SHIPPED_IMAGE
from mmxai_core.comparison.results import ModelResult, PairedTest, Verdict
from mmxai_core.comparison.scoring import Pool
from mmxai_core.evaluation.compare import clustered_delong, holm

#: Models that may stand for the project where fields are known and no shipped recipe was measured; validation chooses.
CANDIDATES = ("attention", "attention_coherence")


@dataclass(frozen=True, eq=False)
class Drawn:
    """A pool with its AUC in each bootstrap replicate."""

    pool: Pool
    boot: NDArray[np.float64]


def variant(rows: Sequence[ModelResult]) -> dict[str, str]:
    """Our variant on the shared image branches, by level: image only without any field, else by validation AUC."""
    scores: dict[str, list[float]] = {}
    for row in rows:
        if row.model in CANDIDATES and row.level != IMAGE_LEVEL and row.validation_auc is not None:
            scores.setdefault(row.model, []).append(row.validation_auc)
    best = max(scores, key=lambda m: float(np.mean(scores[m])), default=CANDIDATES[0])
    return {level: "image" if level == IMAGE_LEVEL else best for level in dict.fromkeys(r.level for r in rows)}


def reference(rows: Sequence[ModelResult]) -> dict[str, str]:
    """The model that stands for the project, by level: the shipped recipe where it was measured, else `variant`."""
    whole = {(r.model, r.level) for r in rows if r.metrics}

    def at(level: str, own: str) -> str:
        shipped = SHIPPED_IMAGE if level == IMAGE_LEVEL else SHIPPED
        return shipped if (shipped, level) in whole else own

    return {level: at(level, own) for level, own in variant(rows).items()}


def tests_of(drawn: Mapping[tuple[str, str], Drawn], *chosen: Mapping[str, str]) -> tuple[PairedTest, ...]:
    """Each chosen model against every other of its level, on the seeds both have; Holm within level and chosen model.

    Args:
        drawn: By (model, level).
        chosen: Maps of a level to a model. One that another map names too is tested once.
    """
    out: list[PairedTest] = []
    for level in dict.fromkeys(level for c in chosen for level in c):
        for name in dict.fromkeys(c[level] for c in chosen if level in c):
            first = drawn.get((name, level))
            if first is None:
                continue
            found = [
                _test(level, (name, first), (model, other))
                for (model, at), other in drawn.items()
                if at == level and model != name
            ]
            family = [t for t in found if t is not None]
            boot, exact = holm([t.bootstrap_p for t in family]), holm([t.delong_p for t in family])
            out += [
                replace(t, bootstrap_p_holm=b, delong_p_holm=d) for t, b, d in zip(family, boot, exact, strict=True)
            ]
    return tuple(out)


def _test(level: str, a: tuple[str, Drawn], b: tuple[str, Drawn]) -> PairedTest | None:
    """None where no seed is common to both."""
    seeds = [s for s in a[1].pool.seeds if s in b[1].pool.seeds]
    if not seeds:
        return None
    one, two = a[1], b[1]
    if one.pool.seeds != two.pool.seeds:  # both anew, so that each replicate draws the same patients for both
        one, two = _again(one, seeds), _again(two, seeds)
    difference = one.boot - two.boot
    difference = difference[np.isfinite(difference)]
    exact = clustered_delong(one.pool.labels, one.pool.p, two.pool.p, groups=one.pool.groups)
    low, high = np.percentile(difference, [2.5, 97.5])
    side = min(int((difference <= 0).sum()), int((difference >= 0).sum()))
    p = min(1.0, 2 * (side + 1) / (len(difference) + 1))
    return PairedTest(
        level, a[0], b[0], Estimate(*(round(float(v), 6) for v in (exact.difference.value, low, high))),
        p, None, exact.p_value, None, round(exact.difference.low, 6), round(exact.difference.high, 6),
    )  # fmt: skip


def _again(drawn: Drawn, seeds: Sequence[int]) -> Drawn:
    """Fewer seeds, drawn again alike."""
    from mmxai_core.evaluation.bootstrap import resampling_weights

    cut = drawn.pool.of(seeds)
    weights = resampling_weights(cut.groups, replicates=len(drawn.boot), seed=0)
    return Drawn(cut, np.concatenate([cut.auc(w) for w in weights]))


def verdicts(
    rows: Sequence[ModelResult], tests: Sequence[PairedTest], chosen: Mapping[str, str]
) -> tuple[Verdict, ...]:
    """One sentence a level: who is ahead of the reference, and whether chance explains it.

    Who is ahead is told by the paired differences, which are of the seeds that both models have.
    """
    out = []
    for level, name in chosen.items():
        scored = {r.model: r for r in rows if r.level == level and r.metrics and r.metrics["auc"].value is not None}
        paired = [t for t in tests if (t.level, t.a) == (level, name) and t.b in scored]
        paired = [t for t in paired if t.difference.value is not None]
        if name not in scored or not paired:
            continue
        test = min(paired, key=lambda t: (t.difference.value or 0.0, t.b))
        best = name if (test.difference.value or 0.0) >= 0 else test.b
        out.append(Verdict(level, name, best, _sentence(scored[name], scored[test.b], test)))
    return tuple(out)


def _sentence(ours: ModelResult, other: ModelResult, test: PairedTest) -> str:
    value, difference, p = ours.metrics["auc"].value or 0.0, test.difference.value or 0.0, test.bootstrap_p_holm
    gap = (
        f"difference {difference:+.3f}, 95 % interval {test.difference.low:+.3f} to {test.difference.high:+.3f}"
        f"{'' if p is None else f', p = {p:.3f} after Holm'}"
    )
    tied = p is None or p >= 0.05
    what = "the difference is within chance" if tied else "the difference is beyond chance: this model wins here"
    if ours.seeds == other.seeds:
        compared = f"{other.label} with {other.metrics['auc'].value:.3f}"
        if difference >= 0:
            return f"{ours.label} has the highest AUC, {value:.3f}; next is {compared} ({gap})."
        return f"{ours.label} has AUC {value:.3f}; {compared} is ahead ({gap}); {what}."
    # Their AUCs in the table are of different seeds, and so not to be set against one another.
    both = [s for s in ours.seeds if s in other.seeds]
    on = f"seed {both[0]}, the only one that both have" if len(both) == 1 else f"the {len(both)} seeds that both have"
    if difference >= 0:
        return f"{ours.label} has AUC {value:.3f}; no model is ahead of it. Nearest is {other.label}, on {on} ({gap})."
    whole = other.metrics["auc"].value or 0.0
    there = f"{other.label} is ahead on {on}"
    if both == list(ours.seeds):  # then ours has one AUC, and theirs there follows from the difference
        there += f", with {value - difference:.3f} there and {whole:.3f} over its own {len(other.seeds)}"
    return f"{ours.label} has AUC {value:.3f}; {there} ({gap}); {what}."
