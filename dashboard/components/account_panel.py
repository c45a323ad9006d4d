"""The Shapley account: which one to show, the waterfall with its certificate, and the interactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import state
from dashboard.components.charts import chart, clickable_chart
from dashboard.messages import markdown_safe
from mmxai_core.explain.interventional import MAX_REGIONS
from mmxai_core.figures.account import passes, say
from mmxai_core.figures.interaction_network import SMALL, Pair, image_synergy, network_figure, strongest_pairs
from mmxai_core.figures.interactions import interaction_figure
from mmxai_core.figures.waterfall import waterfall_figure
from mmxai_core.results import MAX_RESIDUAL, REGION_LABELS, Attribution, Explanation, JointAccount

IMAGE_AS = {"lesion": "Lesion, ring, rest", "grid": "3 x 3 grid", "whole": "Whole"}
#: The parts of `IMAGE_AS`' lesion.
LESION_PARTS = ("image_lesion", "image_ring", "image_rest")
REMOVED = {"removal": "Unknown", "background": "Another patient's"}
SCALES = {"log_odds": "Log-odds", "probability": "Probability"}
#: Most pixels of the waterfall: with the controls above it, what a 1440 x 900 window leaves beside the viewer.
HEIGHT = 500
#: Key of the waterfall on the page.
WATERFALL = "waterfall"


@dataclass(frozen=True)
class AccountChoice:
    """Which account the reader wants.

    Attributes:
        image_as: A key of `IMAGE_AS`.
        removed: A key of `REMOVED`.
        space: A key of `SCALES`.
    """

    image_as: str
    removed: str
    space: str


def last_account_choice(*, image: bool) -> AccountChoice:
    """What the choices of `account_choice` stand at, for what is drawn without or before them.

    Args:
        image: Whether the case has an image to split.
    """
    image_as = state.last_choice("account-image", "lesion") if image else "whole"
    return AccountChoice(
        image_as, state.last_choice("account-removed", "removal"), state.last_choice("account-scale", "log_odds")
    )  # fmt: skip


def account_choice(*, image: bool) -> tuple[AccountChoice, DeltaGenerator]:
    """The scale, and under "Inputs" what the image is split into and what a removed value becomes.

    Args:
        image: Whether the case has an image to split.

    Returns:
        The choice, and the place beside it for what is shown of it.
    """
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        space = st.segmented_control(
            "Scale", list(SCALES), default="log_odds", required=True, format_func=SCALES.__getitem__,
            key="account-scale", persist_state="session", label_visibility="collapsed",
            help="Log-odds add up evenly wherever the prediction stands; probability is what the result shows.",
        )  # fmt: skip
        with st.popover("Inputs", icon=":material/tune:", help="Image regions, and what a removed value becomes"):
            image_as = "whole"
            if image:
                image_as = st.segmented_control(
                    "The image as", list(IMAGE_AS), default="lesion", required=True, format_func=IMAGE_AS.__getitem__,
                    key="account-image", persist_state="session",
                    help="The lesion is where the model's own lesion map sees it; the ring is the tissue around it.",
                )  # fmt: skip
            removed = st.segmented_control(
                "A removed value is", list(REMOVED), default="removal", required=True,
                format_func=REMOVED.__getitem__, key="account-removed", persist_state="session",
                help="Unknown: the field is left open, as in the form (token removal). Another patient's: it takes "
                "the values of the bundle's typical records, one after the other (interventional), with error bars.",
            )  # fmt: skip
        beside = st.empty()
    return AccountChoice(str(image_as), str(removed), str(space)), beside


def image_shown_as(choice: AccountChoice, account: Attribution) -> str:
    """How an account does treat the image, a key of `IMAGE_AS`: not always as it was asked to.

    Args:
        choice: What the reader wants.
        account: What is shown.
    """
    parts = [p for p in account.players if p in REGION_LABELS]
    if not parts:
        return choice.image_as
    return "whole" if "image" in parts else "lesion" if parts[0] in LESION_PARTS else "grid"


def shown_as(choice: AccountChoice, account: Attribution) -> str:
    """What the account on screen is of, e.g. "Whole; removed: unknown"."""
    return f"{IMAGE_AS[image_shown_as(choice, account)]}; removed: {REMOVED[choice.removed].lower()}"


def why_whole(choice: AccountChoice, account: Attribution, *, computed: bool) -> str:
    """Why the image is one input where its parts were asked for, in one sentence; else "".

    Args:
        choice: What the reader wants.
        account: What is shown.
        computed: Whether the account of the parts is there.
    """
    if image_shown_as(choice, account) == choice.image_as:
        return ""
    if not computed:
        return "The parts of the image are still being computed; until then it counts as one input."
    return (
        f"Against another patient's values the image is split into {MAX_REGIONS} parts at most, so the 3 x 3 grid is "
        "not available here: the image counts as one input."
    )


def chosen_account(
    choice: AccountChoice, explanation: Explanation, joint: JointAccount | None
) -> tuple[Attribution | None, str]:
    """The account of a choice, or why there is none.

    Args:
        choice: What the reader wants.
        explanation: The explanation.
        joint: The joint account of the partition chosen, where it is computed.

    Returns:
        (account, ""), or (None, one sentence).
    """
    odds = choice.space == "log_odds"
    if choice.removed == "removal":
        if choice.image_as == "whole" or joint is None:
            return explanation.attribution if odds else explanation.attribution_probability, ""
        return joint.removal if odds else joint.removal_probability, ""
    if joint is None:
        return None, "Still being computed: the account against other patients' values comes with the image regions."
    account = joint.background if odds else joint.background_probability
    if account is None:
        return None, (
            "This account needs typical records in the bundle and at least one known field; this case has none."
        )
    return account, ""


def certificate(account: Attribution) -> str:
    """How the account was made and how well it adds up, as Markdown."""
    how = f"**{markdown_safe(account.estimator.capitalize())}** ({account.coalitions:,} combinations)"
    residual = abs(account.residual)
    size = "below 0.000001" if residual < 1e-6 else f"{residual:.1g}"
    said = f"{how}. :green[✓ Adds up to the prediction]: residual {size}, limit {MAX_RESIDUAL:g}."
    return said + (f" {markdown_safe(account.interval_from)}." if account.interval_from else "")


def withheld(account: Attribution) -> bool:
    """True, and said, where the account does not add up."""
    if account.withheld:
        st.error(
            f"Withheld: the contributions miss the prediction by {account.residual:.2g}, more than {MAX_RESIDUAL:g}. "
            "A chart that does not add up would mislead.",
            icon=":material/block:",
        )
    return account.withheld


def what_bars_are(account: Attribution) -> str:
    """What the bars are in probability, where a reader may take the sums between them for predictions; else "".

    Args:
        account: The account.
    """
    if account.space != "probability":
        return ""
    past = ", and here some pass 0 or 100 %" if passes(account) else ""
    return (
        "Each bar is a mean over all orders of the inputs; only both ends are predictions, the sums in between are not"
        f"{past}. "
    )


def waterfall_panel(
    account: Attribution, labels: Mapping[str, str], *, target: str, on_click: Callable[[], None], highlight: str = ""
) -> None:  # fmt: skip
    """The waterfall with its certificate; withheld, with the reason, where it does not add up.

    Args:
        account: The account.
        labels: Label and value of each player.
        target: Name of the class explained.
        on_click: Called where the reader clicks a bar.
        highlight: The field chosen in the viewer, or "".
    """
    if withheld(account):
        return
    figure = waterfall_figure(account, labels, target=target, highlight=highlight, height=HEIGHT)
    ends = f"from {say(account.base_value, account.space)} to {say(account.output, account.space)}"
    alt = f"Waterfall of {len(account.players)} contributions to {target}, {ends}"
    clickable_chart(figure, key=WATERFALL, alt=alt, on_click=on_click)
    st.caption(certificate(account))
    st.caption(
        f"{what_bars_are(account)}Click a bar: the viewer shows where its field looks. {account.semantics} Orange, "
        f"plain: toward {target}; blue, hatched: away from it."
    )


def interactions_panel(
    account: Attribution, labels: Mapping[str, str], *, target: str, regions: tuple[str, ...]
) -> None:  # fmt: skip
    """Main effects and pairwise interactions: heatmap, network, ranked list.

    Args:
        account: The account, with its interactions.
        labels: Label and value of each player.
        target: Name of the class explained.
        regions: Players that are regions of the image.
    """
    if withheld(account):
        return
    left, right = st.columns([3, 2], gap="medium")
    pairs = strongest_pairs(account, regions=regions, most=6)
    with left:
        chart(
            interaction_figure(account, labels, target=target, light=st.context.theme.type == "light"),
            key="interactions",
            alt=f"Heatmap of {len(account.players)} inputs: own parts on the diagonal, interactions off it",
        )  # fmt: skip
    with right:
        st.markdown("**Strongest pairs**", help="What two inputs say together beyond what each says alone.")
        if not pairs:
            st.caption("No two inputs interact by more than rounding: their contributions simply add up.")
        else:
            st.markdown("\n".join(f"{i}. {_pair(p, labels, account.space)}" for i, p in enumerate(pairs, 1)))
            chart(
                network_figure(account, labels, target=target, regions=regions), key="network",
                alt=f"Network of the strongest interactions: {len(pairs)} pairs",
            )  # fmt: skip
            st.caption(
                f"Solid orange: together more toward {target}; dashed blue: together less. Squares are image regions. "
                "The width is on an absolute scale."
            )
        shared = [(p, v) for p, v in image_synergy(account, regions=regions).items() if abs(v) >= SMALL[account.space]]
        if shared:
            said = "; ".join(
                f"{markdown_safe(labels.get(p, p))} **{say(v, account.space, sign=True)}**" for p, v in shared[:4]
            )
            st.markdown(
                f"**With the image as a whole:** {said}",
                help="Sum of a field's interactions with every region of the image. Above 0: field and image together "
                "say more for the class than each alone; below 0: they repeat or contradict one another.",
            )
        st.caption(certificate(account))
        st.caption(
            "On the diagonal: each input on its own. Every cell counted once, all add up to the prediction. "
            + account.semantics
        )


def _pair(pair: Pair, labels: Mapping[str, str], space: str) -> str:
    names = " + ".join(markdown_safe(labels.get(p, p)) for p in (pair.first, pair.second))
    return f"{names}: **{say(pair.value, space, sign=True)}** :gray[({pair.kind})]"
