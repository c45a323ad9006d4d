"""The report: one page whatever comes, readable text, the same bytes again, and nothing that names a patient."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader
from synthetic_report import AT, RECORD, crowded, report_case, study

from dashboard.components.evidence import usual_account
from mmxai_core.report import pdf
from mmxai_core.report.case import ReportCase
from mmxai_core.report.check_names import PLAIN
from mmxai_core.report.page import HEIGHT, MARGIN, WIDTH, Page
from mmxai_core.report.pdf import report_pdf
from mmxai_core.report.pdf_picture import highest, pictures
from mmxai_core.results import EvidenceScale, Explanation, InputCheck, JointAccount, ReliabilityNumber
from mmxai_core.study import StudyImage

ROOT = Path(__file__).resolve().parents[2]
_MM = 72 / 25.4


def read(data: bytes) -> tuple[PdfReader, str]:
    reader = PdfReader(BytesIO(data))
    assert len(reader.pages) == 1
    return reader, " ".join(reader.pages[0].extract_text().split())


def placed(reader: PdfReader) -> list[tuple[str, float, float]]:
    """(text, x, y) of every piece of text, mm from the lower left corner."""
    found: list[tuple[str, float, float]] = []

    def visit(text: str, ctm: list[float], tm: list[float], font: object, size: float) -> None:
        if text.strip():
            found.append((text, (ctm[4] + tm[4]) / _MM, (ctm[5] + tm[5]) / _MM))

    reader.pages[0].extract_text(visitor_text=visit)
    return found


def test_it_says_everything_the_page_says() -> None:
    case = report_case()
    reader, text = read(report_pdf(case))
    for part in (
        "Malignant is rather likely: 69 %", "The model calls this malignant", "temperature 1.30", "Summary", "Evidence",
        "Grad-CAM++ for malignant", "5 mm (PixelSpacing (0028,0030))", "Nothing known", "Palpable lump: yes", "-0.70",
        "Stability", "0.91", "≥ 0.80", "✓ passes", "not computed", "Clinical data (3 of 4 known)", "57 years",
        "unknown", "What this cannot tell", "weights SHA-256 " + "ab" * 32, "explanation-1", "torch: 2.15", "seed: 7",
        "device: cpu", "second look: found by the model", "2026-03-01 09:30 UTC", f"Case {case.code}",
    ):  # fmt: skip
        assert part in text, part
    assert text.count("Research use only, not for diagnosis") == 2
    assert len(reader.pages[0].images) == 2, "the image and its overlay"
    assert reader.metadata is not None and reader.metadata.creation_date == AT


def split_case(**changes: object) -> ReportCase:
    """A case whose image the account splits into its three parts, and whose map is of the other class."""
    case = report_case()
    whole, regions = case.explanation.attribution, ("image_lesion", "image_ring", "image_rest")
    values = np.array([0.4, -0.7, 0.001, 0.9, 0.5, 0.2])
    removal = replace(
        whole, players=(*whole.players[:-1], *regions), values=values, interactions=np.zeros((6, 6)), coalitions=64,
        semantics="Removing a region takes it from the model.",
    )  # fmt: skip
    joint = JointAccount("lesion", regions, None, None, removal, removal, None, None, 0, 0)
    assert case.explanation.saliency is not None
    mapped = replace(case.explanation.saliency, target_class="benign", reference=2.0249)
    scale = EvidenceScale(1.0399, 2.0249, 24)
    made = replace(case.explanation, joint=joint, saliency=mapped, evidence_scale=scale, **changes)
    return replace(case, explanation=made)


def test_the_account_is_the_one_that_the_page_shows_first_and_the_words_say_so() -> None:
    case = split_case()
    assert case.account is usual_account(case.explanation)
    plain = report_case()
    assert plain.account is usual_account(plain.explanation)
    _, text = read(report_pdf(case))
    for part in (
        "Image: lesion region", "Image: ring around it", "Image: rest", "64 combinations", "+0.90",
        "The image is split into lesion region, ring around it and rest; the checks and the summary count it as one "
        "input.", "Removing a region takes it from the model.",
    ):  # fmt: skip
        assert part in text, part
    assert "+1.60" not in text, "the image as one input is not drawn beside it"
    assert "image in the contributions: one input" in read(report_pdf(report_case()))[1]


def test_map_and_account_each_have_their_class_and_the_scale_its_digits() -> None:
    _, text = read(report_pdf(split_case()))
    assert "Grad-CAM++ for benign" in text and "What each input contributed to malignant" in text
    assert "map: Grad-CAM++ for benign · contributions: to malignant" in text and "class explained" not in text
    assert "1.04" in text and "2.02 or more" in text


def test_checks_have_the_names_of_the_page_whole_words_and_room_below() -> None:
    long = (
        "Deleting what the map marks lowers the probability no more than deleting random regions: the map may miss "
        "what counts."
    )
    names = tuple(f"{start} (whatever follows)" for start in PLAIN)
    numbers = tuple(
        ReliabilityNumber(n, 0.1, 0.5, True, long if i % 2 else "Short.", "seed 0") for i, n in enumerate(names)
    )
    reader, text = read(report_pdf(split_case(reliability=numbers)))
    assert text.count(long) == len(names) // 2, "no sentence is cut"
    assert all(plain in text for plain in PLAIN.values()) and "whatever follows" not in text
    rows = [(y, t) for t, _, y in placed(reader)]
    heading = next(y for y, t in rows if t.startswith("Clinical data ("))
    above = min(y for y, _ in rows if y > heading + 0.1)
    assert above - heading > 4.5, "the table does not touch the next heading"


def test_nothing_names_the_patient() -> None:
    data = report_pdf(report_case())
    reader, text = read(data)
    assert "MUELLER" not in text and b"MUELLER" not in data
    assert reader.metadata is not None and reader.metadata.author is None


def test_a_crowded_case_stays_on_one_page_and_inside_it() -> None:
    reader, text = read(report_pdf(crowded()))
    assert "Clinical data (50 of 60 known)" in text and "and 21 more" in text and "smaller ones together" in text
    pieces = placed(reader)
    assert len(pieces) > 200
    outside = [p for p in pieces if not (0 <= p[1] < WIDTH - 5 and 3 < p[2] < HEIGHT - 3)]
    assert not outside
    foot = [p for p in pieces if p[0].startswith("Research use only")]
    lowest = min(y for t, _, y in pieces if not t.startswith("Research use only"))
    assert min(y for _, _, y in foot) < lowest, "nothing lies below the banner"
    assert "漢" not in text and "□" in text, "a character the font lacks becomes a box, not a gap"


@pytest.mark.parametrize("shape", [(400, 60), (60, 400), (3, 3)])
def test_any_shape_of_image_fits(shape: tuple[int, int]) -> None:
    read(report_pdf(report_case(shape=shape)))


def test_the_pictures_get_the_room_that_words_charts_and_tables_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[tuple[float, float, float, float]] = []

    def drawn(page: Page, image: StudyImage, explanation: Explanation, box: tuple[float, float, float, float]) -> None:
        boxes.append(box)
        pictures(page, image, explanation, box)

    monkeypatch.setattr(pdf, "pictures", drawn)
    plain, small = report_case(shape=(90, 90)), report_case(shape=(30, 180))
    for case in (plain, crowded(), small):
        pieces = {t: HEIGHT - y for t, _, y in placed(read(report_pdf(case))[0])}
        (title,) = (y for t, y in pieces.items() if t.startswith("What each input"))
        _, y, _, height = boxes[-1]
        assert y + height < title < y + height + 6, "the charts follow the pictures at once"
    few, many, flat = (box[3] for box in boxes)
    assert few == pytest.approx(highest(plain.image, WIDTH - 2 * MARGIN)), "each fills its half of the page"
    assert flat == pytest.approx(highest(small.image, WIDTH - 2 * MARGIN)) and flat < 30 and 50 < many < few


def test_a_narrow_picture_has_its_words_at_its_side() -> None:
    def at(shape: tuple[int, int]) -> float:
        (x,) = (x for t, x, _ in placed(read(report_pdf(report_case(shape=shape)))[0]) if t.startswith("Bar:"))
        return x

    assert at((400, 60)) > MARGIN + 10 and at((60, 90)) == pytest.approx(MARGIN, abs=0.5)


def test_without_an_image_it_says_so() -> None:
    _, text = read(report_pdf(report_case(image=False)))
    assert "No image was given: there is no map." in text and "Study SHA-256: no image" in text
    assert "Cross-modal attention needs an image" in text


def test_without_spacing_there_is_no_scale_bar() -> None:
    _, text = read(report_pdf(report_case(study=study(spacing=None))))
    assert "No scale bar: the file states no pixel spacing" in text and "Bar:" not in text


def test_an_input_of_the_wrong_kind_leads() -> None:
    case = report_case()
    check = InputCheck(True, True, (), (), (), "This is not the model's kind of input.", "cases")
    _, text = read(report_pdf(replace(case, explanation=replace(case.explanation, input_check=check))))
    assert text.index("This is not the model's kind of input.") < text.index("Malignant is rather likely")


def test_an_account_that_does_not_add_up_is_withheld() -> None:
    case = report_case()
    account = replace(case.explanation.attribution, residual=0.2)
    _, text = read(report_pdf(replace(case, explanation=replace(case.explanation, attribution=account))))
    assert "Withheld: the contributions miss the prediction by 0.2" in text and "Nothing known" not in text


def test_the_same_inputs_give_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib, time; from synthetic_report import report_case; from mmxai_core.report.pdf import report_pdf;"
        "time.sleep(1.1); print(hashlib.sha256(report_pdf(report_case())).hexdigest())"
    )
    env = {**os.environ, "PYTHONHASHSEED": "5", "TZ": "Asia/Tokyo",
           "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}  # fmt: skip
    there = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == hashlib.sha256(report_pdf(report_case())).hexdigest()


def test_text_shrinks_before_it_is_cut() -> None:
    page = Page(title="t", made_at=AT)
    end = page.block("word " * 60, 10, 30, 60, 12, size=9)
    assert 30 < end <= 42
    page.one_line("w" * 500, 10, 60, 40, size=9)
    _, text = read(bytes(page.output()))
    assert text.count("word") == 60 and "…" in text


def test_values_are_the_records_own() -> None:
    assert report_case().labels["age"] == "Age: 57 years" and RECORD.get("family_history") is None


@pytest.mark.parametrize("made", [report_case, crowded])
def test_what_must_be_said_of_the_bundle_stands_above_the_reasons_whole(made: Callable[[], ReportCase]) -> None:
    said = (
        "Not shown to be better than chance: cross-validated AUC 0.49 to 0.50; at every measured level of known fields "
        "the 95 % interval begins at or below 0.5.",
        "Trained on 87 patients only.", "Non-commercial use only, by the licence of its training data.",
    )  # fmt: skip
    plain, warned = made(), replace(made(), warnings=said)
    reader, text = read(report_pdf(warned))
    assert all(" ".join(s.split()) in " ".join(text.replace("\u00a0", " ").split()) for s in said), "nothing is cut"
    assert "better than chance" not in read(report_pdf(plain))[1]
    pieces = placed(reader)
    top = {word: max(y for t, _, y in pieces if t.startswith(word)) for word in ("Not shown", "Summary", "Evidence")}
    assert top["Not shown"] > top["Summary"] > top["Evidence"], "y counts from the foot of the page"
    assert not [p for p in pieces if not (0 <= p[1] < WIDTH - 5 and 3 < p[2] < HEIGHT - 3)]
