"""Does the map point where the reader drew? Pointing game and overlap (the source paper's clinician alignment)."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.charts import Forest, Point
from mmxai_core.reader_study.analysis.cluster import cluster_means
from mmxai_core.reader_study.analysis.prepared import Prepared
from mmxai_core.reader_study.analysis.result_line import percent, three, value_line
from mmxai_core.reader_study.analysis.section import Section, undefined
from mmxai_core.reader_study.study_tables import StudyTables
from mmxai_core.types import Box, FloatMap

ID, TITLE = "alignment", "Reader's region against the maps"


@dataclass(frozen=True)
class Alignment:
    """One map against one region.

    Attributes:
        hit: Pointing game: the map's peak lies in the region; where pixels tie for the peak, most of them do.
        iou: Intersection over union of the region and the map's strongest pixels, as many as the region has.
        share: Area of the region as a share of the image: what chance alone would hit.
    """

    hit: bool
    iou: float
    share: float


def region_of(text: str) -> Box | None:
    """The region in a reading's cell, or None where the reader drew none.

    Raises:
        StudyStoreError: It is not `[x0, y0, x1, y1]` with x0 < x1 and y0 < y1.
    """
    if not text:
        return None
    try:
        x0, y0, x1, y1 = (float(v) for v in json.loads(text))
    except (ValueError, TypeError) as error:
        raise StudyStoreError(f"Column region: must be [x0, y0, x1, y1] in pixels; got {text[:40]!r}.") from error
    if not (x0 < x1 and y0 < y1 and all(np.isfinite((x0, y0, x1, y1)))):
        raise StudyStoreError(f"Column region: x0 must lie left of x1, and y0 above y1; got {text[:40]!r}.")
    return x0, y0, x1, y1


def align(saliency: FloatMap, region: Box, shape: tuple[int, int]) -> Alignment:
    """Compares a map with a region on the map's own grid.

    A map without positive evidence, or without contrast, points nowhere: it misses, with overlap 0.

    Args:
        saliency: (h, w) over the whole image; larger means more evidence.
        region: In pixels of the source image.
        shape: (height, width) of the source image.

    Raises:
        StudyStoreError: The region lies outside the image.
    """
    h, w = saliency.shape
    y = (np.arange(h) + 0.5) * shape[0] / h
    x = (np.arange(w) + 0.5) * shape[1] / w
    x0, y0, x1, y1 = region
    mask = ((y >= y0) & (y < y1))[:, None] & ((x >= x0) & (x < x1))[None]
    if not mask.any():  # smaller than a cell of the grid: the cell that holds its centre
        row, column = int((y0 + y1) / 2 * h / shape[0]), int((x0 + x1) / 2 * w / shape[1])
        if not (0 <= row < h and 0 <= column < w):
            raise StudyStoreError(f"A region lies outside its image of {shape[1]} x {shape[0]} pixels.")
        mask[row, column] = True
    area = int(mask.sum())
    peak = float(saliency.max())
    if peak <= 0 or peak == float(saliency.min()):
        return Alignment(False, 0.0, area / mask.size)
    hit = bool(mask[saliency == peak].mean() > 0.5)
    top = np.zeros(mask.size, bool)
    top[np.argpartition(saliency, mask.size - area, axis=None)[mask.size - area :]] = True
    shared = int((top & mask.ravel()).sum())
    return Alignment(hit, shared / (2 * area - shared), area / mask.size)


def alignment(tables: StudyTables, prepared: Prepared, *, replicates: int, seed: int) -> Section:
    """Every region that a reader drew against every map of the case.

    The first region of a reader and case counts, which in a sequential study was drawn before any map was seen.

    Args:
        tables: With the maps.
        prepared: Readings.
        replicates: Of the bootstrap of readers and cases.
        seed: Of the bootstrap.
    """
    if not (prepared.frame["region"] != "").any():
        return undefined(ID, TITLE, "no reader drew a region.")
    if not tables.maps:
        return undefined(
            ID,
            TITLE,
            "no maps were given: add a zip of maps on the page, --maps DIR, or maps/CASE.npz beside the tables.",
        )
    frame = prepared.frame
    drawn = frame[frame["region"] != ""].drop_duplicates(["reader", "case"])
    shown = frame[frame["explanation_id"] != ""].groupby(["reader", "case"])["explanation_id"].agg(set)
    rows, without = [], 0
    for r in drawn.to_dict("records"):
        region = region_of(str(r["region"]))
        keys = [k for k in (*sorted(shown.get((r["reader"], r["case"]), set())), r["case"]) if k in tables.maps]
        without += not keys
        for key in keys:
            for name, saliency in tables.maps[key].items():
                assert region is not None
                found = align(saliency, region, tables.image_shapes[key])
                rows.append(
                    {"reader": r["reader"], "case": r["case"], "map_of": key, "condition": name,
                     "drawn_at": r["stage"], "hit": float(found.hit), "iou": found.iou, "chance": found.share}
                )  # fmt: skip
    if not rows:
        return undefined(ID, TITLE, "no map belongs to a case on which a reader drew a region.")
    table = pd.DataFrame(rows)
    names = sorted(table["condition"].unique())
    lines, summary, points = [], [], []
    for column, what, write in (("hit", "pointing game", percent), ("iou", "overlap (IoU)", three)):
        found_means, _ = cluster_means(table, column, names, replicates=replicates, seed=seed)
        for name, e in found_means.items():
            chance = float(table.loc[table["condition"] == name, "chance"].mean())
            told = f" A map that points anywhere at random would hit in {percent(chance)}." if column == "hit" else ""
            lines.append(value_line(f"{name}, {what}", e, write) + told)
            summary.append(
                {"map": name, "measure": what, "value": e.value, "low": e.low, "high": e.high, "n": e.n,
                 "chance": chance if column == "hit" else None, "reason": e.reason}
            )  # fmt: skip
            points.append(Point(f"{name}: {what}", e.value, e.low, e.high, what, e.reason))
    notes = [
        "Overlap: the region against the map's strongest pixels, as many as the region has. A rectangle around an oval "
        "lesion cannot reach 1. Agreement with readers is not proof that the map shows what the model used.",
    ]
    if without:
        notes.append(f"{without} regions have no map.")
    if (drawn["stage"] != "unaided").any():
        notes.append(f"{int((drawn['stage'] != 'unaided').sum())} regions were drawn after the AI was shown.")
    return Section(
        ID, TITLE, tuple(lines),
        {"alignment": pd.DataFrame(summary), "alignment_by_reading": table.rename(columns={"condition": "map"})},
        (Forest("Reader's region against the maps", "Share of readings; overlap", tuple(points), low=0.0, high=1.0),),
        tuple(notes),
    )  # fmt: skip
