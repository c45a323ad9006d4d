"""A study in the store as the tables that the analysis works on."""

from __future__ import annotations

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study import survey_study, tables
from mmxai_core.reader_study.case_questions import case_questions
from mmxai_core.reader_study.records import StudyRecord
from mmxai_core.reader_study.study_store import StudyStore
from mmxai_core.reader_study.study_tables import StudyTables, tables_from_frames


def tables_from_store(store: StudyStore, study: StudyRecord | None) -> StudyTables:
    """Every table of one version of a study; of the Survey page where there is none.

    Args:
        store: The store.
        study: From `store.studies()`, or None for the ratings of the Survey page.

    Raises:
        StudyStoreError: Nobody has answered anything yet.
    """
    if study is None:
        ratings = tables.ratings(store, None)
        if ratings.empty:
            raise StudyStoreError("The Survey page holds no ratings yet.")
        return tables_from_frames({"ratings": ratings})
    frames = tables.all_tables(store, study)
    if frames["readings"].empty and frames["ratings"].empty:
        raise StudyStoreError(f"Nobody has answered anything in {study.code}, version {study.version}, yet.")
    wordings = {q.id: q.text for arm in study.protocol.arms for q in case_questions(study.protocol, arm.id)}
    closed = store.is_closed(study)
    return tables_from_frames(frames, wordings=wordings, title=study.protocol.title, closed=closed)


def named_study(store: StudyStore, code: str, version: int | None = None) -> StudyRecord | None:
    """The study of that code; None for "survey", the Survey page.

    Raises:
        StudyStoreError: The store has no such study.
    """
    return None if code == survey_study.CODE else store.study(code, version)
