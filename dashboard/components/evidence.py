"""An explanation's maps as viewer layers, and what belongs to a chosen one."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.components.viewer import Layer, Scene
from dashboard.components.wording import percent
from mmxai_core.figures.account import say
from mmxai_core.figures.cross_modal import DENSITY_FLOOR, DENSITY_REFERENCE, image_to_clinical_share
from mmxai_core.results import EvidenceScale, Explanation, SaliencyMap
from mmxai_core.study import StudyImage

_FIELD = "field:"


def layers(explanation: Explanation, labels: Mapping[str, str]) -> tuple[Layer, ...]:
    """Every map of the explanation, in the order of the buttons.

    Args:
        explanation: The explanation.
        labels: Label of each field.
    """
    found: list[Layer] = []
    if explanation.saliency is not None:
        found.append(_gradcam(explanation.saliency, explanation.evidence_scale))
    if explanation.rollout is not None:
        r = explanation.rollout
        found.append(Layer("rollout", r.method, "Model", r.source, 0.0, r.reference, r.unit, r.semantics))
    if explanation.lesion_map is not None:
        found.append(
            Layer(
                "lesion", "Lesion map", "Model", explanation.lesion_map, 0.0, 1.0, "probability of lesion",
                "Where the model sees a lesion, trained on outlines drawn by experts. It says where, not what.",
            )
        )  # fmt: skip
    if explanation.cross_modal is not None:
        cross, audit = explanation.cross_modal, explanation.audit
        for i, field in enumerate(cross.fields):
            audited = audit is not None and field in audit.fields
            verdict = " " + audit.verdicts[audit.fields.index(field)] if audit is not None and audited else ""
            found.append(
                Layer(
                    _FIELD + field, labels.get(field, field), "What a field looks at",
                    cross.clinical_to_image_source[i], DENSITY_FLOOR, DENSITY_REFERENCE,
                    "times even attention", cross.semantics + verdict,
                )
            )  # fmt: skip
    return tuple(found)


def _gradcam(saliency: SaliencyMap, scale: EvidenceScale | None) -> Layer:
    """The evidence for the class the map names; blank up to where meaningless weights reach, if that was measured."""
    floor, reference = (0.0, saliency.reference) if scale is None else (scale.floor, scale.reference)
    floor = floor if floor < reference else 0.0  # a null louder than the whole scale says nothing of this map
    label = f"{saliency.method} for {saliency.target_class.replace('_', ' ')}"
    return Layer("gradcam", label, "Model", saliency.source, floor, reference, saliency.unit, saliency.semantics)


def scene(image: StudyImage, explanation: Explanation, labels: Mapping[str, str], *, height: int) -> Scene:
    """The explained image with all its maps."""
    whose = {"model": "Second look, found by the model", "reader": "Second look, marked by the reader"}
    prediction = explanation.prediction
    return Scene(
        image.pixels, image.geometry.spacing_mm, layers(explanation, labels), prediction.lesion_box,
        whose.get(prediction.lesion_box_source, ""), height,
    )  # fmt: skip


def field_of(layer: str | None) -> str:
    """The field a layer belongs to, or ""."""
    return layer.removeprefix(_FIELD) if layer and layer.startswith(_FIELD) else ""


def field_sentence(explanation: Explanation, field: str, label: str) -> str:
    """What one field does in this case, both ways, in one sentence of numbers; "" where it is not known."""
    account = explanation.attribution
    if field not in account.players:
        return ""
    value = account.value_of(field)
    way = "toward" if value > 0 else "away from"
    text = f"{label}. It moves the prediction by {say(value, account.space, sign=True)} log-odds, {way} "
    text += explanation.target_class.replace("_", " ")
    if explanation.cross_modal is not None and field in explanation.cross_modal.fields:
        share = image_to_clinical_share(explanation.cross_modal)[field]
        text += f"; it gets {percent(share)} of the image's attention"
    return text + "."


#: What no picture on the page can tell (DESIGN §4; FIELD_NOTES: saliency maps failed trust tests).
LIMITS = (
    "A map shows what moved the model's score, not where disease is. Colour outside a lesion is a reason to doubt the "
    "prediction; colour inside it is no proof.",
    "Attention shows where information was taken from, not how it was used.",
    "A contribution says what the model did with a value, not that the value causes disease.",
    "The pictures explain this model. They do not say whether it is right in this patient.",
)
