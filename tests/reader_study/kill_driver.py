"""Writes answers in processes that are killed with SIGKILL at random moments, again and again, until all are in.

    python kill_driver.py LOCATION LOG ANSWERS SEED WRITERS

WRITERS processes write at once, each its own part. Each has a log, LOG.0, LOG.1 ..., of what its readers were told: the
number of an answer is written there, with fsync, once `save` has returned. A process that starts again sends what its
log lacks, so the answer that was under way is sent a second time with its token. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from study_protocols import OPENED, UNAIDED, protocol

from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.records import ItemAnswer, Slot, StudyRecord, Times
from mmxai_core.reader_study.study_store import StudyStore

READERS = 50


def main() -> None:
    place, log, (answers, seed, writers) = sys.argv[1], Path(sys.argv[2]), map(int, sys.argv[3:6])
    location = place if "://" in place else Path(place)
    made = protocol(arms=(UNAIDED,), cases=-(-answers // READERS), readers=READERS)
    first = StudyStore(location)
    study = first.start(made.lock(at=OPENED))
    parts = [list(enumerate(first.assignments(study)))[:answers][w::writers] for w in range(writers)]
    first.close()  # a child must not inherit a connection
    logs = [log.with_name(f"{log.name}.{w}") for w in range(writers)]
    for one in logs:
        one.touch()
    chance, kills, started = random.Random(seed), 0, time.monotonic()
    running: dict[int, int] = {}
    waiting = list(range(writers))
    while running or waiting:
        for w in waiting:
            child = os.fork()
            if child == 0:
                write(location, logs[w], study, parts[w])
            running[w] = child
        waiting = []
        w = chance.choice(sorted(running))
        # One in four is killed as it opens the store; the others among their answers, however fast the machine is.
        if chance.random() < 0.25:
            time.sleep(0.1 * chance.random())
        else:
            wait_for_an_answer(running[w], logs[w])
            time.sleep(0.1 * chance.random() ** 2)  # a quick machine writes hundreds in a second
        os.kill(running[w], signal.SIGKILL)
        _, status = os.waitpid(running.pop(w), 0)
        if os.WIFSIGNALED(status):
            kills += 1
            waiting.append(w)
        elif os.WEXITSTATUS(status):
            raise SystemExit(f"a writer failed with status {os.WEXITSTATUS(status)}")
    found = {"kills": kills, "seconds": round(time.monotonic() - started, 1), **report(location, logs)}
    sys.stdout.write(json.dumps(found) + "\n")


def wait_for_an_answer(child: int, log: Path) -> None:
    """Until the child has acknowledged one, or has ended."""
    before = log.stat().st_size
    while log.stat().st_size <= before and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.002)


def write(location: Path | str, log: Path, study: StudyRecord, part: Sequence[tuple[int, Assignment]]) -> NoReturn:
    """Sends every answer of a part that is not acknowledged; ends the process."""
    try:
        # A last line that a kill has cut off was no acknowledgement.
        lines = log.read_bytes()
        whole = lines[: lines.rfind(b"\n") + 1]
        told = {int(line) for line in whole.split()}
        store = StudyStore(location)
        with log.open("r+b") as out:
            out.truncate(len(whole))
            out.seek(len(whole))
            for n, a in part:
                if n in told:
                    continue
                slot = Slot("reading", "reading", 1, "unaided", a.id)
                answers = (ItemAnswer("opinion", value=float(n)), ItemAnswer("comment", text=str(n)))
                store.save(
                    study, a.reader, slot, answers, seen=0, token=f"token-{n}", opened_at=OPENED, times=Times(1.0, 0.0)
                )
                out.write(f"{n}\n".encode())
                out.flush()
                os.fsync(out.fileno())
        os._exit(0)
    except BaseException as error:  # noqa: BLE001  # the parent tells a failure from a kill by the status
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(3)


def report(location: Path | str, logs: Sequence[Path]) -> dict[str, int]:
    """Compares what was acknowledged with what is kept."""
    store = StudyStore(location)
    study = store.study("us-pilot")
    kept = store.kept(study, current=False)
    counted = Counter(int(k.answers[0].value or 0) for k in kept if k.answers)
    told = {int(line) for log in logs for line in log.read_text().split()}
    owner = [a.reader for a in store.assignments(study)]
    store.close()
    return {
        "acknowledged": len(told),
        "kept": len(kept),
        "lost": sum(counted[n] == 0 for n in told),
        "duplicated": sum(count - 1 for count in counted.values()) + sum(k.iteration != 1 for k in kept),
        "half_written": sum(len(k.answers) != 2 for k in kept),
        "of_another_reader": sum(k.reader != owner[int(k.answers[0].value or 0)] for k in kept if k.answers),
    }


if __name__ == "__main__":
    main()
