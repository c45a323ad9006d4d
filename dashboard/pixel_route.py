"""Pixels over HTTP: the browser asks for a scene, and then for the tiles and slices the screen needs.

A websocket message would have to carry all of it before the first pixel is drawn, and a rerun to get the next slice.

Who may read what: each scene has a token of 256 random bits, known only to the page it was sent to, and is served only
while that page's session is connected. Scenes belong to the session; here they are referenced weakly, so that every
address under them is gone with the case. Answers are not stored by the browser or by a proxy (no-store), and other
sites' pages get none.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from threading import Lock
from weakref import WeakValueDictionary

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.tiles import Raster, encode

#: Below the app's base path.
PATH = "pixels"
#: Bytes of encoded tiles a scene keeps, so that a page shown again does not encode them again.
_KEPT_BYTES = 32 * 1024 * 1024


class PixelSource:
    """A scene's bytes and pictures, served under a token of its own for as long as somebody holds it."""

    def __init__(self, scene: bytes, rasters: tuple[Raster, ...]) -> None:
        """Give it a token.

        Args:
            scene: What the viewer reads first.
            rasters: Pictures that tiles are cut from.
        """
        self.token = secrets.token_urlsafe(32)
        context = get_script_run_ctx(suppress_warning=True)
        self._session = context.session_id if context else ""
        self.scene = scene
        self._rasters = rasters
        self._kept: OrderedDict[tuple[int, int, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        _SOURCES[self.token] = self

    @property
    def connected(self) -> bool:
        """Whether the browser it was made for is there; Streamlit keeps a session some minutes longer."""
        if not self._session or not runtime.exists():
            return not self._session  # made outside any session: a script of one's own
        return runtime.get_instance().is_active_session(self._session)

    def tile(self, picture: int, level: int, column: int, row: int) -> bytes:
        """One encoded tile.

        Raises:
            IndexError: There is no such tile.
        """
        key = (picture, level, column, row)
        with self._lock:
            if (found := self._kept.get(key)) is not None:
                return found
        if picture < 0:
            raise IndexError("no such picture")
        made = encode(self._rasters[picture].cut(level, column, row))
        with self._lock:
            if key not in self._kept:  # two requests may have made it at once
                self._kept[key] = made
                self._bytes += len(made)
            while self._bytes > _KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return made


#: Weak: the session owns the sources (house rule 6).
_SOURCES: WeakValueDictionary[str, PixelSource] = WeakValueDictionary()

_HEADERS = {
    "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip


def _refused(status: int) -> Response:
    return Response(status_code=status, headers=_HEADERS)


def _tile(source: PixelSource, picture: int, level: int, column: int, row: int) -> bytes | None:
    """One encoded tile; None where there is no such tile.

    The exception ends here: one that crosses threads is part of a cycle with its traceback, which held the scene until
    the next collection, long after the case was closed.
    """
    try:
        return source.tile(picture, level, column, row)
    except IndexError:
        return None


async def _serve(request: Request) -> Response:
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return _refused(403)
    source = _SOURCES.get(request.path_params["token"])
    if source is None or not source.connected:
        return _refused(404)
    what = request.path_params.get("picture")
    if what is None:
        content = source.scene
    else:
        place = [int(request.path_params[k]) for k in ("picture", "level", "column", "row")]
        tile = await run_in_threadpool(_tile, source, *place)
        if tile is None:
            return _refused(404)
        content = tile
    return Response(content, media_type="application/octet-stream", headers=_HEADERS)


def routes() -> list[Route]:
    """The routes to hand to st.App."""
    tile = "{picture:int}/{level:int}/{column:int}/{row:int}"
    return [Route(f"/{PATH}/{{token}}", _serve), Route(f"/{PATH}/{{token}}/{tile}", _serve)]
