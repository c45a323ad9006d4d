"""An explanation's maps as viewer layers, and what belongs to a chosen one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dashboard.components.viewer import Brush, Layer, Scene
from dashboard.components.wording import percent
from mmxai_core.figures.account import say
from mmxai_core.figures.audit import effect_on_source
from mmxai_core.figures.cross_modal import DENSITY_FLOOR, DENSITY_REFERENCE, image_to_clinical_share
from mmxai_core.figures.evidence_colour import colour_scale
from mmxai_core.figures.toward import Toward, toward
from mmxai_core.results import Attribution, EvidenceScale, Explanation, JointAccount, SaliencyMap, UnifiedMap
from mmxai_core.results.joint import REGION_LABELS
from mmxai_core.study import StudyImage
from mmxai_core.types import FloatMap

_FIELD, _DIFFERENCE = "field:", "difference:"


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
    if explanation.joint is not None and explanation.joint.labels_source is not None:
        found.append(_regions(explanation.joint))
    if explanation.cross_modal is not None:
        cross, audit = explanation.cross_modal, explanation.audit
        for i, field in enumerate(cross.fields):
            audited = audit is not None and field in audit.fields
            verdict = " " + audit.verdicts[audit.fields.index(field)] if audit is not None and audited else ""
            found.append(
                Layer(
                    _FIELD + field, labels.get(field, field), "What a field looks at",
                    cross.clinical_to_image_source[i], DENSITY_FLOOR, DENSITY_REFERENCE,
                    "times even attention", cross.semantics + verdict, field=field,
                )
            )  # fmt: skip
    if explanation.unified is not None:
        found.extend(_unified(explanation.unified, labels, toward(explanation.unified.target_class, explanation)))
    return tuple(found)


def _unified(unified: UnifiedMap, labels: Mapping[str, str], drawn: Toward) -> list[Layer]:
    """The joint map, and for each field what making it unknown takes from that map, toward one class."""
    said = f"Orange: toward {drawn.name}; blue: against it. "
    whole = Layer(
        "unified", "Joint map", "Model", drawn.sign * unified.on_source(), 0.0, unified.reference, unified.unit,
        said + unified.semantics, signed=True,
    )  # fmt: skip
    return [whole] + [
        Layer(
            _DIFFERENCE + field, f"Difference without {labels.get(field, field)}", "What a field changes",
            drawn.sign * unified.difference(field), 0.0, unified.reference, unified.unit,
            f"The joint map with the field minus the map without it. {said}" + unified.semantics, signed=True,
            field=field,
        )
        for field in unified.fields
    ]  # fmt: skip


def brush(explanation: Explanation, labels: Mapping[str, str]) -> Brush | None:
    """What links a place in the image to the fields; None without an image or a known field.

    Args:
        explanation: The explanation.
        labels: Label of each field.
    """
    cross, account = explanation.cross_modal, usual_account(explanation)
    if cross is None or account.withheld or explanation.attribution.withheld:
        return None
    fields = tuple((f, labels.get(f, f), account.value_of(f)) for f in cross.fields if f in account.players)
    effects: dict[str, FloatMap] = {}
    if explanation.audit is not None and explanation.unified is not None:
        source = explanation.unified.source
        drawn = toward(explanation.audit.target_class, explanation)
        effects = {f: drawn.sign * effect_on_source(explanation.audit, f, source) for f in explanation.audit.fields}
    target = explanation.target_class.replace("_", " ")
    joint = explanation.joint
    if joint is None or joint.labels_source is None or any(f not in joint.removal.players for f, *_ in fields):
        return Brush(target, fields, effects)
    players = joint.removal.players
    rows, columns = [players.index(f) for f, *_ in fields], [players.index(r) for r in joint.regions]
    return Brush(
        target, fields, effects, joint.labels_source, tuple(REGION_LABELS.get(r, r) for r in joint.regions),
        joint.removal.interactions[np.ix_(rows, columns)],
    )  # fmt: skip


def _regions(joint: JointAccount) -> Layer:
    """Where the account's regions lie: the lesion at full colour, the ring at half."""
    assert joint.labels_source is not None
    steps = np.zeros(len(joint.regions) + 1, np.float32)  # the last entry: outside all
    for i, name in enumerate(joint.regions):
        steps[i] = {"image_lesion": 1.0, "image_ring": 0.5}.get(name, 0.0)
    return Layer(
        "regions", "Account regions", "Model", steps[joint.labels_source], 0.0, 1.0,
        "1 lesion, 0.5 ring around it, 0 rest",
        "The parts of the image that the account of contributions treats as inputs, by the model's own lesion map.",
    )  # fmt: skip


def _gradcam(saliency: SaliencyMap, scale: EvidenceScale | None) -> Layer:
    """The evidence for the class the map names; blank up to where meaningless weights reach, if that was measured."""
    floor, reference = colour_scale(saliency, scale)
    label = f"{saliency.method} for {saliency.target_class.replace('_', ' ')}"
    return Layer("gradcam", label, "Model", saliency.source, floor, reference, saliency.unit, saliency.semantics)


def scene(
    image: StudyImage,
    explanation: Explanation,
    labels: Mapping[str, str],
    *,
    height: int,
    as_grey: bool = False,
    owner: str = "",
) -> Scene:
    """The explained image with all its maps.

    Args:
        image: The image.
        explanation: Of it.
        labels: Label of each field.
        height: Pixels.
        as_grey: Show a colour picture as the grey one that the model reads, so that the maps alone are coloured.
        owner: The case; see `Scene`.
    """
    whose = {"model": "Second look, found by the model", "reader": "Second look, marked by the reader"}
    prediction = explanation.prediction
    return Scene(
        image.grey if as_grey else image.pixels, image.geometry.spacing_mm, layers(explanation, labels),
        prediction.lesion_box, whose.get(prediction.lesion_box_source, ""), height, levels=image.levels,
        value_range=image.value_range, brush=brush(explanation, labels), follows=True,
        source=image.pixels, owner=owner,
    )  # fmt: skip


def field_of(layer: str | None) -> str:
    """The field a layer belongs to, or ""."""
    for start in (_FIELD, _DIFFERENCE):
        if layer and layer.startswith(start):
            return layer.removeprefix(start)
    return ""


def layer_of(player: str, explanation: Explanation) -> str | None:
    """The map that shows a player of the account: a field's attention, or the evidence in the image.

    Args:
        player: A field, "image", a region, or "".
        explanation: The explanation.
    """
    if explanation.cross_modal is not None and player in explanation.cross_modal.fields:
        return _FIELD + player
    if player in REGION_LABELS:
        return "gradcam" if player == "image" or explanation.joint is None else "regions"
    return None


def usual_account(explanation: Explanation) -> Attribution:
    """The account a reader meets first: among the regions of the image once they are computed, till then the whole."""
    return explanation.attribution if explanation.joint is None else explanation.joint.removal


def field_sentence(explanation: Explanation, field: str, label: str, *, account: Attribution | None = None) -> str:
    """What one field does in this case, both ways, in one sentence of numbers; "" where it is not known.

    Args:
        explanation: The explanation.
        field: The field.
        label: What to call it, with its value.
        account: The one on screen, so that one bar and one sentence have one number; None for the usual one.
    """
    account = account or usual_account(explanation)
    if field not in account.players:
        return ""
    value = account.value_of(field)
    way = "toward" if value > 0 else "away from"
    unit = "" if account.space == "probability" else " log-odds"  # points name themselves
    text = f"{label}. It moves the prediction by {say(value, account.space, sign=True)}{unit}, {way} "
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
