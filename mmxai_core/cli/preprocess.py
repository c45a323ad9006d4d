"""`preprocess`: a cohort's pictures made comparable by their modality's recipe, into a cache. It resumes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmxai_core.cli.arguments import Commands, UsageError, new_command
from mmxai_core.cli.output import progress, write_json, write_table

#: Reasons that the table on a terminal spells out; --json has them all.
_SHOWN = 5


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "preprocess", "Preprocess a cohort's pictures into a cache; it resumes there.")
    parser.add_argument("--cohort", required=True, metavar="NAME", help="breast_lesions_usg, bus_bra ...")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the cohort's folder")
    parser.add_argument("--task", metavar="NAME", help="which question, for cohorts that answer several")
    parser.add_argument("--out", type=Path, required=True, metavar="CACHE", help="folder of the cache; resumes there")
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="a comparison's TOML: its table [preprocess] and its `incomplete` are used")  # fmt: skip
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1), metavar="N",
                        help="processes (default: the processors, at most 4)")  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Prepares what is missing, and says what was done, reused and dropped."""
    if not 1 <= args.workers <= 256:
        raise UsageError(f"--workers must be from 1 to 256; got {args.workers}.")
    from mmxai_core.cohorts.registry import load_cohort
    from mmxai_core.preprocessing.incomplete import EMBED, settle
    from mmxai_core.preprocessing.run import preprocess_cohort
    from mmxai_core.preprocessing.settings import PreprocessSettings

    settings, incomplete = PreprocessSettings(on=True), EMBED
    if args.config is not None:
        from mmxai_core.comparison.config import load_compare_config  # imports torch, which nothing else here needs

        config = load_compare_config(args.config)
        settings, incomplete = config.preprocess, config.incomplete
    cohort, pairs = settle(load_cohort(args.cohort, args.root, task=args.task), incomplete)
    with progress("preprocess", unit="pictures") as step:
        report = preprocess_cohort(
            cohort, args.out, settings=settings, workers=args.workers,
            progress=lambda done, total: step(cohort.name, done, total),
        )  # fmt: skip
    found = report.to_json() | {"out": str(args.out), "pairs": pairs.to_json()}
    found["dropped_before"] = [list(d) for d in cohort.dropped if d[1]]
    if args.json:
        write_json(found)
        return
    marks = f"{found['mark_pixels']} pixels in {found['pictures_with_marks']} pictures"
    rows = [
        ("pictures", f"{found['cases']} of {cohort.name} in {args.out}"),
        ("made / reused / repaired / dropped", " / ".join(
            str(found[k]) for k in ("made", "reused", "repaired", "dropped"))),
        ("pairs", f"{pairs.complete} whole; {pairs.without_fields} without any known field ({pairs.dropped} dropped)"),
        *((step, str(count)) for step, count in found["steps"].items()),
        ("burned-in marks", marks),
        ("lesions cut", f"{found['lesions_cut']} (at most {100 * found['largest_cut']:.1f} %)"),
        ("speed", f"{found['images_per_second']:.1f} pictures a second, {args.workers} processes"),
        *((f"dropped before: {reason}", str(count)) for reason, count in found["dropped_before"]),
        *((w["case"], w["reason"]) for w in found["why"][:_SHOWN]),
    ]  # fmt: skip
    if len(found["why"]) > _SHOWN:
        rows.append(("...", f"{len(found['why']) - _SHOWN} more; --json names them"))
    write_table(rows)
