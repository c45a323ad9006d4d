"""Report cases made of synthetic results, from plain to crowded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from synthetic_results import explanation, grey

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.report.case import ReportCase, case_code
from mmxai_core.results import Attribution, CrossModal, ReliabilityNumber
from mmxai_core.study import PixelGeometry, Study, StudyImage

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SCHEMA = ClinicalSchema(
    (
        Field("age", "Age", "numeric", "history", unit="years", plausible=(0, 120)),
        Field("palpable", "Palpable lump", "yes_no", "history"),
        Field("margin", "Margin", "categorical", "descriptor", categories=(("smooth", "Smooth"), ("rough", "Rough"))),
        Field("family_history", "Family history", "yes_no", "history"),
    )
)
RECORD = SCHEMA.record({"age": 57, "palpable": True, "margin": "rough"})


def study(shape: tuple[int, int] = (60, 90), *, spacing: tuple[float, float] | None = (0.2, 0.2)) -> Study:
    source = None if spacing is None else "PixelSpacing (0028,0030)"
    image = StudyImage(grey(shape), PixelGeometry(shape, spacing, source), label="MUELLER_ANNA_19600102")
    return Study((image,), "dicom", "cd" * 32, modality="US")


def report_case(*, image: bool = True, shape: tuple[int, int] = (60, 90), **changes: object) -> ReportCase:
    made = explanation(image=image, shape=shape)
    seen = study(shape) if image else None
    given: dict[str, object] = {
        "explanation": made, "schema": SCHEMA, "record": RECORD, "study": seen, "code": case_code(seen, made),
        "analysed_at": AT, "calibration": "temperature 1.30", "settings": {"second look": "found by the model"},
    }  # fmt: skip
    return ReportCase(**(given | changes))  # type: ignore[arg-type]


def crowded() -> ReportCase:
    """Sixty fields with long labels and odd characters, long verdicts, many checks."""
    fields = tuple(
        Field(f"field_{i}", f"Ö漢{i} a very long label of a field that nobody could read aloud {i}", "categorical",
              "history", categories=(("a", "An answer longer than any column of a table " * 3), ("b", "B")))
        for i in range(60)
    )  # fmt: skip
    schema = ClinicalSchema(fields)
    record = schema.record({f.id: "a" for f in fields[:50]})
    known, rng = tuple(f.id for f in fields[:50]), np.random.default_rng(0)
    values = rng.normal(0, 0.3, 51)
    account = Attribution(
        (*known, "image"), "log_odds", values, -0.4, -0.4 + float(values.sum()), np.zeros((51, 51)), 0.0, "exact",
        2**20, "A sentence about what removing a player means. " * 12,
    )  # fmt: skip
    base = explanation()
    assert base.saliency is not None
    cross = CrossModal(
        known, np.ones((50, 4, 4), np.float32) / 16, rng.dirichlet(np.ones(50), 2).astype(np.float32),
        np.ones((50, 60, 90), np.float32), "Attention means something. " * 20,
    )  # fmt: skip
    numbers = tuple(
        ReliabilityNumber(f"Check {i} with a name that goes on and on and on and on", i / 20, 0.5, True,
                          "A verdict that is longer than the room for it. " * 4, "seed 0") for i in range(20)
    )  # fmt: skip
    prediction = replace(
        base.prediction, known_fields=known, unknown_fields=tuple(f.id for f in fields[50:]),
        notes=("A note that the reader should see, and that is long. " * 6,) * 6,
    )  # fmt: skip
    made = replace(
        base, prediction=prediction, attribution=account, cross_modal=cross, reliability=numbers,
        saliency=replace(base.saliency, unit="a unit in many words " * 10),
    )  # fmt: skip
    return report_case(
        explanation=made, schema=schema, record=record, settings={f"setting {i}": "x" * 60 for i in range(30)},
        calibration="a calibration described at great length " * 10,
    )  # fmt: skip
