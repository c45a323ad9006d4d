"""Across cohorts, scanners and hospitals: models tested where none of their training cases come from.

Every probability is kept as a unit file (`across/<name>/units/`), so that a cut-off run goes on and the figures can be
drawn again without a model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.comparison.cohort import Split
from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.encoders import Trained, train_encoder
from mmxai_core.comparison.fold import FoldWork
from mmxai_core.comparison.leakage import TELLS_GROUP, TELLS_SOURCE, estimate, probe_finding
from mmxai_core.comparison.models import BY_NAME, IMAGE_LEVEL
from mmxai_core.comparison.pooling import Material, join_images, labels_of, pool
from mmxai_core.comparison.results import Finding
from mmxai_core.comparison.run import Comparison
from mmxai_core.comparison.scoring import Pool
from mmxai_core.comparison.units import Scores, Unit, read_unit, read_units, unit_path, write_unit
from mmxai_core.errors import CohortError
from mmxai_core.evaluation.bootstrap import intervals
from mmxai_core.evaluation.calibration import fit_temperature, youden_threshold
from mmxai_core.evaluation.metrics import auc
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import encode_cases, image_logits
from mmxai_core.training.split import hold_out

#: A group with fewer patients of either class is not tested by itself.
SMALLEST = 4
#: Models that are fitted again when a group is left out.
REFITTED = ("image", "clinical", "attention", "late_average", "logistic", "radiomics")
_NONE = Estimate(None, None, None)


def leave_groups_out(comparison: Comparison, factor: str, *, train: bool = True) -> list[Finding]:
    """Trains without each group of a factor (scanner, hospital) and tests on it.

    Args:
        comparison: The run.
        factor: A stratum of its cases.
        train: False: only what lies there as unit files already.

    Raises:
        CohortError: No case states the factor.
    """
    data = comparison.data
    group = np.array([comparison.cases[i].strata.get(factor, "") for i in data.case_ids])
    if not (group != "").any():
        raise CohortError(f"No case of {comparison.cohort.name} states {factor!r}.")
    folder, names = comparison.plan.out / "across" / factor, sorted(set(group.tolist()) - {""})
    for k, name in enumerate(names if train else []):
        inside = group == name
        if _smallest_class(data, inside) < SMALLEST or _smallest_class(data, ~inside) < SMALLEST:
            continue
        _fit_group(comparison, factor, k, inside, folder)
    material = comparison_material(comparison)
    out = []
    for unit in read_units(folder):
        level = _fullest(unit)
        here = [pool_of(unit, level, material)]
        own = pool(material, unit.model, level)
        out.append(
            _auc_finding(
                f"{unit.model}: without {names[unit.fold]}", here[0], material,
                question=f"Does it hold on {factor} {names[unit.fold]}, which it never saw?",
                how=f"{BY_NAME[unit.model].label} at level {level}, fitted on the other groups, tested on this one.",
                against=None if own is None else _cut(own, here[0].ids),
                against_is="its cross-validation on the same cases",
                note=f"{factor}: {', '.join(f'{n} {int((group == n).sum())} images' for n in names)}.",
            )
        )  # fmt: skip
    return out


def _smallest_class(data: CohortArrays, mask: NDArray[np.bool_]) -> int:
    return min(
        len({p for p, y, m in zip(data.patients, data.labels, mask, strict=True) if m and y == value})
        for value in (0, 1)
    )


def _fit_group(comparison: Comparison, factor: str, k: int, inside: NDArray[np.bool_], folder: Path) -> None:
    data, config = comparison.data, comparison.config
    rest = np.flatnonzero(~inside)
    train, held = hold_out(
        data.labels[rest], [data.patients[i] for i in rest], part=config.validation, seed=config.seed * 100 + k
    )
    split = Split(config.seed, k, rest[train], rest[held], np.flatnonzero(inside))
    work = FoldWork(
        data, split, schema=comparison.cohort.schema, config=config, cache=comparison.plan.cache, log=comparison.log
    )
    for name in REFITTED:
        path = unit_path(folder, split.seed, k, name)
        if not path.is_file():
            comparison.plan.progress(f"without {factor} {k}, {name}", 0, 1)
            write_unit(
                folder, work.fit(BY_NAME[name], lambda other: read_unit(unit_path(folder, split.seed, k, other)))
            )


def _fullest(unit: Unit) -> str:
    return list(unit.scores)[-1]


def comparison_material(comparison: Comparison) -> Material:
    """See `measure.material_of`."""
    from mmxai_core.comparison.measure import material_of

    return material_of(comparison)


def pool_of(unit: Unit, level: str, material: Material) -> Pool:
    """The held-out scores of one unit."""
    scores = unit.scores[level]
    ids, p = join_images(unit.test_ids, scores.test, material)
    groups = ids if material.per_patient else tuple(material.patient[i] for i in ids)
    called = p >= scores.threshold
    return Pool(ids, groups, labels_of(ids, material), p[None], called[None], np.zeros((1, len(ids)), int))


def _cut(found: Pool, ids: tuple[str, ...]) -> Pool:
    at = [found.ids.index(i) for i in ids]
    return Pool(
        ids,
        tuple(found.groups[i] for i in at),
        found.labels[at],
        found.p[:, at],
        found.called[:, at],
        found.fold[:, at],
    )


def _auc_finding(
    name: str, found: Pool, material: Material, *, question: str, how: str, note: str, against: Pool | None,
    against_is: str, metric: str = "auc",
) -> Finding:  # fmt: skip
    def measured(p: Pool) -> Estimate:
        return estimate(
            intervals(
                lambda w: {metric: p.statistics(w)[metric]},
                p.groups,
                replicates=material.replicates,
                seed=material.seed,
            )[metric]
        )

    return Finding(
        name, question, how, metric, measured(found), None if against is None else measured(against),
        against_is if against is not None else "not measured", len(found.labels), note,
    )  # fmt: skip


def _scored(trained: Trained, validation: CohortArrays, target: CohortArrays, k: int, seed: int) -> Unit:
    """A fold's image branch on a whole other cohort; temperature and threshold from its own validation cases."""
    inner = image_logits(trained.encoder, validation)
    t = fit_temperature(inner.numpy(), validation.labels)
    v, p = (torch.softmax(x.double() / t, -1)[:, 1].numpy() for x in (inner, image_logits(trained.encoder, target)))
    threshold = youden_threshold(validation.labels.astype(bool), v)
    return Unit(
        seed, k, "image", target.case_ids, validation.case_ids, {IMAGE_LEVEL: Scores(p, v, threshold, t)}, None,
        {"encoder": trained.account}, {},
    )  # fmt: skip


def across_cohorts(comparison: Comparison, *, train: bool = True) -> list[Finding]:
    """The source's fold encoders on the whole cohort, and encoders of the cohort alone on the whole source.

    Args:
        comparison: The run.
        train: False: only what lies there as unit files already.

    Raises:
        CohortError: The comparison has no source.
    """
    data, source, config = comparison.data, comparison.source_data(), comparison.config
    name, other = comparison.cohort.name, config.source_cohort
    own = [s for (seed, _), s in comparison.splits.items() if seed == config.seed]

    def from_source(k: int) -> tuple[Trained, CohortArrays]:
        return comparison.source_encoder("main", k), source.take(comparison.source_splits()[k].validation)

    def from_own(k: int) -> tuple[Trained, CohortArrays]:
        split = own[k]
        validation = data.take(split.validation)
        trained = train_encoder(
            "main", data.take(split.train), validation, config=config, seed=split.seed * 100 + k,
            cache=comparison.plan.cache, log=comparison.log, name=f"{name} alone, fold {k}",
        )  # fmt: skip
        return trained, validation

    out = []
    for a, b, get, folds, target in (
        (other, name, from_source, config.source_folds, data), (name, other, from_own, len(own), source),
    ):  # fmt: skip
        out += _across(comparison, a, b, get, folds if train else 0, target)
    return out


def _across(
    comparison: Comparison, a: str, b: str, get: Callable[[int], tuple[Trained, CohortArrays]], folds: int,
    target: CohortArrays,
) -> list[Finding]:  # fmt: skip
    folder, seed = comparison.plan.out / "across" / f"{a}-to-{b}", comparison.config.seed
    for k in range(folds):
        if not unit_path(folder, seed, k, "image").is_file():
            comparison.plan.progress(f"{a} to {b}, fold {k}", 0, 1)
            trained, validation = get(k)
            write_unit(folder, _scored(trained, validation, target, k, seed))
    units = read_units(folder)
    if not units:
        return []
    p = np.stack([u.scores[IMAGE_LEVEL].test for u in units])
    called = np.stack([u.scores[IMAGE_LEVEL].test >= u.scores[IMAGE_LEVEL].threshold for u in units])
    labels, groups = target.labels.astype(bool), target.patients
    fold = np.zeros(p.shape, int)
    each = Pool(target.case_ids, groups, labels, p, called, fold)
    joined = Pool(target.case_ids, groups, labels, p.mean(0)[None], called.mean(0)[None] >= 0.5, fold[:1])
    material = comparison_material(comparison)
    own = pool(material, "image", IMAGE_LEVEL) if b == comparison.cohort.name else None
    by_fold = ", ".join(f"{auc(labels, row):.3f}" for row in p)
    ask = f"Does an image branch trained on {a} alone hold on {b}?"
    against_is = f"image only, cross-validated on {b} itself"
    out = []
    for metric in ("auc", "sensitivity", "specificity", "brier"):
        out.append(_auc_finding(
            f"{a} -> {b}", each, material, metric=metric, question=ask, against=own, against_is=against_is,
            how=f"Each of the {len(p)} fold models of {a} on all images of {b}; the mean over the models. Temperature "
            f"and threshold are those of each model's own validation cases in {a}.",
            note=f"AUC of each: {by_fold}. Nothing of {b} was seen in training, early stopping or calibration.",
        ))  # fmt: skip
    out.append(_auc_finding(
        f"{a} -> {b}, models averaged", joined, material, question=ask, against=own, against_is=against_is,
        how=f"The mean probability of the {len(p)} fold models.",
        note="An average of models, better than one by design.",
    ))  # fmt: skip
    return out


def pooled_features(trained: Trained, data: CohortArrays) -> NDArray[np.float64]:
    """(N, d) image vectors."""
    return torch.cat([s.pooled for s in encode_cases(trained.encoder, data)]).double().numpy()


def source_from_features(comparison: Comparison) -> Finding:
    """Whether the image branch's vector tells which of two cohorts a picture is from."""
    source, config = comparison.source_data(), comparison.config
    split = comparison.source_splits()[0]
    trained, held = comparison.source_encoder("main", 0), source.take(split.test)
    features = np.concatenate([pooled_features(trained, held), pooled_features(trained, comparison.data)])
    labels = np.arange(len(features)) >= len(held)
    return probe_finding(
        "source_from_features", features, labels, [*held.patients, *comparison.data.patients],
        question=f"Can {config.source_cohort} be told from {comparison.cohort.name} by the image branch's vector?",
        how=f"Linear probe of the image vectors of the encoder of {config.source_cohort}'s fold 0, on its held-out "
        f"images and on all of {comparison.cohort.name}; 5 patient-grouped folds.",
        above=TELLS_SOURCE,
        seed=config.seed, replicates=config.replicates,
    )  # fmt: skip


def factor_from_features(comparison: Comparison, factor: str) -> Finding | None:
    """Whether the image vector tells the larger group of a factor from the rest; None where there is one group."""
    group = np.array([comparison.cases[i].strata.get(factor, "") for i in comparison.data.case_ids])
    names, counts = np.unique(group[group != ""], return_counts=True)
    if len(names) < 2:
        return None
    top, known = names[int(np.argmax(counts))], group != ""
    split = comparison.splits[comparison.config.seed, 0]
    work = FoldWork(
        comparison.data, split, schema=comparison.cohort.schema, config=comparison.config, cache=comparison.plan.cache,
        log=comparison.log,
    )  # fmt: skip
    data = comparison.data.take(np.flatnonzero(known))
    return probe_finding(
        f"{factor}_from_features", pooled_features(work.trained("main"), data), group[known] == top, data.patients,
        question=f"Can {factor} {top} be told from the others by what the image branch passes on?",
        how="Linear probe of the image vectors of fold 0's encoder on all images; 5 patient-grouped folds.",
        above=TELLS_GROUP,
        seed=comparison.config.seed, replicates=comparison.config.replicates,
    )  # fmt: skip
