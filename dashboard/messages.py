"""Errors in a clinician's words. A reader sees one sentence, never a traceback."""

from __future__ import annotations

import secrets
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from mmxai_core.errors import (
    BundleError,
    CancelledError,
    CapsuleError,
    ClinicalValueError,
    DeadlineError,
    DeviceError,
    ExplanationError,
    MmxaiError,
    StudyReadError,
    StudyStoreError,
)

RESEARCH_USE = "Research use only, not for diagnosis"

#: What happened, before the error's own sentence, which gives rule, value and field or file.
OPENINGS: dict[type[MmxaiError], str] = {
    StudyReadError: "This study cannot be opened.",
    ClinicalValueError: "A clinical value needs attention.",
    BundleError: "The model cannot be used.",
    DeviceError: "The computing device is not available.",
    ExplanationError: "The prediction stands, but it cannot be explained.",
    CapsuleError: "This case capsule cannot be used.",
    StudyStoreError: "Not done.",
    DeadlineError: "The model did not answer in time; please try again.",
    CancelledError: "Cancelled; nothing was changed.",
}


#: How the sentence opens where an answer was to be kept.
NOT_SAVED = "Not saved."


def sentence(error: MmxaiError, *, opening: str = "") -> str:
    """What the reader is told about an error raised on purpose.

    Args:
        error: The error.
        opening: What did not happen; by the kind of error where empty.
    """
    if isinstance(error, CancelledError):
        return OPENINGS[CancelledError]
    opening = opening or next(
        (text for kind, text in OPENINGS.items() if isinstance(error, kind)), "This did not work."
    )
    return f"{opening} {error}"


def markdown_safe(text: str) -> str:
    """Text with nothing that Markdown would format: file names and header values may hold any character."""
    return "".join("\\" + c if c in r"\`*_[]<>$~:" else c for c in text)


def incident(error: BaseException) -> str:
    """Log an unexpected error to stderr under a new id, and say so in one sentence.

    The log holds the traceback, without local values, so that no pixel or field of a patient is written.
    """
    code = secrets.token_hex(4)
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    sys.stderr.write(f"incident {code}\n{trace}\n")
    return f"Something unexpected happened, and was logged as incident {code}. Your ratings are safe; please try again."


@contextmanager
def boundary() -> Iterator[None]:
    """The edge of a page or a fragment: every error inside becomes one sentence on the page."""
    try:
        yield
    except MmxaiError as error:
        st.error(markdown_safe(sentence(error)), icon=":material/error:")
    except Exception as error:  # noqa: BLE001  # the one place where an unforeseen error meets the reader
        st.error(incident(error), icon=":material/error:")
