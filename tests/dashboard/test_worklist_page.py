"""The worklist, a reload, and the session of one reader beside another's, without a browser."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from mmxai_core.worklist import WorklistStore

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


def page(app: AppTest, name: str) -> AppTest:
    return app.switch_page(f"views/{name}.py").run()


def session(app: AppTest):
    return app.session_state["reading"]


def address(app: AppTest) -> str:
    given = app.query_params["case"]
    return given if isinstance(given, str) else given[0]


def button(app: AppTest, label: str):
    return next(b for b in app.button if b.label == label)


def field(app: AppTest, kind: str, label: str):
    return next(w for w in getattr(app, kind) if w.label.startswith(label))


def said(app: AppTest) -> str:
    assert not app.exception, app.exception
    kinds = ("markdown", "caption", "warning", "info", "success", "subheader", "error")
    rows = [h.value for h in app.get("html") if "<style>" not in h.value]
    rows += [e.label for e in app.expander]
    return " ".join([m.value for kind in kinds for m in getattr(app, kind)] + rows).replace("\\", "")


def signed_in(reader: str, *, case: str = "") -> AppTest:
    """A new session, as a reload makes it: only the address is the same."""
    app = AppTest.from_file(str(APP), default_timeout=240)
    app.query_params["reader"] = reader
    if case:
        app.query_params["case"] = case
    return app


def open_sample(app: AppTest, number: int) -> AppTest:
    page(app, "case")
    [b for b in app.button if b.label == "Open"][number].click().run()
    return app


def wait(app: AppTest, done, what: str) -> AppTest:
    end = time.monotonic() + 240
    while time.monotonic() < end:
        if done(app):
            return app
        time.sleep(0.1)
        app.run()
    raise AssertionError(what)


def analysed(app: AppTest) -> AppTest:
    button(app, "Analyse").click().run()
    return wait(app, lambda a: session(a).job is None and session(a).analysis is not None, "the analysis did not end")


@pytest.mark.usefixtures("app")
def test_a_reload_brings_the_case_back_with_values_and_result(store: WorklistStore) -> None:
    app = open_sample(signed_in("R01"), 0)
    assert session(app).case and address(app) == session(app).case
    field(app, "number_input", "Age").set_value(41.0).run()
    analysed(app)
    before, code = session(app), session(app).case

    again = page(signed_in("R01", case=code), "case")
    assert field(again, "number_input", "Age").value == 41.0
    kept = session(again)
    assert kept.first.prediction.probabilities == before.first.prediction.probabilities
    assert kept.first.prediction_set.sentence == before.first.prediction_set.sentence
    assert f"{before.first.prediction.probability * 100:.0f} % malignant" in said(again)
    wait(again, lambda a: session(a).job is None, "the pictures were not computed again")
    assert session(again).analysis.explanation.attribution.values == pytest.approx(
        before.analysis.explanation.attribution.values, abs=1e-12
    )
    (case,) = store.cases(("R01",))
    assert case.status == "analysed" and case.is_current and case.title.startswith("Oval mass")

    field(again, "number_input", "Age").set_value(70.0).run()
    third = page(signed_in("R01", case=code), "case")
    assert field(third, "number_input", "Age").value == 70.0 and "Out of date" in said(third)
    assert session(third).job is None, "an answer to other values asks for no pictures"


@pytest.mark.usefixtures("app")
def test_a_closed_case_stays_closed_and_stays_in_the_list(store: WorklistStore) -> None:
    app = open_sample(signed_in("R01"), 0)
    code = session(app).case
    assert address(app) == code
    field(app, "number_input", "Age").set_value(41.0).run()
    button(app, "Close and open another").click().run()
    assert not session(app).opened and "case" not in app.query_params
    assert [b.label for b in app.button].count("Open") >= 6, "the samples are offered again"
    app.run()
    assert not session(app).opened
    (case,) = store.cases(("R01",))
    assert case.code == code and case.values["age"] == 41.0


@pytest.mark.usefixtures("app")
def test_what_is_analysed_again_on_the_explanation_page_is_kept(store: WorklistStore) -> None:
    app = open_sample(signed_in("R01"), 0)
    field(app, "number_input", "Age").set_value(41.0).run()
    analysed(app)
    field(app, "number_input", "Age").set_value(77.0).run()
    page(app, "explanation")
    assert "Out of date" in said(app)
    button(app, "Analyse again").click().run()
    wait(app, lambda a: session(a).job is None, "the second analysis did not end")
    assert "Out of date" not in said(app)
    (case,) = store.cases(("R01",))
    told = case.analysed
    assert told is not None and case.is_current and told.values["age"] == 77.0
    assert told.probability == session(app).analysis.prediction.probability


@pytest.mark.usefixtures("app", "store")
def test_previous_and_next_need_no_visit_to_the_worklist() -> None:
    first = session(open_sample(signed_in("R01"), 0)).case
    app = open_sample(signed_in("R01"), 1)
    second = session(app).case
    assert {first, second} <= set(session(app).queue)
    at = session(app).queue.index(second)
    button(app, "Next" if at == 0 else "Previous").click().run()
    assert session(app).case == first


@pytest.mark.usefixtures("app", "store")
def test_no_neighbour_is_offered_while_the_tour_speaks_of_a_sample() -> None:
    """The tour says that nobody's data is shown: a neighbour would be a patient's."""
    open_sample(signed_in("R01"), 0)
    app = page(signed_in("R01"), "tour")
    button(app, "Start the tour").click().run()
    page(app, "case")
    assert "Tour 1 of 9" in said(app) and len(session(app).queue) > 1
    assert app.button(key="next").disabled and app.button(key="previous").disabled
    app.button(key="tour-leave").click().run()
    page(app, "case")
    assert not (app.button(key="next").disabled and app.button(key="previous").disabled)


@pytest.mark.usefixtures("app", "store")
def test_another_reader_cannot_take_a_case_up_by_its_address() -> None:
    code = session(open_sample(signed_in("R01"), 0)).case
    other = page(signed_in("R02", case=code), "case")
    assert not session(other).opened and "not in your worklist" in said(other)
    page(other, "worklist")
    assert code not in said(other) and code not in [b.label for b in other.button]
    broken = page(signed_in("R01", case="../../etc"), "case")
    assert not session(broken).opened and "not in your worklist" in said(broken)


@pytest.mark.usefixtures("app")
def test_many_cases_at_once_then_search_order_and_removal(store: WorklistStore) -> None:
    app = page(signed_in("R01"), "worklist")
    assert "No case yet" in said(app)
    button(app, "Add the 6 samples").click().run()
    wait(app, lambda a: session(a).batch.done, "the samples were not added")
    app.run()
    assert len(store.cases(("R01",))) == 6 and "6 of 6 done" in said(app)
    button(app, "Put away").click().run()
    button(app, "Analyse all new (6)").click().run()
    wait(app, lambda a: session(a).batch.done, "the cases were not analysed")
    app.run()
    cases = store.cases(("R01",))
    assert {c.status for c in cases} == {"analysed"} and "6 of 6 done" in said(app)
    for case in cases:
        told = case.analysed
        assert told is not None and case.is_current
        assert 0 <= told.low <= told.high <= 1 and store.answer(case.code, ("R01",)) is not None

    field(app, "selectbox", "Order").set_value("most suspicious").run()
    shown = session(app).queue
    by_code = {c.code: c.analysed.probability for c in cases}
    assert [by_code[c] for c in shown] == sorted(by_code.values(), reverse=True)
    field(app, "text_input", "Search").set_value("anechoic").run()
    (code,) = session(app).queue
    field(app, "multiselect", "State").set_value(["failed"]).run()
    assert "No case fits" in said(app)
    field(app, "multiselect", "State").set_value([]).run()

    button(app, code).click().run()
    assert session(app).case == code and "Round, anechoic mass" in said(app)
    assert session(app).first.prediction.probability == by_code[code]
    page(app, "worklist")
    assert field(app, "text_input", "Search").value == "anechoic", "the list is as it was left"
    field(app, "text_input", "Search").set_value("").run()
    order = session(app).queue
    page(app, "case")
    at = order.index(code)
    button(app, "Next").click().run()
    assert session(app).case == order[at + 1]
    button(app, "Previous").click().run()
    assert session(app).case == code

    assert store.remove(code, ("R01",))
    page(app, "worklist")
    assert code not in [b.label for b in app.button]


@pytest.mark.usefixtures("app")
def test_a_store_that_fails_does_not_stop_the_reading(tmp_path: Path) -> None:
    (tmp_path / "worklist.sqlite").write_bytes(b"no database at all, only text" * 40)
    app = page(signed_in("R01"), "case")
    button(app, "Enter clinical data only").click().run()
    assert session(app).opened and "This case is not kept" in said(app)
    field(app, "number_input", "Age").set_value(41.0).run()
    analysed(app)
    assert "1 of 4 clinical fields known" in said(app)


@pytest.mark.usefixtures("app", "store")
def test_a_hundred_interleaved_actions_of_two_sessions_stay_apart() -> None:
    """Two readers in one server, turn by turn: opened samples, entered ages, left and came back, analysed."""
    readers = {"R01": (signed_in("R01"), 0, 30), "R02": (signed_in("R02"), 1, 70)}
    for app, sample, _ in readers.values():
        open_sample(app, sample)
    studies = {name: session(app).study.sha256 for name, (app, _, _) in readers.items()}
    codes = {name: session(app).case for name, (app, _, _) in readers.items()}
    titles = {name: session(app).study_name for name, (app, _, _) in readers.items()}
    assert len(set(studies.values())) == len(set(codes.values())) == 2
    margins = {"R01": "smooth", "R02": "rough"}
    for turn in range(50):
        for name, (app, _, base) in readers.items():
            other = "R02" if name == "R01" else "R01"
            if turn in (16, 36):
                wait(app, lambda a: session(a).job is None, "the analysis did not end")
                button(app, "Analyse").click().run()
            elif turn % 10 == 4:
                page(app, "worklist")
                assert codes[other] not in said(app) and codes[other] not in [b.label for b in app.button]
                assert codes[name] in [b.label for b in app.button]
            elif turn % 10 == 5:
                page(app, "case")
            elif turn % 10 == 7:
                field(app, "selectbox", "Margin").set_value(margins[name]).run()
            else:
                field(app, "number_input", "Age").set_value(float(base + turn % 10)).run()
                assert field(app, "number_input", "Age").value == base + turn % 10
            now = session(app)
            assert (now.study.sha256, now.case, now.reader) == (studies[name], codes[name], name)
            assert address(app) == codes[name]
            assert base <= now.values["age"] < base + 10 or turn == 0
            assert now.values.get("margin", margins[name]) == margins[name] or turn < 8
            assert titles[other] not in said(app)
            if now.analysis is not None:
                assert now.analysis.study.sha256 == studies[name]
                assert base <= now.analysis.record.values["age"] < base + 10
    for name, (app, _, _) in readers.items():
        page(app, "case")
        wait(app, lambda a: session(a).job is None and session(a).analysis is not None, f"{name} was not analysed")
        assert session(app).analysis.study.sha256 == studies[name]


@pytest.mark.usefixtures("app", "store")
def test_the_tour_leads_through_the_pages_and_can_be_left_and_resumed() -> None:
    app = page(signed_in("R01"), "tour")
    assert "Resume" not in " ".join(b.label for b in app.button)
    button(app, "Start the tour").click().run()
    assert "Tour 1 of 9" in said(app) and session(app).study_name == "Irregular mass, spiculated"
    assert session(app).analysis is None and app.query_params["tour"] in ("1", ["1"])
    app.button(key="tour-next").click().run()
    assert "Tour 2 of 9" in said(app), said(app)
    page(app, "case")  # a page under test goes back to where it was; a browser has followed already
    wait(app, lambda a: session(a).job is None and session(a).analysis is not None, "the sample was not analysed")
    app.run()
    p = session(app).first.prediction
    assert f"image {100 * p.branch_weights['image']:.0f} %" in said(app)
    for number, name in ((3, "explanation"), (4, "explanation"), (5, "explanation")):
        app.button(key="tour-next").click().run()
        page(app, name)
        assert f"Tour {number} of 9" in said(app) and session(app).tour == number - 1, name
        assert app.session_state[state.VIEW_KEY] == ("trust" if number == 5 else "account")
        assert not app.exception and not app.error
    assert "tests pass here" in said(app) and "How far to trust this explanation" in said(app)
    app.button(key="tour-leave").click().run()
    assert session(app).tour is None and "Tour 5" not in said(app)
    page(app, "tour")
    button(app, "Resume at 5: How far to trust the pictures").click().run()
    assert "Tour 5 of 9" in said(app)

    again = signed_in("R01", case=session(app).case)  # a reload in the middle
    again.query_params["tour"] = "5"
    page(again, "explanation")
    assert "Tour 5 of 9" in said(again)
    again.button(key="tour-next").click().run()
    assert "Tour 6 of 9" in said(again) and session(again).study_name != "Irregular mass, spiculated"
    page(again, "case")
    wait(again, lambda a: session(a).first is not None, "the second sample was not analysed")
    again.run()
    truth = re.search(r"designed as (?:\*\*)?(\w+)", said(again).split("Tour 6 of 9")[1]).group(1)
    called = session(again).first.prediction.predicted_class
    assert (f"calls it **{called}: wrong**" in said(again)) == (called != truth)
    assert ("no sample is read wrongly" in said(again)) == (called == truth)


@pytest.mark.usefixtures("app", "store")
def test_leaving_the_tour_leads_back_to_the_case_that_was_open() -> None:
    app = open_sample(signed_in("R01"), 3)
    field(app, "number_input", "Age").set_value(41.0).run()
    code = session(app).case
    page(app, "tour")
    button(app, "Start the tour").click().run()
    app.button(key="tour-next").click().run()
    page(app, "case")
    assert session(app).case != code and session(app).tour == 1
    assert app.button(key="tour-leave").help == "Back to the case that was open before."
    app.button(key="tour-leave").click().run()
    assert session(app).tour is None and session(app).case == code and session(app).values["age"] == 41.0
    page(app, "case")
    assert "of 9 ·" not in said(app)

    page(app, "tour")  # what the reader opened meanwhile is not taken away
    button(app, "Start the tour").click().run()
    page(app, "case")
    assert session(app).tour_from == code
    app.session_state["reading"] = replace(session(app), case="", source="upload")
    page(app, "case")
    assert not app.button(key="tour-leave").help
    app.button(key="tour-leave").click().run()
    assert session(app).tour is None and session(app).case == ""


@pytest.mark.usefixtures("app", "store")
def test_a_bad_upload_empties_the_chooser_and_several_in_a_row_get_a_hint() -> None:
    app = page(signed_in("R01"), "case")
    for turn in range(3):
        chooser = app.file_uploader[0]
        chooser.set_value((f"notes-{turn}.dcm", b"plain text, renamed", "application/dicom")).run()
        assert "This study cannot be opened." in said(app) and not session(app).opened
        assert said(app).count(f"notes-{turn}.dcm") == 1, "which file is told, once"
        assert ("3 uploads refused in a row" in said(app)) == (turn == 2)
    good = (APP.parents[1] / "assets" / "samples" / "phantom-b.dcm").read_bytes()
    app.file_uploader[0].set_value(("b.dcm", good, "application/dicom")).run()
    assert session(app).opened and session(app).values["age"] == 67.0 and "cannot be opened" not in said(app)


@pytest.mark.usefixtures("app")
def test_one_bad_file_among_many_is_named_and_the_others_are_added(store: WorklistStore) -> None:
    app = page(signed_in("R01"), "worklist")
    folder = APP.parents[1] / "assets" / "samples"
    files = [(p.name, p.read_bytes(), "application/dicom") for p in sorted(folder.glob("phantom-*.dcm"))[:2]]
    app.file_uploader[0].set_value([files[0], ("DOE_JANE.dcm", b"plain text", "application/dicom"), files[1]]).run()
    button(app, "Add 3 files").click().run()
    wait(app, lambda a: session(a).batch.done, "the files were not added")
    app.run()
    assert "2 of 3 done. 1 did not work; the others are not affected." in said(app)
    assert app.dataframe[0].value["File or case"].tolist() == [files[0][0], "DOE_JANE.dcm", files[1][0]]
    cases = store.cases(("R01",))
    assert len(cases) == 2 and all(c.values.get("age") and c.source == "upload" and not c.title for c in cases)
    assert not app.file_uploader[0].value, "the chooser is empty again"


def _two_removals() -> None:
    """The worklist's own dialog, of the case that the session names; `stray` is a press that came after it had gone."""
    import streamlit as st

    from dashboard import casebook, services, state
    from dashboard.views import worklist

    if state.current().reader != "R01":
        state.update(reader="R01")
    session = st.session_state
    if session.get("stray"):
        state.note_press(f"remove-yes-{session.stray}")
    found = {c.code: c for c in services.worklist().cases(casebook.owners())}
    if session.get("code") in found:
        worklist.ask_remove(found[session.code])


@pytest.mark.usefixtures("app")
def test_a_second_press_on_remove_does_not_remove_the_case_that_is_asked_about_next(store: WorklistStore) -> None:
    first, second = (session(open_sample(signed_in("R01"), number)).case for number in (0, 1))
    assert {c.code for c in store.cases(("R01",))} == {first, second}
    asked = AppTest.from_function(_two_removals, default_timeout=240)
    asked.session_state["code"] = first
    asked.run()
    button(asked, "Remove").click().run()
    assert {c.code for c in store.cases(("R01",))} == {second}
    asked.session_state["stray"], asked.session_state["code"] = first, second
    asked.run()
    assert button(asked, "Remove").key == f"remove-yes-{second}", "the next case is asked about"
    assert {c.code for c in store.cases(("R01",))} == {second}
    button(asked, "Keep it").click().run()
    asked.session_state["stray"] = ""
    assert {c.code for c in store.cases(("R01",))} == {second}
    button(asked.run(), "Remove").click().run()
    assert store.cases(("R01",)) == ()
