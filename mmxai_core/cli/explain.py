"""`explain`: a prediction with its evidence, as files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mmxai_core.cli.arguments import (
    Commands,
    UsageError,
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
    from mmxai_core.predict import Predictor
    from mmxai_core.results import Explanation
    from mmxai_core.study import Study


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "explain", "Predict one study and write the evidence to a folder.")
    add_bundle(parser)
    add_case(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--target-class", metavar="CLASS", help="class explained (default: the positive class)")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number (default 0)")
    parser.add_argument(
        "--regions", choices=("lesion", "grid"), default="lesion",
        help="players of the image: lesion, ring and rest (default), or a 3 x 3 grid",
    )  # fmt: skip
    parser.add_argument(
        "--parts", metavar="NAMES", help="comma-separated parts after maps and account (default: all; none: only these)"
    )
    parser.add_argument("--capsule", type=Path, metavar="FILE", help="also write a case capsule, for `replay`")
    parser.add_argument(
        "--without-inputs", action="store_true", help="the capsule holds only hashes of pixels and clinical values"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Explains, writes the files and prints where they are."""
    clinical = read_clinical(args.clinical)
    from mmxai_core.explain.files import check_folder, write_explanation

    parts = chosen_parts(args.parts)
    check_folder(args.out)
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
            partition=args.regions,
            parts=parts,
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
        if args.capsule is not None:
            step("writing the capsule", 0.9)
            args.capsule.write_bytes(
                capsule_of(
                    predictor, explanation, study, record, pictures=drawn, include_inputs=not args.without_inputs
                )
            )
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
                "parts": list(explanation.parts),
                "seconds": dict(explanation.seconds),
            }
        )
        return
    largest = sorted(zip(account.players, account.values, strict=True), key=lambda row: -abs(row[1]))
    labels = player_labels(schema, record)
    write_table(
        [
            *first_rows(explanation),
            *prediction_rows(explanation.prediction)[:-1],
            *((f"contribution of {player}", f"{value:+.3f} log-odds") for player, value in largest),
            *((n.name, n.value) for n in explanation.reliability),
            *part_rows(explanation, labels),
            ("files", f"{args.out}: {', '.join(files)}"),
            ("use", "Research use only, not for diagnosis."),
        ]
    )


def capsule_of(
    predictor: Predictor, explanation: Explanation, study: Study | None, record: ClinicalRecord, *,
    pictures: Mapping[str, bytes], include_inputs: bool,
) -> bytes:  # fmt: skip
    """The case capsule of an explanation that was asked for here."""
    from mmxai_core.explain.files import explanation_json
    from mmxai_core.model.seal import bundle_seal, machine_facts
    from mmxai_core.report.capsule import BundleRef, ReplaySettings, write_capsule
    from mmxai_core.report.case import ReportCase, case_code

    bundle = predictor.bundle
    case = ReportCase(
        explanation,
        bundle.schema,
        record,
        study,
        case_code(study, explanation),
        datetime.now(UTC).replace(microsecond=0),
    )
    return write_capsule(
        case, results=explanation_json(explanation, study=study, pictures=tuple(pictures)), pictures=pictures,
        bundle=BundleRef(bundle.name, bundle.sha256, bundle_seal(bundle)), settings=ReplaySettings.of(explanation),
        machine=machine_facts(predictor.device), include_inputs=include_inputs,
    )  # fmt: skip


def first_rows(explanation: Explanation) -> list[tuple[str, object]]:
    """What comes before the prediction: the check of the input."""
    check = explanation.input_check
    return [] if check is None else [("kind of input", sentence) for sentence in check.sentences]


def part_rows(explanation: Explanation, labels: dict[str, str]) -> list[tuple[str, object]]:
    """The later parts in one row each, or one a field."""
    rows: list[tuple[str, object]] = []
    if explanation.prediction_set is not None:
        rows.append(("classes not ruled out", explanation.prediction_set.sentence))
    joint, audit = explanation.joint, explanation.audit
    if joint is not None and joint.regions:
        for account in (joint.removal, joint.background):
            if account is not None:
                how = "joint account" if account is joint.removal else "against the background"
                parts = (f"{labels.get(r, r)} {account.value_of(r):+.3f}" for r in account.players if r not in
                         explanation.prediction.known_fields)  # fmt: skip
                rows.append((f"{how} ({account.estimator})", f"{', '.join(parts)}; residual {account.residual:.1e}"))
    if audit is not None:
        rows += [(f"attention of {f}", v) for f, v in zip(audit.fields, audit.verdicts, strict=True)]
    if explanation.branches is not None:
        rows += [("certainty", view.sentence) for view in explanation.branches.views]
    if explanation.questions is not None:
        rows += [("ask next", q.sentence) for q in explanation.questions.questions[:3]]
    if explanation.similar is not None:
        rows.append(("similar training cases", explanation.similar.sentence))
    return rows


def chosen_parts(given: str | None) -> tuple[str, ...]:
    """The parts named on the command line; None: all of them; "none": none.

    Raises:
        UsageError: One does not exist.
    """
    from mmxai_core.explain.explainer import ALL_PARTS

    if given is None:
        return ALL_PARTS
    named = [] if given.strip() == "none" else [p.strip() for p in given.split(",")]
    if unknown := [p for p in named if p not in ALL_PARTS]:
        raise UsageError(f"--parts takes {', '.join(ALL_PARTS)} or none; got {unknown[0]!r}.")
    return tuple(p for p in ALL_PARTS if p in named)


def player_labels(schema: ClinicalSchema, record: ClinicalRecord) -> dict[str, str]:
    """What the pictures call each player: the field with its value, e.g. "Age: 57 years"."""
    known = {f.id: f"{f.label}: {f.describe(record.get(f.id))}" for f in schema.fields if f.id in record.values}
    from mmxai_core.results import REGION_LABELS

    return {**{f.id: f.label for f in schema.fields}, **known, **REGION_LABELS}
