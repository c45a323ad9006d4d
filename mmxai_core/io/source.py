"""A file of an upload, loose or in a zip, that is loaded only when it is needed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mmxai_core.io.sniff import HEAD_BYTES, Kind, sniff


@dataclass(frozen=True)
class Source:
    """One file.

    Attributes:
        name: As uploaded. It is shown in part and compared, never used as a path.
        size: Bytes.
        head: Its first bytes.
        load: Gives all bytes, each time anew.
    """

    name: str
    size: int
    head: bytes
    load: Callable[[], bytes]

    @property
    def kind(self) -> Kind:
        """What its content says it is."""
        return sniff(self.head, self.size)

    @property
    def last(self) -> str:
        """Last component of its name."""
        return self.name.replace("\\", "/").rsplit("/", 1)[-1]

    @property
    def label(self) -> str:
        """Its stem, short and safe to show."""
        stem = self.last.rsplit(".", 1)[0] if "." in self.last[1:] else self.last
        return re.sub(r"[^\w .()+-]", "", stem)[:40].strip() or "Image"

    @property
    def order_key(self) -> list[tuple[int, int, str]]:
        """Sorts names as people do: image2 before image10."""
        parts = re.split(r"([0-9]+)", self.name)
        return [(0, int(p[:18]), "") if p.isascii() and p.isdigit() else (1, 0, p) for p in parts if p]


def loose(name: str, data: bytes) -> Source:
    """A file that is already in memory.

    Args:
        name: As uploaded.
        data: Its bytes.

    Returns:
        The source.
    """
    return Source(name=name, size=len(data), head=data[:HEAD_BYTES], load=lambda: data)
