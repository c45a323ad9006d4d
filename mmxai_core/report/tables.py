"""The numbers of a case as CSV: contributions, reliability strip, clinical values. Every row says what it is for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from mmxai_core.report.case import ReportCase
from mmxai_core.report.check_names import plain_name
from mmxai_core.report.checks import checks
from mmxai_core.report.wording import RESEARCH_USE
from mmxai_core.results import Attribution

#: A cell that a spreadsheet would take for a formula begins with one of these (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def contributions_csv(case: ReportCase) -> bytes:
    """One row a player and account: what each input moved the answer by, in log-odds and in probability.

    Columns: case, account, space, player, label, value, low, high, base_value, output, residual, estimator, notice. A
    withheld account is left out.

    Args:
        case: The case.
    """
    e = case.explanation
    accounts: list[tuple[str, Attribution | None]] = [
        ("inputs", e.attribution), ("inputs", e.attribution_probability),
    ]  # fmt: skip
    if e.joint is not None and e.joint.regions:
        accounts += [
            ("inputs and image regions", e.joint.removal),
            ("inputs and image regions", e.joint.removal_probability),
            ("against the background", e.joint.background),
            ("against the background", e.joint.background_probability),
        ]
    rows: list[list[object]] = []
    for name, account in accounts:
        if account is None or account.withheld:
            continue
        for i, (player, value) in enumerate(zip(account.players, account.values, strict=True)):
            low, high = ("", "") if account.interval is None else map(float, account.interval[i])
            rows.append(
                [case.code, name, account.space, player, case.labels.get(player, player), float(value), low, high,
                 account.base_value, account.output, account.residual, account.estimator]
            )  # fmt: skip
    head = ("case", "account", "space", "player", "label", "value", "low", "high", "base_value", "output", "residual",
            "estimator")  # fmt: skip
    return _csv(head, rows)


def strip_csv(case: ReportCase) -> bytes:
    """One row a reliability number.

    Columns: case, key, check, value, bar, better, result, verdict, computed_from, technical_name, notice.

    Args:
        case: The case.
    """
    rows = [
        [case.code, c.key, plain_name(c.number.name), c.number.value, c.number.threshold,
         "higher" if c.number.higher_is_better else "lower", c.word, c.number.verdict, c.number.computed_from,
         c.number.name]
        for c in checks(case.explanation)
    ]  # fmt: skip
    head = ("case", "key", "check", "value", "bar", "better", "result", "verdict", "computed_from",
            "technical_name")  # fmt: skip
    return _csv(head, rows)


def values_csv(case: ReportCase) -> bytes:
    """One row a clinical field; an unknown one has no value.

    Columns: case, field, label, group, value, unit, in_words, outside_usual_range, notice.

    Args:
        case: The case.
    """
    outliers = case.explanation.prediction.outlier_fields
    rows = []
    for f in case.schema.fields:
        value = case.record.get(f.id)
        plain = value if not isinstance(value, bool) else "yes" if value else "no"
        rows.append(
            [case.code, f.id, f.label, f.group, plain, f.unit, f.describe(value), "yes" if f.id in outliers else "no"]
        )
    return _csv(("case", "field", "label", "group", "value", "unit", "in_words", "outside_usual_range"), rows)


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """RFC 4180, UTF-8; numbers with all their digits, nothing for what is not known."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([*head, "notice"])
    for row in rows:
        writer.writerow([*(_cell(v) for v in row), RESEARCH_USE])
    return out.getvalue().encode()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA) else value
    return repr(float(value)) if isinstance(value, float) else value
