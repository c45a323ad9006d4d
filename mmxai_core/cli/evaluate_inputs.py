"""`evaluate-inputs`: how often the input check flags real studies of the model's kind, and how often anything else."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from mmxai_core.cli.arguments import Commands, UsageError, add_bundle, new_command, open_predictor
from mmxai_core.cli.evaluate_explanations import bar_words
from mmxai_core.cli.output import progress, write_json, write_table
from mmxai_core.types import Json


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "evaluate-inputs", "Measure what a bundle's input check flags.")
    add_bundle(parser)
    parser.add_argument(
        "--own", nargs=2, action="append", default=[], metavar=("NAME", "DIR"),
        help="a cohort the bundle's image statistics come from, and its folder; may be repeated, in the bundle's order",
    )  # fmt: skip
    parser.add_argument(
        "--foreign", type=Path, action="append", default=[], metavar="DIR",
        help="a folder of studies of another kind, each of which should be flagged; may be repeated",
    )  # fmt: skip
    parser.add_argument("--intruders", type=int, default=5, metavar="N", help="seeds, 20 images each (default 5)")
    parser.add_argument("--bootstrap", type=int, default=2000, metavar="N", help="replicates (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number (default 0)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write results.json, cases.csv and config.json here")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Measures and prints."""
    for name, least in (("bootstrap", 1), ("intruders", 0), ("seed", 0)):
        if getattr(args, name) < least:
            raise UsageError(f"--{name} must be at least {least}; got {getattr(args, name)}.")
    if missing := [f for f in args.foreign if not f.is_dir()]:
        raise UsageError(f"--foreign: there is no folder {missing[0]}.")
    if not (args.own or args.foreign or args.intruders):
        raise UsageError("Nothing to check: give --own, --foreign or --intruders.")
    from mmxai_core.cohorts.registry import load_cohort
    from mmxai_core.evaluation.result_files import write_results
    from mmxai_core.training.input_trial import evaluate_inputs

    own = [load_cohort(name, Path(root)) for name, root in args.own]
    with progress("evaluate-inputs", unit="studies") as step:
        predictor = open_predictor(args)
        rows, summary = evaluate_inputs(
            predictor, own, args.foreign, intruders=args.intruders, replicates=args.bootstrap, seed=args.seed,
            progress=step,
        )  # fmt: skip
        if args.out is not None:
            config = {
                "command": "evaluate-inputs", "own": [c.name for c in own], "foreign": [f.name for f in args.foreign],
                "intruders": args.intruders, "bootstrap": args.bootstrap, "seed": args.seed,
                "device": predictor.device,
            }  # fmt: skip
            write_results(
                args.out, results=summary, cases=[asdict(r) for r in rows], config=config, bundle=predictor.bundle
            )
    if args.json:
        write_json(summary)
        return
    write_table(summary_rows(summary))


def summary_rows(summary: Json) -> list[tuple[str, object]]:
    """The short table."""
    rows: list[tuple[str, object]] = [("bundle", f"{summary['bundle']} on {summary['device']}")]
    for name, entry in summary["sets"].items():
        rows.append((name, f"{entry['flagged']} of {entry['n']} flagged"))
        rows += [(f"{name}: bar", bar_words(summary["bars"][name]))] if name in summary["bars"] else []
    return [*rows, ("use", "Research use only, not for diagnosis.")]
