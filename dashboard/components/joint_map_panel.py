"""The unified multi-modal map, with a switch for each known field that shows what it adds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from dashboard.components.still import still
from dashboard.messages import markdown_safe
from mmxai_core.figures.account import say
from mmxai_core.figures.toward import toward
from mmxai_core.figures.unified import signed_blend
from mmxai_core.results import Attribution, Explanation
from mmxai_core.types import GreyImage

#: Colours that the scale is drawn from, odd: the middle one is that of nothing.
_STEPS = 17


def field_order(explanation: Explanation, account: Attribution) -> list[str]:
    """The fields of the map, the largest contribution of an account first."""
    assert explanation.unified is not None
    worth = {p: abs(float(v)) for p, v in zip(account.players, account.values, strict=True)}
    return sorted(explanation.unified.fields, key=lambda f: -worth.get(f, 0.0))


def scale_bar(reference: float, target: str) -> str:
    """The signed colour scale, as HTML: the colours of the map over black, whatever the page's own ground."""
    steps = np.linspace(-reference, reference, _STEPS, dtype=np.float32)[None]
    drawn = signed_blend(np.zeros_like(steps), steps, reference=reference)[0]
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in drawn.tolist())
    return (
        f'<div class="mmx-scale" role="img" aria-label="Blue at -{reference:g}: against {target}; none at 0; orange at '
        f'+{reference:g}: for {target}"><span>against {target}, -{reference:g}</span>'
        f'<i style="background:linear-gradient(90deg,{stops})"></i>'
        f"<span>+{reference:g}, for {target}</span></div>"
    )


def joint_map_panel(
    explanation: Explanation, grey: GreyImage | None, labels: Mapping[str, str], *, account: Attribution, how: str
) -> None:  # fmt: skip
    """The map, and beside it what the chosen field adds.

    Args:
        explanation: The explanation, with its unified map.
        grey: Display grey of the image explained.
        labels: Label of each field.
        account: Whose contributions stand beside the fields: the one the page shows.
        how: How that account treats the image and what it removes.
    """
    unified = explanation.unified
    if grey is None or (explanation.cross_modal is None and unified is None):
        st.info(
            "This map joins the image with the clinical data: it needs an image and at least one known field. Fill in "
            "a field on the Case page, then analyse.",
            icon=":material/info:",
        )
        return
    if unified is None:
        st.info("The map is still being computed; it comes with the attention test.", icon=":material/info:")
        return
    drawn = toward(unified.target_class, explanation)
    target = drawn.name
    pictures, switches = st.columns([5, 2], gap="medium")
    with switches:
        st.markdown("**Switch a field off**", help="Shows what making this field unknown takes from the map.")
        named = {
            f: f"{labels.get(f, f)} {say(account.value_of(f), account.space, sign=True)}"
            for f in field_order(explanation, account)
        }
        with st.container(key="joint-map-field"):
            chosen = st.pills(
                "Field", list(named), format_func=named.__getitem__, key=f"joint-map-field-{explanation.id}",
                persist_state="session", label_visibility="collapsed", wrap=True,
            )  # fmt: skip
        unit = "percentage points" if account.space == "probability" else "log-odds"
        # A field has one number on the whole page; whose it is must be said.
        of = explanation.target_class.replace("_", " ")
        st.caption(f"Beside each field: its contribution to {of}, {unit}, as under Account ({how}).")
    with pictures:
        left, right = st.columns(2, gap="small")
        with left:
            whole = signed_blend(grey, drawn.sign * unified.on_source(), reference=unified.reference)
            still(whole, alt=f"Joint map, toward {target}")
            st.markdown(f"**Image and clinical data together**, toward {target}")
        with right:
            if chosen:
                change = signed_blend(grey, drawn.sign * unified.difference(chosen), reference=unified.reference)
                name = markdown_safe(labels.get(chosen, chosen))
                still(change, alt=f"What {name} adds to the map")
                st.markdown(f"**What {name} adds:** the map with it, less the map with it unknown")
            else:
                still(grey, alt="The image without a map")
                st.markdown("**The image.** Switch a field off to see what it adds.")
        st.html(scale_bar(unified.reference, target))
        st.caption(unified.semantics, help=markdown_safe(unified.unit))
