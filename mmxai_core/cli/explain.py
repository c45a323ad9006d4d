"""`explain`: a prediction with its evidence, as files."""

from __future__ import annotations

import argparse
from pathlib import Path
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
from mmxai_core.cli.predict import prediction_object, prediction_rows

if TYPE_CHECKING:
    from mmxai_core.clinical import ClinicalRecord, ClinicalSchema


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "explain", "Predict one study and write the evidence to a folder.")
    add_bundle(parser)
    add_case(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--target-class", metavar="CLASS", help="class explained (default: the positive class)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the stability tests (default 0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Explains, writes the files and prints where they are."""
    clinical = read_clinical(args.clinical)
    from mmxai_core.explain.files import write_explanation

    with progress("explain") as step:
        step("reading the image", 0.0)
        study = read_image(args.image)
        step("reading the bundle", 0.1)
        predictor = open_predictor(args)
        from mmxai_core.explain.explainer import Explainer

        schema = predictor.bundle.schema
        record = schema.record(clinical)
        explanation = Explainer(predictor).explain(
            study,
            record,
            target_class=args.target_class,
            seed=args.seed,
            progress=lambda what, part: step(what, 0.2 + 0.6 * part),
        )
        step("writing the files", 0.8)
        from mmxai_core.figures.pictures import explanation_pictures

        index = explanation.prediction.image_index
        drawn = explanation_pictures(
            explanation,
            grey=None if study is None or index is None else study.images[index].grey,
            labels=player_labels(schema, record),
        )
        files = [f.name for f in write_explanation(explanation, args.out, study=study, pictures=drawn)]
    account = explanation.attribution
    if args.json:
        write_json(
            {
                "out": str(args.out),
                "files": files,
                "id": explanation.id,
                "target_class": explanation.target_class,
                "prediction": prediction_object(explanation.prediction),
                "base_value": account.base_value,
                "attributions": {p: float(v) for p, v in zip(account.players, account.values, strict=True)},
                "residual": account.residual,
                "reliability": {n.name: n.value for n in explanation.reliability},
                "seconds": dict(explanation.seconds),
            }
        )
        return
    largest = sorted(zip(account.players, account.values, strict=True), key=lambda row: -abs(row[1]))
    write_table(
        [
            *prediction_rows(explanation.prediction)[:-1],
            *((f"contribution of {player}", f"{value:+.3f} log-odds") for player, value in largest),
            *((n.name, n.value) for n in explanation.reliability),
            ("files", f"{args.out}: {', '.join(files)}"),
            ("use", "Research use only, not for diagnosis."),
        ]
    )


def player_labels(schema: ClinicalSchema, record: ClinicalRecord) -> dict[str, str]:
    """What the pictures call each player: the field with its value, e.g. "Age: 57 years"."""
    known = {f.id: f"{f.label}: {f.describe(record.get(f.id))}" for f in schema.fields if f.id in record.values}
    return {**{f.id: f.label for f in schema.fields}, **known, "image": "Image"}
