"""Does the analysis keep its promises? Type I error and interval coverage over simulated Roe-Metz studies.

Runs in blocks, each with its own seed, and writes a small JSON file after every block: a run that was stopped goes on
where it was, and ends with the same numbers as one that was not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

import numpy as np

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.auc_covariance import Covariance, auc_covariance
from mmxai_core.reader_study.mrmc import f_tail, t_quantile
from mmxai_core.reader_study.or_model import components, denominator
from mmxai_core.reader_study.roe_metz import RoeMetz, separation_for, structures
from mmxai_core.types import Json

#: Called with (studies done, studies in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Validation:
    """What is simulated: every structure of Roe and Metz, without and with a true difference.

    Attributes:
        readers: J.
        positives: Positive cases.
        negatives: Negative cases.
        effect: True AUC difference in the second set of scenarios, where only coverage is read.
        covariance: Of the error covariances.
        alpha: Level of the test; intervals cover 1 - alpha.
        block: Studies a block.
        seed: Of the whole run.
    """

    readers: int = 5
    positives: int = 50
    negatives: int = 50
    effect: float = 0.04
    covariance: Covariance = "jackknife"
    alpha: float = 0.05
    block: int = 100
    seed: int = 20250101

    def scenarios(self) -> Mapping[str, RoeMetz]:
        """By name: "HL 1.50 null", "HL 1.50 effect" ..."""
        found: dict[str, RoeMetz] = {}
        for name, null in structures().items():
            mu = null.separation[0]
            variances = (null.reader, null.case, null.treatment_case, null.reader_case, null.error)
            lower = separation_for(null.auc[0] - self.effect, null)
            found[f"{name} null"] = null
            found[f"{name} effect"] = RoeMetz((lower, mu), *variances)
        return found


@dataclass
class Tally:
    """Running counts of one scenario.

    Attributes:
        studies: Simulated so far.
        rejected: p < alpha.
        covered: The interval holds the true difference.
        undefined: No variation to test with; counted neither as rejected nor as covered.
        width: Sum of interval widths.
        seconds: Spent.
    """

    studies: int = 0
    rejected: int = 0
    covered: int = 0
    undefined: int = 0
    width: float = 0.0
    seconds: float = 0.0


def simulate_block(model: RoeMetz, plan: Validation, *, seed: np.random.SeedSequence) -> Tally:
    """Simulates and analyses one block of studies in one go (random readers and random cases).

    Args:
        model: Two treatments.
        plan: Sizes.
        seed: Of the block.
    """
    started = time.perf_counter()
    ratings, truth = model.simulate(
        studies=plan.block,
        readers=plan.readers,
        positives=plan.positives,
        negatives=plan.negatives,
        rng=np.random.default_rng(seed),
    )
    studies, treatments, readers, cases = ratings.shape
    flat, error = auc_covariance(
        ratings.reshape(studies, treatments * readers, cases), truth, method=plan.covariance, seed=plan.seed
    )
    aucs = flat.reshape(studies, treatments, readers)
    parts = components(
        aucs, error.reshape(studies, treatments, readers, treatments, readers), plan.positives, plan.negatives
    )
    d, df2 = denominator(parts, "readers_and_cases")
    usable = d > 1e-15
    safe = np.where(usable, d, 1.0)
    p = f_tail(parts.ms_t / safe, treatments - 1, df2)
    difference = aucs.mean(axis=2) @ np.array([1.0, -1.0])
    half = t_quantile(1 - plan.alpha, df2) * np.sqrt(2 * safe / readers)
    true = model.auc[0] - model.auc[1]
    return Tally(
        studies=studies,
        rejected=int((usable & (p < plan.alpha)).sum()),
        covered=int((usable & (np.abs(difference - true) <= half)).sum()),
        undefined=int((~usable).sum()),
        width=float(2 * half[usable].sum()),
        seconds=time.perf_counter() - started,
    )


def validate(out: Path, plan: Validation, *, studies: int = 2000, progress: Progress | None = None) -> Json:
    """Runs, or goes on with, the simulations, and returns what the file then holds.

    Args:
        out: JSON file, kept up to date block by block.
        plan: What to simulate.
        studies: For each scenario; rounded up to whole blocks.
        progress: Called after every block.

    Raises:
        StudyStoreError: The file is of another plan, or cannot be read or written.
    """
    models = plan.scenarios()
    blocks = -(-studies // plan.block)
    tallies = _resume(out, plan, models)
    done = sum(t.studies for t in tallies.values())
    for position, (name, model) in enumerate(models.items()):
        tally = tallies[name]
        for number in range(tally.studies // plan.block, blocks):
            one = simulate_block(model, plan, seed=np.random.SeedSequence(plan.seed, spawn_key=(position, number)))
            for field, value in asdict(one).items():
                setattr(tally, field, getattr(tally, field) + value)
            _save(out, plan, tallies)
            done += plan.block
            if progress is not None:
                progress(done, blocks * plan.block * len(models))
    return _save(out, plan, tallies)


def _resume(out: Path, plan: Validation, models: Mapping[str, RoeMetz]) -> dict[str, Tally]:
    if not out.exists():
        return {name: Tally() for name in models}
    try:
        kept = json.loads(out.read_text(encoding="utf-8"))
        same = kept["plan"] == json.loads(json.dumps(asdict(plan)))
        tallies = {name: Tally(**kept["tallies"][name]) for name in models}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyStoreError(f"{out.name}: is no file of these simulations ({type(error).__name__}).") from error
    if not same:
        raise StudyStoreError(f"{out.name}: holds simulations of another plan; name a new file.")
    return tallies


def _save(out: Path, plan: Validation, tallies: Mapping[str, Tally]) -> Json:
    content = {
        "plan": asdict(plan),
        "summary": _summary(tallies),
        "tallies": {name: asdict(t) for name, t in tallies.items()},
    }
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        part.replace(out)
    except OSError as error:
        raise StudyStoreError(f"{out.name}: cannot be written ({error.strerror}).") from error
    return content


def _summary(tallies: Mapping[str, Tally]) -> Json:
    def entry(kind: str, chosen: Mapping[str, Tally]) -> Json:
        n = sum(t.studies for t in chosen.values())
        defined = n - sum(t.undefined for t in chosen.values())
        if not n:
            return {"studies": 0}
        rates: Json = {"studies": n, "coverage": _rate(sum(t.covered for t in chosen.values()), n)}
        rates["mean_width"] = sum(t.width for t in chosen.values()) / max(defined, 1)
        name = "type_i_error" if kind == "null" else "power"
        return rates | {name: _rate(sum(t.rejected for t in chosen.values()), n)}

    found: dict[str, Json] = {}
    for kind in ("null", "effect"):
        mine = {n: t for n, t in tallies.items() if n.endswith(kind)}
        found[f"all {kind}"] = entry(kind, mine)
        found |= {n: entry(kind, {n: t}) for n, t in mine.items()}
    return found


def _rate(count: int, n: int) -> Json:
    """Share with Wilson's 95 % interval."""
    z, share = 1.959963984540054, count / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return {"value": share, "low": centre - half, "high": centre + half}
