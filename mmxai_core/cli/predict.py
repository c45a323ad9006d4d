"""`predict`: a calibrated prediction for one study and one clinical record."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmxai_core.cli.arguments import (
    Commands,
    add_bundle,
    add_case,
    new_command,
    open_predictor,
    read_clinical,
    read_image,
)
from mmxai_core.cli.output import progress, write_json, write_table
from mmxai_core.types import Json

if TYPE_CHECKING:
    from mmxai_core.results import Prediction


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "predict", "Predict one study.")
    add_bundle(parser)
    add_case(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Predicts and prints."""
    clinical = read_clinical(args.clinical)
    with progress("predict") as step:
        step("reading the image", 0.0)
        study = read_image(args.image)
        step("reading the bundle", 0.2)
        predictor = open_predictor(args)
        record = predictor.bundle.schema.record(clinical)
        prediction = predictor.predict(study, record, progress=lambda what, part: step(what, 0.5 + part / 2))
    if args.json:
        write_json(prediction_object(prediction))
        return
    write_table(prediction_rows(prediction))


def prediction_object(prediction: Prediction) -> Json:
    """The object that `predict --json` prints (DESIGN §5), with what a script may want besides."""
    from mmxai_core.explain.files import prediction_json

    versions = prediction.versions
    return {
        **prediction_json(prediction),
        "bundle_sha256": versions.bundle_sha256,
        "versions": {"mmxai": versions.mmxai, "torch": versions.torch},
    }


def prediction_rows(prediction: Prediction) -> list[tuple[str, object]]:
    """The short table."""
    p = prediction
    return [
        ("bundle", f"{p.versions.bundle} on {p.versions.device}"),
        *((f"probability {c}", p.probabilities[c]) for c in p.classes),
        ("called", f"{p.predicted_class} (threshold {p.threshold:.3f})"),
        ("image weight", p.branch_weights["image"]),
        ("clinical weight", p.branch_weights["clinical"]),
        ("known fields", ", ".join(p.known_fields) or "none"),
        ("unknown fields", ", ".join(p.unknown_fields) or "none"),
        *(("note", n) for n in p.notes),
        ("use", "Research use only, not for diagnosis."),
    ]
