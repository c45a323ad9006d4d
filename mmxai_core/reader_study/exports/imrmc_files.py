"""iMRMC files of every comparison: the input file of the application, and the R package's table."""

from __future__ import annotations

import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.comparison import Compared
from mmxai_core.reader_study.analysis.prepared import Prepared
from mmxai_core.reader_study.analysis.study_analysis import StudyAnalysis
from mmxai_core.reader_study.imrmc import RATED, imrmc_frame, imrmc_text
from mmxai_core.reader_study.ratings import RatingTable


def imrmc_files(analysis: StudyAnalysis) -> dict[str, bytes]:
    """File name -> content; a comparison without ratings, or with a name the format cannot hold, gives a note.

    A comparison that is not crossed is written as it was read: iMRMC's analysis takes split-plot and other designs,
    where our Obuchowski-Rockette does not.

    Args:
        analysis: With its comparisons.
    """
    files: dict[str, bytes] = {}
    if analysis.prepared is None:
        return files
    for one in analysis.compared:
        name = one.comparison.id
        try:
            rows = _ratings(one, analysis.prepared)
            design = "" if one.crossed is not None else f" Cases as each reader read them, for {one.reason}"
            title = f"{analysis.study}: {one.comparison.title}.{design} {analysis.banner}"
            files[f"{name}.imrmc"] = imrmc_text(rows, title=title).encode()
            # No notice column: the R package reads these four columns only, as they are.
            files[f"{name}.csv"] = imrmc_frame(rows).to_csv(index=False, lineterminator="\n").encode()
        except StudyStoreError as error:
            files[f"{name}.txt"] = f"No iMRMC file: {error}\n{analysis.banner}\n".encode()
    return files


def _ratings(one: Compared, prepared: Prepared) -> RatingTable | pd.DataFrame:
    if one.crossed is not None:
        return one.crossed.table
    frame = prepared.of(one.comparison)
    used = frame[frame["condition"].isin(one.comparison.conditions) & frame["rating"].notna() & frame["truth"].notna()]
    if used.empty:
        raise StudyStoreError("no reading has both a rating and a truth.")
    for word, truth in (("positive", 1), ("negative", 0)):
        if (count := used.loc[used["truth"].astype(int) == truth, "case"].nunique()) < 2:
            raise StudyStoreError(f"an analysis needs two {word} cases or more; this one has {count}.")
    rows = used.assign(
        treatment=used["condition"], truth=used["truth"].astype(int), rating=used["rating"].astype(float)
    )
    return rows[list(RATED)]
