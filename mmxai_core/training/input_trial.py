"""How many studies the input check flags: real ones of the model's kind hardly ever, everything else always.

Three sets. *Foreign*: every file of given folders that reads as a study. *Intruders*: synthetic images that are no
ultrasound. *Own*: cohorts of the model's kind, by folds of patients: statistics, location and limit are fitted again
without the fold, by the recipe that made the bundle's, and the fold is held against them. The network itself stays the
shipped one; `Held` says of each set what of it the network has seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.model_selection import GroupKFold

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.cohorts.case import Cohort
from mmxai_core.errors import BundleError, CancelledError, CohortError, StudyReadError
from mmxai_core.evaluation.bootstrap import LEVEL, REPLICATES, intervals
from mmxai_core.evaluation.cases import open_case
from mmxai_core.evaluation.intruders import make_intruders
from mmxai_core.explain.input_check import check_input
from mmxai_core.explain.input_features import LESION, PICTURE, WHOLE, canvas_grey, glance_vectors, picture_vector
from mmxai_core.explain.quality import pixel_findings
from mmxai_core.io import read_study
from mmxai_core.model.reference import InputReference, load_reference
from mmxai_core.predict import Predictor
from mmxai_core.study import Study
from mmxai_core.training.enrich import MOST_CASES
from mmxai_core.training.input_reference import FOLDS, accepted, fit_blocks, score_limit
from mmxai_core.training.split import hold_out
from mmxai_core.types import Json

#: Most of the model's own kind that may be flagged, and least of everything else.
OWN_BAR, FOREIGN_BAR = 0.08, 1.0
#: Files that are lists and notes, not studies.
NOTES = (".md", ".csv", ".tsv", ".txt", ".json", ".xlsx")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FlagRow:
    """What the check said of one study.

    Attributes:
        set: Which set it belongs to: a folder's name, "intruders", a cohort's name, "other <modality>".
        name: Path within the folder, intruder, or case id.
        patient: Patient id; empty where none is known.
        flagged: As uploaded, with the file's own header.
        by_pixels: With the header hidden.
        score: Largest image score of the study; None where the reader gave no image.
        rules: The rules that stopped it, joined by ";".
        held: Of an own case, what it was held out of.
    """

    set: str
    name: str
    patient: str
    flagged: bool
    by_pixels: bool
    score: float | None
    rules: str
    held: str = ""


def evaluate_inputs(
    predictor: Predictor, own: Sequence[Cohort], foreign: Sequence[Path], *, intruders: int = 5,
    replicates: int = REPLICATES, seed: int = 0, progress: Progress = lambda step, done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[tuple[FlagRow, ...], Json]:  # fmt: skip
    """Runs the check over all three sets; one image encoding an image.

    Args:
        predictor: The bundle on its device.
        own: Cohorts its image statistics were measured on, in the bundle's order.
        foreign: Folders of studies of another kind. A file whose header names the model's own modality is counted
            apart: it is ultrasound, though none of the breast.
        intruders: Seeds, each giving twenty synthetic intruders.
        replicates: Bootstrap replicates of the own cohorts' intervals.
        seed: Of samples and bootstrap.
        progress: Called with (set, done, all).
        cancelled: Asked between studies.

    Returns:
        (one row a study, a summary in plain values).

    Raises:
        BundleError: The bundle carries no statistics of its training images.
        CohortError: A cohort's file cannot be read.
        CancelledError: `cancelled` said so.
    """
    inputs = load_reference(predictor.bundle).inputs
    if inputs is None:
        raise BundleError(f"Bundle {predictor.bundle.name!r} carries no statistics of its training images.")
    rows: list[FlagRow] = []
    refused: dict[str, Counter[str]] = {}

    def ask() -> None:
        if cancelled():
            raise CancelledError("The evaluation of the input check was cancelled.")

    for folder in foreign:
        files = [f for f in sorted(folder.rglob("*")) if f.is_file() and f.suffix.lower() not in NOTES]
        refused[folder.name] = Counter()
        for done, file in enumerate(files, start=1):
            ask()
            try:
                study = read_study(file.read_bytes(), file.name)
                row = check_one(predictor, study, inputs, kind=folder.name, name=file.relative_to(folder).as_posix())
                rows.append(row)
            except StudyReadError as error:
                refused[folder.name][str(error)] += 1
            progress(folder.name, done, len(files))
    for i in range(intruders):
        for intruder in make_intruders(seed=seed + i):
            ask()
            rows.append(
                check_one(predictor, intruder.study(), inputs, kind="intruders", name=f"{intruder.name}, seed {i}")
            )
        progress("intruders", i + 1, intruders)
    rows += own_rows(predictor, own, seed=seed, progress=progress, ask=ask) if own else []
    return tuple(rows), summarise_flags(rows, refused=refused, replicates=replicates, seed=seed) | {
        "bundle": predictor.bundle.name, "bundle_sha256": predictor.bundle.sha256, "device": predictor.device,
        "seed": seed, "statistics": inputs.source, "folds": FOLDS, "most_cases_a_cohort": MOST_CASES,
    }  # fmt: skip


def check_one(predictor: Predictor, study: Study, inputs: InputReference, *, kind: str, name: str) -> FlagRow:
    """The bundle's own check of one study; a study of the model's own modality goes to the set "other <modality>"."""
    check = check_input(predictor.encode(study), ClinicalRecord(), inputs=inputs, planes=predictor.bundle.planes)
    scores = [s.value for c in check.images for s in c.scores if s.name == "image"]
    stops = {f.rule for f in check.findings if f.severity == "stop"}
    stops |= {f.rule for c in check.images for f in c.findings if f.severity == "stop"}
    own = study.modality is not None and study.modality == inputs.modality
    return FlagRow(
        f"other {study.modality}" if own else kind, name, "", check.flagged, any(c.flagged for c in check.images),
        max(scores, default=None), ";".join(sorted(stops)),
    )  # fmt: skip


def own_rows(
    predictor: Predictor, cohorts: Sequence[Cohort], *, seed: int, progress: Progress, ask: Callable[[], None]
) -> list[FlagRow]:
    """Every case of the model's own cohorts, each against statistics fitted without its patient."""
    vectors: dict[str, list[NDArray[np.float64]]] = {n: [] for n in (PICTURE, WHOLE, LESION)}
    group, patients, names, held, stops = [], [], [], [], []
    for number, cohort in enumerate(cohorts):
        cases = [c for c in cohort.cases if c.label is not None]
        unseen = pretraining_held_out(predictor, cohort)
        for done, case in enumerate(cases, start=1):
            ask()
            study = open_case(case, cohort, schema=predictor.bundle.schema).study
            encoded = predictor.encode(study)
            for name, found in zip((WHOLE, LESION), glance_vectors(encoded.state.features), strict=True):
                vectors[name].append(found[0])
            geometry = encoded.geometries[0]
            vectors[PICTURE].append(picture_vector(canvas_grey(study.images[0].grey, geometry), geometry))
            stops.append(
                ";".join(
                    sorted(
                        f.rule
                        for f in pixel_findings(study.images[0], planes=predictor.bundle.planes)
                        if f.severity == "stop"
                    )
                )
            )
            group.append(number)
            patients.append(f"{number}/{case.patient_id}")
            names.append((cohort.name, case.case_id, case.patient_id))
            held.append("statistics, pretraining" if case.case_id in unseen else "statistics")
            progress(cohort.name, done, len(cases))
    stacked = {n: np.stack(v) for n, v in vectors.items()}
    flags, scores = held_out_flags(stacked, np.array(group), np.array(patients), seed=seed)
    return [
        FlagRow(
            *names[i], bool(flags[i] or stops[i]), bool(flags[i] or stops[i]), float(scores[i]),
            ";".join([*(["unlike training images"] if flags[i] else []), *([stops[i]] if stops[i] else [])]), held[i],
        )
        for i in range(len(names))
    ]  # fmt: skip


def held_out_flags(
    vectors: Mapping[str, NDArray[np.float64]], group: NDArray[np.int64], patients: NDArray[np.str_], *, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """By folds of patients: at most `MOST_CASES` of each cohort outside the fold make the statistics.

    Args:
        vectors: (N, D) by block.
        group: (N,) cohort of each case.
        patients: (N,) patient of each case.
        seed: Of the samples.

    Returns:
        ((N,) flagged, (N,) image score).

    Raises:
        CohortError: Too few patients for the folds within folds.
    """
    if len(set(patients.tolist())) < 2 * FOLDS:
        raise CohortError(f"Held-out statistics need {2 * FOLDS} patients; there are {len(set(patients.tolist()))}.")
    flags, scores = np.zeros(len(group), np.bool_), np.zeros(len(group))
    rng = np.random.default_rng(seed)
    for train, test in GroupKFold(FOLDS).split(group, groups=patients):
        parts = [train[group[train] == g] for g in np.unique(group[train])]
        kept = np.concatenate([np.sort(rng.permutation(p)[:MOST_CASES]) for p in parts])
        blocks, image = fit_blocks({n: v[kept] for n, v in vectors.items()}, group[kept], patients[kept])
        limit = score_limit([image[group[kept] == g] for g in np.unique(group[kept])])
        fitted = InputReference(None, blocks, limit, None, None, "")
        tested = {n: v[test] for n, v in vectors.items()}
        flags[test] = ~accepted(fitted, tested)
        scores[test] = np.max([b.score(tested[b.name]) for b in blocks], 0)
    return flags, scores


def pretraining_held_out(predictor: Predictor, cohort: Cohort) -> frozenset[str]:
    """Case ids of the validation split of the pretraining, in no gradient of it; empty for another cohort.

    Fine-tuning mixed in pretraining cases, and these may be among them: they are unseen by the pretraining only.
    """
    config = predictor.bundle.results().get("training", {}).get("config", {})
    if config.get("pretrain_cohort") != cohort.name:
        return frozenset()
    cases = [c for c in cohort.cases if c.label is not None]
    labels = np.array([cohort.classes.index(str(c.label)) for c in cases])
    _, held = hold_out(
        labels, [c.patient_id for c in cases], part=float(config["pretrain_validation"]), seed=int(config["seed"])
    )  # fmt: skip
    return frozenset(cases[i].case_id for i in held)


def summarise_flags(
    rows: Sequence[FlagRow], *, refused: Mapping[str, Mapping[str, int]], replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Json]:
    """Shares flagged by set, with 95 % intervals, and the bars.

    Args:
        rows: One a study.
        refused: By folder, why the reader refused files, and how many.
        replicates: Of the bootstrap over patients.
        seed: Of the bootstrap.
    """
    sets: dict[str, Json] = {}
    for kind, held, part in _parts(rows):
        flagged = np.array([r.flagged for r in part], np.float64)
        if held:
            found = intervals(
                partial(_share, flagged), [r.patient for r in part], replicates=replicates, seed=seed
            )["share"]  # fmt: skip
            assert found is not None
            share = found.to_json() | {"interval": f"{100 * LEVEL:.0f} % percentile bootstrap over patients"}
        else:
            exact = binomtest(int(flagged.sum()), len(part)).proportion_ci(LEVEL, method="exact")
            share = {"value": float(flagged.mean()), "low": float(exact.low), "high": float(exact.high),
                     "interval": f"{100 * LEVEL:.0f} % Clopper-Pearson"}  # fmt: skip
        sets[f"{kind}, held out of {held}" if held else kind] = {
            "n": len(part), "flagged": int(flagged.sum()), "share": share,
            "by_pixels_alone": sum(r.by_pixels for r in part), "own": bool(held),
            "refused_by_the_reader": dict(refused.get(kind, {})),
            "passed" if not held else "flagged_cases": [r.name for r in part if r.flagged == bool(held)],
        }  # fmt: skip
    bars = {}
    for name, entry in sets.items():
        if name.startswith("other "):
            continue  # ultrasound of another organ: no bar, shown for what it is
        value = entry["share"]["value"]
        bars[name] = {
            "value": value, "bar": OWN_BAR if entry["own"] else FOREIGN_BAR,
            "rule": "at most" if entry["own"] else "at least",
            "met": value <= OWN_BAR if entry["own"] else value >= FOREIGN_BAR,
        }  # fmt: skip
    return {"sets": sets, "bars": bars}


def _share(flagged: NDArray[np.float64], weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """(n,) 1 where flagged, (B, n) weights -> (B,) share of the weight flagged."""
    return {"share": weights @ flagged / weights.sum(1)}


def _parts(rows: Sequence[FlagRow]) -> Iterator[tuple[str, str, list[FlagRow]]]:
    """(set, held out of what, rows): an own set whole, then its part that is held out of more."""
    for kind in dict.fromkeys(r.set for r in rows):
        part = [r for r in rows if r.set == kind]
        if not part[0].held:
            yield kind, "", part
            continue
        yield kind, "statistics", [replace(r, held="statistics") for r in part]
        for held in sorted({r.held for r in part} - {"statistics"}):
            yield kind, held, [r for r in part if r.held == held]
