"""The case capsule: a zip from which one result can be computed again and compared, number by number.

It holds hashes of the inputs and, by choice, the inputs themselves without any identifier; settings, seeds, versions,
the bundle's seal; the results, their maps and pictures. Every entry's hash is in `capsule.json`, and that file's own
hash in its "seal": a changed entry is found. It is a check against accidents and edits, not a signature.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalRecord, Value
from mmxai_core.errors import CapsuleError, StudyReadError
from mmxai_core.report.capsule_compare import finite
from mmxai_core.report.capsule_zip import open_zip, pack_array, sha256, unpack_array, write_zip
from mmxai_core.report.case import ReportCase
from mmxai_core.report.wording import RESEARCH_USE
from mmxai_core.results import Explanation
from mmxai_core.study import PixelGeometry, Study, StudyImage
from mmxai_core.types import Box, Json

FORMAT, FORMAT_VERSION = "mmxai-capsule", 1
MANIFEST, RESULTS, CLINICAL = "capsule.json", "results.json", "inputs/clinical.json"


@dataclass(frozen=True)
class BundleRef:
    """Which bundle made a result.

    Attributes:
        name: Bundle name.
        weights_sha256: Hash of its weights, hex.
        seal: `mmxai_core.model.seal.bundle_seal` of it.
    """

    name: str
    weights_sha256: str
    seal: str


@dataclass(frozen=True)
class ReplaySettings:
    """How the explanation was asked for.

    Attributes:
        target_class: Class asked for; None: the accounts explain the positive class, the maps the class called.
        score: What Grad-CAM++ differentiates.
        seed: Of every random number.
        partition: How the image was split into players: "lesion" or "grid".
        parts: Parts computed after the first maps.
        roi: Region the reader drew, source pixels, or None.
        roi_image: The image it was drawn on.
    """

    target_class: str | None
    score: str
    seed: int
    partition: str
    parts: tuple[str, ...]
    roi: Box | None = None
    roi_image: int = 0

    @classmethod
    def of(cls, explanation: Explanation, *, roi: Box | None = None, roi_image: int = 0) -> ReplaySettings:
        """Read from an explanation; the region is the caller's, for it may lie on an image that did not decide.

        Args:
            explanation: The explanation.
            roi: Region the reader drew, or None.
            roi_image: The image it was drawn on.
        """
        prediction, saliency, joint = explanation.prediction, explanation.saliency, explanation.joint
        mapped = prediction.predicted_class if saliency is None else saliency.target_class
        usual = explanation.target_class == prediction.positive_class and mapped == prediction.predicted_class
        return cls(
            None if usual else explanation.target_class, "logit", prediction.versions.seed,
            joint.partition if joint is not None and joint.partition != "none" else "lesion",
            tuple(p for p in explanation.parts if p != "maps"), roi, roi_image,
        )  # fmt: skip

    @classmethod
    def from_json(cls, values: Json) -> ReplaySettings:
        """What `asdict` gave, from JSON.

        Raises:
            CapsuleError: An entry is missing, unknown or of the wrong kind.
        """
        try:
            if set(values) != {f.name for f in fields(cls)}:
                raise ValueError("its entries are not those of this version")
            roi = values["roi"]
            box = None if roi is None else (float(roi[0]), float(roi[1]), float(roi[2]), float(roi[3]))
            target = values["target_class"]
            return cls(
                None if target is None else str(target), str(values["score"]), int(values["seed"]),
                str(values["partition"]), tuple(str(p) for p in values["parts"]), box, int(values["roi_image"]),
            )  # fmt: skip
        except (TypeError, ValueError, LookupError) as error:
            raise CapsuleError(f"The capsule's settings cannot be read: {error}.") from error


@dataclass(frozen=True, eq=False)
class Capsule:
    """A capsule whose every entry is present and unchanged.

    Attributes:
        id: Id of the explanation.
        bundle: Which bundle made it.
        settings: How it was asked for.
        machine: Device, threads and versions it was made with.
        study_sha256: Hash of the study's bytes; None: clinical data only.
        clinical_sha256: Hash of the clinical values.
        study: The study, where the capsule holds it.
        record: The clinical values, where the capsule holds them.
        results: What `explanation.json` holds.
        maps: Arrays by name.
        pictures: PNG bytes by file name.
    """

    id: str
    bundle: BundleRef
    settings: ReplaySettings
    machine: Mapping[str, Any]
    study_sha256: str | None
    clinical_sha256: str
    study: Study | None
    record: Mapping[str, Value] | None
    results: Json
    maps: Mapping[str, NDArray[Any]]
    pictures: Mapping[str, bytes]


def write_capsule(
    case: ReportCase, *, results: Json, pictures: Mapping[str, bytes], bundle: BundleRef, settings: ReplaySettings,
    machine: Json, include_inputs: bool,
) -> bytes:  # fmt: skip
    """A capsule as a zip; the same bytes for the same case.

    Args:
        case: The case.
        results: What `mmxai_core.explain.files.explanation_json` gives.
        pictures: PNG bytes by file name; kept only with the inputs, for they show them.
        bundle: Which bundle made it.
        settings: How it was asked for.
        machine: What `mmxai_core.model.seal.machine_facts` gives.
        include_inputs: True: pixels and clinical values go in, so that it replays on its own. False: only their hashes,
            and nothing that shows them.
    """
    clinical = _json(dict(sorted(case.record.values.items())))
    kept = finite(results if include_inputs else _without_values(results))
    entries: dict[str, bytes] = {RESULTS: _json(kept)}
    entries |= {f"maps/{n}.npy": pack_array(a) for n, a in explanation_maps(case.explanation).items()}
    study = case.study
    if include_inputs:
        entries[CLINICAL] = clinical
        if study is not None:
            entries |= {f"inputs/image_{i:04d}.npy": pack_array(m.pixels) for i, m in enumerate(study.images)}
        entries |= {f"pictures/{n}": d for n, d in pictures.items()}
    entries["NOTICE.txt"] = f"{RESEARCH_USE}. Replay: python -m mmxai_core replay CAPSULE\n".encode()
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "notice": f"{RESEARCH_USE}.",
        "id": case.explanation.id,
        "analysed_at": case.analysed_at.isoformat(),
        "bundle": asdict(bundle),
        "settings": asdict(settings),
        "machine": dict(machine),
        "inputs": {
            "included": include_inputs,
            "clinical_sha256": sha256(clinical),
            "study": None if study is None else _study_facts(study, results, include_inputs),
        },
        "entries": {n: sha256(d) for n, d in entries.items()},
    }
    manifest["seal"] = sha256(_json(manifest))
    return write_zip({MANIFEST: _json(manifest), **entries})


def read_capsule(data: bytes) -> Capsule:
    """A capsule from its bytes.

    Args:
        data: The zip.

    Raises:
        CapsuleError: It is no capsule, of another version, damaged, or was changed after it was written.
    """
    entries = open_zip(data)
    manifest = _parse(entries.pop(MANIFEST, b""), MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CapsuleError(f"This is not a case capsule: {MANIFEST} does not say {FORMAT!r}.")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise CapsuleError(
            f"The capsule has format version {manifest.get('format_version')!r}; this version reads {FORMAT_VERSION}."
        )
    seal = manifest.pop("seal", None)
    if seal != sha256(_json(manifest)):
        raise CapsuleError(f"The capsule was changed after it was written: {MANIFEST} does not match its seal.")
    try:
        listed = manifest["entries"]
        for name in sorted({*listed, *entries}):
            if name not in entries:
                raise CapsuleError(f"The capsule was changed after it was written: {name} is missing.")
            if listed.get(name) != sha256(entries[name]):
                raise CapsuleError(f"The capsule was changed after it was written: {name} does not match its hash.")
        inputs, facts = manifest["inputs"], manifest["inputs"]["study"]
        included = bool(inputs["included"])
        return Capsule(
            id=str(manifest["id"]),
            bundle=BundleRef(**manifest["bundle"]),
            settings=ReplaySettings.from_json(manifest["settings"]),
            machine=dict(manifest["machine"]),
            study_sha256=None if facts is None else str(facts["sha256"]),
            clinical_sha256=str(inputs["clinical_sha256"]),
            study=_study(facts, entries) if included and facts is not None else None,
            record=_record(entries[CLINICAL]) if included else None,
            results=_parse(entries[RESULTS], RESULTS),
            maps={n[5:-4]: unpack_array(d, n) for n, d in entries.items() if n.startswith("maps/")},
            pictures={n[9:]: d for n, d in entries.items() if n.startswith("pictures/")},
        )
    except (KeyError, TypeError, ValueError, AttributeError, StudyReadError) as error:
        raise CapsuleError(f"The capsule cannot be read: {error}.") from error


def clinical_hash(record: ClinicalRecord) -> str:
    """The hash by which a capsule knows clinical values that it does not hold."""
    return sha256(_json(dict(sorted(record.values.items()))))


def explanation_maps(explanation: Explanation) -> dict[str, NDArray[Any]]:
    """Every map that a replay compares, by name; those the case does not have are left out."""
    e = explanation
    found: dict[str, NDArray[Any] | None] = {
        "saliency": None if e.saliency is None else e.saliency.source,
        "rollout": None if e.rollout is None else e.rollout.source,
        "lesion_map": e.lesion_map,
        "clinical_to_image": None if e.cross_modal is None else e.cross_modal.clinical_to_image,
        "image_to_clinical": None if e.cross_modal is None else e.cross_modal.image_to_clinical,
        "unified": None if e.unified is None else e.unified.grid,
        "unified_by_field": None if e.unified is None else e.unified.field_grids,
        "regions": None if e.joint is None else e.joint.labels,
        "attention_effect": None if e.audit is None else np.asarray(e.audit.effect),
        "attention_relevance": None if e.audit is None else e.audit.relevance,
    }
    return {n: a for n, a in found.items() if a is not None}


def _study_facts(study: Study, results: Json, included: bool) -> Json:
    """A study's hash and, with its pixels, what the reading of them needs; no name, date or file name."""
    facts: dict[str, Any] = {"sha256": study.sha256, "images": len(study.images)}
    if included:
        scores = results["prediction"]["image_scores"]  # their labels are safe: none is a file's name
        facts |= {
            "source_format": study.source_format, "modality": study.modality, "synthetic": study.synthetic,
            "image_facts": [
                {
                    "label": scores[i]["label"], "view": image.view, "laterality": image.laterality,
                    "spacing_mm": image.geometry.spacing_mm, "spacing_source": image.geometry.spacing_source,
                    "value_range": image.value_range,
                }
                for i, image in enumerate(study.images)
            ],
        }  # fmt: skip
    return facts


def _study(facts: Json, entries: Mapping[str, bytes]) -> Study:
    images = []
    for i, told in enumerate(facts["image_facts"]):
        name = f"inputs/image_{i:04d}.npy"
        pixels = unpack_array(entries[name], name)
        spacing, values = told["spacing_mm"], told["value_range"]
        geometry = PixelGeometry(
            (pixels.shape[0], pixels.shape[1]), None if spacing is None else (float(spacing[0]), float(spacing[1])),
            told["spacing_source"],
        )  # fmt: skip
        images.append(
            StudyImage(
                pixels, geometry, label=str(told["label"]), view=told["view"], laterality=told["laterality"],
                value_range=None if values is None else (float(values[0]), float(values[1])),
            )
        )  # fmt: skip
    return Study(
        tuple(images), facts["source_format"], str(facts["sha256"]), modality=facts["modality"],
        synthetic=bool(facts["synthetic"]),
    )  # fmt: skip


def _record(data: bytes) -> dict[str, Value]:
    values = _parse(data, CLINICAL)
    if not isinstance(values, dict) or not all(isinstance(v, bool | float | int | str) for v in values.values()):
        raise CapsuleError(f"The capsule's {CLINICAL} is not an object of field ids and values.")
    return values


def _without_values(results: Json) -> Json:
    """The results without the sentences that repeat a clinical value."""
    kept = copy.deepcopy(results)
    kept["prediction"].pop("notes", None)
    check = kept.get("input_check")
    for part in [] if check is None else [check, *check["images"]]:
        part.pop("findings", None)
    return kept


def _json(value: Json) -> bytes:
    return (
        json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False) + "\n"
    ).encode()


def _parse(data: bytes, name: str) -> Json:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CapsuleError(f"This is not a case capsule: {name} is missing or is no JSON.") from error
