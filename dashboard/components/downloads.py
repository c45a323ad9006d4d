"""What a reader takes away: the explanation's files and pictures in one zip, each marked as research use."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from dashboard.jobs import Analysis
from dashboard.messages import RESEARCH_USE
from mmxai_core.explain import files
from mmxai_core.figures.pictures import explanation_pictures


def explanation_zip(analysis: Analysis, labels: Mapping[str, str]) -> bytes:
    """The files that `python -m mmxai_core explain` writes, with the pictures, as a zip.

    Args:
        analysis: The analysis.
        labels: Label and value of each player.

    Raises:
        ExplanationError: The temporary folder cannot be written.
    """
    study, index = analysis.study, analysis.explanation.prediction.image_index
    grey = study.images[index].grey if study is not None and index is not None else None
    pictures = explanation_pictures(analysis.explanation, grey=grey, labels=labels)
    out = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="mmxai-") as name:
        written = files.write_explanation(analysis.explanation, Path(name), study=study, pictures=pictures)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in written:
                archive.write(path, path.name)
            archive.writestr("NOTICE.txt", RESEARCH_USE + ".\n")
    return out.getvalue()


def explanation_json(analysis: Analysis) -> bytes:
    """`explanation.json` alone."""
    content = files.explanation_json(analysis.explanation, study=analysis.study)
    return (json.dumps(content, indent=1) + "\n").encode()
