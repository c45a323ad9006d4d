from __future__ import annotations

import csv
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from synthetic_results import prediction
from tiny_bundle import tiny_study

from mmxai_core.errors import StudyStoreError
from mmxai_core.results import FirstAnswer, InputCheck, PredictionSet
from mmxai_core.results.input_check import ImageCheck, InputFinding, InputScore
from mmxai_core.results.uncertainty import ClassCoverage
from mmxai_core.worklist import SITE, Analysed, NewCase, WorklistStore
from mmxai_core.worklist.database import worklist_url

NAME = "DOE^JANE-19570401"
Make = Callable[..., WorklistStore]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[WorklistStore] = []

    def build(**options: object) -> WorklistStore:
        store = WorklistStore(worklist_url(str(tmp_path / "r.sqlite")), tmp_path / "site", **options)  # type: ignore[arg-type]
        made.append(store)
        return store

    yield build
    for store in made:
        store.close()


def named_study():
    study = tiny_study(images=2)
    return replace(study, images=(replace(study.images[0], label=NAME), replace(study.images[1], label="Frame 2")))


def an_answer() -> FirstAnswer:
    finding = InputFinding("flat", "caution", "The image is flat.", 0.1, 0.2)
    image = ImageCheck(0, "Image 1", (InputScore("picture", 1.5, None, None),), (finding,))
    check = InputCheck(True, True, (image,), (), (), "Not the model's kind.", "tests")
    kept = PredictionSet(
        ("benign", "malignant"), "several", 0.9, "history", {"benign": ClassCoverage("benign", 0.3, 40)}, True, "Both.",
        "tests",
    )  # fmt: skip
    return FirstAnswer(check, prediction(), kept)


def analysed(**changes: object) -> Analysed:
    p = prediction()
    told = Analysed(
        {"age": 57.0}, None, 0, p.probability, 0.5, 0.9, p.threshold, p.positive_class, p.predicted_class,
        ("benign", "malignant"), ("unlike training", "abstains"), "tiny", "ab" * 32, datetime.now(UTC),
    )  # fmt: skip
    return replace(told, **changes)


def everything_on_disk(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())


def test_a_case_comes_back_pixel_by_pixel_from_another_process(make: Make) -> None:
    study, first = named_study(), make()
    values = {"age": 57.0, "palpable": True, "margin": "rough"}
    code = first.add(NewCase("R01", "upload", study, values, {"age": "from header"})).code
    first.keep_inputs(code, ("R01",), values={"age": 58.0}, roi=(1.0, 2.0, 30.0, 40.0), roi_image=1, image_index=1)
    first.begin(code, ("R01",))
    first.finish(code, ("R01",), an_answer(), analysed())

    second = make()
    case = second.open(code, ("R01",))
    assert case is not None and case.status == "analysed" and not case.is_current
    assert dict(case.values) == {"age": 58.0} and dict(case.initial) == values and case.initial["palpable"] is True
    assert (case.roi, case.roi_image, case.image_index) == ((1.0, 2.0, 30.0, 40.0), 1, 1)
    back = second.study(code, ("R01",))
    assert back is not None and back.sha256 == study.sha256
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(back.images, study.images, strict=True))
    assert [i.label for i in back.images] == ["Image 1", "Frame 2"] and back.images[0].geometry == study.images[
        0
    ].geometry
    answer, told = second.answer(code, ("R01",)), an_answer()
    assert answer is not None and answer.prediction.probabilities == told.prediction.probabilities
    assert answer.prediction.versions == told.prediction.versions and answer.input_check == told.input_check
    assert dict(answer.prediction_set.by_class) == dict(told.prediction_set.by_class)


def test_nothing_that_names_a_patient_is_written(make: Make, tmp_path: Path) -> None:
    store = make()
    store.add(NewCase(SITE, "upload", named_study(), original=NAME))
    assert NAME.encode() not in everything_on_disk(tmp_path)
    for path in (tmp_path / "site").rglob("*"):
        allowed = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == allowed, path.name


def test_the_mapping_is_a_file_of_its_own_and_only_on_request(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "mapping.csv"
    store = make(mapping=path)
    kept = store.add(NewCase(SITE, "upload", tiny_study(seed=1), original=NAME))
    gone = store.add(NewCase(SITE, "upload", tiny_study(seed=2), original="=other, name"))
    store.remove(gone.code, (SITE,))
    with path.open(newline="") as given:
        assert list(csv.reader(given)) == [["code", "original"], [kept.code, NAME]]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert NAME.encode() not in everything_on_disk(tmp_path / "site") + (tmp_path / "worklist.sqlite").read_bytes()


def test_removed_is_removed(make: Make, tmp_path: Path) -> None:
    store = make()
    code = store.add(NewCase("R01", "upload", tiny_study(), {"margin": "a very telling value"})).code
    store.finish(code, ("R01",), an_answer(), analysed())
    assert not store.remove(code, ("R02", SITE)) and store.case(code, ("R01",)) is not None
    assert store.remove(code, ("R01",))
    assert store.case(code, ("R01",)) is None and store.study(code, ("R01",)) is None
    left = everything_on_disk(tmp_path)
    assert code.encode() not in left and b"a very telling value" not in left


def test_a_rating_finds_its_case_while_the_list_has_it_and_nobody_without_the_key_can(
    make: Make, tmp_path: Path
) -> None:
    store, study, rated = make(), tiny_study(), tiny_study().sha256[:16]
    mine, theirs = (store.add(NewCase(o, "upload", study)).code for o in ("R01", "R02"))
    store.link_rating(mine, ("R01",), rated)
    assert store.rated_codes(("R01", SITE), {rated, "of another case"}) == {rated: mine}
    assert store.rated_codes(("R02", SITE), {rated}) == {} == store.rated_codes(("R01",), ())
    store.link_rating(mine, ("R02",), rated)  # not a case of these owners: nothing is noted
    store.link_rating("", ("R02",), rated)
    assert store.rated_codes(("R02", SITE), {rated}) == {}
    store.link_rating(theirs, ("R02",), rated)
    assert store.rated_codes(("R02",), {rated}) == {rated: theirs}
    assert rated.encode() not in everything_on_disk(tmp_path)
    assert store.remove(mine, ("R01",)) and store.rated_codes(("R01",), {rated}) == {}
    assert mine.encode() not in everything_on_disk(tmp_path), "the note goes with its case"
    again = store.add(NewCase("R01", "upload", study)).code
    assert again == mine and store.rated_codes(("R01",), {rated}) == {}


def test_only_the_owner_and_the_site_see_a_case(make: Make) -> None:
    store, study = make(), tiny_study()
    mine, theirs = (store.add(NewCase(o, "upload", study)).code for o in ("R01", "R02"))
    shared = store.add(NewCase(SITE, "watch", study)).code
    assert len({mine, theirs, shared}) == 3
    assert {c.code for c in store.cases(("R01", SITE))} == {mine, shared}
    assert store.case(theirs, ("R01", SITE)) is None and store.answer(theirs, ("R01", SITE)) is None
    store.set_priority(theirs, ("R01", SITE), "urgent")
    found = store.case(theirs, ("R02",))
    assert found is not None and found.priority == "routine"


def test_the_same_file_is_one_case_and_keeps_its_values(make: Make) -> None:
    store = make()
    first = store.add(NewCase("R01", "upload", tiny_study(), {"age": 40.0}))
    store.keep_inputs(first.code, ("R01",), values={"age": 41.0}, roi=None, roi_image=0, image_index=0)
    again = store.add(NewCase("R01", "upload", tiny_study(), {"age": 40.0}))
    assert again.code == first.code and dict(again.values) == {"age": 41.0} and len(store.cases(("R01",))) == 1
    clinical = [store.add(NewCase("R01", "clinical", None)).code for _ in range(2)]
    assert len(set(clinical)) == 2, "two cases without an image are two cases"


def test_a_code_depends_on_the_sites_key(make: Make, tmp_path: Path) -> None:
    store = make()
    other = WorklistStore(f"sqlite:///{tmp_path / 'b.sqlite'}", tmp_path / "other")
    assert store.code_for("R01", tiny_study()) != other.code_for("R01", tiny_study())
    other.close()


def test_pixels_are_not_kept_where_the_site_says_so_and_are_swept_after_their_days(make: Make) -> None:
    closed, store = make(keep_pixels=False), make(keep_days=10)
    code = closed.add(NewCase("R01", "upload", tiny_study())).code
    assert closed.study(code, ("R01",)) is None
    code = store.add(NewCase("R02", "upload", tiny_study())).code
    assert store.sweep(datetime.now(UTC) + timedelta(days=9)) == 0 and store.study(code, ("R02",)) is not None
    assert store.sweep(datetime.now(UTC) + timedelta(days=11)) == 1
    case = store.case(code, ("R02",))
    assert case is not None and not case.has_pixels and store.study(code, ("R02",)) is None
    back = store.add(NewCase("R02", "upload", tiny_study()))
    assert back.code == code and store.study(code, ("R02",)) is not None


def test_an_analysis_that_died_is_not_running_for_ever(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make()
    code = store.add(NewCase("R01", "upload", tiny_study())).code
    store.begin(code, ("R01",))
    assert store.cases(("R01",))[0].status == "analysing"
    monkeypatch.setattr("mmxai_core.worklist.store.STALE", timedelta(seconds=-1))
    assert store.cases(("R01",))[0].status == "new"


def test_cancelling_gives_back_what_was_there(make: Make) -> None:
    store = make()
    code = store.add(NewCase("R01", "upload", tiny_study())).code
    for expected in ("new", "analysed"):
        store.begin(code, ("R01",))
        store.give_up(code, ("R01",))
        assert store.cases(("R01",))[0].status == expected
        store.finish(code, ("R01",), an_answer(), analysed())
    store.fail(code, ("R01",), "The image is too small.")
    assert (store.cases(("R01",))[0].status, store.cases(("R01",))[0].problem) == ("failed", "The image is too small.")


def test_a_newer_database_and_damaged_pixels_are_one_sentence(make: Make, tmp_path: Path) -> None:
    store = make()
    code = store.add(NewCase("R01", "upload", tiny_study())).code
    path = tmp_path / "site" / "pixels" / f"{code}.zip"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(StudyStoreError, match="damaged; open the file again"):
        store.study(code, ("R01",))
    with pytest.raises(StudyStoreError, match="12 letters"):
        store._pixels.path("../../etc/passwd")
    from sqlalchemy import text

    with store._engine.begin() as connection:
        connection.execute(text("UPDATE worklist_fact SET value = '99'"))
    with pytest.raises(StudyStoreError, match="reads up to 2"):
        make()


def test_places_are_remembered_by_owner(make: Make) -> None:
    store = make()
    store.remember("R01", "tour", "3")
    store.remember("R01", "tour", "4")
    assert make().recall("R01", "tour") == "4" and store.recall("R02", "tour") is None


def test_the_database_stands_beside_the_ratings_or_in_the_same_server(tmp_path: Path) -> None:
    assert worklist_url(f"{tmp_path}/ratings.sqlite") == f"sqlite:///{tmp_path}/worklist.sqlite"
    assert worklist_url("postgresql://u:p@h/db") == "postgresql+psycopg://u:p@h/db"


def test_a_large_study_is_written_beside_the_reader_and_a_removed_one_leaves_nothing(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmxai_core.worklist.store.AT_ONCE", 1000)
    store, waiting = make(), []
    code = store.add(NewCase("R01", "upload", tiny_study()), later=waiting.append).code
    assert len(waiting) == 1 and store.study(code, ("R01",)) is None and not store.cases(("R01",))[0].has_pixels
    waiting.pop()()
    assert store.study(code, ("R01",)) is not None and store.cases(("R01",))[0].has_pixels
    gone = store.add(NewCase("R01", "upload", tiny_study(seed=1)), later=waiting.append).code
    assert store.remove(gone, ("R01",))
    waiting.pop()()
    assert [p.stem for p in (tmp_path / "site" / "pixels").iterdir()] == [code]


def test_a_worklist_of_format_1_goes_on_with_its_cases(make: Make, tmp_path: Path) -> None:
    import sqlite3

    store = make()
    code = store.add(NewCase("R01", "upload", tiny_study(), {"age": 50.0})).code
    store.close()
    with sqlite3.connect(tmp_path / "worklist.sqlite") as old:  # as the version before wrote it
        old.execute("ALTER TABLE worklist_case DROP COLUMN bundle")
        old.execute("ALTER TABLE worklist_case DROP COLUMN parked")
        old.execute("UPDATE worklist_fact SET value = '1'")
    again = make()
    case = again.case(code, ("R01",))
    assert case is not None and case.bundle == "" and dict(case.values) == {"age": 50.0}
    assert dict(case.parked) == {}
    fresh = again.add(NewCase("R01", "clinical", None, bundle="lgg-mri"))
    assert fresh.bundle == "lgg-mri"
    with sqlite3.connect(tmp_path / "worklist.sqlite") as new:
        assert new.execute("SELECT value FROM worklist_fact").fetchone() == ("2",)


def test_another_bundle_makes_a_case_new_again_and_keeps_what_it_does_not_know(make: Make) -> None:
    store = make()
    code = store.add(NewCase("R01", "upload", tiny_study(), {"age": 50.0, "margin": "rough"}, bundle="breast-us")).code
    store.finish(code, ("R01",), an_answer(), analysed())
    change = {"values": {"age": 50.0}, "parked": {"margin": "rough"}}
    store.set_bundle(code, ("R02",), "theirs", **change)
    case = store.case(code, ("R01",))
    assert case is not None and case.bundle == "breast-us" and case.status == "analysed" and case.parked == {}
    store.set_bundle(code, ("R01",), "lgg-mri", **change)
    case = store.case(code, ("R01",))
    assert case is not None and case.bundle == "lgg-mri" and case.status == "new" and case.analysed is None
    assert dict(case.values) == {"age": 50.0} and dict(case.parked) == {"margin": "rough"}
    assert dict(case.initial) == {"age": 50.0, "margin": "rough"} and store.answer(code, ("R01",)) is None


def test_what_was_made_with_another_bundle_is_not_written(make: Make) -> None:
    store, inputs = make(), {"values": {"age": 9.0}, "roi": None, "roi_image": 0, "image_index": 0}
    code = store.add(NewCase("R01", "clinical", None, {"age": 50.0}, bundle="lgg-mri")).code
    for work in (
        lambda: store.keep_inputs(code, ("R01",), **inputs, bundle="breast-us", parked={}),
        lambda: store.begin(code, ("R01",), bundle="breast-us"),
    ):
        with pytest.raises(StudyStoreError, match="lets the model lgg-mri read this case now; open it again"):
            work()
    store.finish(code, ("R01",), an_answer(), analysed(), bundle="breast-us")
    store.fail(code, ("R01",), "It failed.", bundle="breast-us")
    case = store.case(code, ("R01",))
    assert case is not None and case.status == "new" and dict(case.values) == {"age": 50.0} and case.problem == ""
    store.keep_inputs(code, ("R01",), **inputs, bundle="lgg-mri", parked={"x": True})
    store.begin(code, ("R01",), bundle="lgg-mri")
    store.finish(code, ("R01",), an_answer(), analysed(), bundle="lgg-mri")
    case = store.case(code, ("R01",))
    assert case is not None and case.status == "analysed" and dict(case.values) == {"age": 9.0}
    assert dict(case.parked) == {"x": True}
    store.keep_inputs("A" * 12, ("R01",), **inputs, bundle="lgg-mri")  # a case that is gone is no error


def test_a_row_that_names_no_bundle_has_the_one_that_wrote_it_last(make: Make) -> None:
    store = make()
    code = store.add(NewCase("R01", "clinical", None)).code
    store.begin(code, ("R01",), bundle="breast-us")
    case = store.case(code, ("R01",))
    assert case is not None and case.bundle == "breast-us"


def test_a_newer_format_is_refused_before_anything_is_altered(make: Make, tmp_path: Path) -> None:
    import sqlite3

    make().close()
    with sqlite3.connect(tmp_path / "worklist.sqlite") as newer:
        newer.execute("UPDATE worklist_fact SET value = '99'")
        newer.execute("DROP TABLE worklist_place")
        newer.execute("ALTER TABLE worklist_case DROP COLUMN bundle")
    with pytest.raises(StudyStoreError, match="format 99"):
        make()
    with sqlite3.connect(tmp_path / "worklist.sqlite") as still:
        names = {r[0] for r in still.execute("SELECT name FROM sqlite_master")}
        columns = {r[1] for r in still.execute("PRAGMA table_info(worklist_case)")}
    assert "worklist_place" not in names and "bundle" not in columns
