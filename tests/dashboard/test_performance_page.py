"""The Performance page without a browser: runs, panels, empty state, a damaged file."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from comparison.example_run import SEEDS, write_example_run
from streamlit.testing.v1 import AppTest

from dashboard.components.performance_source import read_run
from dashboard.components.performance_summary import HOW_GOOD, fused_or_alone, summary_lines
from mmxai_core.model.bundle import refresh_hashes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_example_run(
        tmp_path_factory.mktemp("results") / "example", without=tuple((s, 0, "no_cnn") for s in SEEDS)
    )


@pytest.fixture
def page(tiny_bundle: Path, app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[AppTest, Path]:
    """The app with a bundle of its own, whose results may be changed."""
    own = tmp_path / "tiny"
    shutil.copytree(tiny_bundle, own)
    monkeypatch.setenv("MMXAI_BUNDLE", str(own))
    return app, own / "results"


def opened(app: AppTest) -> AppTest:
    app.switch_page("views/performance.py").run()
    assert not app.exception, app.exception
    return app


def text(app: AppTest) -> str:
    return "\n".join(
        [e.value for e in (*app.markdown, *app.warning, *app.subheader)] + [str(h.proto.body) for h in app.get("html")]
    )


def test_page_says_who_is_ahead_and_reads_the_matrix(page: tuple[AppTest, Path], example: Path) -> None:
    app, results = page
    shutil.copytree(example, results / "example")
    opened(app)
    assert "This run is partial: 54 of 56 units." in text(app)
    held = json.loads((example / "metrics.json").read_text())
    auc = next(r for r in held["models"] if (r["model"], r["level"]) == ("boosting", "history"))["metrics"]["auc"]
    assert f"{auc['value']:.3f}<small>{auc['low']:.3f} to {auc['high']:.3f}</small>" in text(app)
    assert "Table 4" not in text(app)  # only the open panel is drawn
    app.session_state["panel-example"] = "Threshold"
    app.run()
    level = held["verdicts"][1]
    assert level["level"] == "history"
    counts = next(r for r in held["models"] if (r["model"], r["level"]) == (level["reference"], "history"))["confusion"]
    app.slider(key="threshold-example").set_value(0.2).run()
    at = counts["threshold"].index(0.2)
    cells = [f'<td class="num">{f"{counts[k][at]:,.1f}".removesuffix(".0")}</td>' for k in ("tp", "fn")]
    assert "".join(cells) in text(app)
    app.switch_page("views/model.py").run()
    opened(app)
    assert app.slider(key="threshold-example").value == 0.2, "tab and threshold are there when the reader comes back"


def come_back(app: AppTest) -> AppTest:
    app.switch_page("views/model.py").run()
    return opened(app)


def choose_tab(app: AppTest, key: str, name: str) -> None:
    app.session_state[key] = name
    app.run()


def test_the_open_tab_of_a_run_is_there_when_the_reader_comes_back(page: tuple[AppTest, Path], example: Path) -> None:
    app, results = page
    shutil.copytree(example, results / "example")
    opened(app)
    assert app.session_state["panel-example"] == "Models"
    choose_tab(app, "panel-example", "Subgroups")
    for _ in range(2):
        come_back(app)
        assert app.session_state["panel-example"] == "Subgroups"
        assert "All subgroups as a table" in [e.label for e in app.expander], "what is drawn is the tab that was left"
    choose_tab(app, "panel-example", "Models")
    come_back(app)
    assert app.session_state["panel-example"] == "Models", "the first one chosen again is remembered as well"


def test_the_open_tab_of_the_bundles_own_results_is_there_too(page: tuple[AppTest, Path]) -> None:
    app, _ = page
    opened(app)
    choose_tab(app, "panel-bundle", "Explanations")
    assert "0.500<small>0.400 to 0.600</small>" not in text(app)
    come_back(app)
    assert app.session_state["panel-bundle"] == "Explanations"
    assert "0.500<small>0.400 to 0.600</small>" not in text(app)


def test_without_a_run_the_page_says_how_to_make_one(page: tuple[AppTest, Path]) -> None:
    app, _ = page
    opened(app)
    assert "python -m mmxai_core compare --cohort NAME --root DIR" in text(app)
    assert not app.error, [e.value for e in app.error]
    assert "0.500<small>0.400 to 0.600</small>" in text(app)  # the bundle's own results stand below


def test_a_run_that_is_rewritten_is_read_again_and_a_damaged_one_is_one_sentence(
    page: tuple[AppTest, Path], example: Path
) -> None:
    app, results = page
    shutil.copytree(example, results / "example")
    opened(app)
    place = results / "example" / "metrics.json"
    held = json.loads(place.read_text())
    place.write_text(json.dumps(held | {"status": "complete: 56 of 56 units", "complete": True}))
    os.utime(place, ns=(1, 1))
    app.run()
    assert "This run is partial" not in text(app)
    place.write_text("{")
    app.run()
    assert not app.exception and ["metrics.json" in e.value for e in app.error] == [True]


def test_how_good_it_is_and_whether_fusing_helps_is_said_before_any_chart(
    page: tuple[AppTest, Path], example: Path
) -> None:
    app, results = page
    shutil.copytree(example, results / "example")
    shutil.copy(ROOT / "pretrained" / "breast-us" / "results.json", results.parent)
    held = refresh_hashes(results.parent).results()
    opened(app)
    said = fused_or_alone(held)
    assert said and said in text(app), "in one sentence, beside who is ahead"
    (whole,) = [e for e in app.expander if e.label == HOW_GOOD]
    lines = "\n".join(m.value for m in whole.markdown)
    assert lines.count("\n- ") + 1 == len(summary_lines(read_run(results / "example"), held))
    assert "Research use only" in lines


def test_the_threshold_starts_at_the_bundles_own_where_the_run_is_of_its_cohort(
    page: tuple[AppTest, Path], example: Path
) -> None:
    app, results = page
    shutil.copytree(example, results / "example")
    config = json.loads((results / "example" / "config.json").read_text())
    held = json.loads((results.parent / "results.json").read_text())
    app.session_state["panel-example"] = "Threshold"
    opened(app)
    assert config["cohort"] != held.get("cohort") and app.slider(key="threshold-example").value == 0.5
    config["cohort"] = held["cohort"] = "own"
    (results / "example" / "config.json").write_text(json.dumps(config))
    (results.parent / "results.json").write_text(json.dumps(held))
    bundle = refresh_hashes(results.parent)
    again = AppTest.from_file(app._script_path, default_timeout=app.default_timeout)
    again.session_state["panel-example"] = "Threshold"
    opened(again)
    assert again.slider(key="threshold-example").value == round(bundle.threshold, 2)
    assert f"calls from {bundle.threshold:.3f} on" in "\n".join(c.value for c in again.caption)
