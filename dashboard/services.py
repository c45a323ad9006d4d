"""What all sessions share: the model, the ratings store, the samples. The only file with st.cache_*.

Nothing of a patient is cached here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from mmxai_core import io
from mmxai_core.errors import BundleError
from mmxai_core.explain.explainer import Explainer
from mmxai_core.model.bundle import Bundle, load_bundle
from mmxai_core.predict import Predictor
from mmxai_core.reader_study.store import RatingStore, default_store_path
from mmxai_core.study import Study

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "assets" / "samples"


@dataclass(frozen=True)
class Sample:
    """A synthetic study that ships with the program.

    Attributes:
        file: File name below assets/samples.
        title: Short title.
        description: What is seen, one line.
        clinical: Known values by field id.
        note: What must be said beside it.
    """

    file: str
    title: str
    description: str
    clinical: Mapping[str, Any]
    note: str


def bundle_path() -> Path:
    """MMXAI_BUNDLE where set, else the bundle that ships."""
    return Path(os.environ.get("MMXAI_BUNDLE", ROOT / "pretrained" / "breast-us"))


@st.cache_resource(show_spinner=False)
def _predictor(path: Path) -> Predictor:
    # A busy or slow machine may need longer than the two minutes a reader is asked to wait at most.
    deadline = float(os.environ.get("MMXAI_DEADLINE_S", 120))
    return Predictor(load_bundle(path), device=os.environ.get("MMXAI_DEVICE", "auto"), deadline_s=deadline)


def predictor() -> Predictor:
    """The one predictor of this server.

    Raises:
        BundleError: There is no bundle, or it is damaged.
        DeviceError: The device asked for is not there.
    """
    return _predictor(bundle_path())


def bundle() -> Bundle:
    """The bundle in use.

    Raises:
        BundleError: There is no bundle, or it is damaged.
    """
    return predictor().bundle


def bundle_is_missing() -> bool:
    """True where there is no bundle folder at all, which is no error but a thing to set up."""
    return not (bundle_path() / "metadata.json").is_file()


@st.cache_resource(show_spinner=False)
def _explainer(path: Path) -> Explainer:
    return Explainer(_predictor(path))


def explainer() -> Explainer:
    """The explainer of the predictor."""
    return _explainer(bundle_path())


@st.cache_resource(show_spinner=False)
def _store(path: Path) -> RatingStore:
    return RatingStore(path)


def rating_store() -> RatingStore:
    """The ratings store.

    Raises:
        StudyStoreError: The file cannot be opened.
    """
    return _store(default_store_path())


@st.cache_resource(show_spinner=False)
def samples() -> tuple[Sample, ...]:
    """The shipped samples; none where the folder is missing.

    Raises:
        BundleError: The index is malformed.
    """
    index = SAMPLES / "samples.json"
    if not index.is_file():
        return ()
    try:
        rows = json.loads(index.read_text(encoding="utf-8"))["samples"]
        return tuple(
            Sample(r["file"], r["title"], r["description"], r.get("clinical", {}), r.get("expected", "")) for r in rows
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"The samples' index {index.name} is malformed: {error}.") from error


@st.cache_resource(show_spinner=False, max_entries=16)
def sample_study(file: str) -> Study:
    """A sample, read as an upload is. Synthetic, so that it may be shared between sessions."""
    return io.read_study((SAMPLES / file).read_bytes(), file)


@st.cache_resource(show_spinner=False)
def start_reading_worker() -> bool:
    """Start the child process that reads files, so that the first upload does not wait for it."""
    io.warm_up()
    return True
