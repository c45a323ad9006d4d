"""Is this my kind of input? Asked of the encoded study, so that the answer is there before a prediction is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.explain.input_features import LESION, PICTURE, WHOLE, canvas_grey, glance_vectors, picture_vector
from mmxai_core.explain.quality import mark_findings, pixel_findings
from mmxai_core.explain.surprise import record_surprise
from mmxai_core.model.encoded import EncodedStudy
from mmxai_core.model.field_statistics import FieldStatistics
from mmxai_core.model.fingerprints import ENOUGH, TrainingImages, fingerprint
from mmxai_core.model.reference import InputReference, ScoreReference
from mmxai_core.results.input_check import ImageCheck, InputCheck, InputFinding, InputScore
from mmxai_core.types import Box

#: Names of DICOM modality codes (PS3.3 C.7.3.1.1.1).
MODALITIES = {
    "US": "ultrasound", "MR": "magnetic resonance", "CT": "computed tomography", "MG": "mammography",
    "CR": "computed radiography", "DX": "digital radiography", "PT": "positron emission tomography",
    "NM": "nuclear medicine", "XA": "X-ray angiography", "RF": "fluoroscopy", "OT": "other", "SC": "a screen capture",
    "SM": "slide microscopy", "OP": "ophthalmic photography", "ES": "endoscopy",
}  # fmt: skip
#: Of an image of another kind no lesion is spoken of: the second look goes where the network takes one to be.
_PART_WORDS = {LESION: "second look"}


def check_input(
    encoded: EncodedStudy | None,
    record: ClinicalRecord,
    *,
    inputs: InputReference | None,
    statistics: FieldStatistics | None = None,
    images: Sequence[int] | None = None,
    planes: Sequence[str] = (),
    trained_on: TrainingImages | None = None,
) -> InputCheck:
    """Whether the model was made for this input. No forward pass; about 0.1 s an image on one core.

    Flagged: the file's DICOM modality is another than the model's; a colour picture; almost black, flat or too small;
    or the image score lies above its limit. Unusual fields, callipers and saturation are cautions; callipers and text
    over the lesion are looked for only where nothing says that the image is of another kind.

    Args:
        encoded: The study as `Predictor.encode` gave it; None: clinical data only.
        record: Known clinical values.
        inputs: `Reference.inputs`; None: only the plain rules are applied, and the result says so.
        statistics: The bundle's field statistics; None: the clinical score is left out.
        images: Positions of the images to check; None: all.
        planes: `Bundle.planes`. With any, colour is what the model reads, and a grey picture gets a caution; callipers
            and text are not looked for, since the rules for them were measured on ultrasound.
        trained_on: `Reference.training_images`; None: no image is known to be one.
    """
    findings = list(_modality(encoded, inputs))
    other = bool(findings)  # of another modality
    checks = _images(encoded, inputs, images, planes, trained_on, other=other) if encoded is not None else ()
    scores, unusual = _record_scores(record, checks, inputs, statistics)
    findings += unusual
    flagged = any(f.severity == "stop" for f in findings) or any(c.flagged for c in checks)
    return InputCheck(
        flagged, inputs is not None, checks, tuple(findings), scores,
        _verdict(flagged, findings, checks, inputs, encoded is None),
        "plain rules only: this bundle carries no statistics of its training images" if inputs is None
        else inputs.source,
    )  # fmt: skip


def _modality(encoded: EncodedStudy | None, inputs: InputReference | None) -> tuple[InputFinding, ...]:
    if encoded is None or inputs is None or inputs.modality is None:
        return ()
    code = encoded.study.modality
    if code is None or code == inputs.modality:
        return ()
    said, wanted = (f"{c} ({MODALITIES[c]})" if c in MODALITIES else c for c in (code, inputs.modality))
    words = f"The file says that it is {said} (Modality (0008,0060)); the model reads {wanted} only."
    return (InputFinding("modality", "stop", words),)


def _images(
    encoded: EncodedStudy,
    inputs: InputReference | None,
    images: Sequence[int] | None,
    planes: Sequence[str],
    trained_on: TrainingImages | None,
    *,
    other: bool,
) -> tuple[ImageCheck, ...]:
    whole, lesion = glance_vectors(encoded.state.features)
    out = []
    for i in range(len(encoded.geometries)) if images is None else images:
        image, geometry = encoded.study.images[i], encoded.geometries[i]
        canvas = canvas_grey(image.grey, geometry)
        cx, cy, side = (float(v) * geometry.canvas for v in encoded.state.boxes[i])
        box: Box = (cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2)
        findings = list(pixel_findings(image, planes=planes))
        scores: tuple[InputScore, ...] = ()
        if inputs is not None:
            vectors = {PICTURE: picture_vector(canvas, geometry), WHOLE: whole[i], LESION: lesion[i]}
            parts = [InputScore(b.name, float(b.score(vectors[b.name][None])[0]), None, None) for b in inputs.blocks]
            score = _score("image", max(p.value for p in parts), inputs.image)
            scores = (*parts, score)
            if score.unusual:
                findings.append(_unlike(score, parts))
        if not (planes or other or any(f.severity == "stop" for f in findings)):
            # The rules for marks were measured on images of the model's kind: bone of a head CT answers to them too,
            # and what the second look is drawn to there is no lesion.
            findings += mark_findings(canvas, box)
        if trained_on is not None:
            content = (*geometry.offset, *geometry.content)
            if (known := trained_on.known(fingerprint(canvas, content))) is not None:
                findings.append(_seen(image.label if len(encoded.geometries) > 1 else "", known[1]))
        out.append(ImageCheck(i, image.label, scores, tuple(findings)))
    return tuple(out)


def _seen(label: str, hashes: int) -> InputFinding:
    which = f"the image {label}" if label else "this image"
    words = f"The model was trained on {which}: its answer here is no test of it."
    return InputFinding("training image", "caution", words, float(hashes), float(ENOUGH))


def _unlike(score: InputScore, parts: Sequence[InputScore]) -> InputFinding:
    most = max(parts, key=lambda p: p.value)
    share = "none" if not score.tail else f"{100 * score.tail:.1f} %"
    words = (
        f"The image is unlike the training images: score {score.value:.1f}, limit {score.limit:.1f}; {share} of "
        f"held-out training images lie as far out. Most unlike: the {_PART_WORDS.get(most.name, most.name)}."
    )
    return InputFinding("unlike training images", "stop", words, score.value, score.limit)


def _score(name: str, value: float, reference: ScoreReference) -> InputScore:
    return InputScore(name, value, reference.limit, reference.tail(value))


def joint_score(image: float, clinical: float) -> float:
    """Image and clinical score together: their sum over the root of two."""
    return float((image + clinical) / np.sqrt(2))


def _record_scores(
    record: ClinicalRecord, checks: Sequence[ImageCheck], inputs: InputReference | None,
    statistics: FieldStatistics | None,
) -> tuple[tuple[InputScore, ...], list[InputFinding]]:  # fmt: skip
    """Clinical and joint score, each with a caution where unusual; the joint one only where neither alone is."""
    if inputs is None or inputs.clinical is None or statistics is None:
        return (), []
    surprise = record_surprise(record, statistics)
    if surprise is None:
        return (), []
    clinical = _score("clinical", surprise, inputs.clinical)
    scores, found = [clinical], []
    if clinical.unusual:
        words = (
            f"The clinical values are unusual for the training cohort: score {clinical.value:.1f}, "
            f"limit {clinical.limit:.1f}. Check them."
        )
        found.append(InputFinding("unusual fields", "caution", words, clinical.value, clinical.limit))
    image = [s for c in checks for s in c.scores if s.name == "image"]
    if image and inputs.joint is not None:
        worst = max(image, key=lambda s: s.value)
        joint = _score("joint", joint_score(worst.value, surprise), inputs.joint)
        scores.append(joint)
        if joint.unusual and not clinical.unusual and not worst.unusual:
            words = (
                f"Image and clinical values are each somewhat unusual; together the score is {joint.value:.1f}, "
                f"limit {joint.limit:.1f}."
            )
            found.append(InputFinding("unusual together", "caution", words, joint.value, joint.limit))
    return tuple(scores), found


def _verdict(
    flagged: bool, findings: Sequence[InputFinding], checks: Sequence[ImageCheck], inputs: InputReference | None,
    no_image: bool,
) -> str:  # fmt: skip
    if flagged:
        bad = [c for c in checks if c.flagged]
        which = ""
        if 0 < len(bad) < len(checks) or len(bad) > 1:
            which = f" ({len(bad)} of {len(checks)} images)"
        return f"This is not the model's kind of input{which}: do not rely on the prediction."
    cautions = bool(findings) or any(c.findings for c in checks)
    if no_image:
        return "No image to check." + (" The clinical values call for caution." if cautions else "")
    if inputs is None:
        return "Whether this is the model's kind of input is not known: the bundle carries no statistics for it."
    return "This is the model's kind of input" + (", with cautions." if cautions else ".")
