"""Every term the interface uses has one plain sentence with a source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.components.results_tables import words
from mmxai_core.explain.thresholds import GENERAL
from mmxai_core.report.glossary import TERMS, groups, term, terms_in, tooltip

ROOT = Path(__file__).resolve().parents[2]
#: Calls whose first text is a heading or the name of a control.
_HEADINGS = {"subheader", "header", "title", "tabs", "expander", "metric", "Layer"}
#: Abbreviations that are no term of art: file formats, standards' names, units, the program's own name.
_PLAIN = {"CSV", "PNG", "PDF", "JSON", "DICOM", "UTC", "MMXAI", "ID", "OK", "JPEG", "TIFF", "NRRD", "MHA", "AI", "CPU",
          "GPU", "CT", "MR", "MG", "US", "CC", "MLO", "SUS", "NASA", "TLX", "P", "UI"}  # fmt: skip
#: Words of art that are not abbreviations.
_ART = re.compile(r"grad-cam\+*|shapley|log-odds|attention|saliency|waterfall|conformal|coverage|calibration"
                  r"|sensitivity|specificity|insertion|deletion|counterfactual|rollout|abstention|bootstrap|entropy|provenance"
                  r"|prevalence|temperature|knock-?out|interaction|faithfulness|bundle|glossary", re.I)  # fmt: skip


def headings() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "dashboard").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _HEADINGS:
                for part in [p for a in node.args for p in ast.walk(a)]:
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield path.name, part.value


def test_every_term_of_art_in_a_heading_has_an_entry() -> None:
    found = list(headings())
    assert len(found) > 10
    missing = []
    for file, text in found:
        defined = {s.lower() for t in terms_in(text) for s in t.spellings}
        used = [w for w in re.findall(r"\b[A-Z][A-Z0-9]+\b", text) if w not in _PLAIN]
        used += [m.group() for m in _ART.finditer(text) if m.group().lower() != "glossary"]
        missing += [(file, text, w) for w in used if not any(w.lower() in s for s in defined)]
    assert not missing


@pytest.mark.parametrize("key", [*GENERAL, "evidence"])
def test_every_reliability_number_has_an_entry(key: str) -> None:
    assert term(key).group == "How far to trust it"


@pytest.mark.parametrize("key", ["auc", "ece", "iou", "f1", "n", "sd", "ppv", "npv", "delong", "ci", "brier",
                                 "sensitivity", "specificity", "accuracy", "prevalence", "hit"])  # fmt: skip
def test_every_column_of_the_results_has_an_entry(key: str) -> None:
    assert term(words(key).strip("()"))


def test_each_entry_is_one_plain_sentence_with_a_source() -> None:
    for entry in TERMS:
        assert entry.text.endswith(".") and not re.search(r"[.!?]\s", entry.text), entry
        assert len(entry.text) <= 180 and entry.source, entry


def test_the_longest_term_is_found_and_each_once() -> None:
    found = [t.name for t in terms_in("Attention rollout and Grad-CAM++ against log-odds; rollout again")]
    assert found == ["Attention rollout", "Grad-CAM++", "Log-odds"]
    assert terms_in("nothing of the kind here") == ()


def test_a_tooltip_says_what_and_where_from() -> None:
    assert tooltip("SHAP") == f"Shapley value: {term('shapley value').text} (Shapley 1953; Lundberg and Lee 2017)"
    with pytest.raises(KeyError):
        tooltip("no such term")


def test_groups_hold_every_term_once() -> None:
    assert [t for g in groups().values() for t in g] == list(TERMS)
