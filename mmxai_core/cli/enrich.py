"""`enrich`: measures on its cohort what a trained bundle must carry, and writes it into the bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmxai_core.cli.arguments import Commands, UsageError, new_command
from mmxai_core.cli.output import progress, write_json, write_table
from mmxai_core.types import Json


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(
        commands, "enrich", "Measure on its cohort what a bundle carries: sets, kind of input, fields."
    )
    parser.add_argument(
        "--bundle", type=Path, required=True, metavar="DIR", help="folder of the bundle, which is changed"
    )
    parser.add_argument("--cohort", required=True, metavar="NAME", help="the cohort it was trained on")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the cohort's folder")
    parser.add_argument("--task", metavar="NAME", help="which question, for cohorts that answer several")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="the training's run folder, with fold-*.json")
    parser.add_argument(
        "--also", nargs=2, action="append", default=[], metavar=("NAME", "DIR"),
        help="a further cohort that the image branch was trained on, and its folder; may be repeated",
    )  # fmt: skip
    parser.add_argument("--part", action="append", metavar="NAME", help="only this part; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number (default 0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Enriches and prints what was measured."""
    if args.seed < 0:
        raise UsageError(f"--seed must not be negative; got {args.seed}.")
    if args.run_dir is not None and not args.run_dir.is_dir():
        raise UsageError(f"--run-dir: there is no folder {args.run_dir}.")
    from mmxai_core.cohorts.registry import load_cohort
    from mmxai_core.training.enrich import MEASUREMENTS, enrich_bundle

    if bad := [p for p in args.part or () if p not in MEASUREMENTS]:
        raise UsageError(f"--part takes {', '.join(MEASUREMENTS)}; got {bad[0]!r}.")
    cohort = load_cohort(args.cohort, args.root, task=args.task)
    others = [load_cohort(name, Path(root)) for name, root in args.also]
    with progress("enrich", unit="cases") as step:
        bundle, account = enrich_bundle(
            args.bundle, cohort, others=others, run_dir=args.run_dir, seed=args.seed, parts=args.part, progress=step
        )
    if args.json:
        write_json({"bundle": bundle.name, "path": str(bundle.path), "parts": account})
        return
    write_table([("bundle", f"{bundle.name} in {bundle.path}"), *account_rows(account)])


def account_rows(account: Json) -> list[tuple[str, object]]:
    """The short table: what was measured, what was skipped and why."""
    rows: list[tuple[str, object]] = []
    for name, entry in account.items():
        if "skipped" in entry:
            rows.append((name, f"skipped: {entry['skipped']}"))
        elif name == "conformal":
            for level, found in entry["account"]["levels"].items():
                rows += [(f"coverage of {c}, {level}", v) for c, v in found["coverage"].items()]
                rows.append((f"sets of one class, {level}", found["one_class"]))
        elif name == "input":
            kept = entry["account"]["accepted_held_out"]
            rows += [(f"accepted of {cohort}, held out", part) for cohort, part in kept.items()]
        else:
            rows.append((name, "measured"))
    return rows
