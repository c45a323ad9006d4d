"""Everything that leaves a study, as files of one folder or one zip."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.study_analysis import StudyAnalysis, all_tables
from mmxai_core.reader_study.exports.checklists import checklist
from mmxai_core.reader_study.exports.dictionary import dictionary_rows, instruments_json
from mmxai_core.reader_study.exports.imrmc_files import imrmc_files
from mmxai_core.reader_study.exports.report_pdf import chart_files, report_pdf
from mmxai_core.reader_study.exports.tidy import csv_bytes, parquet_bytes
from mmxai_core.reader_study.study_tables import StudyTables
from mmxai_core.types import Json

#: Called with (what is being written, done, in all).
Progress = Callable[[str, int, int], None]


def export_files(analysis: StudyAnalysis, *, progress: Progress | None = None) -> dict[str, bytes]:
    """Relative path -> content of every export.

    Args:
        analysis: The study.
        progress: Called as the parts are made.
    """
    notice, files = analysis.banner, {}
    say = progress or (lambda what, done, total: None)
    say("tables", 0, 4)
    files["analysis.json"] = (json.dumps(_finite(analysis.to_json()), indent=1, ensure_ascii=False) + "\n").encode()
    for name, frame in analysis.tables.frames().items():
        files[f"tables/{name}.csv"] = csv_bytes(frame, notice=notice)
        files[f"tables/{name}.parquet"] = parquet_bytes(frame, notice=notice)
    for name, frame in all_tables(analysis).items():
        files[f"results/{name}.csv"] = csv_bytes(frame, notice=notice)
        files[f"results/{name}.parquet"] = parquet_bytes(frame, notice=notice)
    files["data_dictionary.csv"] = csv_bytes(pd.DataFrame(dictionary_rows(analysis)), notice=notice)
    files["instruments.json"] = (json.dumps(instruments_json(), indent=1, ensure_ascii=False) + "\n").encode()
    files |= {f"imrmc/{name}": data for name, data in imrmc_files(analysis).items()}
    for name, file in (("DECIDE-AI", "decide_ai"), ("CLAIM", "claim")):
        rows = pd.DataFrame([asdict(i) for i in checklist(analysis, name)])
        files[f"checklists/{file}.csv"] = csv_bytes(rows, notice=notice)
    say("figures", 1, 4)
    pictures = chart_files(analysis)
    files |= {f"figures/{name}": data for name, data in pictures.items()}
    say("report", 2, 4)
    files["report.pdf"] = report_pdf(analysis, pictures=pictures)
    files["NOTICE.txt"] = f"{notice}\n".encode()
    say("done", 4, 4)
    return files


def table_files(tables: StudyTables, *, notice: str) -> dict[str, bytes]:
    """The tidy tables and maps alone, in the layout that `study_tables.read_tables` reads.

    Args:
        tables: The study.
        notice: Research-use line.
    """
    files = {f"{n}.csv": csv_bytes(f, notice=notice) for n, f in tables.frames().items()}
    for key, maps in tables.maps.items():
        out = io.BytesIO()
        shape = np.asarray(tables.image_shapes[key])
        np.savez_compressed(out, shape=shape, **maps)  # type: ignore[arg-type]  # the stub takes no ** of arrays
        files[f"maps/{key}.npz"] = out.getvalue()
    return files


def write_folder(files: dict[str, bytes], folder: Path) -> list[Path]:
    """Writes the files below a folder, which is made where it is missing.

    Raises:
        StudyStoreError: A file cannot be written; the message names it.
    """
    written = []
    for name, data in sorted(files.items()):
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise StudyStoreError(f"{path}: cannot be written ({error.strerror}).") from error
        written.append(path)
    return written


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """The files as one zip, the same bytes for the same files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _finite(value: Json) -> Json:
    """JSON has no infinity: null instead."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
