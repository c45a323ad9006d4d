"""A Streamlit session without a browser: speaks the server's own WebSocket protocol, so that many fit one machine."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect


@dataclass
class Client:
    """One session: reruns the page's script with the values of its widgets, as a browser would.

    Attributes:
        port: Of the server on this machine.
        page: Its url path.
        query: Query string.
    """

    port: int
    page: str
    query: str
    values: dict[str, WidgetState] = field(default_factory=dict)
    elements: list[Any] = field(default_factory=list)
    _socket: ClientConnection | None = None

    def open(self) -> None:
        """Connect and run the page once."""
        self._socket = connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            open_timeout=120,
            legacy=True,
        )
        self.run()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()

    def run(self, *, press: str = "", timeout_s: float = 120.0) -> None:
        """Rerun the script and wait until it has ended, its own reruns included.

        Args:
            press: Id of a button to press.
            timeout_s: How long to wait.
        """
        assert self._socket is not None
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_name = self.page
        message.rerun_script.widget_states.widgets.extend(self.values.values())
        if press:
            message.rerun_script.widget_states.widgets.add(id=press, trigger_value=True)
        self._socket.send(message.SerializeToString())
        end, running = time.monotonic() + timeout_s, True
        while running:
            data = self._socket.recv(timeout=max(end - time.monotonic(), 0.1))
            heard = ForwardMsg()
            heard.ParseFromString(data if isinstance(data, bytes) else data.encode())
            kind = heard.WhichOneof("type")
            if kind == "new_session":
                self.elements = []
            elif kind == "delta" and heard.delta.WhichOneof("type") == "new_element":
                self.elements.append(heard.delta.new_element)
            elif kind == "page_info_changed":
                self.query = heard.page_info_changed.query_string
            elif kind == "script_finished":
                # A script that asked for a rerun ends with "finished early"; the next one follows by itself.
                running = heard.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN

    def find(self, kind: str, label: str) -> Any:
        """The element of a kind whose label holds a text; None where there is none."""
        for element in self.elements:
            if element.WhichOneof("type") == kind and label in getattr(element, kind).label:
                return getattr(element, kind)
        return None

    def text(self) -> str:
        """All text on the page."""
        said = []
        for element in self.elements:
            kind = element.WhichOneof("type")
            part = getattr(element, kind)
            said += [str(getattr(part, name)) for name in ("body", "label", "text") if hasattr(part, name)]
        return "\n".join(said)

    def set(self, widget: Any, **value: Any) -> None:
        """Give a widget a value, e.g. `double_value`, `string_value`, `bool_value`; see WidgetState."""
        self.values[widget.id] = WidgetState(id=widget.id, **value)
