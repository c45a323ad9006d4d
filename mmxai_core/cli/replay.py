"""`replay`: a case capsule computed again, and compared with what it holds, number by number."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmxai_core.cli.arguments import Commands, UsageError, new_command, open_predictor, read_clinical, read_image
from mmxai_core.cli.output import progress, write_json, write_table
from mmxai_core.errors import CapsuleError

if TYPE_CHECKING:
    from mmxai_core.clinical import ClinicalRecord, ClinicalSchema
    from mmxai_core.predict import Predictor
    from mmxai_core.report.capsule import Capsule
    from mmxai_core.report.capsule_compare import Difference
    from mmxai_core.results import Explanation
    from mmxai_core.study import Study

IDENTICAL, DIFFERS = 0, 1
#: Where bundles ship.
_PRETRAINED = Path(__file__).resolve().parents[2] / "pretrained"


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(
        commands, "replay", "Compute a case capsule again and compare; exits 0 identical, 1 different, 2 bad input."
    )
    parser.add_argument("capsule", type=Path, metavar="CAPSULE", help="the capsule, a zip")
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="folder of the bundle (default: the shipped one of the same name)"
    )
    parser.add_argument("--device", default="cpu", help="cpu (default), auto, cuda or cuda:N")
    parser.add_argument("--image", type=Path, metavar="FILE", help="the study, where the capsule holds only its hash")
    parser.add_argument(
        "--clinical", metavar="JSON|@FILE", help="the clinical values, where the capsule holds only their hash"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: as recorded in the capsule)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replays, prints every quantity, and returns the exit code."""
    from mmxai_core.report.capsule import read_capsule

    with progress("replay") as step:
        step("reading the capsule", 0.0)
        capsule = read_capsule(_bytes_of(args.capsule))
        threads = _set_threads(capsule, args.threads)
        step("reading the bundle", 0.05)
        args.bundle = args.bundle or _shipped(capsule)
        predictor = open_predictor(args)
        _check_bundle(capsule, predictor)
        step("reading the inputs", 0.1)
        study = _study(capsule, args.image)
        record = _record(capsule, predictor.bundle.schema, args.clinical)
        explanation = _explain(capsule, predictor, study, record, step=lambda w, p: step(w, 0.15 + 0.75 * p))
        step("comparing", 0.92)
        found = _compare(capsule, explanation, study, predictor.bundle.schema, record)
    same = all(d.identical for d in found)
    told = _told(capsule, predictor, found, threads, same)
    if args.json:
        write_json(told)
    else:
        write_table(_rows(told, found))
    return IDENTICAL if same else DIFFERS


def _bytes_of(path: Path) -> bytes:
    from mmxai_core.report.capsule_zip import MAX_PACKED

    try:
        if path.stat().st_size > MAX_PACKED:
            raise CapsuleError(f"Capsule {path.name} has {path.stat().st_size:,} bytes; the limit is {MAX_PACKED:,}.")
        return path.read_bytes()
    except OSError as error:
        raise CapsuleError(f"Cannot open capsule {path}: {error.strerror}.") from error


def _set_threads(capsule: Capsule, asked: int | None) -> int:
    """As recorded, so that sums run in the same order; returns what is in use."""
    import torch

    if asked is not None and not 1 <= asked <= 1024:
        raise UsageError(f"--threads must be from 1 to 1024; got {asked}.")
    recorded = capsule.machine.get("threads")
    wanted = asked or (recorded if isinstance(recorded, int) and 1 <= recorded <= 1024 else torch.get_num_threads())
    torch.set_num_threads(wanted)
    return torch.get_num_threads()


def _shipped(capsule: Capsule) -> Path:
    name = capsule.bundle.name
    folder = _PRETRAINED / name
    if Path(name).name != name or not folder.is_dir():
        raise CapsuleError(f"The capsule was made with bundle {name!r}, which is not shipped here; give --bundle DIR.")
    return folder


def _check_bundle(capsule: Capsule, predictor: Predictor) -> None:
    """Refuses any bundle but the capsule's own.

    Raises:
        CapsuleError: Weights, or anything else a result depends on, are not the same.
    """
    from mmxai_core.model.seal import bundle_seal

    made, bundle = capsule.bundle, predictor.bundle
    if made.weights_sha256 != bundle.sha256:
        raise CapsuleError(
            f"The capsule belongs to bundle {made.name!r} with weights {made.weights_sha256[:12]}...; "
            f"{bundle.name!r} has {bundle.sha256[:12]}..."
        )
    if made.seal != bundle_seal(bundle):
        raise CapsuleError(
            f"Bundle {bundle.name!r} has the capsule's weights, but its calibration, fields or reference data were "
            f"changed since (seal {bundle_seal(bundle)[:12]}..., the capsule says {made.seal[:12]}...)."
        )


def _study(capsule: Capsule, image: Path | None) -> Study | None:
    """The study of `--image` or of the capsule.

    Raises:
        CapsuleError: None is there, or it is another one.
    """
    if capsule.study_sha256 is None:
        if image is not None:
            raise CapsuleError("The capsule was made from clinical data alone; it takes no --image.")
        return None
    study = read_image(image) if image is not None else capsule.study
    if study is None:
        raise CapsuleError("The capsule holds only the hash of its study; give the study with --image FILE.")
    if study.sha256 != capsule.study_sha256:
        raise CapsuleError(
            f"The capsule was made from another study: sha256 {capsule.study_sha256[:12]}..., --image has "
            f"{study.sha256[:12]}..."
        )
    return study


def _record(capsule: Capsule, schema: ClinicalSchema, text: str | None) -> ClinicalRecord:
    from mmxai_core.report.capsule import clinical_hash

    if text is None and capsule.record is None:
        if capsule.clinical_sha256 != clinical_hash(schema.record({})):
            raise CapsuleError("The capsule holds only the hash of its clinical values; give them with --clinical.")
        return schema.record({})
    record = schema.record(dict(capsule.record or {}) if text is None else read_clinical(text))
    if clinical_hash(record) != capsule.clinical_sha256:
        raise CapsuleError("The capsule was made from other clinical values: their hash does not match.")
    return record


def _explain(
    capsule: Capsule, predictor: Predictor, study: Study | None, record: ClinicalRecord, *, step: Any
) -> Explanation:
    from mmxai_core.explain.explainer import Explainer

    asked = capsule.settings
    if asked.score not in ("logit", "log_odds") or asked.partition not in ("lesion", "grid"):
        raise CapsuleError(
            f"The capsule was made with settings that this version does not know: score {asked.score!r}, image players "
            f"{asked.partition!r}."
        )
    return Explainer(predictor).explain(
        study, record, target_class=asked.target_class, score=asked.score, roi=asked.roi,  # type: ignore[arg-type]
        roi_image=asked.roi_image, seed=asked.seed, parts=asked.parts, partition=asked.partition,  # type: ignore[arg-type]
        progress=step,
    )  # fmt: skip


def _compare(
    capsule: Capsule, explanation: Explanation, study: Study | None, schema: ClinicalSchema, record: ClinicalRecord
) -> tuple[Difference, ...]:
    from mmxai_core.explain.files import explanation_json
    from mmxai_core.figures.pictures import explanation_pictures
    from mmxai_core.report.capsule import explanation_maps
    from mmxai_core.report.capsule_compare import compare
    from mmxai_core.report.case import picture_labels

    drawn: dict[str, bytes] = {}
    if capsule.pictures:
        index = explanation.prediction.image_index
        grey = None if study is None or index is None else study.images[index].grey
        drawn = explanation_pictures(explanation, grey=grey, labels=picture_labels(schema, record))
    return compare(
        capsule.results, explanation_json(explanation, study=study), maps=(capsule.maps, explanation_maps(explanation)),
        pictures=(capsule.pictures, drawn),
    )  # fmt: skip


def _told(
    capsule: Capsule, predictor: Predictor, found: tuple[Difference, ...], threads: int, same: bool
) -> dict[str, Any]:
    """The JSON object; a largest difference that is not finite (something is missing) is null there."""
    from mmxai_core.model.seal import machine_facts

    return {
        "identical": same,
        "id": capsule.id,
        "bundle": capsule.bundle.name,
        "threads": {"recorded": capsule.machine.get("threads"), "used": threads},
        "machine": {"recorded": dict(capsule.machine), "used": machine_facts(predictor.device)},
        "max_abs_difference": max((d.largest for d in found), default=0.0),
        "quantities": {
            d.quantity: {"numbers": d.values, "max_abs_difference": d.largest, "texts_different": d.texts}
            for d in found
        },
        "notes": _notes(capsule, predictor),
        "notice": "Research use only, not for diagnosis.",
    }  # fmt: skip


def _notes(capsule: Capsule, predictor: Predictor) -> list[str]:
    """What may explain a difference."""
    from mmxai_core.model.seal import machine_facts

    recorded, used = capsule.machine, machine_facts(predictor.device)
    changed = [
        f"{name} {recorded.get(name)} when recorded, {used[name]} now"
        for name in ("device", "mmxai", "code", "torch", "numpy", "python", "processor", "threads")
        if recorded.get(name) != used[name]
    ]
    notes = [f"Not the same: {'; '.join(changed)}."] if changed else []
    if recorded.get("device") != "cpu":
        notes.append("Identical numbers are promised for a CPU only.")
    return notes


def _rows(told: dict[str, Any], found: tuple[Difference, ...]) -> list[tuple[str, object]]:
    def words(d: Difference) -> str:
        if d.identical:
            return f"identical ({d.values:,} numbers)" if d.values else "identical"
        gap = "numbers missing or of another shape" if math.isinf(d.largest) else f"max abs difference {d.largest:.3g}"
        texts = f", {d.texts} texts differ" if d.texts else ""
        return f"{gap} ({d.values:,} numbers){texts}"

    threads = told["threads"]
    return [
        ("replay", "identical" if told["identical"] else "DIFFERENT"),
        ("explanation", told["id"]),
        ("threads", f"{threads['used']} (recorded {threads['recorded']})"),
        *((d.quantity, words(d)) for d in found),
        *(("note", n) for n in told["notes"]),
        ("use", told["notice"]),
    ]
