"""Small studies as tidy tables."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd

from mmxai_core.reader_study.study_tables import StudyTables, tables_from_frames


def reading(reader: str, case: str, stage: str, value: object, truth: int, **more: object) -> dict[str, object]:
    return {"study": "test", "reader": reader, "arm": "reading", "case": case, "stage": stage, "scale": "probability",
            "value": value, "truth": truth, **more}  # fmt: skip


def answers(instrument: str, form: dict[str, object], reader: str = "r1", **more: object) -> list[dict[str, object]]:
    return [
        {"study": "test", "reader": reader, "case": "", "arm": "a", "instrument": instrument, "instrument_version": "1",
         "item": i, "iteration": 1, "state": "no_answer" if v is None else "answered",
         "value": v if isinstance(v, int | float) else "", "text": v if isinstance(v, str) else "", "superseded": 0,
         **more}
        for i, v in form.items()
    ]  # fmt: skip


def tables(readings: list[dict[str, object]] | None = None, ratings: list[dict[str, object]] | None = None,
           **maps: object) -> StudyTables:  # fmt: skip
    frames = {}
    if readings:
        frames["readings"] = pd.DataFrame(readings)
    if ratings:
        frames["ratings"] = pd.DataFrame(ratings)
    return tables_from_frames(frames, **maps)  # type: ignore[arg-type]


def golden() -> list[dict[str, object]]:
    """Two readers, five cases; per reader one right opinion given up for a wrong AI (case c, planted), one wrong
    opinion mended by a right AI (case b), and one wrong AI resisted (case d)."""
    # case: truth, AI says, unaided, with AI, planted
    plan = {
        "a": (1, 1, 90, 95, 0),
        "b": (1, 1, 30, 70, 0),
        "c": (0, 1, 20, 60, 1),
        "d": (0, 1, 10, 20, 0),
        "e": (0, 0, 40, 30, 0),
    }
    rows = []
    for reader, (case, (truth, ai, before, after, planted)) in itertools.product(("r1", "r2"), plan.items()):
        rows.append(reading(reader, case, "unaided", before, truth, confidence=50, active_s=30))
        rows.append(
            reading(reader, case, "ai", after, truth, ai_probability=0.9 if ai else 0.1, ai_correct=int(ai == truth),
                    ai_seeded_wrong=planted, confidence=60, active_s=10)
        )  # fmt: skip
    return rows


def random_study(
    readers: int = 4, cases: int = 16, *, seed: int = 0, arms: tuple[str, ...] = ("unaided", "ai")
) -> list[dict[str, object]]:
    """A crossover: every reader reads every case in every arm."""
    rng = np.random.default_rng(seed)
    rows = []
    for n, arm in enumerate(arms):
        for j, k in itertools.product(range(readers), range(cases)):
            truth = k % 2
            value = float(np.clip(50 + (truth - 0.5) * (30 + 20 * n) + rng.normal(0, 25), 0, 100))
            rows.append(
                reading(f"r{j}", f"c{k}", "unaided" if n == 0 else "ai", round(value, 1), truth, arm=arm,
                        active_s=20 - 4 * n + rng.normal(0, 1), confidence=50 + 10 * n + rng.normal(0, 5),
                        ai_correct="" if n == 0 else int(k % 5 > 0))
            )  # fmt: skip
    return rows


def vandyke(data_dir: Path) -> pd.DataFrame:
    """The VanDyke data in the columns of `readings`."""
    given = pd.read_csv(data_dir / "mrmc" / "VanDyke.csv")
    return pd.DataFrame(
        {"study": "VanDyke", "reader": given["reader"], "arm": given["treatment"], "case": given["case"],
         "stage": "unaided", "scale": "rating", "value": given["rating"], "truth": given["truth"]}
    )  # fmt: skip


def box(x0: float, y0: float, x1: float, y1: float) -> str:
    return json.dumps([x0, y0, x1, y1])
