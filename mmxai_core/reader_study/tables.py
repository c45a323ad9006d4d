"""A study as tidy tables: one row an opinion, one row an answer to a question. For the coordinator: truth included."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mmxai_core.reader_study.records import StudyRecord
from mmxai_core.reader_study.study_store import StudyStore

#: Columns of `readings`: one row an opinion, current answers only.
READINGS = (
    "study", "version", "reader", "period", "arm", "case", "position", "stage", "scale", "value", "confidence", "truth",
    "ai_probability", "ai_class", "ai_correct", "ai_seeded_wrong", "placebo", "active_s", "idle_s", "region",
    "region_map_hit", "committed_at", "bundle_sha256", "explainer", "explanation_id", "practice", "positive",
    "iteration", "imported",
)  # fmt: skip

#: Columns of `ratings`: one row an answer to one item, superseded ones included.
RATINGS = (
    "study", "version", "reader", "case", "arm", "period", "stage", "instrument", "instrument_version", "item",
    "iteration", "state", "value", "text", "superseded", "answered_at", "active_s", "idle_s", "bundle_sha256",
    "explanation_id", "placebo", "practice", "imported",
)  # fmt: skip

ASSIGNMENTS = (
    "study", "version", "assignment", "reader", "period", "position", "arm", "case", "practice", "ai_seeded_wrong",
    "placebo", "finished",
)  # fmt: skip
READERS = ("study", "version", "reader", "stratum", "cases_done", "cases_total", "first_answer_at", "last_answer_at")
CASES = ("study", "version", "case", "stratum", "truth", "practice", "image", "lesion")


def readings(store: StudyStore, study: StudyRecord) -> pd.DataFrame:
    """One row an opinion, the current one of each reader, case, arm and stage; columns `READINGS`.

    `value` is 0 to 100, or a position from 1 in the protocol's categories; `positive` is 1 where it reaches the
    protocol's `positive_from`. `truth`, `positive`, `ai_correct`: 1, 0 or missing. The columns of the AI hold what was
    on the screen at that stage, and are missing where nothing was, as at the unaided stage; `ai_seeded_wrong` and
    `placebo` belong to the whole reading. `region` is JSON [x0, y0, x1, y1] in pixels of the image, or blank;
    `region_map_hit` is blank, for the analysis to fill. Times in seconds; `committed_at` UTC, ISO 8601.
    """
    raise NotImplementedError


def ratings(store: StudyStore, study: StudyRecord | None = None) -> pd.DataFrame:
    """One row an answer to one item of a questionnaire or of the ratings after a case; columns `RATINGS`.

    Args:
        store: The store.
        study: One version of a study; None for the ratings of the Survey page (study "survey").
    """
    raise NotImplementedError


def assignments(store: StudyStore, study: StudyRecord) -> pd.DataFrame:
    """One row a reading to be done; columns `ASSIGNMENTS`."""
    raise NotImplementedError


def readers(store: StudyStore, study: StudyRecord) -> pd.DataFrame:
    """One row a reader, with how far he is; columns `READERS`."""
    raise NotImplementedError


def cases(store: StudyStore, study: StudyRecord, *, truth: bool = True) -> pd.DataFrame:
    """One row a case; columns `CASES`. `truth=False` leaves truth and lesion blank."""
    raise NotImplementedError


def all_tables(store: StudyStore, study: StudyRecord) -> Mapping[str, pd.DataFrame]:
    """Every table by name: readings, ratings, assignments, readers, cases."""
    raise NotImplementedError


def table_csv(frame: pd.DataFrame) -> bytes:
    """UTF-8 CSV with a byte-order mark; missing values are blank, and no cell runs as a formula."""
    raise NotImplementedError


def import_readings(store: StudyStore, study: StudyRecord, data: bytes, *, name: str = "The file") -> int:
    """Keep opinions made elsewhere, marked as imported, all or none.

    Args:
        store: The store.
        study: The study they belong to.
        data: CSV with the columns of `READINGS`; needed are reader, arm, case, stage, value and committed_at, others
            may be missing or blank. Rows count from 2.
        name: File name, for messages.

    Returns:
        How many were added; a row that is in the store already is not added again.

    Raises:
        StudyStoreError: A column is missing or a cell is wrong; the message names row and column.
    """
    raise NotImplementedError


def import_ratings(store: StudyStore, study: StudyRecord, data: bytes, *, name: str = "The file") -> int:
    """The same for the columns of `RATINGS`; needed are reader, instrument, item and answered_at.

    Rows of one reader, case, arm, instrument and time are one form.
    """
    raise NotImplementedError
