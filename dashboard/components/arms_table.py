"""The arms of a study as an editable table; an arm's id follows what it shows until a coordinator types one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.pressing import pressed
from dashboard.study_limits import SHOWN
from mmxai_core.reader_study.protocol import Arm, DesignKind

KINDS = {"unaided": "Unaided", "ai": "AI", "ai_explanation": "AI with explanation"}
_COLUMNS = ("id", "kind", "explanations", "placebo", "wrong", "title")
#: What an arm with an explanation shows until a coordinator chooses.
_USUAL_EXPLANATIONS = ("saliency", "attribution")
_SAID = {
    "sequential": "Each case is read once, in one arm, and always unaided first: “AI with explanation” goes "
    "Unaided → AI → AI with explanation.",
    "crossover": "Each case is read in every arm, one after the other.",
}  # fmt: skip


def usual_arms(design: DesignKind) -> tuple[Arm, ...]:
    """The arms that compare unaided, AI, and AI with explanation.

    A sequential study has all three in one reading, so that one arm is enough; a crossover has an arm for each.
    """
    explained = Arm("ai_explanation", "ai_explanation", "", _USUAL_EXPLANATIONS)
    return (explained,) if design == "sequential" else (Arm("unaided", "unaided"), Arm("ai", "ai"), explained)


def arms_table(arms: Iterable[Arm], design: DesignKind, *, version: int) -> list[dict[str, Any]]:
    """Draws the table.

    Args:
        arms: What it starts with.
        design: How arms meet cases, as it is chosen now.
        version: Identity of the draft.

    Returns:
        Plain values of each arm, as `protocol_file.from_dict` takes them.
    """
    st.caption(f"An arm is a condition of reading. Readers never see which arm they are in. {_SAID[design]}")
    key = state.table_key(f"p{version}-arms")
    config = st.column_config
    seen = st.data_editor(
        state.table_base(key, _frame(arms)), key=key, num_rows="dynamic", hide_index=True, alt="Arms of the study",
        column_config={
            "id": config.TextColumn("Id", help="Small letters, digits and _. It follows what the arm shows until you "
                                    "type one of your own."),
            "kind": config.SelectboxColumn("Shows", options=list(KINDS), required=True, format_func=KINDS.get),
            "explanations": config.MultiselectColumn("Explanations", options=list(SHOWN), width="large"),
            "placebo": config.NumberColumn("Placebo maps, %", min_value=0, max_value=100, default=0,
                                           help="Share of readings whose map is meaningless on purpose."),
            "wrong": config.NumberColumn("Wrong AI, %", min_value=0, max_value=100, default=0,
                                         help="Share of readings whose AI answer is turned wrong on purpose."),
            "title": config.TextColumn("Note for you"),
        },
    )  # fmt: skip
    followed = follow_kinds(state.table_seen(key), seen)
    state.keep_table(key, seen)
    if followed is not None:  # a table's cells change only by drawing it anew
        state.redraw_table(f"p{version}-arms", followed)
        st.rerun()
    if pressed(
        "Use the usual arms", key=f"p{version}-usual-arms", icon=":material/replay:",
        help="One arm in a sequential study, three in a crossover: unaided, AI, AI with explanation.",
    ):  # fmt: skip
        state.redraw_table(f"p{version}-arms", _frame(usual_arms(design)))
        st.rerun()
    if any(_number(r["wrong"]) for r in seen.to_dict("records")):
        st.caption(
            "A wrong AI is as sure as the real one, on the other side. Its map is the one for the class it names, and "
            "the clinical factors are turned with it. Such an arm can show these two only."
        )
    return [
        {
            "id": _text(r["id"]), "kind": _text(r["kind"]), "title": _text(r["title"]),
            "explanations": _names(r["explanations"]),
            "placebo_share": _number(r["placebo"]) / 100, "wrong_share": _number(r["wrong"]) / 100,
        }
        for r in seen.to_dict("records") if _text(r["id"]) or _text(r["kind"])
    ]  # fmt: skip


def follow_kinds(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame | None:
    """The table with what follows from a kind that was just chosen; None where nothing does.

    An id that was its kind's name becomes the new kind's, and an empty one is filled in; what was typed stays. An arm
    that comes to show explanations starts with the usual ones, and one that shows none any more drops its own.

    Args:
        before: As it was last seen.
        now: As it is.
    """
    out, changed = now.copy(), False
    for row in now.index:
        kind, name = _text(now.at[row, "kind"]), _text(now.at[row, "id"])
        known = row in before.index
        old_kind, old_name = (_text(before.at[row, c]) if known else "" for c in ("kind", "id"))
        if not kind or (kind == old_kind and name):
            continue
        if not name or (name == old_name and re.fullmatch(rf"{re.escape(old_kind)}(_\d+)?", name)):
            out.at[row, "id"] = _free(kind, {_text(v) for v in out["id"].drop(row)})
            changed = True
        shown = _names(now.at[row, "explanations"])
        if kind != old_kind and bool(shown) != (kind == "ai_explanation"):
            out.at[row, "explanations"] = [] if shown else list(_USUAL_EXPLANATIONS)
            changed = True
    return out.reset_index(drop=True) if changed else None


def _frame(arms: Iterable[Arm]) -> pd.DataFrame:
    rows = [(a.id, a.kind, list(a.explanations), 100 * a.placebo_share, 100 * a.wrong_share, a.title) for a in arms]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _free(name: str, taken: set[str]) -> str:
    numbered = (f"{name}_{n}" for n in range(2, len(taken) + 3))
    return next(n for n in (name, *numbered) if n not in taken)


def _names(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else []


def _text(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and pd.isna(value)) else str(value).strip()


def _number(value: Any) -> float:
    return 0.0 if value is None or pd.isna(value) else float(value)
