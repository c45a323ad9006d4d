"""Several bundles in one program: which one reads, what becomes of a case's values, and what the pages say of each."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from tiny_bundle import tiny_study

from dashboard import bundles, services, state
from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.errors import BundleError
from mmxai_core.worklist import WorklistStore
from mmxai_core.worklist.database import worklist_url

ROOT = Path(__file__).resolve().parents[2]
BRAIN = ClinicalSchema(
    (
        Field("age", "Age", "numeric", "history", "At diagnosis.", "years", (0, 120), (10, 90)),
        Field("seizures", "Seizures", "yes_no", "history"),
    )
)
TRAINED = [{"cohort": "tcga_lgg", "patients": 88, "licence": "CC BY-NC-SA 4.0 (slices and masks): non-commercial"}]
CHANCE = {"value": 0.49, "low": 0.36, "high": 0.61}


@pytest.fixture(scope="session")
def brain_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random weights that says it reads brain MRI."""
    import torch

    from mmxai_core.model.bundle import write_bundle
    from mmxai_core.model.config import Architecture
    from mmxai_core.model.network import FusedNetwork

    folder = tmp_path_factory.mktemp("brain") / "brain"
    arch = Architecture(canvas=96, glance=64, width=32, heads=2, depth=1, queries=2)
    torch.manual_seed(1)
    write_bundle(
        folder, name="brain", network=FusedNetwork(arch, BRAIN), arch=arch, schema=BRAIN,
        classes=("grade 2", "grade 3"), positive_class="grade 3", temperature=1.0, threshold=0.5, intended_use="tests",
        training_data=TRAINED, background=pd.DataFrame(columns=list(BRAIN.ids)),
        model_card="# A brain card", extra={"saliency_reference": 0.5, "task": "grade"},
        results={"cohort": "tcga_lgg", "cross_validation": {"models": {"fused|image": {"auc": CHANCE}}}},
    )  # fmt: skip
    return folder


@pytest.fixture
def both(tiny_bundle: Path, brain_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both bundles; the program's own is `tiny`."""
    folder = tmp_path / "pretrained"
    shutil.copytree(tiny_bundle, folder / "tiny")
    shutil.copytree(brain_bundle, folder / "brain")
    monkeypatch.setenv("MMXAI_BUNDLE", str(folder / "tiny"))
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "ratings.sqlite"))
    return folder


@pytest.fixture
def app(both: Path) -> AppTest:
    return AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=240)


@pytest.fixture
def store(app: AppTest, tmp_path: Path) -> WorklistStore:
    return WorklistStore(worklist_url(str(tmp_path / "ratings.sqlite")), tmp_path / "worklist")


def page(app: AppTest, name: str) -> AppTest:
    return app.switch_page(f"views/{name}.py").run()


def session(app: AppTest) -> state.ReadingSession:
    found: state.ReadingSession = app.session_state["reading"]
    return found


def labels(app: AppTest) -> set[str]:
    assert not app.exception, app.exception
    kinds = ("number_input", "button_group", "selectbox", "radio")
    return {str(w.label).replace("\\", "").split(" ")[0] for kind in kinds for w in getattr(app, kind)}


def said(app: AppTest) -> str:
    assert not app.exception, app.exception
    kinds = ("markdown", "caption", "warning", "info", "subheader", "error")
    rows = [h.value for h in app.get("html") if "<style>" not in h.value]
    return " ".join([m.value for kind in kinds for m in getattr(app, kind)] + rows).replace("\\", "")


def button(app: AppTest, label: str) -> Any:
    return next(b for b in app.button if b.label == label)


def model(app: AppTest) -> Any:
    found = [w for kind in ("radio", "selectbox") for w in getattr(app, kind) if w.label == "Model"]
    return found[0] if found else None


def values_of(app: AppTest) -> dict[str, Any]:
    return dict(session(app).values)


def wait(app: AppTest, done: Callable[[AppTest], bool]) -> None:
    end = time.monotonic() + 200
    while not done(app):
        assert time.monotonic() < end, "it did not end"
        time.sleep(0.1)
        app.run()


def test_one_bundle_alone_is_no_choice(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMXAI_BUNDLE", str(tiny_bundle))
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "ratings.sqlite"))
    alone = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=240)
    for name in ("case", "model", "performance"):
        assert model(page(alone, name)) is None


def test_offers_are_the_own_bundle_its_neighbours_and_the_listed(
    both: Path, brain_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(brain_bundle, tmp_path / "elsewhere" / "third")
    (both / "no-bundle").mkdir()
    monkeypatch.setenv("MMXAI_BUNDLES", str(tmp_path / "elsewhere" / "third"))
    offers = bundles.offered()
    assert list(offers) == ["tiny", "brain", "third"]
    assert (offers["brain"].reads, offers["tiny"].reads) == ("Brain MRI with FLAIR", "")
    assert "WHO grade 3" in offers["brain"].question and offers["brain"].classes == ("grade 2", "grade 3")
    assert bundles.named("") == bundles.named("tiny") == both / "tiny" and bundles.named("brain") == both / "brain"
    assert bundles.named("third") == tmp_path / "elsewhere" / "third"
    for name in ("gone", "..", "../pretrained/brain", "no-bundle"):
        with pytest.raises(BundleError, match="This program does not offer the model"):
            bundles.named(name)
    assert bundles.with_weights("") is None and bundles.with_weights("ab" * 32) is None
    assert bundles.with_weights(offers["brain"].weights) == both / "brain"
    (both / "brain" / "metadata.json").write_text("{")
    assert bundles.offered()["brain"] == bundles.Offer("brain", both / "brain"), "offered, and refused when opened"


def test_places_may_be_odd(both: Path, brain_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(both / "tiny")
    monkeypatch.setenv("MMXAI_BUNDLE", ".")
    assert list(bundles.offered()) == ["tiny", "brain"]
    monkeypatch.setenv("MMXAI_BUNDLE", "")
    assert bundles.own() == ROOT / "pretrained" / "breast-us"
    shutil.copytree(brain_bundle, tmp_path / "site" / "brain")
    monkeypatch.setenv("MMXAI_BUNDLE", f"{both / 'tiny'}/")
    monkeypatch.setenv("MMXAI_BUNDLES", f"{tmp_path / 'site' / 'brain'}:{both / 'brain'}: :{tmp_path / 'none'}")
    assert list(bundles.offered()) == ["tiny", "brain", "site/brain"], "one folder listed twice is offered once"
    assert bundles.named("site/brain") == tmp_path / "site" / "brain"


def test_each_has_its_own_form_warning_and_samples(app: AppTest) -> None:
    page(app, "case")
    choice = model(app)
    assert choice.options == ["tiny", "brain"] and choice.value == "tiny"
    assert ["no cross-validated AUC travels with it" in w.value for w in app.warning] == [True]
    choice.set_value("brain").run()
    (told,) = [w.value.replace("\\", "") for w in app.warning]
    assert "Not shown to be better than chance" in told and "0.49 (0.36 to 0.61) from the image alone" in told
    assert "88 patients only" in told and "Non-commercial" in told
    assert "Brain MRI with FLAIR is what the model in use was trained for" in said(app)
    assert "brain gives the probability that a lower-grade glioma is of WHO grade 3." in said(app)
    opened = {b.key for b in app.button if b.key and b.key.startswith("open-")}
    assert opened == {f"open-{s.file}" for s in services.every_sample() if s.cohort == "tcga_lgg"}
    button(app, "Enter clinical data only").click().run()
    assert {"Age", "Seizures"} <= labels(app) and "Margin" not in labels(app)
    assert "Not shown to be better than chance" in said(app), "beside the open case too"
    button(app, "Close and open another").click().run()
    assert model(app).value == "brain", "the next case is read by the same"


def enter(app: AppTest, age: float, margin: str = "") -> None:
    app.number_input[0].set_value(age).run()
    if margin:
        next(s for s in (*app.selectbox, *app.button_group) if s.label.startswith("Margin")).set_value(margin).run()


def analyse(app: AppTest) -> None:
    button(app, "Analyse").click().run()
    wait(app, lambda a: session(a).job is None and session(a).analysis is not None)


def test_values_that_the_other_does_not_know_come_back(app: AppTest) -> None:
    page(app, "case")
    button(app, "Enter clinical data only").click().run()
    enter(app, 57.0, "rough")
    assert values_of(app) == {"age": 57.0, "margin": "rough"}
    analyse(app)
    code = session(app).case
    model(app).set_value("brain").run()
    assert values_of(app) == {"age": 57.0} and session(app).analysis is None and session(app).first is None
    assert session(app).case == code and "Not analysed yet" in said(app)
    analyse(app)
    assert session(app).first.prediction.positive_class == "grade 3"
    app.number_input[0].set_value(60.0).run()
    # closed and opened again in between: what the other model knows is kept with the case, not with the session
    button(app, "Close and open another").click().run()
    app.session_state["reading"] = state.ReadingSession(desk=session(app).desk)
    app.query_params["case"] = code
    page(app, "case")
    assert session(app).bundle == "brain" and values_of(app) == {"age": 60.0}
    model(app).set_value("tiny").run()
    assert values_of(app) == {"age": 60.0, "margin": "rough"}, "what both know is as it was entered last"


def test_what_the_file_gave_is_its_own_again_on_the_way_back(app: AppTest) -> None:
    page(app, "case")
    next(b for b in app.button if b.label == "Open").click().run()
    before = session(app)
    assert before.initial and dict(before.values) == dict(before.initial)
    model(app).set_value("brain").run()
    assert set(session(app).initial) <= set(BRAIN.ids) and "changed" not in said(app)
    model(app).set_value("tiny").run()
    again = session(app)
    assert dict(again.initial) == dict(again.values) == dict(before.values)
    assert dict(again.prefilled) == dict(before.prefilled) and "changed" not in said(app)


def test_what_stands_in_the_box_is_no_wish(app: AppTest, store: WorklistStore, both: Path) -> None:
    """A case opened anew, or a folder that was away for a moment, switches nothing and costs no answer."""
    from mmxai_core.worklist import SITE, NewCase

    code = store.add(NewCase(SITE, "clinical", None, {"age": 50.0}, bundle="brain")).code
    app.query_params["case"] = code
    page(app, "case")
    analyse(app)
    away = both.parent / "away"
    (both / "brain").rename(away)
    app.run()
    assert "This program does not offer the model brain" in said(app) and not app.number_input
    away.rename(both / "brain")
    app.run()
    case = store.case(code, (SITE,))
    assert case is not None and case.status == "analysed" and case.bundle == "brain"
    assert session(app).bundle == "brain" and session(app).first is not None


def test_two_windows_with_two_models_write_nothing_of_the_other(app: AppTest, store: WorklistStore) -> None:
    from mmxai_core.worklist import SITE, NewCase

    code = store.add(NewCase(SITE, "clinical", None, {"age": 50.0}, bundle="tiny")).code
    app.query_params["case"] = code
    page(app, "case")
    store.set_bundle(code, (SITE,), "brain", values={"age": 50.0}, parked={})  # in another window
    enter(app, 61.0, "rough")
    assert "Another window lets the model brain read this case now" in said(app)
    analyse(app)
    case = store.case(code, (SITE,))
    assert case is not None and (case.bundle, case.status, dict(case.values)) == ("brain", "new", {"age": 50.0})


def test_a_reload_brings_the_case_back_with_its_own_bundle(app: AppTest) -> None:
    page(app, "worklist")
    app.text_input(key="wl-reader").set_value("R01").run()
    page(app, "case")
    model(app).set_value("brain").run()
    button(app, "Enter clinical data only").click().run()
    app.number_input[0].set_value(44.0).run()
    code = session(app).case
    again = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=240)
    again.query_params["reader"], again.query_params["case"] = "R01", code
    page(again, "case")
    assert session(again).bundle == "brain" and values_of(again) == {"age": 44.0} and "Seizures" in labels(again)
    page(again, "worklist")
    assert "read by brain" in said(again)


def test_a_case_of_a_bundle_that_is_gone_is_opened_by_no_other(app: AppTest, both: Path, store: WorklistStore) -> None:
    from mmxai_core.worklist import SITE, NewCase

    values = {"age": 30.0, "seizures": True}
    code = store.add(NewCase(SITE, "clinical", None, values, bundle="brain")).code
    shutil.rmtree(both / "brain")
    app.query_params["case"] = code
    page(app, "case")
    assert f"Case {code} is read by the model brain" in said(app) and not session(app).opened
    page(app, "worklist")
    button(app, "Analyse all new (1)").click().run()
    wait(app, lambda a: session(a).batch is None or session(a).batch.done)
    case = store.case(code, (SITE,))
    assert case is not None and case.status == "failed" and "does not offer the model brain" in case.problem
    app.session_state["reading"] = replace(session(app), batch=None)
    app.run()
    assert "read by brain" in said(app)
    (menu,) = app.get("menu_button")
    assert "Read with tiny" in menu.options and "Read with brain" not in menu.options
    script = (
        "from dashboard import casebook, services\n"
        "from mmxai_core.worklist import SITE\n"
        f"casebook.hand_over(services.worklist().case({code!r}, (SITE,)), 'tiny')\n"
    )
    other = AppTest.from_string(script, default_timeout=240).run()
    assert not other.exception
    case = store.case(code, (SITE,))
    assert case is not None and (case.bundle, dict(case.values), case.status) == ("tiny", {"age": 30.0}, "new")
    assert dict(case.parked) == {"seizures": True}


def test_a_damaged_bundle_is_refused_in_one_sentence_and_nothing_changes(
    app: AppTest, both: Path, store: WorklistStore
) -> None:
    from mmxai_core.worklist import SITE, NewCase

    (both / "brain" / "results.json").write_text("{}")
    page(app, "case")
    model(app).set_value("brain").run()
    (told,) = [e.value.replace("\\", "") for e in app.error]
    assert "was changed after the bundle was written" in told and session(app).bundle == ""
    assert model(app).value == "tiny", "what is refused does not stay chosen"
    code = store.add(NewCase(SITE, "clinical", None, {"age": 30.0}, bundle="brain")).code
    app.query_params["case"] = code
    app.session_state["reading"] = state.ReadingSession()
    page(app, "case")
    assert "is read by the model brain" in said(app) and "was changed after" in said(app) and not session(app).opened


def test_the_foot_of_a_reload_names_the_model_of_the_case(app: AppTest, store: WorklistStore) -> None:
    from mmxai_core.worklist import SITE, NewCase

    app.query_params["case"] = store.add(NewCase(SITE, "clinical", None, {"age": 30.0}, bundle="brain")).code
    page(app, "case")
    (foot,) = [h.value for h in app.get("html") if "mmx-foot" in h.value and "role=" in h.value]
    assert "In use: brain" in foot


def test_a_study_that_another_model_has_already_says_so(app: AppTest, store: WorklistStore) -> None:
    page(app, "case")
    sample = next(b for b in app.button if b.label == "Open")
    sample.click().run()
    first = session(app).case
    button(app, "Close and open another").click().run()
    # the very file, opened for the other model
    model(app).set_value("brain").run()
    study = services.sample_study(sample.key.removeprefix("open-"))
    script = (
        "from dashboard import casebook, services, state\n"
        f"study = services.sample_study({sample.key.removeprefix('open-')!r})\n"
        "state.update(bundle='brain')\n"
        "casebook.open_new('upload', study, name='x.dcm', values={}, prefilled={})\n"
    )
    other = AppTest.from_string(script, default_timeout=240)
    other.session_state["reading"] = session(app)
    other.run()
    assert not other.exception
    found = other.session_state["reading"]
    assert found.case == first and found.bundle == "tiny" and found.study.sha256 == study.sha256
    assert "is in your worklist already, and tiny reads it" in found.notice


def test_the_worklist_adds_for_a_model_and_analyses_each_by_its_own(app: AppTest, store: WorklistStore) -> None:
    from mmxai_core.worklist import SITE, NewCase

    ours = store.add(NewCase(SITE, "upload", tiny_study(), {"age": 50.0})).code
    theirs = store.add(NewCase(SITE, "upload", tiny_study(seed=3), {"age": 50.0}, bundle="brain")).code
    page(app, "worklist")
    chooser = next(s for s in app.selectbox if s.label == "Model that reads them")
    assert chooser.options == ["tiny", "brain"]
    button(app, "Analyse all new (2)").click().run()
    wait(app, lambda a: session(a).batch is None or session(a).batch.done)
    found = {c.code: c for c in store.cases((SITE,))}
    assert {found[ours].analysed.positive_class, found[theirs].analysed.positive_class} == {"malignant", "grade 3"}
    assert found[theirs].analysed.bundle == "brain"


def test_the_pages_about_models_speak_of_each_and_change_no_case(app: AppTest) -> None:
    page(app, "model")
    assert "A card for tests" in said(app)
    model(app).set_value("brain").run()
    assert "A brain card" in said(app) and "Not shown to be better than chance" in said(app)
    assert session(app).bundle == ""
    page(app, "performance")
    assert "88 patients only" not in said(app)
    runs = next(s for s in app.selectbox if s.label == "Results of")
    assert runs.options == ["tiny: its own results"]
    model(app).set_value("brain").run()
    runs = next(s for s in app.selectbox if s.label == "Results of")
    assert "88 patients only" in said(app)
    assert runs.options == ["brain: its own results"] and not app.error and session(app).bundle == ""


def test_a_reader_study_runs_the_bundle_of_its_protocol(both: Path) -> None:
    weights = json.loads((both / "brain" / "metadata.json").read_text())["files"]["weights.safetensors"]
    assert services.study_path(weights) == both / "brain" and services.study_path() == both / "tiny"
    assert services.bundle(services.study_path(weights)).positive_class == "grade 3"


def test_models_of_another_kind_are_not_compared(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert services.other_bundles() == {}
    shutil.copytree(both / "brain", both / "twin")
    monkeypatch.setenv("MMXAI_BUNDLE", str(both / "brain"))
    assert services.other_bundles() == {"twin": both / "twin"}, "the same question on the same kind of image"
    monkeypatch.setenv("MMXAI_BUNDLE", str(both / "tiny"))
    monkeypatch.setenv("MMXAI_BUNDLES", str(both / "brain"))
    assert services.other_bundles() == {"brain": both / "brain"}, "what the site lists is compared as it asked"


def test_compare_asks_the_other_model(app: AppTest, both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMXAI_BUNDLES", str(both / "brain"))
    page(app, "case")
    button(app, "Enter clinical data only").click().run()
    enter(app, 57.0, "rough")
    analyse(app)
    button(app, "Compare").click().run()
    assert "Model brain" in said(app) and "does not know them: margin" in said(app)


def test_the_tour_leaves_a_sample_that_another_model_reads_alone(app: AppTest, store: WorklistStore) -> None:
    page(app, "case")
    next(b for b in app.button if b.label == "Open").click().run()
    code = session(app).case
    model(app).set_value("brain").run()
    page(app, "tour")
    button(app, "Start the tour").click().run()
    for _ in range(3):
        if session(app).study is not None:
            break
        button(app, "Next").click().run()
    mine = store.case(code, tuple({c.owner for c in _everything(store)}))
    assert mine is not None and mine.bundle == "brain"
    assert session(app).bundle == "tiny"


def _everything(store: WorklistStore) -> list[Any]:
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    from mmxai_core.worklist.schema import CaseRow

    with Session(store._engine) as rows:
        return list(rows.scalars(select(CaseRow)))


def test_an_address_leads_to_a_models_page(app: AppTest) -> None:
    app.query_params["bundle"] = "brain"
    page(app, "model")
    assert "A brain card" in said(app)
