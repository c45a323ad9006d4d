"""The parser, and what every command has in common: exit codes and one-line errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import NoReturn

from mmxai_core import __version__
from mmxai_core.cli import (
    benchmark,
    card,
    compare,
    enrich,
    evaluate,
    evaluate_explanations,
    evaluate_inputs,
    explain,
    fetch,
    predict,
    preprocess,
    reader_study,
    replay,
    samples,
    train,
)
from mmxai_core.cli.arguments import UsageError
from mmxai_core.errors import MmxaiError

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

_COMMANDS = (
    predict, explain, replay, evaluate, evaluate_explanations, evaluate_inputs, train, compare, preprocess, enrich,
    card, benchmark, fetch, samples, reader_study,
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing the usage, so that bad usage is one line as bad input is."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="python -m mmxai_core",
        description="Explainable multi-modal cancer diagnosis. Research use only, not for diagnosis.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mmxai {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for module in _COMMANDS:
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: Arguments without the program's name; None: those of the process.

    Returns:
        0 done; 1 a replay that differs; 2 bad input or usage; 130 interrupted.
    """
    try:
        args = build_parser().parse_args(argv)
        code: int | None = args.run(args)  # only a comparison has a code of its own
        sys.stdout.flush()
    except MmxaiError as error:
        return _say(str(error), BAD_INPUT)
    except KeyboardInterrupt:
        return _say("Interrupted.", INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe left; nothing more can be said there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:  # a full disk, a folder that may not be written
        return _say(f"{error.strerror or error}: {error.filename or 'no file named'}", BAD_INPUT)
    return code or DONE


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    return code


def say_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception hook: says a defect of the program in one line; MMXAI_DEBUG=1 shows where it is."""
    if os.environ.get("MMXAI_DEBUG") == "1":
        sys.__excepthook__(kind, error, trace)
    else:
        _say(f"internal error, {kind.__name__}: {error}; set MMXAI_DEBUG=1 for details", FAILED)
