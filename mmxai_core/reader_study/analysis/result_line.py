"""Results in plain sentences that never claim more than the interval supports."""

from __future__ import annotations

from collections.abc import Callable

from mmxai_core.reader_study.resampling import Estimate

#: How a number is written.
Format = Callable[[float], str]


def percent(value: float) -> str:
    """A share, e.g. "62 %"."""
    return f"{100 * value:.0f} %"


def points(value: float) -> str:
    """A difference of shares, e.g. "-4.2 points"."""
    return f"{100 * value:+.1f} points"


def three(value: float) -> str:
    """A coefficient or AUC; a fourth decimal where three would hide the sign."""
    return f"{value:.4f}" if 0 < abs(value) < 0.0005 else f"{value:.3f}"


def seconds(value: float) -> str:
    """A time."""
    return f"{value:.1f} s"


def plain(value: float) -> str:
    """A score."""
    return f"{value:.1f}"


def value_line(what: str, e: Estimate, write: Format = three) -> str:
    """One estimate: value, interval and what it rests on, or why it is not defined."""
    if e.value is None:
        return f"{what}: not defined. {_closed(e.reason)}"
    if e.low is None or e.high is None:
        return f"{what}: {write(e.value)} (n = {e.n}). {_closed(e.reason or 'There is no interval')}"
    return f"{what}: {write(e.value)} (95 % interval {write(e.low)} to {write(e.high)}; n = {e.n})."


def difference_line(what: str, first: str, second: str, e: Estimate, write: Format = three) -> str:
    """First minus second in words: which is higher only where the interval leaves 0 out.

    Args:
        what: The measure, in lower case, e.g. "accuracy".
        first: Condition.
        second: The one it is compared with.
        e: first - second.
        write: How a difference is written.
    """
    if e.value is None:
        return f"“{first}” against “{second}”, {what}: not defined. {_closed(e.reason)}"
    if e.low is None or e.high is None:
        return (
            f"“{first}” against “{second}”: difference in {what} {write(e.value)}, without an interval, so that "
            f"nothing can be concluded. {_closed(e.reason or 'There is no interval')}"
        )
    span = f"{write(e.value)} (95 % interval {write(e.low)} to {write(e.high)})"
    if e.low > 0 or e.high < 0:
        word = "higher" if e.low > 0 else "lower"
        return f"{_first_up(what)} is {word} in “{first}” than in “{second}”: difference {span}."
    return (
        f"The data do not show a difference in {what} between “{first}” and “{second}”: {span}. Nor do they show that "
        "the two are alike: any difference inside the interval may be true."
    )


def _closed(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]
