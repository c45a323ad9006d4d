"""`card`: writes a bundle's model card anew from its results, with what other seeds of its recipe came to."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmxai_core.cli.arguments import Commands, UsageError, new_command
from mmxai_core.cli.output import write_json, write_table


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "card", "Write a bundle's model card anew from its results.")
    parser.add_argument(
        "--bundle", type=Path, required=True, metavar="DIR", help="folder of the bundle, which is changed"
    )
    parser.add_argument("--cohort", required=True, metavar="NAME", help="the cohort it was trained on")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the cohort's folder")
    parser.add_argument("--task", metavar="NAME", help="which question, for cohorts that answer several")
    parser.add_argument(
        "--pretrain-root", type=Path, metavar="DIR", help="folder of the cohort its image branch was first trained on"
    )
    parser.add_argument(
        "--seed-run", type=Path, action="append", default=[], metavar="DIR",
        help="run folder of the same recipe with another seed, for the card and results.json; may be repeated",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Writes the card and says what it tells of other seeds."""
    for folder in args.seed_run:
        if not folder.is_dir():
            raise UsageError(f"--seed-run: there is no folder {folder}.")
    from mmxai_core.cohorts.registry import load_cohort
    from mmxai_core.model.bundle import load_bundle
    from mmxai_core.training.card_file import config_of, rewrite_card

    wanted = config_of(load_bundle(args.bundle).results()).pretrain_cohort
    if wanted and args.pretrain_root is None:
        raise UsageError(f"--pretrain-root is needed: the image branch was first trained on {wanted}.")
    pretrain = load_cohort(wanted, args.pretrain_root) if wanted else None
    cohort = load_cohort(args.cohort, args.root, task=args.task)
    bundle = rewrite_card(args.bundle, cohort, pretrain=pretrain, runs=args.seed_run)
    others = bundle.results().get("other_seeds", {})
    if args.json:
        write_json({"bundle": bundle.name, "path": str(bundle.path), "other_seeds": others})
        return
    seeds = ", ".join(map(str, others.get("seeds", ()))) or "none"
    rows = [(f"AUC, {model}", ", ".join(f"{v:.3f}" for v in values)) for model, values in others.get("auc", {}).items()]
    write_table([("bundle", f"{bundle.name} in {bundle.path}"), ("other seeds", seeds), *rows])
