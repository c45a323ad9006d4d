"""One analysed case as a report sees it: results, values and picture, under a pseudonym."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema
from mmxai_core.results import REGION_LABELS, Attribution, Explanation
from mmxai_core.study import Study, StudyImage


@dataclass(frozen=True, eq=False)
class ReportCase:
    """What a report is made from. No name, no birth date, no file name.

    Attributes:
        explanation: The explanation.
        schema: The bundle's fields.
        record: Known clinical values.
        study: The study, or None: clinical data only.
        code: Pseudonym of the case.
        analysed_at: When the explanation was finished; the only time in a report, so that its bytes can be repeated.
        calibration: How and on what the bundle was calibrated, in words.
        settings: Further settings by name, in words.
        warnings: What must be said beside any answer of this bundle; see `results.standing`.
    """

    explanation: Explanation
    schema: ClinicalSchema
    record: ClinicalRecord
    study: Study | None
    code: str
    analysed_at: datetime
    calibration: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def image(self) -> StudyImage | None:
        """The image that was explained."""
        index = self.explanation.prediction.image_index
        return None if self.study is None or index is None else self.study.images[index]

    @property
    def account(self) -> Attribution:
        """The account that the page shows first: among the parts of the image where they are computed."""
        joint = self.explanation.joint
        return self.explanation.attribution if joint is None else joint.removal

    @property
    def split(self) -> tuple[str, ...]:
        """The parts of the image that the account counts one by one, in words; empty where it is one input or none."""
        joint = self.explanation.joint
        return () if joint is None else tuple(REGION_LABELS.get(r, r).removeprefix("Image: ") for r in joint.regions)

    @property
    def labels(self) -> dict[str, str]:
        """What to call each player, e.g. "Age: 57 years"."""
        return picture_labels(self.schema, self.record)


def player_labels(schema: ClinicalSchema, record: ClinicalRecord) -> dict[str, str]:
    """Label and value of each known field, e.g. "Age: 57 years"."""
    return {f.id: f"{f.label}: {f.describe(record.get(f.id))}" for f in schema.fields if f.id in record.values}


def case_code(study: Study | None, explanation: Explanation) -> str:
    """A pseudonym that needs no list: from the hash of the study's bytes, or of the explanation without one."""
    return f"clinical-{explanation.id[:12]}" if study is None else study.sha256[:16]


def picture_labels(schema: ClinicalSchema, record: ClinicalRecord) -> dict[str, str]:
    """What pictures call each player: a known field with its value, an unknown one by its label, regions by name."""
    return {f.id: f.label for f in schema.fields} | player_labels(schema, record) | REGION_LABELS
