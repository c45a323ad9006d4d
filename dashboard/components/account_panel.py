"""The Shapley account and the attention of the image, as charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mmxai_core.figures.cross_modal import image_to_clinical_figure
from mmxai_core.figures.waterfall import waterfall_figure
from mmxai_core.results import MAX_RESIDUAL, CrossModal, Explanation

_SCALES = {"log_odds": "Log-odds", "probability": "Probability"}
_CONFIG = {"displayModeBar": False, "responsive": True}


def _inked(figure: Any) -> Any:
    """The figure in the page's text colour: Streamlit's own chart grey is too faint for a dark room."""
    ink, rule = ("#17212b", "#c5d0d8") if st.context.theme.type == "light" else ("#dfe6ec", "#2c3844")
    figure.update_layout(font={"color": ink, "size": 12})
    figure.update_xaxes(tickfont={"color": ink}, title={"font": {"color": ink}}, gridcolor=rule, zerolinecolor=ink)
    figure.update_yaxes(tickfont={"color": ink})
    return figure.update_traces(textfont={"color": ink})


def waterfall_panel(explanation: Explanation, labels: Mapping[str, str], *, highlight: str = "") -> None:
    """The waterfall with its scale switch; withheld, with the reason, where it does not add up.

    Args:
        explanation: The explanation.
        labels: Label and value of each player.
        highlight: The field chosen in the viewer, or "".
    """
    st.subheader("What each value contributed", anchor=False)
    space = st.segmented_control(
        "Scale", list(_SCALES), default="log_odds", required=True, format_func=_SCALES.__getitem__,
        key="waterfall-scale", label_visibility="collapsed",
    )  # fmt: skip
    account = explanation.attribution if space == "log_odds" else explanation.attribution_probability
    if account.withheld:
        st.error(
            f"Withheld: the contributions miss the prediction by {account.residual:.2g}, more than {MAX_RESIDUAL:g}. "
            "A chart that does not add up would mislead.",
            icon=":material/block:",
        )
        return
    target = explanation.target_class.replace("_", " ")
    figure = waterfall_figure(account, labels, target=target, highlight=highlight)
    ends = f"from {account.base_value:.2f} to {account.output:.2f}"
    alt = f"Waterfall of {len(account.players)} contributions to {target}, {ends}"
    st.plotly_chart(_inked(figure), key="waterfall", config=_CONFIG, alt=alt)
    st.caption(
        f"{account.semantics} {account.estimator.capitalize()}, {account.coalitions:,} combinations; "
        f"residual {abs(account.residual):.1e}. Orange, plain: toward {target}; blue, hatched: away from it."
    )


def attention_panel(cross_modal: CrossModal | None, labels: Mapping[str, str], *, highlight: str = "") -> None:
    """Bars: how much of the image's attention each known field gets.

    Args:
        cross_modal: The attention, or None.
        labels: Label of each field.
        highlight: The field chosen in the viewer, or "".
    """
    st.subheader("What the image asks of the fields", anchor=False)
    if cross_modal is None:
        st.info("Cross-modal attention needs an image and at least one known field.", icon=":material/info:")
        return
    figure = image_to_clinical_figure(cross_modal, labels, highlight=highlight)
    alt = "Share of the image's attention by field"
    st.plotly_chart(_inked(figure), key="image-to-clinical", config=_CONFIG, alt=alt)
    st.caption(
        "Mean over the image's summaries; the line spans the least and the most attentive one. "
        "The rest of the attention goes to fields left unknown."
    )
