"""Draws every result file of a run from its unit files; nothing is trained here, and nothing is typed by hand."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmxai_core.comparison import files
from mmxai_core.comparison.common_scale import RULE, on_one_scale
from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.models import IMAGE_LEVEL, Model
from mmxai_core.comparison.pooling import Material, pool, validation_auc
from mmxai_core.comparison.results import METRICS, LocalisationResult, Metrics, ModelResult, Subgroups, Tests
from mmxai_core.comparison.scoring import PLUG_IN, SQUARED, Pool
from mmxai_core.comparison.subgroups import subgroups
from mmxai_core.comparison.verdicts import Drawn, reference, tests_of, variant, verdicts
from mmxai_core.evaluation.bootstrap import Interval, basic, intervals, resampling_weights
from mmxai_core.types import Json

if TYPE_CHECKING:
    from mmxai_core.comparison.run import Comparison

#: Simulated label sets behind `CalibrationCurve.ece_if_calibrated`.
_DRAWS = 400


def material_of(comparison: Comparison) -> Material:
    """What a comparison's figures are drawn from."""
    from mmxai_core.comparison.cohort import subgroup_of
    from mmxai_core.comparison.models import levels

    data, config = comparison.data, comparison.config
    label = dict(zip(data.case_ids, data.labels.tolist(), strict=True))
    patient = dict(zip(data.case_ids, data.patients, strict=True))
    return Material(
        on_one_scale(comparison.finished(), label=label, patient=patient),
        [(k.seed, k.fold, k.model.name) for k in comparison.units()],
        comparison.models(), list(levels(comparison.cohort.schema)), label, patient,
        {i: subgroup_of(c) for i, c in comparison.cases.items()},
        config.unit == "patient", config.replicates, config.seed,
    )  # fmt: skip


def write_results(comparison: Comparison) -> Json:
    """Writes metrics, tests, subgroups and predictions of what is finished.

    Returns:
        Status and the AUC of each model and level.
    """
    return write_files(comparison.plan.out, material_of(comparison))


def write_files(folder: Path, material: Material) -> Json:
    """See `write_results`."""
    write_predictions(folder / "predictions.csv", material)
    rows: list[ModelResult] = []
    drawn: dict[tuple[str, str], Drawn] = {}
    for model in material.models:
        for level in levels_of(model, material):
            row, found = _result(model, level, material)
            rows.append(row)
            if found is not None:
                boot = np.concatenate([found.auc(w) for w in _weights(found, material)])
                drawn[model.name, level] = Drawn(found, boot)
    chosen = reference(rows)
    tests = tests_of(drawn, chosen, variant(rows))
    metrics = Metrics(
        files.FORMAT, material.status, material.complete,
        f"95 %, percentile bootstrap that draws patients, {material.replicates} replicates, seed {material.seed}; with "
        "several seeds each replicate is the mean over the seeds; calibration errors: basic bootstrap, cut at 0",
        "largest sensitivity + specificity - 1 on the fold's validation cases, for each fold, model and level",
        tuple(rows), verdicts(rows, tests, chosen), budget_notes(material), RULE,
    )  # fmt: skip
    files.write(folder / "metrics.json", metrics)
    files.write(folder / "tests.json", Tests(files.FORMAT, material.status, tests))
    pools = {k: d.pool for k, d in drawn.items()}
    files.write(
        folder / "subgroups.json",
        Subgroups(files.FORMAT, material.status, tuple(subgroups(material, pools, chosen))),
    )
    return {
        "status": material.status,
        "models": [
            {"model": r.model, "level": r.level, "auc": files.to_json(r.metrics["auc"]) if r.metrics else None}
            for r in rows
        ],
        "verdicts": [v.sentence for v in metrics.verdicts],
    }


def _estimates(measured: Mapping[str, Interval | None]) -> dict[str, Estimate]:
    """Percentile intervals; for calibration errors basic ones, see `bootstrap.basic`.

    The debiased square's deviations are those from the plug-in square, which is what it estimates in the bootstrap's
    world.
    """
    out = {}
    for name in METRICS:
        i = measured.get(name)
        if name == "ece" and i is not None:
            turned = basic(i)
            out[name] = _rounded(turned.value, turned.low, turned.high)
        elif name == "ece_debiased" and (square := measured[SQUARED]) and (plug_in := measured[PLUG_IN]):
            low, high = (square.value - (q - plug_in.value) for q in (square.high, square.low))
            value = max(square.value, 0.0) ** 0.5
            out[name] = _rounded(value, max(low, 0.0) ** 0.5, max(value, max(high, 0.0) ** 0.5))
        else:
            out[name] = Estimate(None, None, None) if i is None else _rounded(i.value, i.low, i.high)
    return out


def _rounded(value: float, low: float, high: float) -> Estimate:
    return Estimate(round(value, 6), round(low, 6), round(high, 6))


def budget_notes(material: Material) -> tuple[str, ...]:
    """One sentence for each image branch whose best epoch was its last in at least half of its folds."""
    out = []
    for model in material.models:
        if model.kind not in ("image", "ablation"):
            continue
        accounts = [u.account["encoder"] for u in material.of(model.name) if "encoder" in u.account]
        last = sum(a["best_epoch"] + 1 == a["stage"]["epochs"] for a in accounts)
        if accounts and 2 * last >= len(accounts):
            out.append(
                f"{model.label}: validation loss was lowest in the last epoch in {last} of {len(accounts)} folds; "
                "a longer training may do better."
            )
    return tuple(out)


def levels_of(model: Model, material: Material) -> list[str]:
    """Levels at which a model has scores."""
    if not model.reads_fields:
        return [IMAGE_LEVEL]
    with_image = model.reads_image and model.kind != "late"
    return [*([IMAGE_LEVEL] if with_image else []), *material.levels]


def _weights(found: Pool, material: Material) -> list[NDArray[np.float64]]:
    return list(resampling_weights(found.groups, replicates=material.replicates, seed=material.seed))


def _result(model: Model, level: str, material: Material) -> tuple[ModelResult, Pool | None]:
    units, found = material.of(model.name), pool(material, model.name, level)
    empty = ModelResult(
        model.name, model.label, model.family, level, (), len(units),
        sum(m == model.name for _, _, m in material.planned), 0, 0, {}, (),
        validation_auc(material, model.name, level), None, None, None, None, None,
    )  # fmt: skip
    if found is None:
        return empty, None
    measured = intervals(found.statistics, found.groups, replicates=material.replicates, seed=material.seed)
    first = level == (material.levels[0] if material.levels and model.reads_fields else IMAGE_LEVEL)
    return replace(
        empty,
        seeds=tuple(material.whole_seeds(model.name)),
        n=len(found.labels),
        positives=int(found.labels.sum()),
        metrics=_estimates(measured),
        auc_by_fold=found.auc_by_fold(),
        roc=found.roc(),
        calibration=found.calibration(draws=_DRAWS, seed=material.seed),
        confusion=found.confusion(),
        decision=found.decision(),
        localisation=_localisation(model.name, material) if first else None,
    ), found


def _localisation(model: str, material: Material) -> LocalisationResult | None:
    """Mean over seeds and images, patients drawn."""
    seeds = material.whole_seeds(model)
    rows: dict[str, list[list[float]]] = {}
    for unit in material.of(model):
        if unit.seed not in seeds or unit.localised is None:
            continue
        x = unit.localised
        for case, *values in zip(x.case_ids, x.hit, x.iou, x.energy, x.lesion_share, strict=True):
            rows.setdefault(case, []).append(values)
    if not rows:
        return None
    table = np.array([np.mean(v, axis=0) for v in rows.values()])
    groups = [material.patient[c] for c in rows]
    names = ("hit", "iou", "energy")

    def means(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {n: weights @ table[:, i] / weights.sum(1) for i, n in enumerate(names)}

    found = intervals(means, groups, replicates=material.replicates, seed=material.seed)
    hit, iou, energy = (
        Estimate(*(round(v, 6) for v in (i.value, i.low, i.high))) for n in names if (i := found[n]) is not None
    )
    return LocalisationResult(len(rows), hit, iou, energy, round(float(table[:, 3].mean()), 6))


def write_predictions(path: Path, material: Material) -> None:
    """predictions.csv: a row for each held-out image, model, level and seed."""
    partial = path.with_suffix(".part")
    with partial.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(files.PREDICTION_COLUMNS)
        for unit in sorted(material.units, key=lambda u: (u.seed, u.fold, u.model)):
            for level, scores in unit.scores.items():
                for case, p in zip(unit.test_ids, scores.test, strict=True):
                    out.writerow(_row(case, material, unit.fold, unit.seed, unit.model, level, p, scores.threshold))
    partial.replace(path)


def _row(
    case: str, material: Material, fold: int, seed: int, model: str, level: str, p: float, threshold: float
) -> Sequence[object]:
    return (
        case, material.patient[case], fold, seed, model, level, f"{p:.9f}", f"{threshold:.9f}", material.label[case],
    )  # fmt: skip
