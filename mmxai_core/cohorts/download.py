"""One file over HTTP: resumed where it broke off, in place only when whole."""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from mmxai_core.errors import CohortError

#: Called with (what, done, total); total is None where the server does not say. May raise to cancel.
Progress: TypeAlias = Callable[[str, int, int | None], None]

_CHUNK = 1 << 18
_USER_AGENT = "mmxai-fetch/1.0"
_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class _BrokenOffError(Exception):
    """The connection ended before the file did."""


def _total(response: http.client.HTTPResponse, start: int) -> int | None:
    """Size of the whole file in bytes as the server states it (RFC 9110, 14.4), or None."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if match:
        return None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _resumes_at(response: http.client.HTTPResponse, start: int) -> bool:
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _request(url: str, start: int, validator: str) -> urllib.request.Request:
    headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    if start and validator:
        # A file that changed meanwhile is then sent whole, never spliced (RFC 9110, 13.1.5).
        headers["If-Range"] = validator
    return urllib.request.Request(url, headers=headers)


def _attempt(url: str, part: Path, note: Path, name: str, timeout_s: float, progress: Progress | None) -> None:
    """Fetch what is missing of the file into part. Raises _BrokenOffError where the connection ends early."""
    validator = note.read_text(encoding="utf-8") if note.is_file() else ""
    start = part.stat().st_size if part.is_file() else 0
    with urllib.request.urlopen(_request(url, start, validator), timeout=timeout_s) as response:
        if start and not _resumes_at(response, start):
            start = 0
        total = _total(response, start)
        # A weak ETag may not be used in If-Range.
        etag = response.headers.get("ETag", "")
        fresh = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
        note.write_text(fresh, encoding="utf-8")
        done = start
        with part.open("ab" if start else "wb") as out:
            while chunk := response.read(_CHUNK):
                out.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(name, done, total)
    if total is not None and done != total:
        raise _BrokenOffError(f"{done:,} of {total:,} bytes")


def _finish(part: Path, note: Path, target: Path) -> int:
    part.replace(target)
    note.unlink(missing_ok=True)
    return target.stat().st_size


def download(
    url: str,
    target: Path,
    *,
    progress: Progress | None = None,
    timeout_s: float = 30.0,
    attempts: int = 4,
    wait_s: float = 1.0,
) -> int:
    """Download a file, going on from ``<target>.part`` where an earlier run broke off.

    The server's ETag or Last-Modified is kept in ``<target>.part.tag``: where the file changed meanwhile, the download
    starts over. A server that gives neither is trusted not to change it, so check a hash afterwards. The file takes
    its name only when it is whole.

    Args:
        url: http or https address.
        target: Where the file goes; its folder is made where it is missing.
        progress: Called after each block with (file name, bytes done, bytes in all or None).
        timeout_s: Longest silence of the server, seconds.
        attempts: How often to try, at least once.
        wait_s: Pause before the second try, seconds; doubled before each further one.

    Returns:
        Size of the file, bytes.

    Raises:
        CohortError: No connection, an HTTP error status, a connection that keeps breaking off, or no room on the disk.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise CohortError(f"A download address must start with http:// or https://; got {url}.")
    part, note = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.tag")
    host = urllib.parse.urlsplit(url).netloc
    again = "Run the same command again to go on from there."
    problem = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for tried in range(max(attempts, 1)):
            if tried:
                time.sleep(wait_s * 2 ** (tried - 1))
            try:
                _attempt(url, part, note, target.name, timeout_s, progress)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 416:
                    if part.is_file() and error.headers.get("Content-Range") == f"bytes */{part.stat().st_size}":
                        return _finish(part, note, target)
                    part.unlink(missing_ok=True)  # What lies here is not a beginning of what the server has.
                elif error.code not in _TRANSIENT_STATUS:
                    raise CohortError(f"{target.name}: the server answered HTTP {error.code} for {url}.") from error
                problem = f"{target.name}: the server answered HTTP {error.code} for {url}. {again}"
            except _BrokenOffError as error:
                problem = f"{target.name}: the connection to {host} broke off at {error}. {again}"
            except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
                problem = f"{target.name}: the connection to {host} broke off ({type(error).__name__}). {again}"
            except urllib.error.URLError as error:
                problem = f"{target.name}: no connection to {host} ({error.reason}). Check the network, or --base-url."
            else:
                return _finish(part, note, target)
    except OSError as error:
        raise CohortError(f"{target.name}: cannot write to {target.parent} ({error.strerror or error}).") from error
    raise CohortError(problem)
