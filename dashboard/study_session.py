"""What one reader of a study is doing in one browser tab; everything that counts is in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mmxai_core.reader_study.store import new_token

if TYPE_CHECKING:
    import pandas as pd

    from dashboard.study_ai import AiJob
    from mmxai_core.reader_study.protocol import Protocol
    from mmxai_core.reader_study.records import Slot
    from mmxai_core.study import Study
    from mmxai_core.types import Box


@dataclass(frozen=True, eq=False)
class StudySession:
    """Lost with the tab, and nothing is lost by that: `mmxai_core.reader_study.session` finds the step again.

    Attributes:
        code: Short id of the study signed in to, or "".
        reader: Reader code signed in with, or "".
        run: Names this visit in the store's heartbeats, which count from 0 in each.
        step: Key of the step on screen, or "".
        token: Of the form on screen: sent twice, it is kept once.
        opened_at: When that form was first shown, UTC.
        notice: One sentence on what happened last, or "".
        regions: Region last drawn, by assignment id; None where it was taken away.
        images: The open case's study, by case; the latest only.
        ai: The AI's answer under way or done, by assignment id; server side until it may be revealed.
        scenes: Packed pictures of the open case, by key.
        back: Slot of the last answer while the reader changes it, or None.
        left: Short id of the study that the reader has left in this tab; "" where none was, or once another page was
            asked for.
        paused: True while the reader pauses: the image is hidden and the clock stands.
        draft: The protocol a coordinator works on, as it was opened, or None.
        draft_kept: That draft as it lies on the disk (`study_drafts`), or None where it does not yet.
        draft_offered: What was last given to the disk to keep. A run that is cut short right after has not noted it in
            `draft_kept`, but it lies there.
        draft_version: Changes when another draft is opened, so that its form is drawn afresh.
        tables: Editable tables of the draft as last seen, by key; they outlive a visit to another page.
        redrawn: How often a table of the draft was drawn anew with other cells, by name.
        coordinator: True once the site's coordinator code was given, where the site asks for one.
    """

    code: str = ""
    reader: str = ""
    run: str = field(default_factory=new_token)
    step: str = ""
    token: str = field(default_factory=new_token)
    opened_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    notice: str = ""
    regions: Mapping[int, Box | None] = field(default_factory=dict)
    images: Mapping[str, Study] = field(default_factory=dict)
    ai: Mapping[int, AiJob] = field(default_factory=dict)
    scenes: Mapping[str, bytes] = field(default_factory=dict)
    back: Slot | None = None
    left: str = ""
    paused: bool = False
    draft: Protocol | None = None
    draft_kept: Protocol | None = None
    draft_offered: Protocol | None = None
    draft_version: int = 0
    tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]] = field(default_factory=dict)
    redrawn: Mapping[str, int] = field(default_factory=dict)
    coordinator: bool = False

    @property
    def is_readers(self) -> bool:
        """Whether a reader has this tab: signed in to a study, or just out of one."""
        return bool(self.reader or self.left)
