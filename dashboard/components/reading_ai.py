"""What a study's reader is shown of the AI, stage by stage; nothing that the step does not reveal."""

from __future__ import annotations

import html
from collections.abc import Mapping

import streamlit as st

from dashboard.components.account_panel import certificate, withheld
from dashboard.components.charts import chart
from dashboard.components.evidence import layers
from dashboard.components.gauge import gauge
from dashboard.components.reliability_panel import reliability_panel
from dashboard.components.similar_panel import groups_panel
from dashboard.components.viewer import Layer
from dashboard.components.wording import verdict
from dashboard.messages import markdown_safe
from dashboard.study_ai import AiOutput
from mmxai_core.figures.waterfall import waterfall_figure
from mmxai_core.results import Attribution, Explanation

#: Which explanation a viewer layer belongs to, by the start of its id.
_LAYERS = {"gradcam": "saliency", "rollout": "rollout", "field:": "cross_modal", "unified": "unified"}


def revealed_layers(output: AiOutput, labels: Mapping[str, str], reveals: frozenset[str]) -> tuple[Layer, ...]:
    """The maps that may be shown at this step; none before the explanation's stage."""
    allowed = {e for e in output.explanations if e in reveals}
    return tuple(
        layer
        for layer in layers(output.explanation, labels)
        if any(layer.id.startswith(start) and e in allowed for start, e in _LAYERS.items())
    )


def ai_panel(output: AiOutput, players: Mapping[str, str], reveals: frozenset[str]) -> None:
    """The prediction, and the explanations that are not maps.

    Args:
        output: The AI's answer.
        players: Label and value of each player of the account.
        reveals: What the step may show.
    """
    if "ai" not in reveals:
        return
    shown = [e for e in output.explanations if e in reveals]
    kept = output.explanation.prediction_set if "uncertainty" in shown else None
    st.html(
        f'<div class="mmx-strip" data-testid="study-ai"><div class="mmx-verdict">AI: '
        f"{html.escape(verdict(output.prediction, kept))}</div>{gauge(output.prediction)}</div>"
    )
    if not shown:
        if reveals - {"case", "ai"}:
            st.caption("There is no explanation for this case: what would be shown needs an image or values it lacks.")
        return
    explanation = output.explanation
    if "uncertainty" in shown and explanation.prediction_set is not None:
        st.markdown(markdown_safe(explanation.prediction_set.sentence))
    texts = [e for e in ("attribution", "joint", "reliability", "similar") if e in shown and _has(explanation, e)]
    if len(texts) == 1:  # a heading takes less of the window than a row of tabs with one tab
        st.markdown(f"**{_TITLES[texts[0]]}**")
        _text_panel(texts[0], explanation, players)
        return
    for tab, name in zip(st.tabs([_TITLES[t] for t in texts]) if texts else [], texts, strict=True):
        with tab:
            _text_panel(name, explanation, players)


_TITLES = {
    "attribution": "Clinical factors", "joint": "Factors and regions", "reliability": "Reliability",
    "similar": "Similar cases",
}  # fmt: skip


def _has(explanation: Explanation, name: str) -> bool:
    return {"joint": explanation.joint, "similar": explanation.similar}.get(name, True) is not None


def _text_panel(name: str, explanation: Explanation, players: Mapping[str, str]) -> None:
    target = explanation.target_class.replace("_", " ")
    if name == "attribution":
        _waterfall(explanation.attribution, players, target, key="study-factors")
    elif name == "joint" and explanation.joint is not None:
        _waterfall(explanation.joint.removal, players, target, key="study-joint")
    elif name == "reliability":
        reliability_panel(explanation.reliability)
    elif name == "similar":
        groups_panel(
            explanation.similar, positive=explanation.prediction.positive_class, running=False,
            check=explanation.input_check,
        )  # fmt: skip


def _waterfall(account: Attribution, players: Mapping[str, str], target: str, *, key: str) -> None:
    if withheld(account):
        return
    figure = waterfall_figure(account, players, target=target, highlight="", height=300)
    chart(figure, key=key, alt=f"Waterfall of {len(account.players)} contributions to {target}")
    st.caption(certificate(account))
