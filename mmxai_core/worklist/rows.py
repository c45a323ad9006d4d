"""A row of the database as a case."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from mmxai_core.worklist.case import Analysed, WorklistCase
from mmxai_core.worklist.codec import from_plain
from mmxai_core.worklist.schema import CaseRow


def aware(value: Any) -> Any:
    """A time with its zone; SQLite keeps none, and every time in the store is UTC. Anything else as it is."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


def case_of(row: CaseRow, *, stale_before: datetime) -> WorklistCase:
    """The case of a row.

    Args:
        row: From the database.
        stale_before: An analysis begun before this has died; its case is new, or what its last answer says.

    Raises:
        StudyStoreError: Another version wrote the row.
    """
    analysed = None if row.analysed is None else from_plain(Analysed, row.analysed)
    status = row.status
    if status == "analysing" and (row.analysing_since is None or aware(row.analysing_since) < stale_before):
        status = "new" if analysed is None else "analysed"
    roi = None if row.roi is None else (row.roi[0], row.roi[1], row.roi[2], row.roi[3])
    return WorklistCase(
        row.code, row.owner, row.source, row.title, status, row.priority,  # type: ignore[arg-type]  # checked there
        row.modality, row.images, row.synthetic, row.has_pixels, MappingProxyType(dict(row.clinical)),
        MappingProxyType(dict(row.initial)), MappingProxyType(dict(row.prefilled)), roi, row.roi_image,
        row.image_index, analysed, row.problem, aware(row.added_at), aware(row.opened_at), row.bundle,
        MappingProxyType(dict(row.parked)),
    )  # fmt: skip
