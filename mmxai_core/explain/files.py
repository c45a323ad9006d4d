"""An explanation as files: `explanation.json`, its maps as NumPy arrays, its pictures as PNG."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mmxai_core.errors import ExplanationError
from mmxai_core.explain.part_files import ARRAY_FILES, account_json, part_arrays, part_entries
from mmxai_core.results import CrossModal, Explanation, Prediction, SaliencyMap
from mmxai_core.study import Study
from mmxai_core.types import Json

FORMAT, FORMAT_VERSION = "mmxai-explanation", 1
EXPLANATION = "explanation.json"
SALIENCY, ROLLOUT, LESION, CROSS_MODAL = "saliency.npy", "rollout.npy", "lesion_map.npy", "cross_modal.npz"
#: Every picture that an explanation may come with; one of an earlier case must not lie beside another case's numbers.
PICTURE_FILES = (
    "overlay.png", "rollout.png", "cross_modal.png", "unified.png", "waterfall.png", "waterfall_probability.png",
    "waterfall_joint.png", "waterfall_joint_probability.png", "waterfall_background.png",
)  # fmt: skip
#: Labels that the reader of studies makes itself. Any other may be a file's stem, which may name a patient; so may a
#: long number.
_OWN_LABEL = re.compile(
    r"(?:Image|Frame|(?:Axial |Coronal |Sagittal )?[Ss]lice)(?: [0-9]{1,5})?(?:, frame [0-9]{1,5})?"
    r"|(?:[LRB] )?(?:CC|MLO|ML|LM|LMO|FB|XCC|XCCL|XCCM|SIO)(?:, frame [0-9]{1,5})?"
)


def write_explanation(
    explanation: Explanation, out_dir: Path | str, *, study: Study | None, pictures: Mapping[str, bytes] | None = None
) -> tuple[Path, ...]:
    """Writes the files of an explanation; the JSON file comes last.

    `explanation.json` holds every number; `saliency.npy`, `rollout.npy` and `lesion_map.npy` are (H, W) float32 on the
    source image's pixels; `cross_modal.npz` holds `clinical_to_image` (F, h, w) on the canvas grid, each map summing
    to 1, `image_to_clinical` (M, F) and `fields`; the maps of later parts are those of
    `mmxai_core.explain.part_files.part_arrays`. Parts the case does not have are null in the JSON. Maps and
    pictures (`PICTURE_FILES`) left from an earlier explanation are removed.

    Args:
        explanation: What to write.
        out_dir: Folder; made where missing.
        study: The study explained, or None.
        pictures: PNG bytes by file name, e.g. {"overlay.png": ...}.

    Returns:
        The files written.

    Raises:
        ExplanationError: The folder cannot be written, or a picture's name is not a plain PNG file name.
    """
    pictures = pictures or {}
    if bad := [n for n in pictures if Path(n).name != n or not n.endswith(".png")]:
        raise ExplanationError(f"A picture is named like overlay.png; got {bad[0]!r}.")
    folder = Path(out_dir)
    maps = {
        SALIENCY: None if explanation.saliency is None else explanation.saliency.source,
        ROLLOUT: None if explanation.rollout is None else explanation.rollout.source,
        LESION: explanation.lesion_map,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / EXPLANATION).unlink(missing_ok=True)  # a crash leaves no JSON beside files of two explanations
        for name in set(PICTURE_FILES) - set(pictures):
            (folder / name).unlink(missing_ok=True)
        for name, values in maps.items():
            if values is None:
                (folder / name).unlink(missing_ok=True)
            else:
                np.save(folder / name, values.astype(np.float32, copy=False))
        cross = explanation.cross_modal
        if cross is None:
            (folder / CROSS_MODAL).unlink(missing_ok=True)
        else:
            np.savez_compressed(
                folder / CROSS_MODAL,
                clinical_to_image=cross.clinical_to_image,
                image_to_clinical=cross.image_to_clinical,
                fields=np.array(cross.fields),
            )
        arrays = part_arrays(explanation)
        for name in ARRAY_FILES:
            if name in arrays:
                np.savez_compressed(folder / name, **arrays[name])  # type: ignore[arg-type]
            else:
                (folder / name).unlink(missing_ok=True)
        for name, data in pictures.items():
            (folder / name).write_bytes(data)
        text = json.dumps(explanation_json(explanation, study=study, pictures=tuple(pictures)), indent=1)
        (folder / EXPLANATION).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ExplanationError(f"The explanation cannot be written to {folder.name!r}: {error.strerror}.") from error
    written = [n for n, v in maps.items() if v is not None] + ([CROSS_MODAL] if cross is not None else [])
    return tuple(folder / n for n in (*written, *arrays, *pictures, EXPLANATION))


def check_folder(out_dir: Path | str) -> None:
    """Refuses a place that `write_explanation` could not write to, before the work is done. Makes nothing.

    Raises:
        ExplanationError: A file is in the way.
    """
    folder = Path(out_dir)
    if folder.exists() and not folder.is_dir():
        raise ExplanationError(f"The explanation cannot be written to {folder.name!r}: it is a file.")


def explanation_json(explanation: Explanation, *, study: Study | None, pictures: tuple[str, ...] = ()) -> Json:
    """Everything but the maps, as plain values.

    Args:
        explanation: What to describe.
        study: The study explained, or None. Its hash, format and facts are kept, nothing that names a patient.
        pictures: Names of the picture files.
    """
    prediction, cross = explanation.prediction, explanation.cross_modal
    parts = part_entries(explanation)
    for image in (parts["input_check"] or {}).get("images", ()):
        image["label"] = safe_label(image["label"], image["index"])
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "id": explanation.id,
        "prediction": prediction_json(prediction),
        "target_class": explanation.target_class,
        **account_json(explanation.attribution),
        "probability": account_json(explanation.attribution_probability),
        "reliability": [asdict(n) for n in explanation.reliability],
        "saliency": _map(explanation.saliency, SALIENCY),
        "rollout": _map(explanation.rollout, ROLLOUT),
        "lesion_map": None if explanation.lesion_map is None else {"file": LESION, "unit": "probability"},
        "cross_modal": None if cross is None else _cross_modal(cross),
        "geometry": explanation.geometry,
        **parts,
        "pictures": list(pictures),
        "seeds": {"explanation": prediction.versions.seed},
        "versions": asdict(prediction.versions),
        "study": None if study is None else {
            "sha256": study.sha256, "source_format": study.source_format, "modality": study.modality,
            "images": len(study.images), "synthetic": study.synthetic,
        },
        "seconds": {k: round(v, 4) for k, v in explanation.seconds.items()},
        "notice": "Research use only, not for diagnosis.",
    }  # fmt: skip


def prediction_json(prediction: Prediction) -> Json:
    """A prediction as plain values, with the keys of `predict --json` and more; no label comes from a file's name."""
    return {
        "bundle": prediction.versions.bundle,
        "device": prediction.versions.device,
        "classes": list(prediction.classes),
        "positive_class": prediction.positive_class,
        "predicted_class": prediction.predicted_class,
        "probabilities": dict(prediction.probabilities),
        "logits": dict(prediction.logits),
        "temperature": prediction.temperature,
        "threshold": prediction.threshold,
        "branch_weights": dict(prediction.branch_weights),
        "known_fields": list(prediction.known_fields),
        "unknown_fields": list(prediction.unknown_fields),
        "outlier_fields": list(prediction.outlier_fields),
        "lesion_box": list(prediction.lesion_box) if prediction.lesion_box else None,
        "lesion_box_source": prediction.lesion_box_source,
        "image_index": prediction.image_index,
        "image_scores": [{**asdict(s), "label": safe_label(s.label, s.index)} for s in prediction.image_scores],
        "notes": list(prediction.notes),
    }


def safe_label(label: str, index: int) -> str:
    """The label of an image where it is one of the reader's own, e.g. "Slice 3" or "L CC"; else "Image N".

    Args:
        label: As shown on screen; a picture's is its file's stem.
        index: Position in the study, from 0.
    """
    return label if _OWN_LABEL.fullmatch(label) else f"Image {index + 1}"


def read_explanation_json(path: Path | str) -> Json:
    """What `write_explanation` put into `explanation.json`.

    Args:
        path: The file, or the folder it lies in.

    Raises:
        ExplanationError: It is missing, not valid JSON, or not an explanation of this format version.
    """
    file = Path(path) / EXPLANATION if Path(path).is_dir() else Path(path)
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise ExplanationError(f"File {file.name!r} is missing or cannot be read.") from error
    except ValueError as error:
        raise ExplanationError(f"File {file.name!r} is not valid JSON ({error}).") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ExplanationError(f"File {file.name!r} does not hold an explanation (no format {FORMAT!r}).")
    if content.get("format_version") != FORMAT_VERSION:
        raise ExplanationError(
            f"File {file.name!r} has format version {content.get('format_version')!r}; "
            f"this version reads {FORMAT_VERSION}."
        )
    return content


def _map(saliency: SaliencyMap | None, file: str) -> Json:
    if saliency is None:
        return None
    return {
        "file": file,
        "method": saliency.method,
        "layer": saliency.layer,
        "target_class": saliency.target_class,
        "shape": list(saliency.source.shape),
        "maximum": float(saliency.source.max()),
        "unit": saliency.unit,
        "reference": saliency.reference,
        "semantics": saliency.semantics,
    }


def _cross_modal(cross: CrossModal) -> Json:
    return {
        "file": CROSS_MODAL,
        "fields": list(cross.fields),
        "clinical_to_image": list(cross.clinical_to_image.shape),
        "image_to_clinical": list(cross.image_to_clinical.shape),
        "semantics": cross.semantics,
    }
