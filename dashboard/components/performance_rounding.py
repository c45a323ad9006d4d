"""Two figures and their difference, printed so that the difference is that of the printed figures."""

from __future__ import annotations

from dashboard.components.performance_source import Run
from mmxai_core.comparison.results import Verdict

#: Digits after the point: as everywhere, and where these do not agree with one another.
_USUAL, _MORE = 3, 4


def agreeing(a: float, b: float, difference: float) -> tuple[str, str, str, int]:
    """Both figures, a minus b with its sign, and the digits: three, or four where three contradict one another.

    Where four do so too, the difference is taken of the printed figures.

    Args:
        a: A figure.
        b: What is taken from it.
        difference: a minus b as it was measured.
    """
    for digits in (_USUAL, _MORE):
        printed = round(round(a, digits) - round(b, digits), digits)
        if abs(printed - round(difference, digits)) < 0.5 * 10**-digits:
            break
    return f"{a:.{digits}f}", f"{b:.{digits}f}", f"{printed:+.{digits}f}", digits


def verdict_sentence(run: Run, verdict: Verdict) -> str:
    """A verdict as its run's file has it, with a digit more where its figures contradict one another by rounding.

    Args:
        run: The run.
        verdict: One of its verdicts.
    """
    said = verdict.sentence
    rows = {r.model: r for r in run.metrics.models if r.level == verdict.level and r.metrics}
    tests = [t for t in (run.tests.rows if run.tests else ()) if (t.level, t.a) == (verdict.level, verdict.reference)]
    tests = [t for t in tests if t.b in rows and t.difference.value is not None]
    ours = rows.get(verdict.reference)
    if ours is None or not tests:
        return said
    test = min(tests, key=lambda t: (t.difference.value or 0.0, t.b))  # the one that the sentence is about
    a, d, found = ours.metrics["auc"].value, test.difference.value, test.difference
    same = ours.seeds == rows[test.b].seeds  # else its AUC on our seeds follows from the difference
    b = rows[test.b].metrics["auc"].value if same else None if a is None or d is None else a - d
    if a is None or b is None or d is None:
        return said
    first, second, gap, digits = agreeing(a, b, d)
    if digits == _USUAL or f" with {b:.3f}" not in said:
        return said
    said = said.replace(f"AUC, {a:.3f}", f"AUC, {first}").replace(f"AUC {a:.3f}", f"AUC {first}")
    said = said.replace(f" with {b:.3f}", f" with {second}").replace(f"difference {d:+.3f}", f"difference {gap}")
    if found.low is None or found.high is None:
        return said
    return said.replace(
        f"interval {found.low:+.3f} to {found.high:+.3f}", f"interval {found.low:+.4f} to {found.high:+.4f}"
    )
