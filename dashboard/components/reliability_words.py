"""How the reliability numbers went, in words and figures; what each is called stands in `report.check_names`."""

from __future__ import annotations

from collections.abc import Sequence

from mmxai_core.report.check_names import PLAIN, STRENGTH, plain_name
from mmxai_core.results import ReliabilityNumber
from mmxai_core.results.typography import share

__all__ = [
    "PLAIN", "STRENGTH", "checks_in_brief", "figure", "figures", "needs", "no_better_than_chance", "passes",
    "plain_name", "tally",
]  # fmt: skip


def passes(number: ReliabilityNumber) -> bool | None:
    """True or False against the threshold; None where there is no number or no threshold."""
    if number.value is None or number.threshold is None:
        return None
    return number.value >= number.threshold if number.higher_is_better else number.value <= number.threshold


def tally(failed: int, total: int, noun: str) -> str:
    """How the tests went as a whole, without a full stop: failures where there are any.

    Args:
        failed: That many failed.
        total: Of so many that are held to something; may be 0.
        noun: What they are called, in the singular.
    """
    if not total:
        return f"No {noun} could be made"
    if failed:
        return share(failed, total, noun, "fail").capitalize()
    return f"The one {noun} passes" if total == 1 else f"All {total} {noun}s pass"


def checks_in_brief(failed: Sequence[str], total: int) -> str:
    """How the checks went, in one line of Markdown, with the names of those that failed.

    Args:
        failed: Names of the failed ones, fit for Markdown.
        total: Of so many that are held to something; may be 0: then nothing is ticked.
    """
    said = tally(len(failed), total, "check")
    return f"**✗ {said}:** {'; '.join(failed)}." if failed else f"{'✓ ' if total else ''}{said}."


def no_better_than_chance(numbers: Sequence[ReliabilityNumber]) -> str:
    """What stands above a map that is not told from maps of meaningless weights; "" above another.

    Args:
        numbers: The reliability numbers of the explanation.
    """
    for number in numbers:
        if number.name.startswith(STRENGTH) and passes(number) is False:
            return "✗ The Grad-CAM++ map is not told from chance maps: its places are no evidence. See Reliability."
    return ""


def needs(number: ReliabilityNumber) -> str:
    """What a number is held to, before the figure of its threshold."""
    return "needs at least" if number.higher_is_better else "needs at most"


def figure(value: float, *, digits: int = 2) -> str:
    """Two significant digits, or more; what is smaller than any threshold is said to be."""
    if value != 0 and abs(value) < 1e-4:
        return "below 0.0001" if value > 0 else "above -0.0001"
    return f"{value:.{digits}f}" if 0.1 <= abs(value) < 10 else f"{float(f'{value:.{digits}g}'):g}"


def figures(value: float, threshold: float) -> tuple[str, str]:
    """A number and what it is held to, with as many digits as tell them apart, up to four."""
    for digits in (2, 3, 4):
        found = figure(value, digits=digits), figure(threshold, digits=digits)
        if found[0] != found[1] or value == threshold:
            break
    return found
