"""The one thread that touches a network: a bounded queue, deadlines, cancellation, progress.

The caller waits in `Worker.submit`; its progress and cancellation callbacks run on the caller's own thread, never on
the worker's, so that a page may draw in them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TypeAlias, TypeVar

from mmxai_core.errors import CancelledError, DeadlineError
from mmxai_core.model.memory import keep_freed_memory

T = TypeVar("T")
#: Called with a step in plain words and the part done, 0 to 1.
Progress: TypeAlias = Callable[[str, float], None]
#: Asked now and then; True stops the work.
Cancelled: TypeAlias = Callable[[], bool]

#: Seconds between two questions to `cancelled`.
POLL_S = 0.05


class Ticket:
    """What a job on the worker may ask and tell. Long jobs call `check` or `step` between their parts."""

    def __init__(self, *, deadline_s: float, post: Progress) -> None:
        self.deadline_s = deadline_s
        self._ends = time.monotonic() + deadline_s
        self._stopped = threading.Event()
        self._post = post

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._ends - time.monotonic()

    def stop(self) -> None:
        """Asks the job to end at its next `check`."""
        self._stopped.set()

    def check(self) -> None:
        """Goes on, or ends the job.

        Raises:
            CancelledError: The work was cancelled.
            DeadlineError: Its time is up.
        """
        if self._stopped.is_set():
            raise CancelledError("The work was cancelled.")
        if self.left_s < 0:
            raise self.late()

    def step(self, name: str, fraction: float) -> None:
        """`check`, then tell the caller what comes next.

        Args:
            name: The step in plain words.
            fraction: Part done before it, 0 to 1.
        """
        self.check()
        self._post(name, fraction)

    def late(self) -> DeadlineError:
        """The error of a passed deadline."""
        return DeadlineError(f"The model did not answer within {self.deadline_s:g} s. Try again.")


class Worker:
    """Runs one job at a time, in the order they came.

    Attributes:
        queue_size: Most jobs that may be waiting or running.
    """

    def __init__(self, name: str, *, queue_size: int) -> None:
        keep_freed_memory()
        self.queue_size = queue_size
        self._places = threading.BoundedSemaphore(queue_size)
        self._thread: int | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=self._remember)

    def _remember(self) -> None:
        self._thread = threading.get_ident()

    def submit(
        self,
        job: Callable[[Ticket], T],
        *,
        deadline_s: float,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> T:
        """Runs `job` on the worker's thread and waits for its result.

        Called from a job, it runs at once, on the same thread.

        Args:
            job: Gets a `Ticket`.
            deadline_s: Seconds for waiting in the queue and running together.
            progress: Called on the caller's thread with each step.
            cancelled: Asked on the caller's thread.

        Raises:
            DeadlineError: The queue stayed full, or the job did not finish in time.
            CancelledError: `cancelled` said so. A running job ends at its next check.
        """
        inbox: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
        if threading.get_ident() == self._thread:
            return job(Ticket(deadline_s=deadline_s, post=progress or _ignore))
        ticket = Ticket(deadline_s=deadline_s, post=lambda name, part: inbox.put((name, part)))
        self._enter(ticket, cancelled)

        def run() -> T:
            ticket.check()
            return job(ticket)

        def leave(_: Future[T]) -> None:
            self._places.release()
            inbox.put(None)

        future = self._executor.submit(run)
        future.add_done_callback(leave)
        try:
            while True:
                if cancelled is not None and cancelled():
                    raise CancelledError("The work was cancelled.")
                try:
                    message = inbox.get(timeout=max(0.0, min(POLL_S if cancelled else ticket.left_s, ticket.left_s)))
                except Empty:
                    if ticket.left_s <= 0:
                        raise ticket.late() from None
                    continue
                if message is None:
                    if future.cancelled():  # by `close`
                        raise CancelledError("The model was closed.")
                    return future.result()
                if progress is not None:
                    progress(*message)
        finally:  # whatever ended the wait, the job must not go on for nobody
            ticket.stop()
            future.cancel()

    def _enter(self, ticket: Ticket, cancelled: Cancelled | None) -> None:
        """Takes a place in the queue, or raises."""
        while not self._places.acquire(timeout=max(0.0, min(POLL_S, ticket.left_s))):
            if cancelled is not None and cancelled():
                raise CancelledError("The work was cancelled.")
            if ticket.left_s <= 0:
                raise DeadlineError(f"The model is busy: {self.queue_size} requests are waiting. Try again shortly.")

    def close(self) -> None:
        """Ends the thread after the running job; waiting jobs are dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _ignore(name: str, fraction: float) -> None:
    """Progress nobody asked for."""
