"""Prepares a cohort into a cache: in parallel, with progress; started again, it does only what is missing."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.errors import CancelledError, CohortError, MmxaiError
from mmxai_core.preprocessing.cache import DamagedCacheError, content_key, read_prepared, sweep, write_prepared
from mmxai_core.preprocessing.prepared import Prepared, prepare_case
from mmxai_core.preprocessing.settings import VERSION, PreprocessSettings
from mmxai_core.preprocessing.source import modality_of
from mmxai_core.types import Json

#: "made" from its files; "reused" from the cache; "repaired": the cached file was damaged; "dropped": cannot be made.
Status = Literal["made", "reused", "repaired", "dropped"]
_UNREADABLE = "picture cannot be prepared"


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        case_id: The case.
        status: See `Status`.
        key: Its name in the cache, "" where it was dropped.
        account: `Prepared.account`, None where it was dropped.
        reason: Why it was dropped or repaired, in words.
    """

    case_id: str
    status: Status
    key: str = ""
    account: Json = None
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What a run did.

    Attributes:
        cohort: Name.
        settings: Used.
        outcomes: One a case, in the cohort's order.
        seconds: Wall clock.
        workers: Processes.
    """

    cohort: str
    settings: PreprocessSettings
    outcomes: tuple[Outcome, ...]
    seconds: float
    workers: int

    def of(self, status: Status) -> list[Outcome]:
        """Outcomes of a status."""
        return [o for o in self.outcomes if o.status == status]

    def to_json(self) -> Json:
        """Counts, reasons and speed; plain values."""
        accounts = [o.account for o in self.outcomes if o.account is not None]
        numbers = [a["numbers"] for a in accounts]
        changed = [n.get("mark_pixels_inside", 0) + n.get("mark_pixels_outside", 0) for n in numbers]
        cut = [n["lesion_cut_off"] for n in numbers if n.get("lesion_cut_off")]
        return {
            "cohort": self.cohort, "version": VERSION, "cases": len(self.outcomes),
            **{status: len(self.of(status)) for status in ("made", "reused", "repaired", "dropped")},
            "why": [{"case": o.case_id, "reason": o.reason} for o in self.outcomes if o.reason],
            "modalities": dict(Counter(a["modality"] for a in accounts)),
            "steps": dict(Counter(_kind(s) for a in accounts for s in a["steps"])),
            "pictures_with_marks": sum(c > 0 for c in changed), "mark_pixels": sum(changed),
            "mirrored": sum(bool(a["mirrored"]) for a in accounts), "lesions_cut": len(cut),
            "largest_cut": max(cut, default=0.0), "seconds": round(self.seconds, 2), "workers": self.workers,
            "images_per_second": round(len(self.outcomes) / max(self.seconds, 1e-9), 2),
            "settings": self.settings.to_json(),
        }  # fmt: skip


def _kind(step: str) -> str:
    """A step without its own numbers, so that pictures can be counted by it."""
    if step.startswith("resampled"):
        return "resampled to square pixels"
    return "burned-in marks removed" if step.startswith("burned-in marks") else step


def prepare_cached(case: Case, *, cohort: str, settings: PreprocessSettings, folder: Path) -> tuple[Prepared, Outcome]:
    """A case from the cache, or made and put there.

    Raises:
        CohortError: A file cannot be read, or a step cannot be done.
    """
    modality = modality_of(case, cohort=cohort, stated=settings.modality)
    key = content_key(case, modality, settings)
    status: Status = "made"
    reason = ""
    try:
        found = read_prepared(folder, key)
    except DamagedCacheError as error:
        found, status, reason = None, "repaired", str(error)
    if found is not None:
        return found, Outcome(case.case_id, "reused", key, found.account)
    prepared = prepare_case(case, modality, settings)
    write_prepared(folder, key, prepared)
    return prepared, Outcome(case.case_id, status, key, prepared.account, reason)


def preprocess_cohort(
    cohort: Cohort, folder: Path, *, settings: PreprocessSettings, workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None, cancelled: Callable[[], bool] = lambda: False,
) -> Report:  # fmt: skip
    """Prepares every case of a cohort; a case whose files cannot be read is dropped and counted.

    Args:
        cohort: The cohort.
        folder: The cache.
        settings: What is done.
        workers: Processes; 1: this one alone.
        progress: Called with (done, all).
        cancelled: True when the run should stop; what is done stays.

    Raises:
        CohortError: No picture can be prepared, for one because nothing says what modality they are.
        CancelledError: The run was cancelled.
    """
    if workers < 1:
        raise CohortError(f"Preprocessing needs at least 1 worker; got {workers}.")
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    found: dict[str, Outcome] = {}
    for outcome in _outcomes(cohort.cases, cohort.name, settings, folder, min(workers, len(cohort.cases)), cancelled):
        found[outcome.case_id] = outcome
        progress(len(found), len(cohort.cases))
    outcomes = tuple(found[c.case_id] for c in cohort.cases)
    if outcomes and all(o.status == "dropped" for o in outcomes):
        raise CohortError(f"None of the {len(outcomes)} pictures can be prepared; the first: {outcomes[0].reason}")
    return Report(cohort.name, settings, outcomes, time.perf_counter() - started, workers)


def without_dropped(cohort: Cohort, report: Report) -> Cohort:
    """The cohort without the cases that could not be prepared, and with their number among what was dropped."""
    gone = {o.case_id for o in report.of("dropped")}
    if not gone:
        return cohort
    cases = tuple(c for c in cohort.cases if c.case_id not in gone)
    return replace(cohort, cases=cases, dropped=(*cohort.dropped, (_UNREADABLE, len(gone))))


def _outcomes(
    cases: Sequence[Case], cohort: str, settings: PreprocessSettings, folder: Path, workers: int,
    cancelled: Callable[[], bool],
) -> Iterator[Outcome]:  # fmt: skip
    if workers <= 1:
        for case in cases:
            _stop_if(cancelled)
            yield _one(case, cohort, settings, folder)
        return
    # Fresh processes: a fork would copy torch's threads and ITK's in whatever state they are.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts_to_the_parent) as pool:
        waiting: list[Future[Outcome]] = [pool.submit(_one, c, cohort, settings, folder) for c in cases]
        try:
            for future in as_completed(waiting):
                _stop_if(cancelled)
                yield future.result()
        except BrokenProcessPool as error:
            raise CohortError(
                f"One of {workers} preprocessing processes was ended from outside, perhaps for want of memory; what is "
                "done is kept: start again with fewer workers."
            ) from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches every process of a terminal; the one that waits says so, once, and the others finish a picture."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stop_if(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise CancelledError("Preprocessing was cancelled; what is done is kept.")


def _one(case: Case, cohort: str, settings: PreprocessSettings, folder: Path) -> Outcome:
    try:
        return prepare_cached(case, cohort=cohort, settings=settings, folder=folder)[1]
    except MmxaiError as error:
        return Outcome(case.case_id, "dropped", reason=str(error))
