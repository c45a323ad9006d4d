"""Writes answers in a child process that is killed with SIGKILL at random moments, again and again, until all are in.

    python kill_driver.py LOCATION LOG ANSWERS SEED

LOG is what the readers were told: the number of an answer is written there, with fsync, once `save` has returned. A
child that starts again sends what the log lacks, so the answer that was under way is sent a second time with its token.
Prints one JSON object.
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
    place, log, answers, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    location = place if "://" in place else Path(place)
    made = protocol(arms=(UNAIDED,), cases=-(-answers // READERS), readers=READERS)
    first = StudyStore(location)
    study = first.start(made.lock(at=OPENED))
    assigned = first.assignments(study)
    first.close()  # a child must not inherit a connection
    log.touch()
    chance, kills, started = random.Random(seed), 0, time.monotonic()
    while True:
        child = os.fork()
        if child == 0:
            write(location, log, study, assigned[:answers])
        # From before the store is open to many answers later.
        time.sleep(chance.choice((0.05, 0.2, 1.0, 3.0)) * chance.random())
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        elif os.WEXITSTATUS(status) == 0:
            break
        else:
            raise SystemExit(f"the writer failed with status {os.WEXITSTATUS(status)}")
    found = {"kills": kills, "seconds": round(time.monotonic() - started, 1), **report(location, log)}
    sys.stdout.write(json.dumps(found) + "\n")


def write(location: Path | str, log: Path, study: StudyRecord, assigned: Sequence[Assignment]) -> NoReturn:
    """Sends every answer that is not acknowledged; ends the process."""
    try:
        # A last line that a kill has cut off was no acknowledgement.
        lines = log.read_bytes()
        whole = lines[: lines.rfind(b"\n") + 1]
        told = {int(line) for line in whole.split()}
        store = StudyStore(location)
        with log.open("r+b") as out:
            out.truncate(len(whole))
            out.seek(len(whole))
            for n, a in enumerate(assigned):
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


def report(location: Path | str, log: Path) -> dict[str, int]:
    """Compares what was acknowledged with what is kept."""
    store = StudyStore(location)
    study = store.study("us-pilot")
    kept = store.kept(study, current=False)
    counted = Counter(int(k.answers[0].value or 0) for k in kept if k.answers)
    told = [int(line) for line in log.read_text().split()]
    owner = [a.reader for a in store.assignments(study)]
    store.close()
    return {
        "acknowledged": len(set(told)),
        "kept": len(kept),
        "lost": sum(counted[n] == 0 for n in set(told)),
        "duplicated": sum(count - 1 for count in counted.values()) + sum(k.iteration != 1 for k in kept),
        "half_written": sum(len(k.answers) != 2 for k in kept),
        "of_another_reader": sum(k.reader != owner[int(k.answers[0].value or 0)] for k in kept if k.answers),
    }


if __name__ == "__main__":
    main()
