"""Work on many cases beside the page: it reports each step and outcome, and can be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

#: Threads for work on many cases; two readers' lists do not wait for each other.
_POOL = ThreadPoolExecutor(max_workers=4, thread_name_prefix="batch")


@dataclass(frozen=True)
class Line:
    """What became of one file or case.

    Attributes:
        name: What the reader calls it.
        good: False where it was refused or failed.
        sentence: In words.
    """

    name: str
    good: bool
    sentence: str


@dataclass(eq=False)
class Batch:
    """Work on many cases.

    Attributes:
        title: What it does, e.g. "Adding studies".
        total: How many there are.
        lines: One entry for each that has ended.
        step: What it is doing.
        problem: What stopped the whole of it, in one sentence, or "".
    """

    title: str
    total: int
    lines: list[Line] = field(default_factory=list)
    step: str = ""
    problem: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _future: Future[None] | None = None

    @property
    def done(self) -> bool:
        """True once nothing more comes."""
        return self._future is not None and self._future.done()

    @property
    def fraction(self) -> float:
        """Share done, [0, 1]."""
        return min(len(self.lines) / self.total, 1.0) if self.total else 1.0

    @property
    def cancelled(self) -> bool:
        """True where the reader asked it to stop."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Ask it to stop after the case it is at."""
        self._stop.set()
        self.step = "Stopping after this one"

    def summary(self) -> str:
        """What came of it, in one or two sentences; a reason that several share is said once."""
        good = sum(line.good for line in self.lines)
        bad = [line.sentence for line in self.lines if not line.good]
        told = [f"{good} of {self.total} done."]
        if self.cancelled and len(self.lines) < self.total:
            told.append(f"Stopped: {self.total - len(self.lines)} were not begun.")
        if bad:
            told.append(f"{len(bad)} did not work; the others are not affected.")
            reasons = list(dict.fromkeys(bad))
            if len(bad) > 1 and len(reasons) == 1:
                told.append(f"The same reason for each: {reasons[0]}")
            elif len(bad) >= 3:
                told.append("If they come from one place, check what was exported: the list below gives each reason.")
        return " ".join(told)


def start(batch: Batch, work: Callable[[Batch], Iterator[Line]], *, failed: Callable[[BaseException], str]) -> Batch:
    """Run the work on a thread of its own.

    Args:
        batch: Reports what happens.
        work: Yields a line for each case; asks `batch.cancelled` between two.
        failed: Turns an error that stopped the whole into one sentence.
    """

    def run() -> None:
        try:
            for line in work(batch):
                batch.lines.append(line)
        except Exception as error:  # noqa: BLE001  # the edge of the thread: the page says it
            batch.problem = failed(error)

    batch._future = _POOL.submit(run)
    return batch


def later(work: Callable[[], None], *, failed: Callable[[BaseException], str]) -> Future[None]:
    """Run one small piece of work on a thread of its own; an error of it is only told to `failed`.

    Args:
        work: What to do.
        failed: Logs the error.
    """

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # the edge of the thread
            failed(error)

    return _POOL.submit(run)
