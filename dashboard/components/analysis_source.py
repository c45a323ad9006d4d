"""What to analyse: a study in the store, tables from elsewhere, or simulated readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import services
from dashboard.components.chrome import empty_state
from dashboard.messages import markdown_safe
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.from_store import tables_from_store
from mmxai_core.reader_study.rehearsal import Rehearsal, rehearse_study
from mmxai_core.reader_study.study_tables import StudyTables, files_of_zip, tables_from_files, with_map_files

STORE, FILES, SIMULATED = "Study in the store", "Tables from files", "Rehearse with simulated readers"
_DESIGNS = {
    "sequential": "Sequential: unaided, then AI, then explanation",
    "crossover": "Crossover: one arm a condition",
}


@dataclass(frozen=True, eq=False)
class Source:
    """Where tables come from.

    Attributes:
        name: For people.
        tables: Reads or makes them; may raise StudyStoreError.
    """

    name: str
    tables: Callable[[], StudyTables]


def choose_source() -> Source | None:
    """Draws the choice; None while nothing is chosen."""
    kind = st.segmented_control(
        "What to analyse", (STORE, FILES, SIMULATED), default=STORE, key="analysis-kind",
        persist_state="session", required=True, label_visibility="collapsed",
    )  # fmt: skip
    if kind == FILES:
        return _from_files()
    if kind == SIMULATED:
        return _simulated()
    return _from_store()


def _from_store() -> Source | None:
    store = services.study_store()
    studies = store.studies()
    options: list[Any] = [*studies, None]
    if not studies:
        empty_state(
            "No study has been started",
            "Make a protocol and start it under **Study set-up**; readers then read under **Reading session**. To see "
            "what an analysis looks like before that, choose **Rehearse with simulated readers**. Ratings of the "
            "Survey page can be analysed below.",
        )
    chosen = st.selectbox(
        "Study", options, key="analysis-study",
        format_func=lambda s: "Survey page: ratings of explanations"
        if s is None else f"{s.protocol.title} ({s.code}, version {s.version})",
    )  # fmt: skip
    if chosen is None:
        return Source("Survey page", lambda: tables_from_store(store, None))
    given = st.file_uploader(
        "Maps, to compare with the regions that readers drew (optional)", type=["zip"], key="analysis-maps",
        help="A zip of CASE.npz files, or of the folders that `python -m mmxai_core explain --out CASE` wrote.",
    )  # fmt: skip
    maps = None if given is None else (given.name, given.getvalue())
    return Source(chosen.code, lambda: _with_maps(tables_from_store(store, chosen), maps))


def _with_maps(tables: StudyTables, maps: tuple[str, bytes] | None) -> StudyTables:
    if maps is None:
        return tables
    name, data = maps
    return with_map_files(tables, files_of_zip(data, name=name), name=name)


def _from_files() -> Source | None:
    given = st.file_uploader(
        "Tables of one study: a zip, or readings.csv, ratings.csv, assignments.csv, readers.csv, cases.csv",
        type=["zip", "csv", "parquet"], accept_multiple_files=True, key="analysis-files",
    )  # fmt: skip
    if not given:
        st.caption(
            "An export of this page, or of Study set-up, opens as it is. Tables made elsewhere need at least "
            "`readings.csv` with the columns reader, arm, case, stage (unaided, ai or explanation), value and truth."
        )
        return None
    files = [(f.name, f.getvalue()) for f in given]
    return Source(", ".join(n for n, _ in files), lambda: _read(files))


def _read(files: Sequence[tuple[str, bytes]]) -> StudyTables:
    found: dict[str, bytes] = {}
    for name, data in files:
        found |= files_of_zip(data, name=name) if name.lower().endswith(".zip") else {name: data}
    return tables_from_files(found, name=", ".join(n for n, _ in files))


def _simulated() -> Source | None:
    st.caption(
        "Ratings by the model of Roe and Metz; all else are plain draws. Everything made of them says SIMULATED."
    )
    a, b, c, d = st.columns(4)
    design = a.selectbox(
        "Design", list(_DESIGNS), format_func=_DESIGNS.__getitem__, key="sim-design", persist_state="session"
    )
    readers = b.number_input("Readers", 1, 50, 5, key="sim-readers", persist_state="session")
    positives = c.number_input("Positive cases", 1, 500, 20, key="sim-positives", persist_state="session")
    negatives = d.number_input("Negative cases", 1, 500, 20, key="sim-negatives", persist_state="session")
    a, b, c, d, e = st.columns(5)
    unaided = a.number_input("AUC unaided", 0.55, 0.99, 0.78, 0.01, key="sim-unaided", persist_state="session")
    ai = b.number_input("AUC with AI", 0.55, 0.99, 0.84, 0.01, key="sim-ai", persist_state="session")
    explanation = c.number_input(
        "AUC with explanation", 0.55, 0.99, 0.86, 0.01, key="sim-explanation", persist_state="session"
    )
    planted = d.number_input("Planted AI errors", 0, 200, 4, key="sim-seeded", persist_state="session")
    seed = e.number_input("Seed", 0, 10**9, 0, key="sim-seed", persist_state="session")
    try:
        plan = Rehearsal(
            design=design, readers=readers, positives=positives, negatives=negatives, seeded_wrong=planted, seed=seed,
            aucs={"unaided": unaided, "ai": ai, "explanation": explanation},
        )  # fmt: skip
    except StudyStoreError as error:
        st.error(markdown_safe(str(error)), icon=":material/error:")
        return None
    return Source("SIMULATED", lambda: rehearse_study(plan))
