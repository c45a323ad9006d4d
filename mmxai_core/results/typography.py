"""How text is set: names as a list, and a number where lines are broken."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LOOSE = re.compile(r"(?<=\d) (?=%)")


def unbroken(text: str) -> str:
    """The text with every number and its per cent sign on one line: the space between them does not break.

    For the edge where text is set into lines; what is kept, compared or printed by the command line stays plain.

    Args:
        text: Any.
    """
    return _LOOSE.sub("\u00a0", text)


def listed(names: Sequence[str], *, joint: str = "and") -> str:
    """Names as a list in a sentence: "a, b and c"."""
    return f" {joint} ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""
