"""`fetch`: the public originals of a cohort, hash-checked, resumable."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmxai_core.cli.arguments import Commands, UsageError, new_command
from mmxai_core.cli.output import progress, write_json, write_table


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "fetch", "Download a public cohort's originals.")
    parser.add_argument("cohort", metavar="NAME", help="breast_lesions_usg or bus_bra")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default: data/NAME)")
    parser.add_argument("--base-url", metavar="URL", help="take the files from a mirror, below this address")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Downloads, unpacks and checks."""
    from mmxai_core.cohorts.fetch import SOURCES, fetch

    if args.cohort not in SOURCES:
        raise UsageError(f"Only {' and '.join(SOURCES)} can be fetched; got {args.cohort!r}.")
    out = args.out or Path("data") / args.cohort
    with progress(f"fetch {args.cohort}") as step:
        # A server need not say how large a file is: the bar then waits at its beginning.
        fetched = fetch(
            args.cohort,
            out,
            base_url=args.base_url,
            progress=lambda what, done, total: step(what, done / total if total else 0.0),
        )
    rows = {
        "cohort": args.cohort,
        "root": str(fetched.root),
        "files": fetched.files,
        "already_there": fetched.kept,
        "downloaded_bytes": fetched.downloaded_bytes,
    }
    if args.json:
        write_json(rows)
        return
    write_table(list(rows.items()))
