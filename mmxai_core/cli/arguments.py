"""Arguments that several commands share, and reading their values."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mmxai_core.errors import ClinicalValueError, MmxaiError, StudyReadError

if TYPE_CHECKING:  # these import torch, which a usage error should not wait for
    from mmxai_core.predict import Predictor
    from mmxai_core.study import Study


class UsageError(MmxaiError):
    """The command line itself is wrong."""


class Commands(Protocol):
    """The part of argparse's subparsers that a command uses."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        """See argparse."""
        ...


def new_command(commands: Commands, name: str, help_text: str) -> argparse.ArgumentParser:
    """A command's parser with `--json`."""
    parser = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on standard output")
    return parser


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """`--bundle` and `--device`."""
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="folder of a model bundle")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")


def add_case(parser: argparse.ArgumentParser) -> None:
    """`--image` and `--clinical`."""
    parser.add_argument("--image", type=Path, metavar="FILE", help="DICOM, NIfTI, MHA, NRRD, PNG, JPEG, TIFF or zip")
    parser.add_argument(
        "--clinical",
        metavar="JSON|@FILE",
        help='values by field id, e.g. \'{"age": 57, "palpable": "yes"}\'; a field that is left out is unknown',
    )


def read_clinical(text: str | None) -> dict[str, Any]:
    """The values of `--clinical`, not yet checked against a schema.

    Args:
        text: JSON, or `@` and the name of a file that holds it; None: no field is known.

    Raises:
        ClinicalValueError: The file cannot be read, or the text is not one JSON object of finite values.
    """
    if text is None:
        return {}
    where = "--clinical"
    if text.startswith("@"):
        where = f"Clinical file {text[1:]}"
        try:
            text = Path(text[1:]).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ClinicalValueError(f"{where} must be UTF-8 text; byte {error.start} is not.") from error
        except OSError as error:
            raise ClinicalValueError(f"{where} cannot be read: {error.strerror}.") from error
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # not only JSONDecodeError: an integer may have too many digits
        raise ClinicalValueError(f"{where} must be a JSON object of field ids and values; {error}.") from error
    if not isinstance(values, dict):
        raise ClinicalValueError(
            f"{where} must be a JSON object of field ids and values; got a {type(values).__name__}."
        )
    if nested := [k for k, v in values.items() if isinstance(v, list | dict)]:
        raise ClinicalValueError(f"{where}: a field has one value; {nested[0]!r} holds several.")
    return values


def _no_constant(word: str) -> float:
    """NaN and Infinity, which Python reads but JSON does not have (RFC 8259, section 6)."""
    raise ValueError(f"{word} is not a JSON number")


def read_image(path: Path | None) -> Study | None:
    """The study in a file; None without a file.

    Raises:
        StudyReadError: The file is missing or cannot be read as a study; the message names it.
    """
    if path is None:
        return None
    from mmxai_core.io import read_study

    try:
        data = path.read_bytes()
    except OSError as error:
        raise StudyReadError(f"Cannot open image {path}: {error.strerror}.") from error
    try:
        return read_study(data, path.name)
    except StudyReadError as error:
        raise StudyReadError(f"Image {path.name}: {error}") from error


def open_predictor(args: argparse.Namespace, *, deadline_s: float = 3600) -> Predictor:
    """The bundle of `--bundle` on the device of `--device`.

    Raises:
        BundleError: The bundle is missing, incomplete or changed.
        DeviceError: The device is not there.
    """
    from mmxai_core.model.bundle import load_bundle
    from mmxai_core.predict import Predictor

    return Predictor(load_bundle(args.bundle), device=args.device, deadline_s=deadline_s)
