"""Work a reader asks for beside the analysis: it reports its steps, can be cancelled, and gives one result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mmxai_core.model.worker import Cancelled, Progress

T = TypeVar("T")

#: Threads that wait for the model; the model itself has one worker.
_POOL = ThreadPoolExecutor(max_workers=8, thread_name_prefix="task")


@dataclass(eq=False)
class Task(Generic[T]):
    """One piece of work under way.

    Attributes:
        step: What it is doing, in words.
        fraction: Share done, [0, 1].
        followed: True once the page shows its progress.
    """

    step: str = "Waiting for the model"
    fraction: float = 0.0
    followed: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _future: Future[T] | None = None

    def cancel(self) -> None:
        """Ask it to stop at the next step."""
        self._stop.set()
        self.step = "Cancelling"

    @property
    def done(self) -> bool:
        """True once there is a result or an error."""
        return self._future is not None and self._future.done()

    @property
    def error(self) -> BaseException | None:
        """What stopped a task that is done; None where there is a result."""
        assert self._future is not None
        return self._future.exception()

    def result(self) -> T:
        """The result of a task that is done without an error."""
        assert self._future is not None
        return self._future.result()

    def report(self, step: str, fraction: float) -> None:
        """Take a step and the share done."""
        if not self._stop.is_set():
            self.step, self.fraction = step, min(max(fraction, 0.0), 1.0)


def start(work: Callable[[Progress, Cancelled], T]) -> Task[T]:
    """Start a task.

    Args:
        work: Gets what to tell its progress to and what to ask whether it was cancelled; on a thread of its own.
    """
    task: Task[T] = Task()
    task._future = _POOL.submit(lambda: work(task.report, task._stop.is_set))
    return task
