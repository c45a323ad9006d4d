from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from mmxai_core.errors import CancelledError, DeadlineError
from mmxai_core.model.worker import Ticket, Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("test", queue_size=2)
    yield made
    made.close()


def test_every_job_runs_on_one_other_thread_and_results_go_to_their_callers(worker: Worker) -> None:
    threads: set[int] = set()
    results: dict[int, int] = {}
    running = threading.Semaphore(1)

    def job(number: int) -> int:
        assert running.acquire(blocking=False), "two jobs at once"
        threads.add(threading.get_ident())
        time.sleep(0.002)
        running.release()
        return number * number

    def ask(number: int) -> None:
        results[number] = worker.submit(lambda _: job(number), deadline_s=20)

    callers = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for c in callers:
        c.start()
    for c in callers:
        c.join()
    assert results == {n: n * n for n in range(20)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_callbacks_run_on_the_callers_thread_in_order(worker: Worker) -> None:
    heard: list[tuple[str, float, int]] = []

    def job(ticket: Ticket) -> str:
        ticket.step("One", 0.0)
        ticket.step("Two", 0.5)
        return "done"

    assert worker.submit(job, deadline_s=5, progress=lambda n, p: heard.append((n, p, threading.get_ident()))) == "done"
    me = threading.get_ident()
    assert heard == [("One", 0.0, me), ("Two", 0.5, me)]


def test_an_error_of_the_job_reaches_the_caller_and_the_worker_goes_on(worker: Worker) -> None:
    def bad(_: Ticket) -> None:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        worker.submit(bad, deadline_s=5)
    assert worker.submit(lambda _: 3, deadline_s=5) == 3


def test_a_late_job_is_given_up_and_ends_at_its_next_check(worker: Worker) -> None:
    ended = threading.Event()

    def slow(ticket: Ticket) -> None:
        try:
            while True:
                time.sleep(0.01)
                ticket.check()
        finally:
            ended.set()

    with pytest.raises(DeadlineError, match=r"within 0\.1 s"):
        worker.submit(slow, deadline_s=0.1)
    assert ended.wait(2)
    assert worker.submit(lambda _: "next", deadline_s=5) == "next"


def test_cancelling_stops_the_job(worker: Worker) -> None:
    cancel = threading.Event()
    ended: list[str] = []

    def slow(ticket: Ticket) -> None:
        ticket.step("Started", 0.1)
        try:
            while True:
                time.sleep(0.01)
                ticket.check()
        except CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(CancelledError):
        worker.submit(slow, deadline_s=20, progress=lambda *_: cancel.set(), cancelled=cancel.is_set)
    worker.submit(lambda _: None, deadline_s=5)
    assert ended == ["cancelled"]


def test_a_full_queue_says_busy_and_a_job_given_up_in_the_queue_never_runs(worker: Worker) -> None:
    release, started, ran = threading.Event(), threading.Event(), []

    def hold(_: Ticket) -> None:
        started.set()
        release.wait(10)

    first = threading.Thread(target=lambda: worker.submit(hold, deadline_s=20))
    first.start()
    started.wait(5)
    with pytest.raises(DeadlineError, match="within"):
        worker.submit(lambda _: ran.append("second"), deadline_s=0.1)
    second = threading.Thread(target=lambda: worker.submit(lambda _: ran.append("waited"), deadline_s=20))
    second.start()
    time.sleep(0.05)
    with pytest.raises(DeadlineError, match="busy: 2 requests"):
        worker.submit(lambda _: ran.append("third"), deadline_s=0.1)
    release.set()
    first.join()
    second.join()
    assert ran == ["waited"]


def test_a_job_may_submit_another(worker: Worker) -> None:
    assert worker.submit(lambda _: worker.submit(lambda _: 7, deadline_s=5) + 1, deadline_s=5) == 8
