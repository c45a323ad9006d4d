"""The step after training: measures what a bundle must carry of its cohort, as aggregates, and writes it in.

Writes `reference.npz` and the entries "conformal" and "reference" of `metadata.json`; read back by
`mmxai_core.model.reference.load_reference`. Run again with another part of the inputs, it replaces the parts it
measures and keeps the others.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.cohorts.case import Cohort
from mmxai_core.errors import CohortError
from mmxai_core.explain.strip_case import StripSettings
from mmxai_core.explain.strip_reference import NULL_ARRAY, NULL_PART, THRESHOLDS
from mmxai_core.model.bundle import Bundle, load_bundle, refresh_hashes
from mmxai_core.model.field_statistics import FieldStatistics, measure_field_statistics
from mmxai_core.model.fingerprints import VERSION, TrainingImages, fingerprint
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.reference import ENTRY, REFERENCE, load_reference
from mmxai_core.training.common_scale import on_one_scale
from mmxai_core.training.coverage import calibrate_sets
from mmxai_core.training.data import CohortArrays, load_arrays
from mmxai_core.training.input_reference import fit_inputs, input_vectors, sample_cases
from mmxai_core.training.prototypes import measure_prototypes
from mmxai_core.training.reliability_reference import STRIP_CASES, null_saliency, reliability_thresholds
from mmxai_core.types import Json

#: DICOM modality of the images of the cohorts there is an adapter for.
MODALITY = {
    "breast_lesions_usg": "US", "bus_bra": "US", "cbis_ddsm": "MG", "duke_breast_mri": "MR", "tcga_brca": "MG",
    "tcga_luad": "CT", "tcga_gbm": "MR", "tcga_lgg": "MR",
}  # fmt: skip
#: The name of a site's own data.
MANIFEST = "manifest"
#: Most cases of a cohort that are encoded for the statistics.
MOST_CASES = 600
#: Fewest cases that say anything of a 10th percentile.
MIN_STRIP = 40
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Source:
    """What is measured on.

    Attributes:
        name: Cohort name.
        data: Its cases.
    """

    name: str
    data: CohortArrays


@dataclass(frozen=True, eq=False)
class Setting:
    """What every measurement is given.

    Attributes:
        bundle: The bundle.
        network: Its network, in evaluation mode.
        main: The cohort with the clinical fields, encoded with the bundle's schema.
        others: Further cohorts the image branch was trained on.
        folds: Content of the cross-validation's fold files; empty: none at hand.
        seed: Of every random number.
        progress: Called with (step in words, done, all).
    """

    bundle: Bundle
    network: FusedNetwork
    main: Source
    others: tuple[Source, ...]
    folds: tuple[Json, ...]
    seed: int
    progress: Progress

    @property
    def described(self) -> str:
        """The main cohort's cases, in words."""
        return f"{len(self.main.data)} cases of {self.main.name}"

    @property
    def statistics(self) -> FieldStatistics:
        """Distribution of the clinical fields in the main cohort."""
        return measure_field_statistics(
            self.main.data.records, self.main.data.labels, schema=self.bundle.schema,
            classes=len(self.bundle.classes), source=self.described,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Part:
    """One measured part.

    Attributes:
        entry: Plain values for the part's entry in `metadata.json`.
        arrays: For `reference.npz`, without the part's prefix.
    """

    entry: Json
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def _conformal(setting: Setting) -> Part:
    folds = on_one_scale(setting.folds, models=("fused",))
    reference, account = calibrate_sets(folds, classes=setting.bundle.classes, seed=setting.seed)
    return Part({"reference": reference.to_json(), "account": account})


def _field_statistics(setting: Setting) -> Part:
    found = setting.statistics
    return Part({"source": found.source}, found.to_arrays())


def _input(setting: Setting) -> Part:
    sources = (setting.main, *setting.others)
    data = [sample_cases(s.data, most=MOST_CASES, seed=setting.seed) for s in sources]
    vectors = [
        input_vectors(
            setting.network.image_encoder, d,
            progress=lambda done, total, s=s: setting.progress(f"encoding {s.name}", done, total),  # type: ignore[misc]
        )
        for s, d in zip(sources, data, strict=True)
    ]  # fmt: skip
    codes = {MODALITY.get(s.name) for s in sources}
    reference, account = fit_inputs(
        vectors, data, [s.name for s in sources], modality=codes.pop() if len(codes) == 1 else None,
        statistics=setting.statistics,
    )  # fmt: skip
    entry = {"modality": reference.modality, "source": reference.source, "account": account}
    return Part(entry, reference.to_arrays())


def _reliability_thresholds(setting: Setting) -> Part:
    bundle, count = setting.bundle, len(setting.main.data)
    if count < MIN_STRIP:
        raise CohortError(f"Thresholds of the reliability numbers need {MIN_STRIP} cases; there are {count}.")
    settings = StripSettings(
        bundle.schema.ids, bundle.positive_index, bundle.temperature, seed=setting.seed, exact=False
    )
    found = reliability_thresholds(
        setting.network, setting.main.data, settings=settings, most=STRIP_CASES,
        progress=lambda done, total: setting.progress("reliability strip", done, total),
    )  # fmt: skip
    return Part(found)


def _null_saliency_peaks(setting: Setting) -> Part:
    null = null_saliency(
        setting.network, setting.main.data, seed=setting.seed,
        progress=lambda done, total: setting.progress("maps without meaning", done, total),
    )  # fmt: skip
    source = f"{null.account['maps']} maps over {setting.described}, read by weights fitted to shuffled labels"
    return Part({"source": source, "account": null.account}, {NULL_ARRAY: null.peaks})


def _training_images(setting: Setting) -> Part:
    """Of public cohorts only: whoever holds an image can ask whether it was trained on."""
    sources = (setting.main, *setting.others)
    given = {s.name for s in sources}
    if private := sorted(given & {MANIFEST}):
        raise CohortError(f"Hashes of training images are kept of public cohorts only; {private[0]} is a site's own.")
    trained = {
        str(d["cohort"])
        for d in setting.bundle.metadata.get("training_data", ())
        if isinstance(d, dict) and "cohort" in d
    }
    if missing := sorted(trained - given):
        raise CohortError(
            f"The bundle was trained on {missing[0]} too: give it with --also, or its images are unknown."
        )
    prints: dict[str, list[NDArray[np.uint32]]] = {}
    for source in sources:
        for i in range(len(source.data)):
            canvas = source.data.grey[i].astype(np.float32) / np.float32(255)
            y, x, rows, cols = source.data.content[i].tolist()
            prints.setdefault(source.name, []).append(fingerprint(canvas, (y, x, rows, cols)))
    counts = {name: len(found) for name, found in prints.items()}
    return Part({"version": VERSION, "images": counts}, dict(TrainingImages.of(prints).hashes))


def _similar_cases(setting: Setting) -> Part:
    found = measure_prototypes(
        setting.network, setting.main.data, schema=setting.bundle.schema, classes=setting.bundle.classes,
        source=setting.described, seed=setting.seed,
        progress=lambda done, total: setting.progress("similar cases", done, total),
    )  # fmt: skip
    return Part(found.entry(), found.to_arrays())


#: Parts in the order they are measured; names as in `mmxai_core.model.reference.PARTS`.
MEASUREMENTS: dict[str, Callable[[Setting], Part]] = {
    "conformal": _conformal,
    "field_statistics": _field_statistics,
    "input": _input,
    "similar_cases": _similar_cases,
    "training_images": _training_images,
    NULL_PART: _null_saliency_peaks,
    THRESHOLDS: _reliability_thresholds,
}


def enrich(setting: Setting, *, parts: Sequence[str] | None = None) -> tuple[Bundle, Json]:
    """Measures the parts and writes them into the bundle.

    Args:
        setting: Bundle, network and cases.
        parts: Names of the parts; None: all.

    Returns:
        (the bundle, reread; an account: by part what was measured, or {"skipped": why}).

    Raises:
        BundleError: The bundle's files do not fit.
    """
    wanted = list(MEASUREMENTS) if parts is None else list(parts)
    old = load_reference(setting.bundle)
    entries, arrays, account = dict(old.entries), dict(old.arrays), {}
    extra: dict[str, Json] = {}
    for name in wanted:
        try:
            found = MEASUREMENTS[name](setting)
        except CohortError as error:
            account[name] = {"skipped": str(error)}
            continue
        account[name] = found.entry
        if name == "conformal":
            extra["conformal"] = found.entry["reference"] | {"account": found.entry["account"]}
            continue
        entries[name] = found.entry
        arrays = {k: v for k, v in arrays.items() if not k.startswith(f"{name}/")}
        arrays |= {f"{name}/{k}": v for k, v in found.arrays.items()}
    folder = setting.bundle.path
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as stage:
        np.savez_compressed(Path(stage) / REFERENCE, **arrays)  # type: ignore[arg-type]
        (Path(stage) / REFERENCE).replace(folder / REFERENCE)
    return refresh_hashes(folder, add=[REFERENCE], extra=extra | {ENTRY: entries}), account


def enrich_bundle(
    path: Path, cohort: Cohort, *, others: Sequence[Cohort] = (), run_dir: Path | None = None, seed: int = 0,
    parts: Sequence[str] | None = None, progress: Progress = lambda step, done, total: None,
) -> tuple[Bundle, Json]:  # fmt: skip
    """Reads the cohorts and enriches a bundle.

    Args:
        path: The bundle's folder.
        cohort: The cohort it was trained on, with the clinical fields.
        others: Cohorts its image branch was trained on besides.
        run_dir: Folder with fold-<k>.json of its training; None: no prediction sets.
        seed: Of every random number.
        parts: See `enrich`.
        progress: Called with (step in words, done, all).

    Raises:
        BundleError: The bundle cannot be read.
        CohortError: A cohort cannot be read, has other classes than the bundle, or a fold file is malformed.
    """
    bundle = load_bundle(path)
    if tuple(cohort.classes) != bundle.classes:
        raise CohortError(
            f"Bundle {bundle.name!r} tells {', '.join(bundle.classes)} apart, "
            f"cohort {cohort.name} {', '.join(cohort.classes)}."
        )

    def read(c: Cohort) -> Source:
        data = load_arrays(
            c, schema=bundle.schema, canvas=bundle.arch.canvas,
            progress=lambda done, total: progress(f"reading {c.name}", done, total),
        )  # fmt: skip
        return Source(c.name, data)

    setting = Setting(
        bundle,
        bundle.build_network(),
        read(cohort),
        tuple(read(c) for c in others),
        read_folds(run_dir),
        seed,
        progress,
    )
    return enrich(setting, parts=parts)


def read_folds(run_dir: Path | None) -> tuple[Json, ...]:
    """The fold files of a run, in order; empty without a folder or without files.

    Raises:
        CohortError: One is not valid JSON.
    """
    out = []
    for path in sorted(run_dir.glob("fold-*.json")) if run_dir is not None else []:
        try:
            out.append(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise CohortError(f"Fold file {path.name} is not valid JSON ({error}).") from error
    return tuple(out)
