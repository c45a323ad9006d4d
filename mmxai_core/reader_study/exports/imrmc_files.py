"""iMRMC files of every crossed comparison: the input file of the application, and the R package's table."""

from __future__ import annotations

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.study_analysis import StudyAnalysis
from mmxai_core.reader_study.imrmc import imrmc_frame, imrmc_text


def imrmc_files(analysis: StudyAnalysis) -> dict[str, bytes]:
    """File name -> content; a comparison that is not crossed, or has a name the format cannot hold, gives a note.

    Args:
        analysis: With its comparisons.
    """
    files = {}
    for one in analysis.compared:
        name = one.comparison.id
        if one.crossed is None:
            files[f"{name}.txt"] = f"No iMRMC file: {one.reason}\n{analysis.banner}\n".encode()
            continue
        try:
            title = f"{analysis.study}: {one.comparison.title}. {analysis.banner}"
            files[f"{name}.imrmc"] = imrmc_text(one.crossed.table, title=title).encode()
            # No notice column: the R package reads these four columns only, as they are.
            files[f"{name}.csv"] = imrmc_frame(one.crossed.table).to_csv(index=False, lineterminator="\n").encode()
        except StudyStoreError as error:
            files[f"{name}.txt"] = f"No iMRMC file: {error}\n{analysis.banner}\n".encode()
    return files
