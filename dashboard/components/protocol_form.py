"""A study's protocol as a form: what is typed becomes a protocol, or one sentence for each rule it breaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.arms_table import arms_table
from mmxai_core.reader_study.protocol import BIRADS, Case, Protocol, ProtocolError
from mmxai_core.reader_study.protocol_file import from_dict, to_dict
from mmxai_core.reader_study.questionnaire_registry import SESSION_FORMS

_TRUTH = {True: "positive", False: "negative", None: "unknown"}
_WHEN = ("start", "period_end", "end")
_SAID = {"start": "at the start", "period_end": "after each period", "end": "at the end"}


def protocol_form(base: Protocol, *, version: int) -> tuple[Protocol | None, tuple[str, ...]]:
    """Draws the form.

    Args:
        base: The protocol as it was opened; it fills the form.
        version: Identity of the draft.

    Returns:
        (the protocol, ()) or (None, one sentence a rule broken).
    """
    raw: dict[str, Any] = {"version": base.version, "parent": base.parent, "bundle_sha256": base.bundle_sha256}
    tabs = st.tabs(["Study", "Arms", "Cases", "Readers", "Questions"])
    with tabs[0]:
        raw |= _study(base, version)
    with tabs[1]:
        raw["arms"] = arms_table(base.arms, raw["design"]["kind"], version=version)
    with tabs[2]:
        raw["cases"] = _cases(base, version)
    with tabs[3]:
        raw["readers"] = _readers(base, version)
    with tabs[4]:
        raw |= _questions(base, version)
    try:
        return from_dict(raw), ()
    except ProtocolError as error:
        return None, error.problems


def _keep(key: str) -> dict[str, Any]:
    return {"key": key, "persist_state": "session"}


def _study(base: Protocol, version: int) -> dict[str, Any]:
    left, right = st.columns(2, gap="large")
    with left:
        study_id = st.text_input("Id", base.id, help="Small letters, digits, - and _; the same for every version.",
                                 disabled=base.version > 1, **_keep(f"p{version}-id"))  # fmt: skip
        title = st.text_input("Title", base.title, **_keep(f"p{version}-title"))
        kinds = ["sequential", "crossover"]
        kind = st.radio(
            "Design", kinds, kinds.index(base.design.kind), captions=(
                "Each reader reads each case once: unaided, then with the AI, then with the explanation.",
                "Each reader reads each case in each arm, one period after the other, with a washout between.",
            ), **_keep(f"p{version}-design"),
        )  # fmt: skip
        design: dict[str, Any] = {"kind": kind}
        if kind == "crossover":
            design["washout_days"] = float(
                st.number_input("Washout, days", 0.0, 365.0, base.design.washout_days or 28.0, 1.0, "%g",
                                **_keep(f"p{version}-washout"))
            )  # fmt: skip
            design["commit_first"] = st.checkbox(
                "An aided reading starts with an unaided answer", base.design.commit_first,
                **_keep(f"p{version}-commit"),
            )  # fmt: skip
    with right:
        methods = ["latin_square", "blocked"]
        method = st.radio(
            "Order of cases and arms", methods, methods.index(base.randomisation.method), horizontal=True,
            format_func={"latin_square": "Latin square", "blocked": "Blocked"}.__getitem__,
            **_keep(f"p{version}-method"),
        )  # fmt: skip
        seed = st.number_input("Seed", 0, 2**31, base.randomisation.seed, 1, **_keep(f"p{version}-seed"))
        positive = st.text_input("Positive class", base.positive, **_keep(f"p{version}-positive"))
        negative = st.text_input("Negative class", base.negative, **_keep(f"p{version}-negative"))
        threshold = st.number_input(
            "The AI calls a case positive from", 0.01, 0.99, float(base.threshold), 0.01, "%.3f",
            help="Probability; the bundle's own operating point unless you change it.", **_keep(f"p{version}-cut"),
        )  # fmt: skip
        idle = st.number_input(
            "The clock pauses after idle seconds", 5.0, 3600.0, float(base.idle_limit_s), 5.0, "%g",
            **_keep(f"p{version}-idle"),
        )  # fmt: skip
    return {
        "id": study_id, "title": title, "design": design, "randomisation": {"method": method, "seed": int(seed)},
        "positive": positive, "negative": negative, "threshold": float(threshold), "idle_limit_s": float(idle),
    }  # fmt: skip


def _table(name: str, version: int, first: pd.DataFrame, columns: Mapping[str, Any], *, alt: str) -> pd.DataFrame:
    key = f"p{version}-{name}"
    seen = st.data_editor(
        state.table_base(key, first), key=key, num_rows="dynamic", hide_index=True, column_config=columns, alt=alt
    )
    state.keep_table(key, seen)
    return seen


def _text(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and pd.isna(value)) else str(value).strip()


def _cases(base: Protocol, version: int) -> list[dict[str, Any]]:
    st.caption(
        "The truth stays here: no reader's page ever holds it. A practice case is read first and left out of the "
        "analysis."
    )
    given = {c.id: c for c in base.cases}
    first = pd.DataFrame(
        [{"id": c.id, "truth": _TRUTH[c.truth], "stratum": c.stratum, "practice": c.practice, "image": c.image}
         for c in base.cases],
        columns=["id", "truth", "stratum", "practice", "image"],
    )  # fmt: skip
    config = st.column_config
    seen = _table(
        "cases", version, first,
        {
            "id": config.TextColumn("Case", required=True, help="A pseudonym"),
            "truth": config.SelectboxColumn("Truth", options=list(_TRUTH.values()), required=True, default="unknown"),
            "stratum": config.TextColumn("Stratum", default="", help="Groups to balance over, e.g. subtle"),
            "practice": config.CheckboxColumn("Practice", default=False, help="Read first, left out of the analysis"),
            "image": config.TextColumn("Image", default="", help="Path below the case folder, or samples/NAME"),
        }, alt="Cases of the study",
    )  # fmt: skip
    rows = []
    for r in seen.to_dict("records"):
        if not _text(r["id"]):
            continue
        old = given.get(_text(r["id"])) or Case(_text(r["id"]))
        row: dict[str, Any] = {
            "id": _text(r["id"]), "stratum": _text(r["stratum"]), "image": _text(r["image"]),
            "practice": bool(r["practice"]) and not pd.isna(r["practice"]), "clinical": dict(old.clinical),
        }  # fmt: skip
        if (truth := _text(r["truth"])) in ("positive", "negative"):
            row["truth"] = truth == "positive"
        if old.lesion is not None:
            row["lesion"] = list(old.lesion)
        rows.append(row)
    n = sum(1 for r in rows if not r["practice"])
    positive = sum(1 for r in rows if not r["practice"] and r.get("truth"))
    st.caption(f"{n} cases, {positive} positive; {len(rows) - n} for practice.")
    return rows


def _readers(base: Protocol, version: int) -> list[dict[str, Any]]:
    st.caption("Codes, never names: R01, R02 ... Keep the list of who is who outside this program.")
    first = pd.DataFrame([{"code": r.code, "stratum": r.stratum} for r in base.readers], columns=["code", "stratum"])
    config = st.column_config
    seen = _table(
        "readers", version, first,
        {
            "code": config.TextColumn("Reader code", required=True),
            "stratum": config.TextColumn("Group", default="", help="e.g. resident, specialist"),
        }, alt="Readers of the study",
    )  # fmt: skip
    return [
        {"code": _text(r["code"]).upper(), "stratum": _text(r["stratum"])}
        for r in seen.to_dict("records") if _text(r["code"])
    ]  # fmt: skip


def _questions(base: Protocol, version: int) -> dict[str, Any]:
    asked = base.questions
    left, right = st.columns(2, gap="large")
    out: dict[str, Any] = {"custom": to_dict(base)["questions"].get("custom", [])}
    with left:
        scales = {"probability": "Probability, 0 to 100 %", "categories": "Categories, e.g. BI-RADS"}
        out["scale"] = st.radio(
            "The reader's opinion", list(scales), list(scales).index(asked.scale), format_func=scales.__getitem__,
            **_keep(f"p{version}-scale"),
        )  # fmt: skip
        if out["scale"] == "categories":
            typed = st.text_input(
                "Categories, in rising order of suspicion", ", ".join(asked.categories or BIRADS),
                **_keep(f"p{version}-categories"),
            )  # fmt: skip
            out["categories"] = [c.strip() for c in typed.split(",") if c.strip()]
            names = out["categories"] or [""]
            first = int(asked.positive_from) - 1 if asked.scale == "categories" else 2
            at = min(max(first, 0), len(names) - 1)
            cut = st.selectbox("Counts as positive from", names, at, **_keep(f"p{version}-from-category"))
            out["positive_from"] = float(names.index(cut) + 1)
        else:
            start = asked.positive_from if asked.scale == "probability" else 50.0
            out["positive_from"] = float(
                st.number_input("Counts as positive from, %", 1.0, 100.0, start, 1.0, "%g", **_keep(f"p{version}-from"))
            )
        levels = {"likert5": "1 to 5", "percent": "0 to 100 %", "none": "Not asked"}
        out["confidence"] = st.radio(
            "Confidence", list(levels), list(levels).index(asked.confidence), horizontal=True,
            format_func=levels.__getitem__, **_keep(f"p{version}-confidence"),
        )  # fmt: skip
        out["region"] = st.checkbox("The reader draws the lesion", asked.region, **_keep(f"p{version}-region"))
    with right:
        out["agreement"] = st.multiselect(
            "Agreement, 1 to 5, with", ["prediction", "region", "factors"], list(asked.agreement),
            **_keep(f"p{version}-agree"),
        )  # fmt: skip
        out["usefulness"] = st.checkbox("How useful each explanation was", asked.usefulness, **_keep(f"p{version}-use"))
        out["misled"] = st.checkbox("What misled", asked.misled, **_keep(f"p{version}-misled"))
        out["free_text"] = st.checkbox("Free text", asked.free_text, **_keep(f"p{version}-free"))
        options = list(SESSION_FORMS)
        chosen = st.multiselect(
            "Questionnaires", options, list(dict.fromkeys(i.id for i in base.instruments if i.id in options)),
            format_func=lambda name: SESSION_FORMS[name].title,
            help="Those whose wording may be shown freely. NASA-TLX is on scales of 0 to 100.",
            **_keep(f"p{version}-instruments"),
        )  # fmt: skip
        if left_out := [i.id for i in base.instruments if i.id not in options]:
            st.caption(f":orange[Left out, since a session cannot ask it: {', '.join(left_out)}.]")
        # A file may ask each at a time of its own, or one more than once: that is kept, and the choice is for new ones.
        mixed = len(base.instruments) if len({i.when for i in base.instruments}) > 1 else 0
        given = [{"id": i.id, "when": i.when} for i in base.instruments[:mixed] if i.id in chosen]
        if given:
            st.caption(
                "As the file has it: " + "; ".join(f"{SESSION_FORMS[g['id']].title} {_SAID[g['when']]}" for g in given)
            )
        times = st.segmented_control(
            "The others are filled in" if given else "Filled in", _WHEN,
            default=base.instruments[0].when if base.instruments and not mixed else "end", required=True,
            format_func=lambda w: _SAID[w].capitalize(), **_keep(f"p{version}-when"),
        )  # fmt: skip
    named = {g["id"] for g in given}
    return {"questions": out, "instruments": [*given, *({"id": i, "when": times} for i in chosen if i not in named)]}
