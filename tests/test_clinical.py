from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema, Field, tukey_fences
from mmxai_core.errors import ClinicalValueError


def schema(fences: tuple[float, float] | None = (20.0, 80.0)) -> ClinicalSchema:
    return ClinicalSchema(
        (
            Field("age", "Age", "numeric", "history", unit="years", plausible=(10, 110), fences=fences),
            Field("palpable", "Palpable lump", "yes_no", "history"),
            Field(
                "margin", "Margin", "categorical", "descriptor",
                categories=(("circumscribed", "Circumscribed"), ("spiculated", "Spiculated")),
            ),
            Field(
                "birads", "BI-RADS category", "ordinal", "assessment",
                categories=(("2", "2"), ("3", "3"), ("4a", "4A"), ("5", "5")),
            ),
        )
    )  # fmt: skip


@pytest.mark.parametrize("raw", [None, float("nan"), np.float32("nan"), "", " ", "unknown", "Not Available", "N/A"])
@pytest.mark.parametrize("field_id", schema().ids)
def test_every_field_may_be_unknown(field_id: str, raw: object) -> None:
    assert schema()[field_id].parse(raw) is None
    assert schema().record({field_id: raw}).values == {}


@pytest.mark.parametrize(
    ("field_id", "raw", "value"),
    [
        ("age", "57", 57.0), ("age", 57, 57.0), ("age", np.float64(57), 57.0), ("age", " 57.5 ", 57.5),
        ("palpable", "Yes", True), ("palpable", True, True), ("palpable", 0, False), ("palpable", 1.0, True),
        ("palpable", np.bool_(False), False), ("palpable", "n", False),
        ("margin", "spiculated", "spiculated"), ("margin", "Spiculated", "spiculated"),
        ("birads", "4A", "4a"), ("birads", 3, "3"), ("birads", 3.0, "3"),
    ],
)  # fmt: skip
def test_values_are_read(field_id: str, raw: object, value: object) -> None:
    assert schema().record({field_id: raw}).get(field_id) == value


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"age": 400}, "Age must be from 10 to 110 years; got 400 (field age)."),
        ({"age": "old"}, "Age must be a number from 10 to 110 years; got 'old' (field age)."),
        ({"age": True}, "got True (field age)"),
        ({"age": np.bool_(True)}, "(field age)"),
        ({"age": float("inf")}, "Age must be a number"),
        ({"age": 10**400}, "Age must be a number from 10 to 110 years; got one too large (field age)."),
        ({"palpable": "perhaps"}, "Palpable lump must be yes, no or unknown; got 'perhaps' (field palpable)."),
        ({"palpable": 2}, "got 2 (field palpable)"),
        ({"margin": "fuzzy"}, "Margin must be one of circumscribed, spiculated or unknown; got 'fuzzy'"),
        ({"colour": "red"}, "Unknown clinical field 'colour'; this bundle knows age, palpable, margin, birads."),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(ClinicalValueError) as refusal:
        schema().record(raw)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_form_needs_no_field_id_beside_the_label() -> None:
    with pytest.raises(ClinicalValueError, match=r"^Age must be from 10 to 110 years; got 250\.$"):
        schema()["age"].parse(250)


RECEPTOR = Field("er", "ER", "yes_no", "assessment", categories=(("no", "Negative"), ("yes", "Positive")))


@pytest.mark.parametrize("names", [("Yes", "No"), ("Same", "same"), ("Unknown", "Positive"), ("Negative", "false")])
def test_an_answers_name_cannot_mean_another(names: tuple[str, str]) -> None:
    with pytest.raises(ClinicalValueError, match="a name that does not mean another"):
        replace(RECEPTOR, categories=(("no", names[0]), ("yes", names[1])))


def test_answers_of_a_yes_no_field_may_have_names() -> None:
    named = ClinicalSchema((RECEPTOR, schema()["palpable"]))
    assert ClinicalSchema.from_json(json.loads(json.dumps(named.to_json()))) == named
    assert [RECEPTOR.describe(v) for v in (True, False, None)] == ["Positive", "Negative", "unknown"]
    assert [RECEPTOR.parse(v) for v in ("positive", "Negative", "yes", False)] == [True, False, True, False]
    assert RECEPTOR.category_ids == ("no", "yes") and RECEPTOR.answers == {"no": "Negative", "yes": "Positive"}
    assert schema()["palpable"].describe(True) == "yes" and schema()["palpable"].answers == {"no": "No", "yes": "Yes"}
    same = [
        s.encode(s.record({"er": "yes"})).values[0]
        for s in (named, ClinicalSchema((replace(RECEPTOR, categories=()),)))
    ]
    assert same == [1.0, 1.0]
    with pytest.raises(ClinicalValueError, match="ER must be positive, negative or unknown; got 'perhaps'"):
        RECEPTOR.parse("perhaps")
    with pytest.raises(ClinicalValueError, match="the answers named are no and yes"):
        replace(RECEPTOR, categories=(("yes", "Positive"), ("no", "Negative")))


@pytest.mark.parametrize(
    ("fences", "said"),
    [((9.625, 98.625), (10.0, 98.0)), ((22.1, 82.9), (23.0, 82.0)), ((20.0, 80.0), (20.0, 80.0)), (None, (10, 110)),
     ((40.25, 50.5), (40.25, 50.5))],
)  # fmt: skip
def test_what_is_usual_is_said_in_whole_numbers_inside_the_fences(
    fences: tuple[float, float] | None, said: tuple[float, float]
) -> None:
    assert schema(fences)["age"].usual == said


def test_encoding_by_hand() -> None:
    encoded = schema().encode(schema().record({"age": 50, "palpable": "no", "birads": "4a"}))
    assert encoded.values.tolist() == [0.5, 0.0, 0.0, 2.0]
    assert encoded.known.tolist() == [True, True, False, True]
    assert encoded.values.dtype == np.float32 and encoded.outliers == ()


@pytest.mark.parametrize(("age", "code"), [(12, 0.0), (20, 0.0), (80, 1.0), (100, 1.0)])
def test_iqr_rule_flags_and_clips(age: float, code: float) -> None:
    encoded = schema().encode(schema().record({"age": age}))
    assert encoded.values[0] == code
    assert encoded.outliers == (("age",) if age in (12, 100) else ())


def test_without_fences_the_plausible_range_is_the_scale() -> None:
    plain = schema(fences=None)
    assert plain.encode(plain.record({"age": 60})).values[0] == pytest.approx(0.5)
    assert plain.encode(plain.record({"age": 10})).outliers == ()


def test_fences_never_widen_the_scale_beyond_what_is_plausible() -> None:
    assert schema(fences=(-30.0, 300.0))["age"].scale == (10, 110)


def test_fences_of_identical_ages_still_give_a_finite_code() -> None:
    same = schema(fences=(50.0, 50.0))
    assert np.isfinite(same.encode(same.record({"age": 60})).values).all()


def test_unknown_and_a_value_of_zero_differ_only_in_known() -> None:
    s = schema()
    no, unknown = s.encode(s.record({"palpable": False})), s.encode(s.record({}))
    assert (no.values == unknown.values).all()
    assert no.known.tolist() == [False, True, False, False] and not unknown.known.any()
    assert s.unknown(s.record({"palpable": False})) == ("age", "margin", "birads")


def test_restrict_keeps_the_named_groups_only() -> None:
    s = schema()
    record = s.record({"age": 50, "margin": "spiculated", "birads": "5"})
    assert s.restrict(record, ["history"]).values == {"age": 50}
    assert set(s.restrict(record, ["history", "descriptor"]).values) == {"age", "margin"}
    with pytest.raises(ClinicalValueError, match="history, descriptor, assessment; got histroy"):
        s.restrict(record, ["histroy"])


def test_schema_survives_json() -> None:
    text = json.dumps(schema().to_json())
    assert ClinicalSchema.from_json(json.loads(text)) == schema()


@pytest.mark.parametrize("rows", [[{"id": "age"}], [3], 3, [{"id": "age", "label": "A", "kind": "numeric", "group": "history", "plausible": [1]}]])  # fmt: skip  # noqa: E501
def test_a_malformed_schema_is_refused(rows: object) -> None:
    with pytest.raises(ClinicalValueError):
        ClinicalSchema.from_json(rows)


@pytest.mark.parametrize(
    "broken",
    [
        {"id": "Age", "kind": "yes_no", "group": "history"},
        {"id": "age", "kind": "numeric", "group": "history"},
        {"id": "age", "kind": "numeric", "group": "history", "plausible": (5, 5)},
        {"id": "margin", "kind": "categorical", "group": "descriptor"},
        {"id": "margin", "kind": "categorical", "group": "descriptor", "categories": (("a", "A"), ("a", "B"))},
        {"id": "margin", "kind": "yes_no", "group": "reading"},
        {"id": "margin", "kind": "colour", "group": "history"},
    ],
)
def test_an_invalid_field_cannot_be_made(broken: dict[str, Any]) -> None:
    with pytest.raises(ClinicalValueError):
        Field(label="Label", **broken)


def test_repeated_ids_are_refused() -> None:
    with pytest.raises(ClinicalValueError, match="repeated: \\['age'\\]"):
        ClinicalSchema((schema()["age"], schema()["age"]))


def test_a_record_cannot_be_changed() -> None:
    values: dict[str, Any] = {"age": 50.0}
    record = ClinicalRecord(values)
    values["age"] = 90.0
    assert record.get("age") == 50.0
    with pytest.raises(TypeError):
        record.values["age"] = 60.0  # type: ignore[index]


def test_values_in_words() -> None:
    s = schema()
    assert [s["age"].describe(50.0), s["palpable"].describe(True), s["birads"].describe("4a")] == [
        "50 years", "yes", "4A",
    ]  # fmt: skip
    assert s["margin"].describe(None) == "unknown"


def test_tukey_fences_by_hand() -> None:
    # Quartiles of 1..5 are 2 and 4: fences 2 - 3 and 4 + 3. NaN is left out.
    assert tukey_fences(np.array([1, 2, 3, 4, 5, np.nan])) == (-1.0, 7.0)
    with pytest.raises(ClinicalValueError, match="no finite value"):
        tukey_fences(np.array([np.nan]))
