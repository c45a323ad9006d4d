"""A study that has not been run: simulated readers (Roe and Metz 1997) fill every table that a real one would.

Everything in it is marked as simulated. Only the accuracy of ratings follows a published model; confidence, time,
answers and regions are plain draws, there to rehearse the analysis, and no claim about people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.questionnaire_registry import SCS, SUS, TLX_WEIGHTED
from mmxai_core.reader_study.questionnaires import pair_id
from mmxai_core.reader_study.roe_metz import rehearse
from mmxai_core.reader_study.study_tables import SIMULATED, STAGES, StudyTables, tables_from_frames
from mmxai_core.types import FloatMap

_IMAGE = (480, 640)
_GRID = (24, 32)
_QUESTIONS = ("understanding", "confidence", "agree_prediction", "agree_region", "agree_factors")


@dataclass(frozen=True)
class Rehearsal:
    """What is simulated.

    Attributes:
        design: "sequential" (one arm; unaided, then AI, then explanation) or "crossover" (one arm a condition).
        readers: Number.
        positives: Positive cases.
        negatives: Negative cases.
        aucs: Expected AUC by stage.
        ai_accuracy: Share of cases in which the AI is right, before errors are planted.
        seeded_wrong: Cases in which the AI's answer is turned to the wrong one.
        structure: Variances, one of `roe_metz.structures`.
        seed: Of everything.
    """

    design: str = "sequential"
    readers: int = 5
    positives: int = 20
    negatives: int = 20
    aucs: Mapping[str, float] = field(default_factory=lambda: {"unaided": 0.78, "ai": 0.84, "explanation": 0.86})
    ai_accuracy: float = 0.85
    seeded_wrong: int = 4
    structure: str = "HL 1.50"
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            StudyStoreError: A size, share or design makes no sense.
        """
        if self.design not in ("sequential", "crossover"):
            raise StudyStoreError(f"A rehearsal is sequential or crossover; got {self.design!r}.")
        if min(self.readers, self.positives, self.negatives) < 1:
            raise StudyStoreError(
                f"A rehearsal needs 1 reader, 1 positive and 1 negative case; got {self.readers}, {self.positives}, "
                f"{self.negatives}."
            )
        if not 0 <= self.seeded_wrong <= self.positives + self.negatives or not 0 <= self.ai_accuracy <= 1:
            raise StudyStoreError("Planted errors must be among the cases, and the AI's accuracy in 0 to 1.")
        if "unaided" not in self.aucs or not set(self.aucs) <= set(STAGES):
            raise StudyStoreError(f"A rehearsal has the stage unaided and others of {', '.join(STAGES[1:])}.")


def rehearse_study(plan: Rehearsal) -> StudyTables:
    """The tables of a simulated study; its name starts with "SIMULATED".

    Args:
        plan: What to simulate.

    Raises:
        StudyStoreError: A value of the plan is out of range.
    """
    rng = np.random.default_rng(plan.seed)
    stages = [s for s in STAGES if s in plan.aucs]
    # `rehearse` refuses fewer than 2 cases of a class; the table is cut down to what was asked for.
    drawn = rehearse(
        dict(plan.aucs), readers=plan.readers, positives=max(plan.positives, 2), negatives=max(plan.negatives, 2),
        structure=plan.structure, seed=plan.seed,
    )  # fmt: skip
    kept = np.concatenate(
        [np.flatnonzero(drawn.truth)[: plan.positives], np.flatnonzero(~drawn.truth)[: plan.negatives]]
    )
    truth = drawn.truth[kept]
    # Suspicion in per cent: the latent rating through a normal curve whose middle lies between the two classes.
    middle = drawn.ratings.mean()
    suspicion = np.round(100 * norm.cdf(drawn.ratings - middle)).clip(0, 100)[:, :, kept]
    suspicion = {s: suspicion[drawn.treatments.index(s)] for s in stages}
    ai = _simulated_ai(plan, truth, rng)
    study = f"{SIMULATED} {plan.design}"
    cases = [f"case-{k + 1:03d}" for k in range(len(truth))]
    readers = [f"SIM{j + 1:02d}" for j in range(plan.readers)]
    boxes = _lesions(len(cases), rng)
    rows = [
        _reading(plan, study, readers[j], cases[k], s, n, suspicion[s][j, k], bool(truth[k]), ai, k, boxes[k], rng)
        for n, s in enumerate(stages) for j in range(plan.readers) for k in range(len(cases))
    ]  # fmt: skip
    arms = ["reading"] if plan.design == "sequential" else [_ARM[s] for s in stages]
    frames = {
        "readings": pd.DataFrame(rows),
        "ratings": pd.DataFrame(_ratings(study, readers, cases, arms[-1], rng)),
        "assignments": pd.DataFrame(
            [
                {"study": study, "reader": r, "period": p, "arm": a, "case": c, "position": n}
                for r in readers for p, a in enumerate(arms, start=1) for n, c in enumerate(cases, start=1)
            ]
        ),
        "readers": pd.DataFrame({"reader": readers, "stratum": ["simulated"] * len(readers)}),
        "cases": pd.DataFrame({"case": cases, "truth": truth.astype(int), "stratum": ["simulated"] * len(cases)}),
    }  # fmt: skip
    maps = {
        c: {"simulated map": _map(b, rng), "placebo map": _map(None, rng)} for c, b in zip(cases, boxes, strict=True)
    }
    return tables_from_frames(frames, maps=maps, image_shapes=dict.fromkeys(cases, _IMAGE))


_ARM = {"unaided": "unaided", "ai": "AI", "explanation": "AI + explanation"}


def _simulated_ai(
    plan: Rehearsal, truth: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    right = rng.random(len(truth)) < plan.ai_accuracy
    seeded = np.zeros(len(truth), bool)
    seeded[rng.permutation(np.flatnonzero(right))[: plan.seeded_wrong]] = True
    right = right & ~seeded
    says = np.where(right, truth, ~truth)
    probability = np.where(says, rng.uniform(0.55, 0.97, len(truth)), rng.uniform(0.03, 0.45, len(truth)))
    return {"right": right.astype(float), "seeded": seeded.astype(float), "probability": probability}


def _lesions(count: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    size = rng.integers(60, 160, size=(count, 2))
    x, y = rng.integers(20, _IMAGE[1] - 180, count), rng.integers(20, _IMAGE[0] - 180, count)
    return [(int(a), int(b), int(a + w), int(b + h)) for a, b, (w, h) in zip(x, y, size, strict=True)]


def _map(box: tuple[int, int, int, int] | None, rng: np.random.Generator) -> FloatMap:
    """A blob over the lesion, or somewhere else, on a coarse grid, with noise."""
    if box is None:
        centre, spread = rng.uniform((0, 0), _IMAGE), 60.0
    else:
        centre = np.array([(box[1] + box[3]) / 2, (box[0] + box[2]) / 2]) + rng.normal(0, 25, 2)
        spread = (box[2] - box[0] + box[3] - box[1]) / 5
    y = (np.arange(_GRID[0]) + 0.5) * _IMAGE[0] / _GRID[0]
    x = (np.arange(_GRID[1]) + 0.5) * _IMAGE[1] / _GRID[1]
    blob = np.exp(-((y[:, None] - centre[0]) ** 2 + (x[None] - centre[1]) ** 2) / (2 * spread**2))
    found: FloatMap = (blob + rng.normal(0, 0.03, _GRID)).astype(np.float32)
    return found


def _reading(
    plan: Rehearsal, study: str, reader: str, case: str, stage: str, order: int, value: float, truth: bool,
    ai: Mapping[str, NDArray[np.float64]], k: int, box: tuple[int, int, int, int], rng: np.random.Generator,
) -> dict[str, object]:  # fmt: skip
    shown = stage != "unaided"
    # The certainty of the rating carries over to the confidence that is stated.
    confidence = float(np.clip(round(45 + abs(value - 50) * 0.7 + 6 * order + rng.normal(0, 8)), 0, 100))
    drawn = np.asarray(box) + rng.integers(-12, 13, 4)
    return {
        "study": study, "version": "1", "reader": reader, "period": 1 if plan.design == "sequential" else order + 1,
        "arm": "reading" if plan.design == "sequential" else _ARM[stage], "case": case, "position": k + 1,
        "stage": stage, "scale": "probability", "value": f"{value:g}", "confidence": confidence, "truth": int(truth),
        "ai_probability": round(float(ai["probability"][k]), 4) if shown else "",
        "ai_class": ("positive" if ai["probability"][k] >= 0.5 else "negative") if shown else "",
        "ai_correct": int(ai["right"][k]) if shown else "", "ai_seeded_wrong": int(ai["seeded"][k]) if shown else "",
        "placebo": 0, "active_s": round(float(rng.lognormal(3.0 if order == 0 else 2.0, 0.4)), 1), "idle_s": 0,
        "region": json.dumps(drawn.tolist()) if stage == "unaided" else "", "practice": 0,
    }  # fmt: skip


def _ratings(
    study: str, readers: list[str], cases: list[str], arm: str, rng: np.random.Generator
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []

    def answer(reader: str, case: str, instrument: str, item: str, value: object, text: str = "") -> None:
        rows.append(
            {"study": study, "reader": reader, "case": case, "arm": arm, "instrument": instrument,
             "instrument_version": "1", "item": item, "iteration": 1, "state": "answered", "value": value, "text": text,
             "superseded": 0}
        )  # fmt: skip

    for reader in readers:
        leaning = rng.normal(0.3, 0.5)
        for case in cases:
            for item in _QUESTIONS:
                answer(
                    reader, case, "explanation_survey", item, int(np.clip(round(rng.normal(3.4 + leaning, 0.9)), 1, 5))
                )
        for questionnaire, good in ((SUS, 3.9), (SCS, 3.6)):
            for one in questionnaire.items:
                middle = 6 - good if one.reverse else good
                answer(reader, "", questionnaire.id, one.id, int(np.clip(round(rng.normal(middle, 0.8)), 1, 5)))
        for one in TLX_WEIGHTED.items:
            answer(reader, "", TLX_WEIGHTED.id, one.id, float(rng.integers(2, 15) * 5))
        ids = [i.id for i in TLX_WEIGHTED.items]
        for a, b in combinations(ids, 2):
            answer(reader, "", TLX_WEIGHTED.id, pair_id(a, b), "", str(rng.choice([a, b])))
    return rows
