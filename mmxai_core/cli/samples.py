"""`samples`: writes the synthetic sample studies that ship with the app, byte for byte."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmxai_core.cli.arguments import Commands, new_command
from mmxai_core.cli.output import progress, write_json, write_table


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "samples", "Write the synthetic sample studies (DICOM phantoms).")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Writes the samples."""
    from mmxai_core.phantom import write_samples

    with progress("samples") as step:
        step("computing phantoms", 0.0)
        paths = [str(p) for p in write_samples(args.out)]
    if args.json:
        write_json({"files": paths})
        return
    write_table([("file", p) for p in paths])
