"""What `python -m mmxai_core reader-study` does, apart from printing."""

from __future__ import annotations

import argparse

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.imrmc import imrmc_text
from mmxai_core.reader_study.mrmc import mrmc
from mmxai_core.reader_study.power import plan_table
from mmxai_core.reader_study.ratings import read_ratings
from mmxai_core.types import Json


def reader_study_command(args: argparse.Namespace) -> Json:
    """Runs one action and returns its JSON object.

    Args:
        args: `action` "mrmc" with `file`, `generalise`, `covariance`, `replicates`, `seed` and `imrmc`; or "plan" with
            `file`, `generalise`, `effect` and `power`.

    Raises:
        StudyStoreError: The file or an argument is wrong; the message names row and column.
    """
    table = read_ratings(args.file)
    if args.action == "plan":
        pilot = mrmc(table, generalise=args.generalise)
        plans = plan_table(pilot.components, effect=args.effect, power=args.power, generalise=args.generalise)
        return {
            "effect": args.effect,
            "power": args.power,
            "generalise": args.generalise,
            "plans": [
                {"readers": p.readers, "cases": p.cases, "positives": p.positives, "power": p.power} for p in plans
            ],
            "sentence": plans[0].sentence if plans else "No number of readers from 3 to 12 reaches this power.",
        }
    if args.replicates < 2:
        raise StudyStoreError(f"The bootstrap needs at least 2 replicates; got {args.replicates}.")
    if args.seed < 0:
        raise StudyStoreError(f"A seed is 0 or more; got {args.seed}.")
    result = mrmc(
        table,
        generalise=args.generalise,
        covariance=args.covariance,
        replicates=args.replicates,
        seed=args.seed,
    )
    if args.imrmc is not None:
        try:
            args.imrmc.write_text(imrmc_text(table, title=args.file.stem), encoding="utf-8")
        except OSError as error:
            raise StudyStoreError(f"{args.imrmc.name}: cannot be written ({error.strerror}).") from error
    sizes = {"readers": len(table.readers), "positives": table.positives, "negatives": table.negatives}
    return result.to_json() | sizes


def summary_rows(found: Json) -> list[tuple[str, object]]:
    """The short table of either action."""
    if "plans" in found:
        rows: list[tuple[str, object]] = [
            (
                f"{p['readers']} readers",
                f"{p['cases']} cases, {p['positives']} positive; power {100 * p['power']:.0f} %",
            )
            for p in found["plans"]
        ]
        return [*rows, ("result", found["sentence"])]
    rows = [(f"AUC {t}", _with_interval(v, *found["auc_ci"][t])) for t, v in found["auc"].items()]
    if isinstance(found["difference"], dict):
        rows += [(f"difference {n}", _with_interval(d, *found["ci"][n])) for n, d in found["difference"].items()]
    else:
        rows.append((f"difference {found['comparison']}", _with_interval(found["difference"], *found["ci"])))
    rows += [(name, found[name]) for name in ("f", "df1", "df2", "p")]
    rows.append(
        ("readers, cases", f"{found['readers']}, {found['positives']} positive + {found['negatives']} negative")
    )
    return [*rows, ("result", found["sentence"])]


def _with_interval(value: float, low: float | None, high: float | None) -> str:
    return f"{value:.4f}" if low is None else f"{value:.4f}  (95 % interval {low:.4f} to {high:.4f})"
