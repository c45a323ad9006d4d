"""How text is set: names as a list, how many of how many, and a number where lines are broken."""

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


def share(count: int, total: int, noun: str, verb: str) -> str:
    """How many of how many do something: "10 of 11 tests pass", "1 of 11 tests passes", "the one test fails".

    Args:
        count: That many do.
        total: Of so many; at least `count`.
        noun: What they are, in the singular.
        verb: What they do, in the plural, as "pass" or "fail".
    """
    if total == 1:
        return f"the one {noun} {_one_does(verb) if count else f'does not {verb}'}"
    return f"{count} of {total} {noun}s {_one_does(verb) if count == 1 else verb}"


def _one_does(verb: str) -> str:
    return f"{verb}es" if verb.endswith("s") else f"{verb}s"
