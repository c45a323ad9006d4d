"""A small run folder made of invented scores, complete in every file: for tests of whatever reads results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mmxai_core.comparison import files
from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.measure import levels_of, write_files
from mmxai_core.comparison.models import MODELS
from mmxai_core.comparison.pooling import Material
from mmxai_core.comparison.results import Finding, Findings
from mmxai_core.comparison.units import Localised, Scores, Unit, read_units, write_unit

LEVELS = ("history", "history+descriptor")
PATIENTS, FOLDS, SEEDS = 60, 2, (7, 8)


def example_units(*, seed: int = 0, without: tuple[tuple[int, int, str], ...] = ()) -> list[Unit]:
    """Units of every model; each has a skill of its own, and known fields add to it."""
    rng = np.random.default_rng(seed)
    label = np.arange(PATIENTS) % 3 == 0
    units = []
    for s in SEEDS:
        order = rng.permutation(PATIENTS)
        for fold in range(FOLDS):
            test, validation = order[fold::FOLDS], order[1 - fold :: FOLDS][:12]
            for rank, model in enumerate(MODELS):
                scores = {}
                for depth, level in enumerate(levels_of(model, example_material([]))):
                    skill = 1.0 + 0.4 * depth - 0.05 * rank
                    logit = rng.normal(0, 1, PATIENTS) + skill * (2 * label - 1)
                    p = 1 / (1 + np.exp(-logit))
                    scores[level] = Scores(p[test], p[validation], 0.5, 1.0)
                ids = tuple(f"c{i}" for i in test)
                found = None
                if model.kind in ("image", "ablation"):
                    row = tuple(rng.random(len(ids)))
                    found = Localised(ids, tuple(float(v > 0.4) for v in row), row, row, (0.1,) * len(ids))
                extra = {"borders_masked": tuple(rng.random(len(ids)))} if model.kind == "image" else {}
                if (s, fold, model.name) not in without:
                    units.append(
                        Unit(s, fold, model.name, ids, tuple(f"c{i}" for i in validation), scores, found, {}, extra)
                    )
    return units


def example_material(units: list[Unit]) -> Material:
    """What the figures of the example are drawn from."""
    return Material(
        units, [(s, f, m.name) for s in SEEDS for f in range(FOLDS) for m in MODELS], MODELS, LEVELS,
        {f"c{i}": int(i % 3 == 0) for i in range(PATIENTS)}, {f"c{i}": f"p{i}" for i in range(PATIENTS)},
        {f"c{i}": {"device": "A" if i % 2 else "B", "age_band": "under 40" if i < 20 else "40 to 54"}
         for i in range(PATIENTS)},
        per_patient=True, replicates=60, seed=7,
    )  # fmt: skip


def write_example_run(folder: Path, *, without: tuple[tuple[int, int, str], ...] = ()) -> Path:
    """Writes every file of a run.

    Args:
        folder: Of the run; made where missing.
        without: (seed, fold, model) of units to leave out: a partial run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for unit in example_units(without=without):
        write_unit(folder, unit)
    units = read_units(folder)
    config = {
        "format": 1, "cohort": "example", "task": "", "label": "Invented.", "classes": ["benign", "malignant"],
        "positive_class": "malignant", "cases": PATIENTS, "patients": PATIENTS, "prevalence": 1 / 3, "unit": "patient",
        "aggregation": "none: every image is scored by itself", "folds": FOLDS, "seeds": list(SEEDS), "licence": "CC0",
        "citation": "none", "notes": ["Invented scores."], "image_input": "none", "lesion_reference": "none",
        "shared_encoder": "none", "levels": {"history": ["history"], "history+descriptor": ["history", "descriptor"]},
        "models": [{"name": m.name, "label": m.label, "family": m.family, "about": m.about, "encoder": m.encoder,
                    "seeds": len(SEEDS)} for m in MODELS],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_files(folder, example_material(units))
    half = Estimate(0.5, 0.4, 0.6)
    finding = Finding("borders_masked", "Does it read the borders?", "Invented.", "auc", half, half,
                            "the plain image", PATIENTS, "Invented.")  # fmt: skip
    for name in ("leakage", "generalisation"):
        files.write(folder / f"{name}.json", Findings(files.FORMAT, "complete", (finding,)))
    return folder
