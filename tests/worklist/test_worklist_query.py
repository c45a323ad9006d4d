from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mmxai_core.errors import StudyStoreError
from mmxai_core.worklist import Analysed, Query, WorklistCase, neighbours, select

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def case(code: str, age_days: int, *, p: float | None = None, flags: tuple = (), **more: object) -> WorklistCase:
    told = None
    if p is not None:
        told = Analysed({}, None, 0, p, None, None, 0.4, "malignant", "malignant" if p >= 0.4 else "benign", (), flags,
                        "b", "s", DAY)  # fmt: skip
    given = {"source": "upload", "title": "", "status": "new", "priority": "routine", "modality": "US", "images": 1,
             "synthetic": False, "has_pixels": True}  # fmt: skip
    return WorklistCase(code, "R01", added_at=DAY - timedelta(days=age_days), analysed=told, **(given | more))


CASES = (
    case("AAA", 1, p=0.2, status="analysed", flags=("abstains",)),
    case("BBB", 2, p=0.9, status="rated", priority="urgent", title="Oval mass"),
    case("CCC", 3, modality="MG", status="failed"),
    case("DDD", 0, priority="soon"),
)


def codes(query: Query) -> list[str]:
    return [c.code for c in select(CASES, query)]


def test_urgent_first_then_the_newest() -> None:
    assert codes(Query()) == ["BBB", "DDD", "AAA", "CCC"]


def test_orders() -> None:
    assert codes(Query(order="newest")) == ["DDD", "AAA", "BBB", "CCC"]
    assert codes(Query(order="oldest")) == ["CCC", "BBB", "AAA", "DDD"]
    assert codes(Query(order="most suspicious")) == ["BBB", "AAA", "DDD", "CCC"]
    assert codes(Query(order="least suspicious")) == ["AAA", "BBB", "DDD", "CCC"]
    assert codes(Query(order="status")) == ["DDD", "AAA", "BBB", "CCC"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query("oval MASS"), ["BBB"]),
        (Query("benign"), ["AAA"]),
        (Query("mg"), ["CCC"]),
        (Query("nothing like it"), []),
        (Query(states=("new", "failed"), order="oldest"), ["CCC", "DDD"]),
        (Query(priorities=("urgent", "soon")), ["BBB", "DDD"]),
        (Query(flags=("abstains", "unlike training")), ["AAA"]),
    ],
)
def test_search_and_filters(query: Query, found: list[str]) -> None:
    assert codes(query) == found


def test_next_and_previous() -> None:
    assert neighbours("ABC", "B") == ("A", "C")
    assert neighbours("ABC", "A") == (None, "B") and neighbours("ABC", "C") == ("B", None)
    assert neighbours("ABC", "X") == (None, "A") and neighbours("", "X") == (None, None)


def test_a_state_that_does_not_exist_is_refused() -> None:
    with pytest.raises(StudyStoreError, match="status must be one of new, analysing"):
        case("EEE", 0, status="lost")
