"""What a coordinator analyses in one browser tab. It goes when the tab goes; the study itself is in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dashboard.tasks import Task

if TYPE_CHECKING:
    from mmxai_core.reader_study.analysis.study_analysis import StudyAnalysis


@dataclass(frozen=True, eq=False)
class AnalysisDesk:
    """Immutable: `state.update_analysis_desk` puts a new one in its place.

    Attributes:
        task: The analysis or the export under way, or None.
        purpose: "analysis", "exports", or "" where nothing is under way.
        analysis: The latest finished analysis, or None.
        files: Every export by path; empty until asked for.
        problem: One sentence on what stopped the latest work, or "".
        section: Id of the section on screen.
    """

    task: Task[Any] | None = None
    purpose: str = ""
    analysis: StudyAnalysis | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    problem: str = ""
    section: str = "overview"
