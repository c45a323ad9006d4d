"""How a written number is set, where lines are broken."""

from __future__ import annotations

import re

_LOOSE = re.compile(r"(?<=\d) (?=%)")


def unbroken(text: str) -> str:
    """The text with every number and its per cent sign on one line: the space between them does not break.

    For the edge where text is set into lines; what is kept, compared or printed by the command line stays plain.

    Args:
        text: Any.
    """
    return _LOOSE.sub("\u00a0", text)
