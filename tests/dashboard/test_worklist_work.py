"""Many files, many cases, comparisons and the tour's words: what needs no page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from synthetic_results import explanation, prediction
from tiny_bundle import SCHEMA, tiny_network, tiny_study, write_tiny_bundle

from dashboard import comparing, tour_steps, triage, uploads
from dashboard.batch import Batch, Line, start
from dashboard.components import worklist_rows
from dashboard.components.clinical_form import changes, label_of, mark_of
from dashboard.components.compare_panel import compare_table
from dashboard.components.gauge import gauge
from dashboard.components.result_panel import calibration, frequency
from dashboard.tour_steps import CLEAR, STEPS, WRONG, Moment
from dashboard.watching import Watcher
from mmxai_core.errors import CohortError
from mmxai_core.explain.explainer import Explainer
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor
from mmxai_core.results import FirstAnswer, InputCheck, JointAccount, PredictionSet, ReliabilityNumber
from mmxai_core.worklist import SITE, Analysed, NewCase, WorklistCase, WorklistStore
from mmxai_core.worklist.database import worklist_url

CLASSES = {"classes": ("benign", "malignant"), "positive": "malignant"}


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (64, 72), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explainer]:
    predictor = Predictor(load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("b") / "tiny")), device="cpu")
    yield Explainer(predictor)
    predictor.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorklistStore]:
    made = WorklistStore(worklist_url(str(tmp_path / "r.sqlite")), tmp_path / "site")
    yield made
    made.close()


def first(*, flagged: bool = False, outcome: str = "one", classes: tuple[str, ...] = ("malignant",)) -> FirstAnswer:
    check = InputCheck(flagged, True, (), (), (), "Not the model's kind of input.", "tests")
    kept = PredictionSet(classes, outcome, 0.9, "history", {}, len(classes) != 1, "The set.", "tests")  # type: ignore[arg-type]
    return FirstAnswer(check, prediction(), kept)


def test_uploads_are_studies_and_a_manifest_brings_values_for_those_it_names() -> None:
    plain = uploads.incoming([("a.png", png(1)), ("b.png", png(2))], SCHEMA, **CLASSES)
    assert [i.name for i in plain] == ["a.png", "b.png"] and plain[1].load() == png(2)
    table = "case_id,patient_id,image,mask,label,age\nc1,p1,images\\a.png,masks/a.png,malignant,61\n".encode(
        "utf-8-sig"
    )
    (one,) = uploads.incoming([("m.CSV", table), ("a.png", png(1)), ("b.png", png(2))], SCHEMA, **CLASSES)
    assert one.load() == png(1) and dict(one.values) == {"age": 61.0} and one.told_by == "from manifest"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([("m.csv", b"case_id,patient_id,image,label\nc1,p1,../../etc/passwd,benign\n")], "'passwd' was not uploaded"),
        ([("m.csv", b"case_id,image\n"), ("n.csv", b"")], "One manifest at a time; got 2"),
        ([("m.csv", b"case_id,picture\nc1,a.png\n")], "needs a column image"),
        ([("m.csv", b"\xff\xfe\x00image")], "UTF-8 text; byte 0"),
        ([("m.csv", b"case_id,patient_id,image,label,agee\nc1,p1,a.png,,3\n"), ("a.png", b"x")], "column 'agee'"),
    ],
)  # fmt: skip
def test_a_bad_manifest_is_one_sentence(files: list[tuple[str, bytes]], why: str) -> None:
    with pytest.raises(CohortError, match=why):
        uploads.incoming(files, SCHEMA, **CLASSES)


def test_a_batch_says_what_came_of_each_and_a_shared_reason_once() -> None:
    bad = [Line(f"{i}.dcm", False, "The file is plain text.") for i in range(3)]
    assert (
        "The same reason for each: The file is plain text."
        in Batch("x", 4, [Line("a", True, "Added."), *bad]).summary()
    )
    mixed = Batch("x", 4, [*bad[:2], Line("z", False, "The file is empty."), Line("a", True, "")])
    assert mixed.summary().startswith("1 of 4 done. 3 did not work; the others are not affected.")
    assert "gives each reason" in mixed.summary()

    def work(batch: Batch) -> Iterator[Line]:
        yield Line("a", True, "")
        batch.cancel()
        if batch.cancelled:
            return
        yield Line("b", True, "")

    done = start(Batch("x", 2), work, failed=str)
    done._future.result(10)
    assert done.done and len(done.lines) == 1 and "Stopped: 1 were not begun." in done.summary()

    def broken(_: Batch) -> Iterator[Line]:
        raise CohortError("The manifest is empty.")
        yield

    failed = start(Batch("x", 2), broken, failed=str)
    failed._future.result(10)
    assert failed.problem == "The manifest is empty." and failed.lines == []


def test_analyse_all_keeps_each_answer_and_one_bad_case_stops_nothing(
    store: WorklistStore, explainer: Explainer
) -> None:
    good = store.add(NewCase("R01", "upload", tiny_study(), {"age": 50.0})).code
    small = store.add(NewCase("R01", "upload", tiny_study(shape=(20, 20), seed=1))).code
    empty = store.add(NewCase("R01", "clinical", None)).code
    spoken = store.add(NewCase("R01", "clinical", None, {"age": 50.0})).code
    theirs = store.add(NewCase("R02", "upload", tiny_study(seed=2))).code
    batch = Batch("Analysing", 5)
    lines = list(triage.triage(batch, [good, small, empty, spoken, theirs], store, lambda _: explainer, ("R01",)))
    assert [line.good for line in lines] == [True, False, False, True, False]
    assert "at least 32 pixels" in lines[1].sentence and "at least one known clinical field" in lines[2].sentence
    case = store.case(good, ("R01",))
    assert case is not None and case.status == "analysed" and case.is_current and case.analysed is not None
    direct = explainer.predictor.predict(tiny_study(), SCHEMA.record({"age": 50.0}))
    assert case.analysed.probability == pytest.approx(direct.probability, abs=1e-9)
    assert case.analysed.low <= case.analysed.high and "fields missing" in case.analysed.flags
    failed = store.case(small, ("R01",))
    assert failed is not None and failed.status == "failed" and "32 pixels" in failed.problem
    assert store.cases(("R02",))[0].status == "new"
    batch.cancel()
    assert list(triage.triage(batch, [good], store, lambda _: explainer, ("R01",))) == []


def test_the_watch_takes_files_and_manifests_and_says_what_it_refused(store: WorklistStore, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(png(1))
    (folder / "notes.txt").write_bytes(b"text")
    (folder / "m.csv").write_text("case_id,patient_id,image,label,age\nc1,p1,a.png,,61\n")
    watcher = Watcher(folder, store, SCHEMA, *CLASSES.values(), every_s=3600)
    watcher.look()
    watcher.look()
    watcher.close()
    assert watcher.added == 1 and watcher.refused == 1 and "plain text" in watcher.problem
    (case,) = store.cases((SITE,))
    assert case.source in ("watch", "manifest")


def test_a_case_compared_without_groups_and_branches(explainer: Explainer, tmp_path: Path) -> None:
    predictor, study = explainer.predictor, tiny_study()
    record = SCHEMA.record({"age": 50.0, "margin": "spiky"})
    encoded = predictor.encode(study)
    views = list(comparing.field_groups(predictor, study, record, encoded))
    assert [v.label for v in views] == [
        "Everything that is known", "Without history", "Without description of the image", "Image only",
        "Clinical data only",
    ]  # fmt: skip
    direct = predictor.predict(study, SCHEMA.record({"margin": "spiky"}))
    assert views[1].prediction.probability == pytest.approx(direct.probability, abs=1e-9)
    assert views[3].prediction.known_fields == () and views[4].prediction.image_index is None

    small = replace(SCHEMA, fields=SCHEMA.fields[:1])
    path = write_tiny_bundle(tmp_path / "other", schema=small, network=tiny_network(schema=small, seed=3),
                             background=pd.DataFrame({"age": [50.0]}))  # fmt: skip
    other = Predictor(load_bundle(path), device="cpu")
    view = comparing.other_model("<other>", other, study, record, roi=None, roi_image=0)
    other.close()
    assert view.prediction is not None and view.note == "Left out, because it does not know them: margin."
    table = compare_table([*views, view])
    assert "Model &lt;other&gt;" in table and table.count("<tr>") == 7 and "points" in table


def test_the_form_marks_what_changed_and_says_the_usual_range() -> None:
    age, lump = SCHEMA["age"], SCHEMA["palpable"]
    assert label_of(age) == "Age (years) · usual 10 to 90" and label_of(lump) == lump.label
    assert mark_of(age, 40.0, {"age": "from header"}, {"age": 40.0}) == ":blue-badge[from header]"
    assert mark_of(age, 41.0, {"age": "from header"}, {"age": 40.0}) == ":orange-badge[changed]"
    assert mark_of(lump, None, {}, {"palpable": True}) == ":orange-badge[changed]"
    assert mark_of(lump, None, {}, {}) == ""
    # nothing went before a first value; only after an analysis of other values is it a change
    assert mark_of(age, 41.0, {}, {}) == mark_of(age, 41.0, {}, {}, {"age": 41.0}) == ":gray-badge[entered]"
    assert mark_of(age, 42.0, {}, {}, {"age": 41.0}) == ":orange-badge[changed]"
    assert mark_of(age, None, {}, {}, {"age": 41.0}) == mark_of(lump, True, {}, {}, {}) == ":orange-badge[changed]"
    assert mark_of(age, 41.0, {}, {"age": 40.0}, {"age": 41.0}) == ":orange-badge[changed]", "the file said 40"
    many = dict.fromkeys(SCHEMA.ids, "from sample")
    assert mark_of(lump, True, many, {"palpable": True}) == ""
    assert changes({"age": 41.0}, many, {"age": 40.0, "palpable": True}) == "5 values from sample (2 of them changed)"
    sample = {"age": 40.0, "palpable": True, "nipple_discharge": False, "birads": "4", "margin": "spiky"}
    del many["margin"]
    some = {**sample, "palpable": False, "margin": "smooth"}
    said = changes(some, many | {"echo": "from sample"}, {k: v for k, v in sample.items() if k != "margin"})
    assert said == "5 values from sample (1 of them changed), 1 entered"
    assert changes({}, {}, {}) == ""
    assert changes({"age": 41.0, "palpable": True}, {}, {}) == "2 entered"
    assert changes({"age": 42.0, "palpable": True}, {}, {}, {"age": 41.0, "palpable": True}) == "1 entered, 1 changed"


def test_the_result_in_shares_and_the_gauges_labels_stay_inside() -> None:
    assert frequency(prediction(probability=0.8)) == "Of 100 cases with this number, about 80 are malignant."
    assert "left:98.0%;transform:translateX(-98.0%)" in gauge(prediction(probability=0.98))
    found = {f"fused|{level}": {"ece": {"value": 0.084}} for level in ("image", "history", "history+descriptor")}
    measured = {"cross_validation": {"n": 201, "patients": 201, "models": found}}

    def told(level: str, *known: str, results: dict[str, Any] = measured) -> str:
        answer = first()
        return calibration(
            results, schema=SCHEMA,
            first=replace(answer, prediction=replace(answer.prediction, known_fields=known),
                          prediction_set=replace(answer.prediction_set, level=level)),
        )  # fmt: skip

    off = "Such shares were off by 8 points on average in cross-validation on 201 cases with "
    fields = {g: [f.id for f in SCHEMA.fields if f.group == g] for g in ("history", "descriptor")}
    both = len(fields["history"]) + len(fields["descriptor"])
    assert told("image") == off + "no clinical field known."
    one = off + f"their history and descriptor fields known (here 1 of {both})."
    assert told("history+descriptor", fields["descriptor"][0]) == one
    assert told("history", *fields["history"]) == off + "their history fields known."
    slices = {"cross_validation": measured["cross_validation"] | {"n": 428, "patients": 214}}
    assert "on 428 images of 214 patients with" in told("image", results=slices)
    assert told("image", results={}) == told("image", results={"cross_validation": {"models": 3}}) == ""


def test_a_row_of_the_list_says_in_words_what_it_shows() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    told = Analysed({}, None, 0, 0.83, 0.61, 0.9, 0.4, "malignant", "malignant", ("benign", "malignant"),
                    ("abstains", "fields missing"), "b", "s", now)  # fmt: skip
    case = WorklistCase("ABCDEFGHIJKL", SITE, "upload", "", "analysed", "urgent", "US", 2, True, False, analysed=told,
                        added_at=now - timedelta(minutes=5))  # fmt: skip
    text = worklist_rows.row(case, now)
    for words in (
        "● analysed", "▲ urgent", "malignant 83 %, no call; 61 % to 90 % with every field known",
        "{benign or malignant}",
        "model abstains", "fields unknown", "US 2 images · phantom · pixels not kept", "5 min ago",
    ):  # fmt: skip
        assert words in text
    assert "out of date" not in text and "out of date" in worklist_rows.row(replace(case, values={"age": 1.0}), now)
    narrow = worklist_rows.prediction_words(replace(told, low=0.479, high=0.482))
    assert narrow.endswith("no call; about 48 % with every field known")
    sure = replace(told, flags=("fields missing",))
    assert "malignant 83 %, called malignant; 61 % to 90 %" in worklist_rows.row(replace(case, analysed=sure), now)
    foreign = worklist_rows.row(replace(case, analysed=replace(told, flags=("unlike training",))), now)
    assert "not valid for this input" in foreign and "mmx-mini" not in foreign and "mmx-mini" in text
    assert "read by" not in text and "read by lgg-mri" in worklist_rows.row(case, now, reads="lgg-mri")
    failed = replace(case, status="failed", problem="<b>bad</b>", analysed=None)
    assert "&lt;b&gt;bad" in worklist_rows.row(failed, now)


def strip(passed: int, failed: int):
    numbers = [ReliabilityNumber(f"Deletion {i}", 0.9, 0.5, True, "", "") for i in range(passed)]
    numbers += [ReliabilityNumber("Evidence inside the lesion region", 0.22, 0.25, True, "", "") for _ in range(failed)]
    return replace(explanation(), parts=("maps", "strip"), reliability=tuple(numbers))


def test_every_step_of_the_tour_says_something_before_and_after_its_numbers_are_there() -> None:
    assert 4 * 60 <= sum(s.seconds for s in STEPS) <= 6 * 60
    bare = Moment("A phantom", "malignant")
    for step in STEPS:
        assert len(step.text(bare)) > 40 and "None" not in step.text(bare)
    whole = replace(bare, first=first(flagged=True), explanation=strip(10, 1), labels={"image": "Image"})
    for step in STEPS:
        assert "None" not in step.text(whole)


def test_the_tour_quotes_the_account_that_the_page_opens_with() -> None:
    case, label = explanation(), {"palpable": "Palpable lump: yes"}
    account = case.attribution
    players = tuple("image_lesion" if p == "image" else p for p in account.players)
    regional = replace(account, players=players, values=account.values + 0.03)
    joint = JointAccount("lesion", ("image_lesion",), None, None, regional, regional, None, None, 0, 7)
    (step,) = [s for s in STEPS if "waterfall" in s.text(Moment("A", "benign", explanation=case))]
    said = step.text(Moment("A", "benign", explanation=replace(case, joint=joint), labels=label))
    assert "Palpable lump: yes -0.67" in said and "Image: lesion region" in said and "-0.70" not in said


def test_the_tour_never_claims_more_than_was_measured() -> None:
    clear, wrong = tour_steps.tests_of(strip(11, 0)), STEPS[6]
    assert wrong.sample == WRONG and clear is not None and (clear.passed, clear.total) == (11, 11)
    told = Moment("Oval mass", "benign", True, first(), strip(10, 1), seen={CLEAR: clear})
    said = wrong.text(told)
    assert "The answer is wrong, and 10 of 11 tests pass (the clear case before: 11 of 11)" in said
    assert "Evidence lies in the lesion (0.22, needs at least 0.25)" in said
    assert "cannot say whether the model is right" in said
    assert "calls it **malignant: wrong**" in STEPS[5].text(told) and "holds malignant only" in STEPS[5].text(told)
    one = replace(told, explanation=strip(1, 0), seen={})
    assert "and the one test passes. **The strip says" in wrong.text(one) and "of 1" not in wrong.text(one)
    right = replace(told, misread=False)
    assert "wrong" not in STEPS[6].text(right).split(".")[0] and "no sample is read wrongly" in STEPS[5].text(right)
    assert tour_steps.tests_of(replace(strip(3, 1), parts=("maps",))) is None
