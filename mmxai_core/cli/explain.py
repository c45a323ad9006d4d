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
    from mmxai_core.clinical import ClinicalSchema
    from mmxai_core.results import Explanation
    from mmxai_core.study import Study


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
        drawn = pictures(explanation, study, schema)
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


def pictures(explanation: Explanation, study: Study | None, schema: ClinicalSchema) -> dict[str, bytes]:
    """The pictures of an explanation as PNG, by file name. An account that does not add up is not drawn.

    Args:
        explanation: What was found.
        study: The study explained.
        schema: Names of the fields.
    """
    from mmxai_core.figures.cross_modal import cross_modal_png
    from mmxai_core.figures.overlay import overlay_png
    from mmxai_core.figures.waterfall_png import waterfall_png

    prediction = explanation.prediction
    versions = prediction.versions
    provenance = f"{versions.bundle} {versions.bundle_sha256[:8]} · explanation {explanation.id[:12]}"
    labels = {"image": "Image", **{f.id: f.label for f in schema.fields}}
    drawn: dict[str, bytes] = {}
    if not explanation.attribution.withheld:
        drawn["waterfall.png"] = waterfall_png(
            explanation.attribution, labels, target=explanation.target_class, provenance=provenance
        )
    if study is None or prediction.image_index is None:
        return drawn
    grey = study.images[prediction.image_index].grey
    for name, found in (("overlay.png", explanation.saliency), ("rollout.png", explanation.rollout)):
        if found is not None:
            drawn[name] = overlay_png(
                grey, found.source, reference=found.reference, box=prediction.lesion_box, title=found.method,
                unit=found.unit, semantics=found.semantics, provenance=provenance,
            )  # fmt: skip
    if explanation.cross_modal is not None:
        drawn["cross_modal.png"] = cross_modal_png(grey, explanation.cross_modal, labels, provenance=provenance)
    return drawn
