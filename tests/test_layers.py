"""Holds DESIGN's layers by reading imports: left is imported by right, never back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_BASE = {"types", "errors"}
_VALUES = _BASE | {"study", "clinical", "results"}
_INPUT = _VALUES | {"io", "preprocess", "model"}

#: What each layer of mmxai_core may import of mmxai_core, besides itself.
ALLOWED: dict[str, set[str]] = {
    "types": set(),
    "errors": set(),
    "study": _BASE,
    "clinical": _BASE,
    "results": _BASE | {"study", "clinical"},
    "phantom": _VALUES,
    "io": _VALUES,
    "preprocess": _VALUES,
    "model": _VALUES | {"preprocess"},
    "predict": _INPUT,
    "explain": _INPUT | {"predict"},
    "figures": _VALUES,
    "report": _VALUES | {"figures"},
    "reader_study": _VALUES,
    "cohorts": _VALUES | {"io"},
    "worklist": _VALUES | {"io", "cohorts"},
    "preprocessing": _VALUES | {"io", "cohorts", "explain"},
    "evaluation": _INPUT | {"predict", "explain", "cohorts", "phantom"},
    "training": _INPUT | {"predict", "explain", "cohorts", "evaluation", "phantom"},
    "comparison": _INPUT | {"predict", "explain", "cohorts", "evaluation", "training", "preprocessing"},
}
#: The command line stands on top of the core, as the dashboard does: it may import every layer.
ON_TOP = {"cli", "__main__"}

#: Third-party packages that a layer must not import.
FORBIDDEN: dict[str, set[str]] = {
    "figures": {"torch", "timm", "torchvision", "captum", "pytorch_grad_cam"},
    "report": {"torch", "timm", "torchvision"},
    "results": {"torch"},
    "clinical": {"torch", "pandas"},
    "study": {"torch"},
    "io": {"torch"},
}

#: The only dashboard file that may use each of these Streamlit names.
ONLY_IN = {"cache_data": "services.py", "cache_resource": "services.py", "session_state": "state.py"}


def imports(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of every import, at any depth, relative ones resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def layer_of(dotted: str) -> str | None:
    """The layer that an imported name of mmxai_core belongs to; None for the package itself and for others."""
    parts = dotted.split(".")
    if parts[0] != "mmxai_core" or len(parts) < 2 or parts[1].startswith("__version"):
        return None
    return parts[1]


def core_violations(source: str, module: str) -> list[str]:
    """What one file of mmxai_core imports that it must not.

    Args:
        source: Its text.
        module: Dotted name, e.g. "mmxai_core.io.dicom".
    """
    own = module.split(".")[1]
    found: list[str] = []
    for line, name in imports(ast.parse(source), module.rpartition(".")[0]):
        if name.split(".")[0] in ("streamlit", "dashboard"):
            found.append(f"{module}:{line} imports {name}; mmxai_core never imports the dashboard's side")
        if own in ON_TOP:
            continue
        layer = layer_of(name)
        if layer is not None and layer != own and layer not in ALLOWED[own]:
            found.append(
                f"{module}:{line} imports {name}; {own} may import {', '.join(sorted(ALLOWED[own])) or 'none'}"
            )
        if name.split(".")[0] in FORBIDDEN.get(own, set()):
            found.append(f"{module}:{line} imports {name}, which {own} must not")
    return found


def dashboard_violations(source: str, name: str) -> list[str]:
    """Where one file of the dashboard uses a Streamlit name that belongs to another file.

    Args:
        source: Its text.
        name: File name, e.g. "app.py", or a path below dashboard/.
    """
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        used = node.attr if isinstance(node, ast.Attribute) else None
        names = [a.name for a in node.names] if isinstance(node, ast.ImportFrom) else [used]
        for word in names:
            if word in ONLY_IN and name != ONLY_IN[word]:
                found.append(f"dashboard/{name}:{getattr(node, 'lineno', 0)} uses {word}; only {ONLY_IN[word]} may")
    return found


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"no Python file in {folder}"
    return found


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts)


def test_core_keeps_its_layers() -> None:
    sources = [p for p in files("mmxai_core") if p != ROOT / "mmxai_core" / "__init__.py"]
    found = [v for p in sources for v in core_violations(p.read_text(encoding="utf-8"), module_name(p))]
    assert not found, "\n".join(found)


def test_every_layer_is_known() -> None:
    present = {p.stem if p.is_file() else p.name for p in (ROOT / "mmxai_core").iterdir() if p.name != "__pycache__"}
    assert present - {"__init__", "py"} <= ALLOWED.keys() | ON_TOP


def test_layers_have_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(ALLOWED):
        ready = {layer for layer, below in ALLOWED.items() if layer not in done and below <= done}
        assert ready, f"layers import one another: {sorted(set(ALLOWED) - done)}"
        done |= ready


def test_dashboard_keeps_cache_and_session_in_one_file_each() -> None:
    found = [
        v
        for p in files("dashboard")
        for v in dashboard_violations(p.read_text(encoding="utf-8"), p.relative_to(ROOT / "dashboard").as_posix())
    ]
    assert not found, "\n".join(found)


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "common", "helpers", "misc", "manager"}
    assert not [p for folder in ("mmxai_core", "dashboard") for p in files(folder) if p.stem in empty]


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("import streamlit as st", "mmxai_core.report.pdf"),
        ("def f():\n    from mmxai_core.explain import saliency", "mmxai_core.predict"),
        ("from mmxai_core import predict", "mmxai_core.model.network"),
        ("from mmxai_core.io.dicom import read", "mmxai_core.figures.overlay"),
        ("import torch", "mmxai_core.figures.overlay"),
        ("from ..predict import Predictor", "mmxai_core.io.dicom"),
        ("from mmxai_core.results import Prediction", "mmxai_core.errors"),
        ("from dashboard.services import predictor", "mmxai_core.cli.predict"),
        ("from mmxai_core.training import train", "mmxai_core.evaluation.evaluate"),
    ],
)
def test_a_made_up_violation_is_found(source: str, module: str) -> None:
    assert core_violations(source, module)


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from mmxai_core import __version__", "mmxai_core.model.bundle"),
        ("from mmxai_core.results import Explanation", "mmxai_core.figures.overlay"),
        ("import torch\nfrom mmxai_core.predict import Predictor", "mmxai_core.explain.saliency"),
        ("from .lut import apply", "mmxai_core.io.dicom"),
        ("from mmxai_core.training import train", "mmxai_core.cli.train"),
    ],
)
def test_a_lawful_import_is_not(source: str, module: str) -> None:
    assert not core_violations(source, module)


@pytest.mark.parametrize(
    ("source", "name", "count"),
    [
        ("import streamlit as st\nst.session_state['x'] = 1", "views/case.py", 1),
        ("import streamlit as st\n@st.cache_data\ndef f(): ...", "views/case.py", 1),
        ("from streamlit import cache_resource", "state.py", 1),
        ("import streamlit as st\nst.session_state['x'] = 1", "state.py", 0),
        ("import streamlit as st\n@st.cache_resource\ndef f(): ...", "services.py", 0),
        ("import streamlit as st\nst.session_state['x'] = 1", "views/state.py", 1),
    ],
)
def test_a_made_up_dashboard_violation_is_found(source: str, name: str, count: int) -> None:
    assert len(dashboard_violations(source, name)) == count
