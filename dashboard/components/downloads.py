"""What a reader takes away: report, capsule, tables, pictures, files. Made when asked for, marked as research use."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dashboard.jobs import Analysis
from dashboard.messages import RESEARCH_USE
from mmxai_core.explain import files
from mmxai_core.figures.pictures import explanation_pictures
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.seal import bundle_seal, machine_facts
from mmxai_core.report.capsule import BundleRef, ReplaySettings, write_capsule
from mmxai_core.report.case import ReportCase, case_code, picture_labels
from mmxai_core.report.glossary import tooltip
from mmxai_core.report.pdf import report_pdf
from mmxai_core.report.tables import contributions_csv, strip_csv, values_csv
from mmxai_core.results.standing import warnings

#: What each picture is called; one without a name here is in the zip only.
_PICTURES = {
    "overlay.png": "Grad-CAM++ (PNG)", "cross_modal.png": "Attention by field (PNG)", "unified.png": "Joint map (PNG)",
    "waterfall.png": "Waterfall (PNG)",
}  # fmt: skip


@dataclass(frozen=True)
class Download:
    """One thing to take away.

    Attributes:
        key: Stable key of its button.
        label: What the button says.
        name: File name: what it is, and of which case.
        mime: Media type.
        icon: Material symbol.
        hint: What it is for.
        make: Makes the bytes; run only when the button is pressed.
    """

    key: str
    label: str
    name: str
    mime: str
    icon: str
    hint: str
    make: Callable[[], bytes]


def report_case(analysis: Analysis, bundle: Bundle, code: str = "") -> ReportCase:
    """The analysis as a report sees it, under its code in the worklist, else a pseudonym made from its hash.

    Args:
        analysis: A finished analysis.
        bundle: The bundle that made it.
        code: Its code in the worklist, or "".
    """
    explanation = analysis.explanation
    by_hash = case_code(analysis.study, explanation)
    told = {
        "parts": ", ".join(explanation.parts),
        "second look": "marked by the reader" if analysis.roi is not None else "found by the model",
        **({"in the ratings": by_hash} if code else {}),
    }  # fmt: skip
    return ReportCase(
        explanation, bundle.schema, analysis.record, analysis.study, code or by_hash,
        analysis.finished_at, calibration_words(bundle), told, warnings(bundle.metadata, bundle.results()),
    )  # fmt: skip


def calibration_words(bundle: Bundle) -> str:
    """How and on what the bundle was calibrated, from its own metadata."""
    told = bundle.metadata.get("calibration", {})
    parts = [str(told["method"])] if told.get("method") else []
    parts += [f"{told['cases']} cases"] if isinstance(told.get("cases"), int) else []
    parts += [f"temperature {bundle.temperature:.2f}"]
    return ", ".join(parts)


def downloads(analysis: Analysis, bundle: Bundle, device: str, *, code: str = "") -> tuple[Download, ...]:
    """Everything to take away from an analysis, in the order of the menu.

    Args:
        analysis: A finished analysis.
        bundle: The bundle that made it.
        device: Label of the device it ran on.
        code: Of the case in the worklist, or "".
    """
    case = report_case(analysis, bundle, code)
    labels, stem = picture_labels(bundle.schema, analysis.record), f"mmxai-{case.code}"
    replay = "Run it with: python -m mmxai_core replay FILE"
    offered = [
        Download("pdf", "Report (PDF)", f"{stem}-report.pdf", "application/pdf", ":material/picture_as_pdf:",
                 "One page: pictures, result, reliability, clinical values, provenance.", lambda: report_pdf(case)),
        Download("capsule", "Case capsule (with pixels and values)", f"{stem}-capsule.zip", "application/zip",
                 ":material/deployed_code:", f"{tooltip('case capsule')}\n\nHolds the pixels and the clinical values, "
                 f"without name, date or file name; text burned into the pixels stays in them. {replay}",
                 lambda: capsule(analysis, bundle, device, include_inputs=True)),
        Download("capsule-hashes", "Case capsule (hashes only)", f"{stem}-capsule-hashes.zip", "application/zip",
                 ":material/fingerprint:", "Holds no pixel and no clinical value, only their hashes: the study and the "
                 f"values are needed to run it. {replay} --image STUDY --clinical VALUES",
                 lambda: capsule(analysis, bundle, device, include_inputs=False)),
        Download("csv-contributions", "Contributions (CSV)", f"{stem}-contributions.csv", "text/csv",
                 ":material/table:", tooltip("contribution"), lambda: contributions_csv(case)),
        Download("csv-strip", "Reliability (CSV)", f"{stem}-reliability.csv", "text/csv", ":material/table:",
                 tooltip("reliability strip"), lambda: strip_csv(case)),
        Download("csv-values", "Clinical values (CSV)", f"{stem}-values.csv", "text/csv", ":material/table:",
                 "Every field of the form; unknown ones are empty.", lambda: values_csv(case)),
    ]  # fmt: skip
    for name, label in _PICTURES.items():
        if _has(analysis, name):
            offered.append(
                Download(f"png-{name}", label, f"{stem}-{name.replace('_', '-')}", "image/png", ":material/image:",
                         "With colour bar or axis, and its meaning, on the picture.",
                         lambda n=name: pictures(analysis, labels)[n])
            )  # fmt: skip
    offered += [
        Download("json", "explanation.json", f"{stem}-explanation.json", "application/json", ":material/data_object:",
                 "Every number of the explanation.", lambda: explanation_json(analysis)),
        Download("zip", "Everything (zip)", f"{stem}-explanation.zip", "application/zip", ":material/folder_zip:",
                 "explanation.json, the raw maps, and all pictures as PNG.",
                 lambda: explanation_zip(analysis, labels, case.warnings)),
    ]  # fmt: skip
    return tuple(offered)


def take_away(analysis: Analysis, bundle: Bundle, device: str, *, code: str = "") -> None:
    """The buttons, two abreast. A file is made when its button is pressed; the button shows that it is being made.

    Args:
        analysis: A finished analysis.
        bundle: The bundle that made it.
        device: Label of the device it ran on.
        code: Of the case in the worklist, or "".
    """
    st.caption(f"{RESEARCH_USE}. No name, date of birth or file name goes into any of these.")
    offered = downloads(analysis, bundle, device, code=code)
    columns = st.columns(2, gap="small")
    for i, item in enumerate(offered):
        columns[i % 2].download_button(
            item.label, item.make, item.name, item.mime, icon=item.icon, on_click="ignore", key=item.key,
            help=item.hint, width="stretch", type="primary" if item.key == "pdf" else "secondary",
        )  # fmt: skip


def _has(analysis: Analysis, name: str) -> bool:
    """True where the explanation has what a picture shows."""
    e = analysis.explanation
    shown = {
        "overlay.png": e.saliency is not None, "cross_modal.png": e.cross_modal is not None,
        "unified.png": e.unified is not None, "waterfall.png": not e.attribution.withheld,
    }  # fmt: skip
    return shown[name]


def pictures(analysis: Analysis, labels: Mapping[str, str]) -> dict[str, bytes]:
    """Every picture of the explanation as PNG, by file name.

    Args:
        analysis: The analysis.
        labels: Label and value of each player.
    """
    study, index = analysis.study, analysis.explanation.prediction.image_index
    grey = study.images[index].grey if study is not None and index is not None else None
    return explanation_pictures(analysis.explanation, grey=grey, labels=labels)


def capsule(analysis: Analysis, bundle: Bundle, device: str, *, include_inputs: bool) -> bytes:
    """The case capsule.

    Args:
        analysis: The analysis.
        bundle: The bundle that made it.
        device: Label of the device it ran on.
        include_inputs: Whether pixels and clinical values go in.
    """
    explanation = analysis.explanation
    drawn = pictures(analysis, picture_labels(bundle.schema, analysis.record)) if include_inputs else {}
    return write_capsule(
        report_case(analysis, bundle), results=files.explanation_json(explanation, study=analysis.study),
        pictures=drawn, bundle=BundleRef(bundle.name, bundle.sha256, bundle_seal(bundle)),
        settings=ReplaySettings.of(explanation, roi=analysis.roi, roi_image=analysis.roi_image),
        machine=machine_facts(device), include_inputs=include_inputs,
    )  # fmt: skip


def explanation_zip(analysis: Analysis, labels: Mapping[str, str], said: Sequence[str] = ()) -> bytes:
    """The files that `python -m mmxai_core explain` writes, with the pictures, as a zip.

    Args:
        analysis: The analysis.
        labels: Label and value of each player.
        said: What must be said beside any answer of the bundle.

    Raises:
        ExplanationError: The temporary folder cannot be written.
    """
    drawn, out = pictures(analysis, labels), io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="mmxai-") as name:
        written = files.write_explanation(analysis.explanation, Path(name), study=analysis.study, pictures=drawn)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in written:
                archive.write(path, path.name)
            archive.writestr("NOTICE.txt", "\n".join([RESEARCH_USE + ".", *said]) + "\n")
    return out.getvalue()


def explanation_json(analysis: Analysis) -> bytes:
    """`explanation.json` alone."""
    content = files.explanation_json(analysis.explanation, study=analysis.study)
    return (json.dumps(content, indent=1) + "\n").encode()
