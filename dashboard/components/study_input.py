"""Choosing a study: upload, a sample, or clinical data alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard.components.pressing import pressed
from dashboard.components.still import SMALL, still
from dashboard.messages import boundary, markdown_safe
from dashboard.sample_index import Sample
from mmxai_core.io import SUPPORTED_EXTENSIONS
from mmxai_core.study import Study


@dataclass(frozen=True, eq=False)
class Choice:
    """What the reader chose: files to read, a sample, or neither (clinical data alone)."""

    files: tuple[tuple[str, bytes], ...] = ()
    sample: Sample | None = None


def choose_study(
    samples: Sequence[Sample], picture: Callable[[str], Study], *, version: int, reads: str | None,
    planes: Sequence[str] = (), checked: str = "",
) -> Choice | None:  # fmt: skip
    """The choice, or None while there is none.

    Args:
        samples: Sample studies.
        picture: Reads a sample, for its thumbnail.
        version: Changes when the file chooser must be emptied.
        reads: The kind of image that the model in use was trained for; None where it is not told.
        planes: What its pictures show as red, green and blue; empty for grey ones.
        checked: What its input check will say of the samples, or "".
    """
    left, right = st.columns([5, 4], gap="large")
    with left:
        st.subheader("Open a study")
        uploaded = st.file_uploader(
            "DICOM, NIfTI, MHA, NRRD, PNG, JPEG or TIFF; several files of one study, or a zip",
            accept_multiple_files=True, key=f"upload-{version}",
            help="What is kept of a case, and for how long, stands on the page Worklist. Extensions are not needed: "
            f"content decides. Common ones: {', '.join(SUPPORTED_EXTENSIONS)}.",
        )  # fmt: skip
        if uploaded:
            return Choice(files=tuple((f.name, f.getvalue()) for f in uploaded))
        shown = ", ".join(f"{colour} {p}" for colour, p in zip(("red", "green", "blue"), planes, strict=False))
        colours = ""
        if shown:  # ITU-R BT.601 luma
            colours = (
                f" It reads one colour picture a slice ({markdown_safe(shown)}) as grey: 30 % of the red, 59 % of the "
                "green and 11 % of the blue."
            )
        st.caption(
            f"{markdown_safe(reads or 'One kind of image')} is what the model in use was trained for; other images "
            f"open, but mean nothing to it.{colours}"
        )
    with right:
        st.subheader("No image at hand?")
        st.markdown("The model also answers from clinical fields alone, and says so.")
        if pressed("Enter clinical data only", key="clinical-only", icon=":material/assignment:"):
            return Choice()
    if not samples:
        return None
    st.subheader("Or start with a sample")
    st.caption(f"{samples[0].note} {markdown_safe(checked)}".strip())
    columns = st.columns(6, gap="small")  # also for fewer, so that their pictures stay small
    for i, sample in enumerate(samples):
        with columns[i % len(columns)], st.container(border=True, height="stretch", key=f"sample-{i}"):
            with st.container(height="stretch", gap="xsmall"):  # takes what is left, so that the buttons stand in line
                with boundary():
                    grey = picture(sample.file).images[0].grey
                    still(grey, side=SMALL, alt=sample.description)
                st.markdown(f"**{sample.title}**")
                st.caption(sample.description)
            if pressed("Open", key=f"open-{sample.file}", width="stretch", help=sample.title):
                return Choice(sample=sample)
    return None
