"""`train`: a bundle from a cohort. Started again with the same folders, it resumes."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmxai_core.cli.arguments import Commands, UsageError, new_command
from mmxai_core.cli.output import in_words, progress, write_json, write_table


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "train", "Train and cross-validate a bundle.")
    parser.add_argument("--cohort", required=True, metavar="NAME", help="breast_lesions_usg, bus_bra ...")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the cohort's folder")
    parser.add_argument("--task", metavar="NAME", help="which question, for cohorts that answer several")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new bundle")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML with settings that differ from the defaults")
    parser.add_argument("--pretrain-root", type=Path, metavar="DIR", help="folder of the settings' pretrain_cohort")
    parser.add_argument("--name", help="bundle name (default: the name of --out)")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="checkpoints and log (default: runs/NAME)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Trains and prints the cross-validated result."""
    from mmxai_core.cohorts.registry import load_cohort
    from mmxai_core.training.config import load_config
    from mmxai_core.training.recipe import RunLog
    from mmxai_core.training.train import train_bundle

    config = load_config(args.config)
    pretrain = None
    if config.pretrain_cohort:
        if args.pretrain_root is None:
            raise UsageError(
                f"The settings pretrain on {config.pretrain_cohort}: give its folder with --pretrain-root."
            )
        pretrain = load_cohort(config.pretrain_cohort, args.pretrain_root)
    elif args.pretrain_root is not None:
        raise UsageError("--pretrain-root is of no use: the settings name no pretrain_cohort.")
    cohort = load_cohort(args.cohort, args.root, task=args.task)
    name = args.name or args.out.resolve().name
    folder = args.run_dir or Path("runs") / name
    with progress("train", unit="steps") as step:
        log = RunLog(folder, progress=lambda stage, done, total: step(stage, done, total))
        bundle = train_bundle(cohort, args.out, name=name, config=config, log=log, pretrain=pretrain)
    results = bundle.results()
    if args.json:
        write_json({"bundle": bundle.name, "path": str(bundle.path), "sha256": bundle.sha256, "results": results})
        return
    models = results["cross_validation"]["models"]
    write_table(
        [
            ("bundle", f"{bundle.name} in {bundle.path}"),
            *((f"cross-validated auc, {model}", in_words(entry["auc"])) for model, entry in models.items()),
            ("temperature", bundle.temperature),
            ("threshold", bundle.threshold),
        ]
    )
