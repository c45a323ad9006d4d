"""What the header said, in one line and a list."""

from __future__ import annotations

import html

import streamlit as st

from dashboard.messages import markdown_safe
from mmxai_core.study import Study

_SIDES = {"L": "left", "R": "right", "B": "both sides"}
_MODALITIES = {"US": "ultrasound", "MG": "mammography", "MR": "magnetic resonance", "CT": "computed tomography"}


def facts(study: Study, index: int) -> list[tuple[str, str]]:
    """(name, value) of each fact; what the file does not say is said to be missing, never guessed."""
    image = study.images[index]
    modality = study.modality
    spacing = image.geometry.spacing_mm
    return [
        ("Modality", f"{modality} ({_MODALITIES[modality]})" if modality in _MODALITIES else modality or "not stated"),
        ("Side", _SIDES.get(image.laterality or "", "not stated")),
        # the projection (CC, MLO) is a mammogram's: of an ultrasound picture it is not missing
        *([("View", image.view or "not stated")] if image.view or modality not in ("US", "MR", "CT") else []),
        ("Age", "not stated" if study.patient_age_years is None else f"{study.patient_age_years:g} years"),
        ("Size", f"{image.geometry.shape[1]} x {image.geometry.shape[0]} pixels"),
        (
            "Spacing",
            "not stated" if spacing is None else f"{spacing[1]:.3g} x {spacing[0]:.3g} mm"
            + (f" ({image.geometry.spacing_source})" if image.geometry.spacing_source else ""),
        ),
        ("File", study.source_format.upper() + (f", {study.transfer_syntax}" if study.transfer_syntax else "")),
    ]  # fmt: skip


def show_facts(study: Study, index: int) -> None:
    """The facts, the reader's notes, and how the grey values came about."""
    rows = facts(study, index)
    told = [f"{name}: <b>{html.escape(value)}</b>" for name, value in rows if value != "not stated"]
    missing = [name.lower() for name, value in rows if value == "not stated"]
    badge = '<span class="mmx-badge">Synthetic phantom, not a patient</span> ' if study.synthetic else ""
    left_out = f" · Not stated by the file: {', '.join(missing)}" if missing else ""
    st.html(f'<p class="mmx-facts">{badge}{" · ".join(told)}{html.escape(left_out)}</p>')
    steps = study.images[index].display
    if study.notes or steps:
        with st.expander(f"Reading notes ({len(study.notes)})" if study.notes else "How the grey values came about"):
            for note in study.notes:
                st.markdown(f"- {markdown_safe(note)}")
            if steps:
                st.caption("Display pipeline: " + markdown_safe(" → ".join(steps)))
