"""The same case asked in other ways: without a group of fields, with one branch, by another model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mmxai_core.clinical import GROUPS, ClinicalRecord
from mmxai_core.errors import ClinicalValueError, MmxaiError
from mmxai_core.model.encoded import EncodedStudy
from mmxai_core.predict import Predictor
from mmxai_core.results import Prediction
from mmxai_core.study import Study
from mmxai_core.types import Box

_GROUP_WORDS = {"history": "history", "descriptor": "description of the image", "assessment": "assessment"}


@dataclass(frozen=True, eq=False)
class View:
    """One way of asking.

    Attributes:
        label: What was given to the model.
        prediction: Its answer, or None.
        note: Why there is none, or what was left out; "" where there is nothing to say.
    """

    label: str
    prediction: Prediction | None
    note: str = ""


def field_groups(
    predictor: Predictor, study: Study | None, record: ClinicalRecord, encoded: EncodedStudy | None
) -> Iterator[View]:
    """The case as it is, then without each group of known fields, then each branch alone; only the fusion runs.

    Args:
        predictor: The model.
        study: The study, or None.
        record: Known values.
        encoded: The study as the image branch saw it; None without a study.
    """
    schema = predictor.bundle.schema
    known = [g for g in GROUPS if any(schema[f].group == g for f in record.values)]
    yield View("Everything that is known", predictor.predict(study, record, encoded=encoded))
    for group in known:
        rest = schema.restrict(record, [g for g in GROUPS if g != group])
        if study is not None or rest.values:
            yield View(f"Without {_GROUP_WORDS[group]}", predictor.predict(study, rest, encoded=encoded))
    if study is not None and record.values:
        yield View("Image only", predictor.predict(study, ClinicalRecord(), encoded=encoded))
        yield View("Clinical data only", predictor.predict(None, record))


def other_model(
    name: str, predictor: Predictor, study: Study | None, record: ClinicalRecord, *, roi: Box | None, roi_image: int
) -> View:
    """The same case by another bundle; fields that it does not know are left out, and said.

    Args:
        name: What the bundle is called.
        predictor: Of that bundle.
        study: The study, or None.
        record: Known values.
        roi: The region the reader drew, or None.
        roi_image: The image it was drawn on.
    """
    schema, fitting, left = predictor.bundle.schema, {}, []
    for field_id, value in record.values.items():
        try:
            fitting |= dict(schema.record({field_id: value}).values)
        except ClinicalValueError:
            left.append(field_id.replace("_", " "))
    note = f"Left out, because it does not know them: {', '.join(left)}." if left else ""
    try:
        answer = predictor.predict(study, schema.record(fitting), roi=roi, roi_image=roi_image)
    except MmxaiError as error:
        return View(f"Model {name}", None, str(error))
    return View(f"Model {name}", answer, note)
