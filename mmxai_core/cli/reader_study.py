"""`reader-study`: multi-reader multi-case analysis, study planning, and the check of the analysis by simulation."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmxai_core.cli.arguments import Commands, UsageError, new_command
from mmxai_core.cli.output import progress, write_json, write_table

_GENERALISES = ("readers_and_cases", "cases", "readers")


def add_parser(commands: Commands) -> None:
    """Declares the command and its actions."""
    text = "Analyse a reader study."
    actions = commands.add_parser("reader-study", help=text, description=text, allow_abbrev=False).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    compare = new_command(
        actions, "mrmc", "Compare the AUC of treatments over readers and cases (Obuchowski-Rockette)."
    )
    _add_file(compare)
    compare.add_argument(
        "--covariance", choices=("jackknife", "bootstrap", "delong"), default="jackknife", help="default jackknife"
    )
    compare.add_argument("--replicates", type=int, default=2000, metavar="N", help="of the bootstrap (default 2000)")
    compare.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")
    compare.add_argument("--imrmc", type=Path, metavar="FILE", help="also write the ratings as an iMRMC file")
    compare.set_defaults(run=run)
    plan = new_command(actions, "plan", "How many readers and cases a study needs, from the ratings of a pilot.")
    _add_file(plan)
    plan.add_argument("--effect", type=float, required=True, metavar="D", help="AUC difference to find, e.g. 0.05")
    plan.add_argument("--power", type=float, default=0.8, metavar="P", help="default 0.8")
    plan.set_defaults(run=run)
    check = new_command(
        actions, "validate", "Type I error and interval coverage over simulated studies; can be resumed."
    )
    check.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file, kept up to date")
    check.add_argument("--studies", type=int, default=2000, metavar="N", help="for each scenario (default 2000)")
    check.set_defaults(run=run_validate)
    _add_analyse(new_command(actions, "analyse", "The whole analysis of a study: results, tables, figures, report."))
    _add_rehearse(new_command(actions, "rehearse", "Tables of a study that was not run, with simulated readers."))


def _add_analyse(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--tables", type=Path, metavar="DIR", help="folder or zip with readings.csv, ratings.csv ...")
    source.add_argument("--store", metavar="URL", help="study store: a path, or a postgresql:// URL")
    parser.add_argument("--study", metavar="ID", help="study in the store; survey: the Survey page")
    parser.add_argument("--version", type=int, metavar="N", help="of the study (default: the latest)")
    parser.add_argument("--maps", type=Path, metavar="DIR", help="saliency maps: CASE.npz, or CASE/saliency.npy")
    parser.add_argument("--out", type=Path, metavar="DIR", help="writes analysis.json, tables, figures, report.pdf ...")
    parser.add_argument("--scale", metavar="NAME", help="rating scale to analyse (default: the commonest)")
    parser.add_argument("--threshold", type=float, metavar="X", help="a rating is positive from X on")
    parser.add_argument("--effect", type=float, action="append", metavar="D", help="AUC difference to plan for")
    parser.add_argument("--replicates", type=int, default=2000, metavar="N", help="of each bootstrap (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of each bootstrap (default 0)")
    parser.set_defaults(run=run_analyse)


def _add_rehearse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the tables")
    parser.add_argument("--design", choices=("sequential", "crossover"), default="sequential")
    parser.add_argument("--readers", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument("--positives", type=int, default=20, metavar="N", help="positive cases (default 20)")
    parser.add_argument("--negatives", type=int, default=20, metavar="N", help="negative cases (default 20)")
    parser.add_argument("--auc", action="append", metavar="STAGE=AUC", help="e.g. unaided=0.75 (stages unaided, ai, "
                        "explanation)")  # fmt: skip
    parser.add_argument("--ai-accuracy", type=float, default=0.85, metavar="P", help="default 0.85")
    parser.add_argument("--seeded-wrong", type=int, default=4, metavar="N", help="planted errors of the AI (default 4)")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.set_defaults(run=run_rehearse)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV with reader, treatment, case, truth (0/1), rating")
    parser.add_argument(
        "--generalise",
        choices=_GENERALISES,
        default="readers_and_cases",
        help="to whom the result speaks: other readers and cases (default); cases: readers fixed; readers: cases fixed",
    )


def run(args: argparse.Namespace) -> None:
    """Analyses or plans, and prints."""
    from mmxai_core.reader_study.cli import reader_study_command, summary_rows

    found = reader_study_command(args)
    if args.json:
        write_json(found)
    else:
        write_table(summary_rows(found))


def run_validate(args: argparse.Namespace) -> None:
    """Simulates, and prints the rates over all scenarios."""
    if args.studies < 1:
        raise UsageError(f"--studies must be at least 1; got {args.studies}.")
    from mmxai_core.reader_study.simulation import Validation, validate

    with progress("validate", unit="studies") as step:
        kept = validate(args.out, Validation(), studies=args.studies, progress=lambda n, total: step("", n, total))
    if args.json:
        write_json(kept)
        return
    null, effect = kept["summary"]["all null"], kept["summary"]["all effect"]
    write_table(
        [
            ("studies", null["studies"] + effect["studies"]),
            ("type I error", null["type_i_error"]),
            ("coverage, no difference", null["coverage"]),
            ("coverage, true difference", effect["coverage"]),
        ]
    )


def run_analyse(args: argparse.Namespace) -> None:
    """Analyses a study, writes its exports where asked, and prints."""
    if args.replicates < 2 or args.seed < 0:
        raise UsageError(
            f"--replicates must be at least 2 and --seed 0 or more; got {args.replicates} and {args.seed}."
        )
    if args.store is not None and args.study is None:
        raise UsageError("--store needs --study ID.")
    from mmxai_core.reader_study.cli_study import analyse_command, analysis_rows

    with progress("analyse") as step:
        found, written = analyse_command(args, step)
    if args.json:
        write_json(found)
        return
    write_table([*analysis_rows(found), ("notice", found["notice"])])
    if written:
        write_table([("written", f"{len(written)} files to {args.out}")])


def run_rehearse(args: argparse.Namespace) -> None:
    """Simulates a study's tables, writes them, and says how to go on."""
    from mmxai_core.reader_study.cli_study import rehearse_command

    found = rehearse_command(args)
    if args.json:
        write_json(found)
    else:
        write_table(list(found.items()))
