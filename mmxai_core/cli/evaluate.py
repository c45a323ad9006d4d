"""`evaluate`: a bundle against a labelled cohort, with intervals, and localisation where masks exist."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmxai_core.cli.arguments import Commands, UsageError, add_bundle, new_command, open_predictor
from mmxai_core.cli.output import progress, write_json, write_table
from mmxai_core.types import Json

if TYPE_CHECKING:
    from mmxai_core.cohorts.case import Cohort
    from mmxai_core.model.bundle import Bundle

#: Word for `--known` that makes every field unknown.
NONE = "none"


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "evaluate", "Evaluate a bundle on a cohort.")
    add_bundle(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--cohort", metavar="NAME", help="breast_lesions_usg, bus_bra ...; needs --root")
    source.add_argument("--manifest", type=Path, metavar="CSV", help="case_id, patient_id, image, mask, label, fields")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the cohort's folder, in the upstream's layout")
    parser.add_argument("--task", metavar="NAME", help="which question, for cohorts that answer several")
    parser.add_argument(
        "--known", metavar="GROUPS", help=f"field groups that count as known, e.g. history,descriptor; or {NONE}"
    )
    parser.add_argument("--bootstrap", type=int, default=2000, metavar="N", help="replicates (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default 0)")
    parser.add_argument("--predictions", type=Path, metavar="CSV", help="write one row a case")
    parser.add_argument("--no-localization", action="store_true", help="skip the saliency maps: faster")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Evaluates and prints."""
    if args.bootstrap < 1:
        raise UsageError(f"--bootstrap must be at least 1; got {args.bootstrap}.")
    if args.seed < 0:
        raise UsageError(f"--seed must not be negative; got {args.seed}.")
    if args.predictions is not None and not args.predictions.parent.is_dir():
        raise UsageError(f"--predictions: there is no folder {args.predictions.parent}.")
    known = read_known(args.known)
    from mmxai_core.evaluation.evaluate import evaluate
    from mmxai_core.evaluation.saliency import grad_cam_map
    from mmxai_core.evaluation.tables import write_predictions

    with progress("evaluate", unit="cases") as step:
        predictor = open_predictor(args)
        cohort = open_cohort(args, predictor.bundle)
        found = evaluate(
            predictor,
            cohort,
            known=known,
            saliency=None if args.no_localization else grad_cam_map,
            replicates=args.bootstrap,
            seed=args.seed,
            progress=lambda done, total: step("", done, total),
        )
        if args.predictions is not None:
            write_predictions(found.rows, args.predictions)
    if args.json:
        write_json(found.summary)
        return
    write_table(summary_rows(found.summary))


def read_known(text: str | None) -> tuple[str, ...] | None:
    """The groups of `--known`; None: all; `none`: no group.

    Raises:
        UsageError: A word is no group.
    """
    if text is None:
        return None
    from mmxai_core.clinical import GROUPS

    words = tuple(w.strip() for w in text.split(",") if w.strip())
    if words == (NONE,):
        return ()
    if not words or (bad := [w for w in words if w not in GROUPS]):
        raise UsageError(f"--known takes {', '.join(GROUPS)}, joined by commas, or {NONE}; got {(bad or [text])[0]!r}.")
    return words


def open_cohort(args: argparse.Namespace, bundle: Bundle) -> Cohort:
    """The cohort of `--cohort` and `--root`, or of `--manifest`.

    Raises:
        UsageError: `--root` is missing, or given with a manifest.
        CohortError: The cohort cannot be read.
    """
    if args.manifest is not None or args.cohort == "manifest":
        from mmxai_core.cohorts import manifest

        path = args.manifest or args.root
        if path is None or (args.manifest is not None and args.root is not None):
            raise UsageError("A manifest is given by --manifest CSV alone; its paths are relative to it.")
        return manifest.load(path, schema=bundle.schema, classes=bundle.classes, positive_class=bundle.positive_class)
    from mmxai_core.cohorts.registry import load_cohort

    if args.root is None:
        raise UsageError(f"--cohort {args.cohort} needs --root DIR, the folder of the cohort.")
    return load_cohort(args.cohort, args.root, task=args.task)


def summary_rows(summary: Json) -> list[tuple[str, object]]:
    """The short table."""
    s = summary
    trained = [("caution", "these cases trained the model; see the model card's cross-validation")]
    rows: list[tuple[str, object]] = [
        ("bundle", f"{s['bundle']} on {s['device']}"),
        ("cohort", f"{s['cohort']}: {s['n']} cases, {s['patients']} patients, {s['positives']} {s['positive_class']}"),
        *(trained if s["trained_on_this_cohort"] else ()),
        ("known fields", ", ".join(s["known"]) or "none"),
        ("auc", s["auc"]),
        *((name, s["intervals"][name]) for name in s["intervals"]),
    ]
    if (local := s["localization"]) is not None:
        rows += [("pointing game", local["intervals"]["pointing_game"]), ("saliency IoU", local["intervals"]["iou"])]
        rows.append(("cases with a mask", local["n"]))
    else:
        rows.append(("localization", "not measured"))
    rows += [(f"{name} undefined", why) for name, why in s["undefined"].items()]
    return [*rows, ("use", "Research use only, not for diagnosis.")]
