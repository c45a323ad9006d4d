"""Model: card, results with intervals, provenance, fields."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import services
from dashboard.components.results_tables import tables
from dashboard.messages import boundary, markdown_safe
from dashboard.views import model_or_stop


def results() -> None:
    """Every table of results.json."""
    found = list(tables(services.bundle().results()))
    if not found:
        st.caption("This bundle reports no results.")
    for table in found:
        st.subheader(table.title, anchor=False)
        st.dataframe(table.rows, hide_index=True, width="stretch")
        if table.facts:
            st.caption(" · ".join(f"{markdown_safe(k)}: {markdown_safe(v)}" for k, v in table.facts))


def provenance() -> None:
    """What exactly answers."""
    predictor, bundle = services.predictor(), services.bundle()
    versions = predictor.versions()
    rows = {
        "Bundle": bundle.name, "Weights (SHA-256)": bundle.sha256, "Device": predictor.device,
        "Why this device": predictor.device_reason, "mmxai": versions.mmxai, "torch": versions.torch,
        "Classes": ", ".join(bundle.classes), "Operating threshold": f"{bundle.threshold:.3f}",
        "Temperature": f"{bundle.temperature:.3f}", "Study of many images": f"{bundle.aggregation} over images",
        "Image encoder": bundle.arch.backbone, "Intended use": str(bundle.metadata.get("intended_use", "")),
    }  # fmt: skip
    st.dataframe(
        pd.DataFrame({"What": list(rows), "Value": list(rows.values())}), hide_index=True, width="stretch",
        height="content",
    )  # fmt: skip


def fields() -> None:
    """Every field the model knows."""
    rows = []
    for f in services.bundle().schema.fields:
        values = f"{f.plausible[0]:g} to {f.plausible[1]:g}" if f.plausible else ", ".join(f.category_ids)
        usual = f"{f.scale[0]:g} to {f.scale[1]:g}" if f.kind == "numeric" else ""
        rows.append(
            {
                "Field": f.label, "Id": f.id, "Group": f.group, "Kind": f.kind.replace("_", "/"), "Unit": f.unit or "",
                "Values": values, "Usual": usual,
            }
        )  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", height="content")


def main() -> None:
    """The page."""
    model_or_stop()
    card, numbers, origin, schema = st.tabs(["Model card", "Results", "Provenance", "Clinical fields"])
    with card, boundary():
        st.markdown(services.bundle().model_card())
    with numbers, boundary():
        results()
    with origin, boundary():
        provenance()
    with schema, boundary():
        fields()


main()
