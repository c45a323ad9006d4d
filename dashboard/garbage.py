"""When the server looks for unreachable cycles: now and then, not after every run of a page.

Streamlit's own collection (`runner.postScriptGC`) looks at every object after every run, with the interpreter held for
all sessions. *Measured* with thirty readers: four fifths of the server's time.
"""

from __future__ import annotations

import gc
import threading
import time

#: Seconds between two collections at least. Python's own, by the number of objects made, goes on beside them.
EVERY_S = 10.0

_lock = threading.Lock()
_last = 0.0


def spare_what_stays() -> None:
    """Take what is there out of every later collection: the libraries' half million objects stay as long as the server.

    Once for a process: what sessions hold by the time of a second call must stay collectable.
    """
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
        gc.collect()  # Python waits for a quarter more objects than it saw last, and that was all of the libraries'


def tidy(*, now: float | None = None) -> bool:
    """Collect, unless that was done less than `EVERY_S` ago. Called when a page has been drawn.

    Args:
        now: Seconds on a clock that does not go back; the process's own where None.

    Returns:
        Whether it collected.
    """
    global _last  # one interpreter, one collector
    now = time.monotonic() if now is None else now
    with _lock:
        if now - _last < EVERY_S:
            return False
        _last = now
    gc.collect()
    return True
