"""`train`: a bundle from a cohort. Started again with the same folders, it resumes."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmxai_core.cli.arguments import Commands, UsageError, new_command
from mmxai_core.cli.output import in_words, progress, write_json, write_table

if TYPE_CHECKING:  # imports torch, which a usage error should not wait for
    from mmxai_core.training.team import Team
    from mmxai_core.types import Json


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "train", "Train and cross-validate a bundle.")
    parser.add_argument("--cohort", required=True, metavar="NAME", help="breast_lesions_usg, bus_bra ...")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the cohort's folder")
    parser.add_argument("--task", metavar="NAME", help="which question, for cohorts that answer several")
    made = parser.add_mutually_exclusive_group(required=True)
    made.add_argument("--out", type=Path, metavar="DIR", help="folder of the new bundle")
    made.add_argument(
        "--folds", type=int, nargs="+", metavar="K",
        help="only these folds of the cross-validation, from 0, and no bundle; needs --run-dir",
    )  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML with settings that differ from the defaults")
    parser.add_argument("--pretrain-root", type=Path, metavar="DIR", help="folder of the settings' pretrain_cohort")
    parser.add_argument("--name", help="bundle name (default: the name of --out)")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="checkpoints and log (default: runs/NAME)")
    parser.add_argument(
        "--amp", choices=("none", "bf16", "fp16"), help="mixed precision of the image stages; fp16 on CUDA only"
    )
    parser.add_argument(
        "--accumulate", type=int, metavar="N", help="split each image batch into N micro-batches, to save memory"
    )
    parser.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="also write each epoch's numbers for tensorboard --logdir DIR"
    )
    parser.epilog = (
        "Several GPUs of one machine share the image stages: torchrun --nproc-per-node 4 -m mmxai_core train ... "
        "(the settings' batch is that of all processes together). --amp and --accumulate go before the settings of "
        "--config. metrics.csv, config.toml and the checkpoints lie in --run-dir; the same command resumes there. "
        "--folds is for a cohort that is compared only (compare --shipped takes the folds over), and for processes "
        "that take different folds, each in a copy of one --run-dir whose pretraining is done; the fold files are put "
        "together by hand."
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Trains and prints the cross-validated result; a process that torchrun started beside rank 0 only helps."""
    from mmxai_core.training.team import follow, join_team

    with join_team() as team:
        if team.rank:
            follow(team)
        else:
            _lead(args, team)


def _lead(args: argparse.Namespace, team: Team) -> None:
    from mmxai_core.cohorts.registry import load_cohort
    from mmxai_core.comparison.cohort import with_fields
    from mmxai_core.training.metrics_log import TensorBoardLog
    from mmxai_core.training.run_log import RunLog
    from mmxai_core.training.settings_file import load_config
    from mmxai_core.training.train import train_bundle, train_folds

    if args.folds is not None and args.run_dir is None:
        raise UsageError("--folds needs --run-dir, where the folds are kept.")
    if args.folds is not None and args.name is not None:
        raise UsageError("--name is of no use with --folds: no bundle is written.")
    given = {name: value for name in ("amp", "accumulate") if (value := getattr(args, name)) is not None}
    config = replace(load_config(args.config), **given)
    board = TensorBoardLog(args.tensorboard) if args.tensorboard is not None else None
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
    name = args.name or (args.out or args.run_dir).resolve().name
    folder = args.run_dir or Path("runs") / name
    with progress("train", unit="steps") as step:
        log = RunLog(folder, progress=lambda stage, done, total: step(stage, done, total), team=team, tensorboard=board)
        if args.folds is not None:
            folds = train_folds(with_fields(cohort), sorted(set(args.folds)), config=config, log=log, pretrain=pretrain)
        else:
            bundle = train_bundle(cohort, args.out, name=name, config=config, log=log, pretrain=pretrain)
    if board is not None:
        board.close()
    if args.folds is not None:
        _tell_folds(folds, folder, as_json=args.json)
        return
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


def _tell_folds(folds: list[Json], folder: Path, *, as_json: bool) -> None:
    """The AUC of each fold's held-out cases by each entry of its probabilities."""
    from mmxai_core.training.crossval import fold_auc

    told = [{k: fold_auc(f, k) for k in f["probabilities"]} for f in folds]
    if as_json:
        write_json(
            {"run": str(folder), "folds": [{"fold": f["fold"], "auc": t} for f, t in zip(folds, told, strict=True)]}
        )
        return
    write_table(
        [
            ("run", str(folder)),
            *((f"fold {f['fold']}, auc, {k}", v) for f, t in zip(folds, told, strict=True) for k, v in t.items()),
        ]
    )
