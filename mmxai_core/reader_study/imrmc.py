"""Ratings in the formats of iMRMC (US Food and Drug Administration): its text file, and the R package's table."""

from __future__ import annotations

import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.ratings import RatingTable, ratings_frame

#: Columns of the R package's data frame.
COLUMNS = ("readerID", "caseID", "modalityID", "score")


def imrmc_frame(table: RatingTable) -> pd.DataFrame:
    """Rows of `COLUMNS`: one truth row a case (reader and modality "truth", score 0 or 1), then every rating.

    Raises:
        StudyStoreError: A reader or treatment is called "truth" or "-1", which iMRMC keeps for the truth rows.
    """
    for name in (*table.readers, *table.treatments):
        if name.lower() == "truth" or name == "-1":
            raise StudyStoreError(f"iMRMC keeps the name {name!r} for its truth rows; rename the reader or treatment.")
    truth = pd.DataFrame(
        {"readerID": "truth", "caseID": table.cases, "modalityID": "truth", "score": table.truth.astype(float)}
    )
    rated = ratings_frame(table).rename(
        columns={"reader": "readerID", "case": "caseID", "treatment": "modalityID", "rating": "score"}
    )
    return pd.concat([truth, rated[list(COLUMNS)]], ignore_index=True)[list(COLUMNS)]


def imrmc_text(table: RatingTable, *, title: str = "Reader study") -> str:
    """The `.imrmc` input file: sizes, then `BEGIN DATA:`, then four fields a line without spaces (iMRMC manual, 4.1.1).

    Truth rows carry reader -1 and modality 0.

    Args:
        table: Ratings.
        title: First line.

    Raises:
        StudyStoreError: A name has a comma, a quote or a line break, which the format cannot hold, or is reserved.
    """
    for name in (*table.readers, *table.treatments, *table.cases):
        if any(c in name for c in ',"\r\n'):
            raise StudyStoreError(
                f"The iMRMC format holds no comma, quote or line break in a name of {len(name)} letters."
            )
    head = [
        " ".join(title.split()),
        f"N0: {table.negatives}",
        f"N1: {table.positives}",
        f"NR: {len(table.readers)}",
        f"NM: {len(table.treatments)}",
        "",
        "BEGIN DATA:",
    ]
    frame = imrmc_frame(table)
    rows = [
        f"-1,{case},0,{score:g}" if reader == "truth" else f"{reader},{case},{modality},{score!r}"
        for reader, case, modality, score in frame.itertuples(index=False, name=None)
    ]
    return "\n".join([*head, *rows]) + "\n"
