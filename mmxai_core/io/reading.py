"""What one read gathers besides images: its budget, notes for the reader, and the facts of the header."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mmxai_core.io.limits import Budget, ReadLimits
from mmxai_core.study import SourceFormat

Sex = Literal["F", "M", "O"]


@dataclass
class Reading:
    """Mutable state of one read. It lives in the child process and ends with it.

    Attributes:
        limits: The limits in force.
        budget: What was used so far.
        source_format: What the upload was.
        notes: Plain sentences for the reader, each once.
        modality: DICOM Modality code, or None.
        age_years: Patient's age at the study, or None.
        sex: "F", "M", "O", or None.
        synthetic: True where a file says that it holds a phantom.
        transfer_syntax: Name of the DICOM transfer syntax, or None.
    """

    limits: ReadLimits
    budget: Budget = field(init=False)
    source_format: SourceFormat = "dicom"
    notes: list[str] = field(default_factory=list)
    modality: str | None = None
    age_years: float | None = None
    sex: Sex | None = None
    synthetic: bool = False
    transfer_syntax: str | None = None

    def __post_init__(self) -> None:
        """Open the budget."""
        self.budget = Budget(self.limits)

    def note(self, sentence: str) -> None:
        """Keep a sentence for the reader, once.

        Args:
            sentence: Plain, with units, without patient identifiers.
        """
        if sentence not in self.notes:
            self.notes.append(sentence)
