"""What the browser gets before Streamlit runs: dark unless the reader chose otherwise, and no white flash before it.

Streamlit follows the system's preference until its settings menu is used, and remembers that choice under the address
of the page first opened; a reading room is dark, on every page. So the document gets a few lines ahead of Streamlit's.
"""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Streamlit reads `stActiveTheme-<path>-v2` when it starts: "System", "Light" or "Dark". Ours carries it to every page.
_SCRIPT = """<script>
      try {
        const theirs = `stActiveTheme-${location.pathname}-v2`, ours = "mmxai-theme";
        let chosen = localStorage.getItem(ours) ?? '"Dark"';
        localStorage.setItem(theirs, chosen);
        const keep = () => {
          const now = localStorage.getItem(theirs) ?? chosen;
          if (now !== chosen) localStorage.setItem(ours, chosen = now);
        };
        addEventListener("pagehide", keep);
        addEventListener("visibilitychange", keep);
        if (chosen === '"Dark"') document.documentElement.style.background = "#0c1116";
      } catch { /* A browser that keeps nothing follows the system. */ }
    </script>"""
_BEFORE = b"<title>Streamlit</title>"
_INSTEAD = f"<title>MMXAI reading room</title>\n    {_SCRIPT}".encode()
#: An answer to these would be the document as Streamlit ships it: compressed, in part, or "not modified".
_PLAIN = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")


class FirstPaint:
    """ASGI middleware that adds the theme's lines to the document, and leaves every other answer alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self._app(scope, receive, send)
            return
        scope = {**scope, "headers": [(k, v) for k, v in scope["headers"] if k.lower() not in _PLAIN]}
        held: dict[str, Any] = {}
        body = bytearray()

        async def changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                kind = Headers(raw=message["headers"]).get("content-type", "")
                if message["status"] == 200 and kind.startswith("text/html"):
                    held.update(message)
                    return
            elif held and message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                text = bytes(body).replace(_BEFORE, _INSTEAD, 1)
                headers = MutableHeaders(raw=list(held["headers"]))
                for stale in ("etag", "last-modified"):
                    del headers[stale]
                headers["content-length"] = str(0 if scope["method"] == "HEAD" else len(text))
                await send({**held, "headers": headers.raw})
                await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else text})
                return
            await send(message)

        await self._app(scope, receive, changed)
