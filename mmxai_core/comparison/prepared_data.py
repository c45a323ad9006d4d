"""A cohort as a comparison reads it: incomplete pairs settled, pictures plain or preprocessed, with an account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.comparison.config import CompareConfig
from mmxai_core.preprocessing.incomplete import settle
from mmxai_core.preprocessing.run import prepare_cached, preprocess_cohort, without_dropped
from mmxai_core.preprocessing.settings import PreprocessSettings
from mmxai_core.training.data import CohortArrays, Picture, box_mask, load_arrays, luminance
from mmxai_core.types import Json


@dataclass(frozen=True, eq=False)
class ReadCohort:
    """A cohort in memory.

    Attributes:
        cohort: Without the cases that were dropped on the way; they are among its `dropped`.
        data: Its labelled cases.
        pairs: See `preprocessing.incomplete.PairCount`.
        preprocessing: See `preprocessing.run.Report`; None where pictures are read as they are.
    """

    cohort: Cohort
    data: CohortArrays
    pairs: Json
    preprocessing: Json


def read_cohort(
    cohort: Cohort, *, config: CompareConfig, folder: Path, workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None, cancelled: Callable[[], bool] = lambda: False,
) -> ReadCohort:  # fmt: skip
    """Reads a cohort by a comparison's settings.

    Args:
        cohort: With its fields.
        config: Settings.
        folder: Cache of preprocessed pictures; not touched where preprocessing is off.
        workers: Processes for preprocessing.
        progress: Called with (done, all).
        cancelled: True when reading should stop.

    Raises:
        CohortError: A picture cannot be read; with preprocessing, only where none can.
        CancelledError: It was cancelled.
    """
    kept, pairs = settle(cohort, config.incomplete)
    canvas, settings = config.arch.canvas, config.preprocess
    if not settings.on:
        data = load_arrays(kept, schema=kept.schema, canvas=canvas, progress=progress)
        return ReadCohort(kept, data, pairs.to_json(), None)
    report = preprocess_cohort(
        kept, folder, settings=settings, workers=workers, progress=progress, cancelled=cancelled
    )  # fmt: skip
    kept = without_dropped(kept, report)
    read = _reader(kept.name, settings, folder)
    data = load_arrays(kept, schema=kept.schema, canvas=canvas, progress=progress, read=read)
    # What depends on the machine or on what was cached before is no part of a result.
    passing = ("made", "reused", "repaired", "why", "seconds", "workers", "images_per_second")
    account = {k: v for k, v in report.to_json().items() if k not in passing}
    return ReadCohort(kept, data, pairs.to_json(), account)


def _reader(cohort: str, settings: PreprocessSettings, folder: Path) -> Callable[[Case], Picture]:
    """Reads from the cache, or makes what has gone from it since."""

    def read(case: Case) -> Picture:
        prepared, _ = prepare_cached(case, cohort=cohort, settings=settings, folder=folder)
        planes = prepared.planes
        grey = luminance(planes) if case.channels else planes[0]
        lesion = prepared.lesion
        if lesion is None and prepared.boxes:
            lesion = box_mask(prepared.boxes, (grey.shape[0], grey.shape[1]))
        return Picture(grey, lesion)

    return read
