"""``python -m mmxai_core.phantom --out assets/samples`` writes the shipped samples again, byte for byte."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmxai_core.errors import MmxaiError
from mmxai_core.phantom.samples import write_samples


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program's name; the process's own where None.

    Returns:
        0 done, 2 bad input.
    """
    parser = argparse.ArgumentParser(prog="python -m mmxai_core.phantom", description="Write the sample phantoms.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    try:
        for path in write_samples(parser.parse_args(argv).out):
            sys.stdout.write(f"{path}\n")
    except MmxaiError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
