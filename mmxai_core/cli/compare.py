"""`compare`: the models and their rivals on one cohort, same splits, same budget, results as files. It resumes."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmxai_core.cli.arguments import Commands, UsageError, new_command
from mmxai_core.cli.output import in_words, progress, write_json, write_table


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "compare", "Compare models and rivals on a cohort; results as files.")
    parser.add_argument("--cohort", required=True, metavar="NAME", help="breast_lesions_usg, bus_bra ...")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the cohort's folder")
    parser.add_argument("--task", metavar="NAME", help="which question, for cohorts that answer several")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results; resumes there")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="patient-grouped folds (default 5)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="repeats with other splits (default 3)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML with settings that differ from the defaults")
    parser.add_argument("--source-root", type=Path, metavar="DIR", help="folder of the settings' source_cohort")
    parser.add_argument("--cache", type=Path, default=Path("runs/compare-encoders"), metavar="DIR",
                        help="trained encoders (default runs/compare-encoders); a missing one is trained")  # fmt: skip
    parser.add_argument("--preprocessed", type=Path, default=Path("runs/preprocessed"), metavar="DIR",
                        help="cache of preprocessed pictures, where the settings ask for them "
                        "(default runs/preprocessed)")  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that preprocess (default 1)")
    parser.add_argument("--models", metavar="A,B", help="work on these only; the rest is left to a later run")
    parser.add_argument("--generalise", action="store_true",
                        help="also test across cohorts, scanners, hospitals, and probe the image vectors")  # fmt: skip
    parser.add_argument("--shipped", type=Path, metavar="DIR",
                        help="run folder of `train` on this cohort: it joins as the shipped recipe")  # fmt: skip
    parser.add_argument("--measure-only", action="store_true", help="metrics of the units that are there; no training")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Runs what is missing, measures, and prints the AUC of every model and level."""
    from mmxai_core.cohorts.registry import load_cohort
    from mmxai_core.comparison.config import load_compare_config
    from mmxai_core.comparison.findings import write_generalisation, write_leakage
    from mmxai_core.comparison.measure import write_results
    from mmxai_core.comparison.models import MODELS
    from mmxai_core.comparison.run import Comparison, plan_of
    from mmxai_core.comparison.shipped import take_over

    for name, value, low in (("--folds", args.folds, 2), ("--seeds", args.seeds, 1), ("--workers", args.workers, 1)):
        if not low <= value <= 100:
            raise UsageError(f"{name} must be from {low} to 100; got {value}.")
    models = args.models.split(",") if args.models else None
    names = [m.name for m in MODELS]
    if models and (unknown := [m for m in models if m not in names]):
        raise UsageError(f"--models knows {', '.join(names)}; got {unknown[0]!r}.")
    config = load_compare_config(args.config)
    cohort = load_cohort(args.cohort, args.root, task=args.task)
    source = None
    if config.source_cohort and config.source_cohort != cohort.name:
        if args.source_root is None:
            raise UsageError(f"The settings start from {config.source_cohort}: give its folder with --source-root.")
        source = load_cohort(config.source_cohort, args.source_root)
    elif args.source_root is not None:
        raise UsageError("--source-root is of no use: the settings name no source_cohort for this cohort.")
    with progress("compare", unit="units") as step:
        plan = plan_of(
            cohort, args.out, config=config, folds=args.folds, seeds=args.seeds, cache=args.cache, source=source,
            only=models, preprocessed=args.preprocessed, workers=args.workers,
            progress=lambda what, done, total: step(what, done, total),
        )  # fmt: skip
        comparison = Comparison(plan)
        if args.shipped:
            take_over(comparison, args.shipped)
        if args.measure_only:
            comparison.prepare()
        else:
            comparison.run()
        results = write_results(comparison)
        write_leakage(comparison, encoders=args.generalise)
        write_generalisation(comparison, train=args.generalise)
    if args.json:
        write_json({"path": str(args.out), "cohort": cohort.name, "pairs": comparison.read.pairs, **results})
        return
    pairs = comparison.read.pairs
    rows = [
        ("results", f"{results['status']} in {args.out}"),
        ("pairs", f"{pairs['complete']} whole; {pairs['without_fields']} without any known field "
         f"({pairs['dropped']} dropped); {pairs['without_picture']} without a picture (dropped)"),
    ]  # fmt: skip
    for row in results["models"]:
        rows.append((f"auc, {row['model']}, {row['level']}", in_words(row["auc"])))
    write_table(rows)
