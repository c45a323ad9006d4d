"""Do conditions differ in AUC? Obuchowski-Rockette on the crossed part; a bootstrap where the design is not crossed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.auc import mean_aucs
from mmxai_core.reader_study.analysis.charts import Forest, Point
from mmxai_core.reader_study.analysis.crossing import Crossed, crossed
from mmxai_core.reader_study.analysis.prepared import Comparison, Prepared
from mmxai_core.reader_study.analysis.result_line import difference_line, three
from mmxai_core.reader_study.analysis.section import Section, undefined
from mmxai_core.reader_study.auc_covariance import Covariance
from mmxai_core.reader_study.mrmc import GENERALISES, Generalise, MrmcResult, Pair, mrmc
from mmxai_core.reader_study.resampling import Estimate

ID, TITLE = "mrmc", "Comparison of AUC over readers and cases"
WORDS: Mapping[Generalise, str] = {
    "readers_and_cases": "other readers and other cases",
    "cases": "these readers, other cases",
    "readers": "other readers, these cases",
}
Method = Literal["Obuchowski-Rockette, jackknife", "Obuchowski-Rockette, bootstrap", "Bootstrap of readers and cases"]


@dataclass(frozen=True, eq=False)
class Compared:
    """One comparison's analysis.

    Attributes:
        comparison: What was compared.
        results: Obuchowski-Rockette by (generalisation, covariance); empty where the design is not crossed.
        crossed: The ratings it rests on, or None.
        reason: Why there is none, or "".
    """

    comparison: Comparison
    results: Mapping[tuple[Generalise, Covariance], MrmcResult]
    crossed: Crossed | None
    reason: str

    @property
    def primary(self) -> MrmcResult | None:
        """The result that speaks most widely: of other readers and cases, or with one reader of other cases."""
        for generalise in GENERALISES:
            if (found := self.results.get((generalise, "jackknife"))) is not None:
                return found
        return None


def compare(prepared: Prepared, *, replicates: int, seed: int) -> tuple[Compared, ...]:
    """Every comparison that the study's conditions offer.

    Args:
        prepared: Readings.
        replicates: Of the bootstrap covariance.
        seed: Of the bootstrap covariance.
    """
    return tuple(_compare(prepared, c, replicates, seed) for c in prepared.comparisons)


def _compare(prepared: Prepared, comparison: Comparison, replicates: int, seed: int) -> Compared:
    try:
        part = crossed(prepared.of(comparison), comparison.conditions)
    except StudyStoreError as error:
        return Compared(comparison, {}, None, str(error).removeprefix("Column truth: "))
    results: dict[tuple[Generalise, Covariance], MrmcResult] = {}
    scopes: tuple[Generalise, ...] = GENERALISES if len(part.table.readers) > 1 else ("cases",)
    for generalise in scopes:
        results[generalise, "jackknife"] = mrmc(part.table, generalise=generalise)
    # The bootstrap covariance checks the jackknife's where it matters most; it costs more than all else.
    results[scopes[0], "bootstrap"] = mrmc(
        part.table, generalise=scopes[0], covariance="bootstrap", replicates=replicates, seed=seed
    )
    return Compared(comparison, results, part, "")


def comparison_section(prepared: Prepared, found: tuple[Compared, ...], *, replicates: int, seed: int) -> Section:
    """The comparisons as lines, tables and charts.

    Args:
        prepared: Readings.
        found: From `compare`.
        replicates: Of the bootstrap, where a design is not crossed.
        seed: Of the bootstrap.
    """
    if not found:
        return undefined(ID, TITLE, "the study has one condition, so that there is nothing to compare.")
    lines: list[str] = []
    pairs: list[dict[str, object]] = []
    components: list[dict[str, object]] = []
    charts, notes = [], [
        "Obuchowski and Rockette 1995 with the degrees of freedom of Hillis 2007; intervals of several pairs are not "
        "adjusted, p (Holm) is.",
    ]  # fmt: skip
    for one in found:
        title, primary = one.comparison.title, one.primary
        if primary is None:
            new = _bootstrap_rows(prepared, one.comparison, replicates, seed)
            notes.append(f"{title}: no Obuchowski-Rockette analysis, since {one.reason} A bootstrap is given instead.")
        else:
            new = [_row(title, r, p) for r in one.results.values() for p in r.pairs]
            components.append({"comparison": title} | primary.components.to_json())
            if one.crossed is not None and one.crossed.note:
                notes.append(f"{title}: {one.crossed.note}")
        pairs += new
        chosen = primary.generalise if primary else "readers_and_cases"
        shown = [r for r in new if r["generalises_to"] == WORDS[chosen] and "covariance" not in str(r["method"])]
        first = [r for r in shown if not str(r["method"]).endswith(", bootstrap")]
        for row in first:
            lines.append(_line(row, primary))
        if len(first) > 1 and primary is not None and primary.p is not None:
            lines.append(f"{title}: test that all {len(primary.treatments)} conditions are alike, {_p(primary.p)}.")
        charts.append(_chart(title, new))
    tables = {"mrmc": pd.DataFrame(pairs)}
    if components:
        tables["mrmc_components"] = pd.DataFrame(components)
    return Section(ID, TITLE, tuple(lines), tables, tuple(charts), tuple(notes))


def _row(title: str, r: MrmcResult, p: Pair) -> dict[str, object]:
    aucs = {t.treatment: t.auc for t in r.treatments}
    return {
        "comparison": title, "first": p.first, "second": p.second, "auc_first": aucs[p.first],
        "auc_second": aucs[p.second], "difference": p.difference, "low": p.low, "high": p.high,
        "se": None if p.low is None else r.se, "f": r.f, "df1": r.df1, "df2": r.df2, "p": p.p, "p_holm": p.p_holm,
        "method": f"Obuchowski-Rockette, {r.covariance}", "generalises_to": WORDS[r.generalise],
        "readers": r.components.readers, "cases": r.components.positives + r.components.negatives,
        "reason": r.undefined,
    }  # fmt: skip


def _bootstrap_rows(prepared: Prepared, comparison: Comparison, replicates: int, seed: int) -> list[dict[str, object]]:
    frame = prepared.of(comparison)
    aucs, pairs = mean_aucs(frame, comparison.conditions, replicates=replicates, seed=seed)
    used = frame[frame["condition"].isin(comparison.conditions)]
    return [
        {
            "comparison": comparison.title, "first": b, "second": a, "auc_first": aucs[b].value,
            "auc_second": aucs[a].value, "difference": e.value, "low": e.low, "high": e.high, "se": None, "f": None,
            "df1": None, "df2": None, "p": None, "p_holm": None, "method": "Bootstrap of readers and cases",
            "generalises_to": WORDS["readers_and_cases"], "readers": used["reader"].nunique(),
            "cases": used["case"].nunique(), "reason": e.reason,
        }
        for (b, a), e in pairs.items()
    ]  # fmt: skip


def _estimate(row: dict[str, object]) -> Estimate:
    return Estimate(row["difference"], row["low"], row["high"], int(str(row["cases"])), str(row["reason"]))  # type: ignore[arg-type]  # cells of our own table


def _line(row: dict[str, object], primary: MrmcResult | None) -> str:
    e = _estimate(row)
    if e.value is not None and e.low is None and primary is not None:
        e = Estimate(e.value, None, None, e.n, "The comparison is not defined: " + primary.undefined)
    text = difference_line("AUC averaged over readers", str(row["first"]), str(row["second"]), e, three)
    p = row["p"]
    told = f" {_p(float(str(p)))[0].upper()}{_p(float(str(p)))[1:]}." if p is not None else ""
    return f"{text}{told} This speaks of {row['generalises_to']}."


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _chart(title: str, rows: list[dict[str, object]]) -> Forest:
    points = [
        Point(
            f"{r['first']} − {r['second']}: {r['generalises_to']}", e.value, e.low, e.high, str(r["method"]), e.reason
        )
        for r in rows
        for e in (_estimate(r),)
    ]
    return Forest(f"{title}: difference of AUC", "Difference of AUC", tuple(points), 0.0, "no difference")
