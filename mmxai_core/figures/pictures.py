"""Every picture of an explanation as PNG, by file name: for the command line and for downloads."""

from __future__ import annotations

from collections.abc import Mapping

from mmxai_core.figures.cross_modal import cross_modal_png
from mmxai_core.figures.overlay import overlay_png
from mmxai_core.figures.toward import toward
from mmxai_core.figures.unified import unified_png
from mmxai_core.figures.waterfall_png import waterfall_png
from mmxai_core.results import Explanation, SaliencyMap
from mmxai_core.types import GreyImage


def explanation_pictures(
    explanation: Explanation, *, grey: GreyImage | None, labels: Mapping[str, str]
) -> dict[str, bytes]:
    """PNG bytes by file name; a picture the case does not have, or that must be withheld, is left out.

    Args:
        explanation: The explanation.
        grey: (H, W) grey of the explained image, [0, 1]; None without an image.
        labels: What to show by player; a player without one is shown by its id.
    """
    v = explanation.prediction.versions
    made = f"{v.bundle} {v.bundle_sha256[:8]}   |   explanation {explanation.id[:12]}"
    target = explanation.target_class.replace("_", " ")
    found: dict[str, bytes] = {}

    def overlay(saliency: SaliencyMap, image: GreyImage) -> bytes:
        title = f"{saliency.method}, {saliency.target_class.replace('_', ' ')}"
        return overlay_png(
            image, saliency.source, reference=saliency.reference, box=explanation.prediction.lesion_box,
            title=title, unit=saliency.unit, semantics=saliency.semantics, provenance=made,
        )  # fmt: skip

    if grey is not None:
        if explanation.saliency is not None:
            found["overlay.png"] = overlay(explanation.saliency, grey)
        if explanation.rollout is not None:
            found["rollout.png"] = overlay(explanation.rollout, grey)
        if explanation.cross_modal is not None:
            found["cross_modal.png"] = cross_modal_png(grey, explanation.cross_modal, labels, provenance=made)
        if explanation.unified is not None:
            found["unified.png"] = unified_png(
                grey, explanation.unified, drawn=toward(explanation.unified.target_class, explanation),
                provenance=made,
            )  # fmt: skip
    accounts = {
        "waterfall.png": explanation.attribution,
        "waterfall_probability.png": explanation.attribution_probability,
    }
    joint = explanation.joint
    if joint is not None:
        accounts |= {"waterfall_joint.png": joint.removal, "waterfall_joint_probability.png": joint.removal_probability}
        if joint.background is not None:
            accounts["waterfall_background.png"] = joint.background
    for name, account in accounts.items():
        if not account.withheld:
            found[name] = waterfall_png(account, labels, target=target, provenance=made)
    return found
