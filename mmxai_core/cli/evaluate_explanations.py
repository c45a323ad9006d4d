"""`evaluate-explanations`: how far a bundle's explanations can be trusted over a cohort, against the project's bars."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmxai_core.cli.arguments import Commands, UsageError, add_bundle, new_command, open_predictor
from mmxai_core.cli.evaluate import NONE, open_cohort, read_known
from mmxai_core.cli.output import progress, write_json, write_table
from mmxai_core.types import Json


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(
        commands, "evaluate-explanations", "Measure the reliability of a bundle's explanations over a cohort."
    )
    add_bundle(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--cohort", metavar="NAME", help="breast_lesions_usg, bus_bra ...; needs --root")
    source.add_argument("--manifest", type=Path, metavar="CSV", help="case_id, patient_id, image, mask, label, fields")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the cohort's folder, in the upstream's layout")
    parser.add_argument("--task", metavar="NAME", help="which question, for cohorts that answer several")
    parser.add_argument(
        "--known", metavar="GROUPS", help=f"field groups that count as known, e.g. history,descriptor; or {NONE}"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N cases, drawn at random (default: all)")
    parser.add_argument("--bootstrap", type=int, default=2000, metavar="N", help="replicates (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number (default 0)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write results.json, cases.csv and config.json here")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Measures and prints."""
    for name, least in (("bootstrap", 1), ("limit", 1), ("seed", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise UsageError(f"--{name} must be at least {least}; got {value}.")
    known = read_known(args.known)
    from mmxai_core.evaluation.explanation_metrics import case_table, evaluate_explanations
    from mmxai_core.evaluation.result_files import write_results

    with progress("evaluate-explanations", unit="cases") as step:
        predictor = open_predictor(args)
        cohort = open_cohort(args, predictor.bundle)
        rows, summary = evaluate_explanations(
            predictor, cohort, known=known, limit=args.limit, replicates=args.bootstrap, seed=args.seed,
            progress=lambda done, total: step("", done, total),
        )  # fmt: skip
        if args.out is not None:
            config = {
                "command": "evaluate-explanations", "cohort": cohort.name, "known": summary["known"],
                "limit": args.limit, "bootstrap": args.bootstrap, "seed": args.seed, "device": predictor.device,
            }  # fmt: skip
            write_results(args.out, results=summary, cases=case_table(rows), config=config, bundle=predictor.bundle)
    if args.json:
        write_json(summary)
        return
    write_table(summary_rows(summary))


def summary_rows(summary: Json) -> list[tuple[str, object]]:
    """The short table."""
    s = summary
    rows: list[tuple[str, object]] = [
        ("bundle", f"{s['bundle']} on {s['device']}"),
        ("cohort", f"{s['cohort']}: {s['n']} cases, {s['positive_calls']} called positive"),
        *([("caution", "these cases trained the model")] if s["trained_on_this_cohort"] else []),
        *((f"share of positive calls: {name}", figure) for name, figure in s["shares"].items()),
        *((f"median: {name}", figure) for name, figure in s["medians"].items()),
        *((f"bar: {name}", bar_words(b)) for name, b in s["bars"].items()),
    ]
    return [*rows, ("use", "Research use only, not for diagnosis.")]


def bar_words(bar: Json) -> str:
    """How a figure stands against its bar."""
    if bar["met"] is None:
        return f"{bar['rule']} {bar['bar']:g}, not measured"
    return f"{bar['value']:.3f}, {bar['rule']} {bar['bar']:g}, {'met' if bar['met'] else 'missed'}"
