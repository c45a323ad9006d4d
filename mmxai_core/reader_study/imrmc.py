"""Ratings in the formats of iMRMC (US Food and Drug Administration): its text file, and the R package's table."""

from __future__ import annotations

import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.ratings import RatingTable, ratings_frame

#: Columns of the R package's data frame.
COLUMNS = ("readerID", "caseID", "modalityID", "score")


#: Columns of ratings that need not be crossed: the format takes any design, each reader's cases as they were read.
RATED = ("reader", "treatment", "case", "truth", "rating")


def _rows(ratings: RatingTable | pd.DataFrame) -> pd.DataFrame:
    return ratings_frame(ratings) if isinstance(ratings, RatingTable) else ratings[list(RATED)]


def imrmc_frame(ratings: RatingTable | pd.DataFrame) -> pd.DataFrame:
    """Rows of `COLUMNS`: one truth row a case (reader and modality "truth", score 0 or 1), then every rating.

    Args:
        ratings: A crossed table, or rows of `RATED` of any design.

    Raises:
        StudyStoreError: A reader or treatment is called "truth" or "-1", which iMRMC keeps for the truth rows.
    """
    rows = _rows(ratings)
    for name in (*rows["reader"].unique(), *rows["treatment"].unique()):
        if name.lower() == "truth" or name == "-1":
            raise StudyStoreError(f"iMRMC keeps the name {name!r} for its truth rows; rename the reader or treatment.")
    cases = rows.drop_duplicates("case")
    truth = pd.DataFrame(
        {"readerID": "truth", "caseID": cases["case"], "modalityID": "truth", "score": cases["truth"].astype(float)}
    )
    rated = rows.rename(columns={"reader": "readerID", "case": "caseID", "treatment": "modalityID", "rating": "score"})
    return pd.concat([truth, rated[list(COLUMNS)]], ignore_index=True)[list(COLUMNS)]


def imrmc_text(ratings: RatingTable | pd.DataFrame, *, title: str = "Reader study") -> str:
    """The `.imrmc` input file: sizes, then `BEGIN DATA:`, then four fields a line without spaces (iMRMC manual, 4.1.1).

    Truth rows carry reader -1 and modality 0.

    Args:
        ratings: A crossed table, or rows of `RATED` of any design.
        title: First line.

    Raises:
        StudyStoreError: A name has a comma, a quote or a line break, which the format cannot hold, or is reserved.
    """
    rows = _rows(ratings)
    for name in (*rows["reader"].unique(), *rows["treatment"].unique(), *rows["case"].unique()):
        if any(c in name for c in ',"\r\n'):
            raise StudyStoreError(
                f"The iMRMC format holds no comma, quote or line break in a name of {len(name)} letters."
            )
    frame = imrmc_frame(rows)
    truth = rows.drop_duplicates("case")["truth"].astype(int)
    head = [
        " ".join(title.split()),
        f"N0: {int((truth == 0).sum())}",
        f"N1: {int((truth == 1).sum())}",
        f"NR: {rows['reader'].nunique()}",
        f"NM: {rows['treatment'].nunique()}",
        "",
        "BEGIN DATA:",
    ]
    lines = [
        f"-1,{case},0,{score:g}" if reader == "truth" else f"{reader},{case},{modality},{score!r}"
        for reader, case, modality, score in frame.itertuples(index=False, name=None)
    ]
    return "\n".join([*head, *lines]) + "\n"
