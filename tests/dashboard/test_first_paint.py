"""The document gets the theme's lines; every other answer passes unchanged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from dashboard.first_paint import FirstPaint

PAGE = "<html><head><title>Streamlit</title><script type='module' src='./index.js'></script></head></html>"


def ask(answer: Response, *, accept: str = "text/html", method: str = "GET", **more: str) -> tuple[Any, bytes, Scope]:
    """Start message, body, and the scope the app behind the middleware saw."""
    seen: list[Scope] = []
    sent: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await answer(scope, receive, send)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(k.replace("_", "-").encode(), v.encode()) for k, v in {"accept": accept, **more}.items()]
    scope = {"type": "http", "method": method, "path": "/case", "headers": headers}
    asyncio.run(FirstPaint(app)(scope, receive, send))
    return sent[0], b"".join(m.get("body", b"") for m in sent[1:]), seen[0]


def test_the_document_is_dark_before_streamlit_reads_its_theme() -> None:
    start, body, scope = ask(
        Response(PAGE, media_type="text/html", headers={"etag": "x"}), accept_encoding="gzip", if_none_match="x"
    )
    text, headers = body.decode(), dict(start["headers"])
    assert "<title>MMXAI reading room</title>" in text and "Streamlit</title>" not in text
    assert text.index('"Dark"') < text.index("index.js")
    assert int(headers[b"content-length"]) == len(body) and b"etag" not in headers
    assert {k for k, _ in scope["headers"]} == {b"accept"}  # else the answer could be compressed, or "not modified"


def test_head_has_no_body() -> None:
    _, body, _ = ask(Response(PAGE, media_type="text/html"), method="HEAD")
    assert body == b""


@pytest.mark.parametrize(
    ("answer", "accept"),
    [
        (PlainTextResponse("<title>Streamlit</title>"), "text/html"),
        (Response(PAGE, media_type="text/html", status_code=404), "text/html"),
        (Response(PAGE, media_type="text/html"), "*/*"),
    ],
)
def test_everything_else_is_left_alone(answer: Response, accept: str) -> None:
    start, body, _ = ask(answer, accept=accept)
    assert body == answer.body and start["status"] == answer.status_code
