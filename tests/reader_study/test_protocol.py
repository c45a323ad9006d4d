from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from study_protocols import AI, EXPLAINED, UNAIDED, protocol, with_questionnaires

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.protocol import (
    BIRADS,
    Arm,
    Case,
    CustomItem,
    Design,
    InstrumentUse,
    LockedProtocol,
    Protocol,
    ProtocolError,
    Questions,
    Randomisation,
    Reader,
)
from mmxai_core.reader_study.protocol_file import (
    from_dict,
    from_json,
    from_toml,
    parse_protocol,
    read_protocol,
    to_dict,
    to_json,
    to_toml,
    write_protocol,
)

FULL = replace(
    with_questionnaires(protocol(arms=(UNAIDED, AI, EXPLAINED), crossover=True, practice=1)),
    title='Quotes "\\" and\ttabs, ümläute, \x7f, 🙂',
    questions=Questions(
        "categories", BIRADS, 3, "percent", agreement=(), usefulness=False,
        custom=(CustomItem("why", "Why?\nIn a word.", "text", required=False),),
    ),
    cases=(
        *protocol(practice=1).cases,
        Case("C-x.1", None, "subtle", image="set a/img 1.png", clinical={"age": 51, "palpable": True, "odd key": "é"},
             lesion=(1.5, 2, 30, 40)),
    ),
)  # fmt: skip


@pytest.mark.parametrize("made", [protocol(), FULL, protocol(arms=(replace(EXPLAINED, wrong_share=0.25),))])
def test_there_and_back_in_both_formats(made: Protocol, tmp_path: Path) -> None:
    assert from_toml(to_toml(made)) == made == from_json(to_json(made)) == from_dict(to_dict(made))
    assert from_toml(to_toml(made)).sha256 == made.sha256
    for name in ("a.toml", "a.json"):
        write_protocol(made, tmp_path / name)
        assert read_protocol(tmp_path / name) == made
    assert tomllib.loads(to_toml(made))["format"] == 1


def test_the_hash_is_of_the_content_not_of_its_writing() -> None:
    made = protocol()
    text = json.loads(to_json(made))
    assert from_json(json.dumps(dict(reversed(text.items())))).sha256 == made.sha256
    text["idle_limit_s"] = 60
    assert from_json(json.dumps(text)).sha256 == made.sha256
    changed = replace(made, cases=(replace(made.cases[0], truth=False), *made.cases[1:]))
    assert len({made.sha256, changed.sha256, replace(made, title="Other").sha256}) == 3
    # Fixed for good: stores hold protocols under these hashes.
    assert made.sha256 == "4ee2b5929315377bd02403e543d7b5bf467d1409cee0acbb3f735a915150c0d7"


def test_readers_do_not_get_the_truth() -> None:
    seeded = replace(EXPLAINED, wrong_share=0.5, placebo_share=0.5, title="placebo arm")
    made = protocol(arms=(seeded,), cases=6)
    made = replace(made, cases=(*made.cases, Case("C9", True, lesion=(1, 2, 3, 4))))
    for text in (to_toml(made, truth=False), to_json(made, truth=False)):
        assert "truth" not in text and "lesion" not in text and "placebo arm" not in text
    blind = from_toml(to_toml(made, truth=False))
    assert {c.truth for c in blind.cases} == {None} and {c.lesion for c in blind.cases} == {None}
    assert {(a.wrong_share, a.placebo_share) for a in blind.arms} == {(0.0, 0.0)}


def test_a_locked_protocol_cannot_change_and_a_change_names_its_parent() -> None:
    locked = protocol().lock()
    assert locked.sha256 == locked.protocol.sha256
    with pytest.raises(StudyStoreError, match="changed after it was locked"):
        LockedProtocol(replace(locked.protocol, title="Other"), locked.sha256, locked.locked_at)
    with pytest.raises(AttributeError):
        locked.protocol.title = "Other"  # type: ignore[misc]
    second = locked.revised(title="Other")
    assert (second.version, second.parent) == (2, locked.sha256)
    third = second.lock().revised(idle_limit_s=90.0)
    assert (third.version, third.parent) == (3, second.sha256)
    with pytest.raises(StudyStoreError, match="Nothing was changed"):
        locked.revised(title="Pilot")
    with pytest.raises(StudyStoreError, match="'version' cannot be set"):
        locked.revised(version=7)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": "Big Study"}, "id: 2 to 48 small letters"),
        ({"id": "survey"}, "kept for the Survey page"),
        ({"title": " "}, "title: needs 1 to 200 characters; got 0"),
        ({"threshold": 1.0}, "threshold: must lie between 0 and 1; got 1"),
        ({"idle_limit_s": 1.0}, "idle_limit_s: must be 5 to 3600 seconds; got 1"),
        ({"positive": "benign"}, "two different names"),
        ({"bundle_sha256": "abc"}, "bundle_sha256: must be 64 hex digits"),
        ({"version": 2}, "parent: version 2 must name its parent"),
        ({"parent": "ab" * 32}, "parent: version 1 has no parent"),
        ({"arms": ()}, "arms: needs 1 to 8; got 0"),
        ({"arms": (UNAIDED, UNAIDED)}, "arms: 'unaided' is there 2 times"),
        ({"arms": (Arm("x", "aided"),)}, "arm 'x', kind: is one of unaided, ai, ai_explanation; got 'aided'"),
        ({"arms": (Arm("x", "ai_explanation"),)}, "arm 'x', explanations: needs at least one"),
        ({"arms": (Arm("x", "ai_explanation", explanations=("heat",)),)}, "got 'heat'"),
        ({"arms": (Arm("x", "ai", explanations=("saliency",)),)}, "only an arm of kind"),
        ({"arms": (Arm("x", "ai", placebo_share=0.5),)}, "a placebo replaces the saliency map"),
        ({"arms": (Arm("x", "ai", wrong_share=1.5),)}, "arm 'x', wrong_share: must be 0 to 1; got 1.5"),
        ({"arms": (Arm("x", "unaided", wrong_share=0.5),)}, "shows no AI that could be wrong"),
        ({"arms": (Arm("x", "ai", wrong_share=0.5),), "cases": (Case("C1"),)}, "the truth of every case must be known"),
        ({"design": Design("crossover"), "arms": (AI,)}, "a crossover compares two or more arms; got 1"),
        ({"design": Design("sequential", 14)}, "one period and no washout; got 14"),
        ({"design": Design("sequential", commit_first=False)}, "always commits the unaided opinion first"),
        ({"design": Design("parallel")}, "design.kind: is one of sequential, crossover; got 'parallel'"),
        ({"randomisation": Randomisation("coin")}, "randomisation.method: is one of"),
        ({"randomisation": Randomisation(seed=-1)}, "randomisation.seed"),
        ({"cases": (Case("P", practice=True),)}, "cases: needs at least one that is no practice case"),
        ({"cases": (Case("Doe^Jane"),)}, "case 1, id: 1 to 64 letters"),
        ({"cases": (Case("A", image="../x.png"),)}, "case 1, image: must be a path below"),
        ({"cases": (Case("A", image="C:\\x.png"),)}, "case 1, image"),
        ({"cases": (Case("A", lesion=(5, 5, 1, 9)),)}, "case 1, lesion"),
        ({"cases": (Case("A", clinical={"age": [1]}),)}, "case 1, clinical.age"),
        ({"readers": (Reader("Jane Doe"),)}, "reader 1, code: 2 to 32 capital letters"),
        ({"readers": ()}, "readers: needs 1 to 500; got 0"),
        ({"questions": Questions("categories")}, "questions.categories: needs 2 to 20 labels"),
        ({"questions": Questions("categories", BIRADS, 9)}, "positive_from: must lie above 1 and at most at 6; got 9"),
        ({"questions": Questions(positive_from=0)}, "must lie above 0 and at most at 100; got 0"),
        ({"questions": Questions(agreement=("mood",))}, "questions.agreement: is one of"),
        ({"questions": Questions(custom=(CustomItem("opinion", "x"),))}, "none that the standard questions use"),
        ({"instruments": (InstrumentUse("mmpi"),)}, "got 'mmpi'"),
        ({"instruments": (InstrumentUse("sus", "noon"),)}, "instrument 'sus', when: is one of start, period_end, end"),
    ],
)  # fmt: skip
def test_each_broken_rule_is_one_sentence(change: dict[str, object], expected: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        replace(protocol(), **change)  # type: ignore[arg-type]
    assert any(expected in p for p in caught.value.problems), caught.value.problems
    assert all(p.endswith(".") for p in caught.value.problems)
    assert "Doe" not in str(caught.value)  # what was typed may be a name


def test_a_file_with_several_faults_names_them_all() -> None:
    text = to_toml(protocol())
    broken = text.replace('kind = "unaided"', 'kin = "unaided"').replace("idle_limit_s = 60.0", 'idle_limit_s = "a"')
    with pytest.raises(ProtocolError) as caught:
        from_toml(broken)
    assert caught.value.problems == (
        "arms 1: has no field 'kin'; is 'kind' meant?",
        "arms 1: the field 'kind' is missing.",
        "idle_limit_s: must be a number; got 'a'.",
    )
    assert str(caught.value).endswith("(2 more problems)")


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("x = ", "a.toml", "no TOML"),
        ("{", "a.json", "no JSON"),
        ("[]", "a.json", "must hold one object; got a list"),
        ("", "a.toml", "the field 'id' is missing"),
        ("", "a.yaml", "a .toml or .json file; got '.yaml'"),
        ("format = 9", "a.toml", "reads format 1; got 9"),
        ('id="ab"\ntitle="t"\narms=3\ncases=[]\nreaders=[]', "a.toml", "arms: must be a list; got 3"),
        ('id="ab"\ntitle="t"\narms=[1]\ncases=[]\nreaders=[]', "a.toml", "arms 1: must be a table of fields; got 1"),
        ('{"id":"ab","title":"t","arms":[],"cases":[],"readers":[],"threshold":true}', "a.json", "must be a number"),
        ('{"id":"ab","title":"t","arms":[],"cases":[],"readers":[],"threshold":NaN}', "a.json", "must be a number"),
        ('{"id":"ab","title":"t","arms":[],"cases":[],"readers":[],"version":1.5}', "a.json", "a whole number"),
        ('{"id":"ab","title":"t","arms":[],"cases":[{"id":"A","lesion":[1]}],"readers":[]}', "a.json", "4 entries"),
    ],
)  # fmt: skip
def test_files_that_are_no_protocol(text: str, name: str, expected: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text, name)
    assert any(expected in p for p in caught.value.problems), caught.value.problems


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"none.toml: cannot be read \(No such file"):
        read_protocol(tmp_path / "none.toml")
    with pytest.raises(ProtocolError, match=r"a \.toml or \.json file"):
        write_protocol(protocol(), tmp_path / "a.txt")


def test_stages_of_a_reading() -> None:
    arms = (UNAIDED, AI, EXPLAINED)
    sequential = protocol(arms=arms)
    assert [sequential.stages(a.id) for a in arms] == [
        ("unaided",),
        ("unaided", "ai"),
        ("unaided", "ai", "explanation"),
    ]
    concurrent = protocol(arms=arms, design=Design("crossover", 14, commit_first=False))
    assert [concurrent.stages(a.id) for a in arms] == [("unaided",), ("ai",), ("explanation",)]
    assert (sequential.periods, concurrent.periods) == (1, 3)
