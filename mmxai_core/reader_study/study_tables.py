"""The tidy tables of one study, from a folder or a zip of CSV or Parquet files, checked cell by cell."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.types import FloatMap

STAGES = ("unaided", "ai", "explanation")
#: The word in front of a simulated study's name, in every table, so that no file is taken for a real one.
SIMULATED = "SIMULATED"

#: Columns of each table, in order. The first ones of `readings` up to `NEEDED` cannot be absent.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "readings": (
        "study", "version", "reader", "period", "arm", "case", "position", "stage", "scale", "value", "confidence",
        "truth", "ai_probability", "ai_class", "ai_correct", "ai_seeded_wrong", "placebo", "active_s", "idle_s",
        "region", "committed_at", "bundle_sha256", "explainer", "explanation_id", "practice", "positive",
    ),
    "ratings": (
        "study", "reader", "case", "arm", "instrument", "instrument_version", "item", "iteration", "state", "value",
        "text", "superseded", "answered_at", "practice",
    ),
    "assignments": ("study", "reader", "period", "arm", "case", "position", "practice"),
    "readers": ("reader", "stratum"),
    "cases": ("case", "truth", "stratum"),
}  # fmt: skip
NEEDED: Mapping[str, tuple[str, ...]] = {
    "readings": ("reader", "arm", "case", "stage", "value"),
    "ratings": ("reader", "instrument", "item"),
    "assignments": ("reader", "case"),
    "readers": ("reader",),
    "cases": ("case",),
}
_NUMBERS = {"confidence", "ai_probability", "active_s", "idle_s"}
_FLAGS = {"ai_correct", "ai_seeded_wrong", "placebo", "positive", "practice", "superseded"}
_YES, _NO = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no"}
#: More than a study ever needs; a zip may claim anything.
_MAX_BYTES = 512 * 2**20
_SUFFIXES = (".csv", ".parquet", ".npz", ".npy")


@dataclass(frozen=True, eq=False)
class StudyTables:
    """One study's tables, in the columns of `COLUMNS`; further columns are kept.

    Attributes:
        readings: One row a committed opinion (reader, arm, case, stage, scale); practice cases are left out.
        ratings: One row an answer to an instrument's item.
        assignments: One row a case that a reader was to read; may be empty.
        readers: One row a reader.
        cases: One row a case.
        maps: Saliency maps by explanation id or case, each by name, on any grid over the whole image.
        image_shapes: (height, width) in pixels of the source image, by the same keys.
        wordings: What was asked, by item id, where the registry of instruments does not know it.
        title: What the coordinator calls the study; "" where it is not known.
        closed: True where the coordinator has closed it; tables from files do not say.
    """

    readings: pd.DataFrame
    ratings: pd.DataFrame
    assignments: pd.DataFrame
    readers: pd.DataFrame
    cases: pd.DataFrame
    maps: Mapping[str, Mapping[str, FloatMap]] = field(default_factory=dict)
    image_shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    wordings: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    closed: bool = False

    @property
    def name(self) -> str:
        """The study's name; its title where it has no rows but those of practice."""
        for frame in (self.readings, self.ratings):
            if len(frame) and str(frame["study"].iloc[0]):
                return str(frame["study"].iloc[0])
        return self.title or "study"

    @property
    def simulated(self) -> bool:
        """True where any row comes from simulated readers."""
        return any(
            frame["study"].astype(str).str.upper().str.startswith(SIMULATED).any()
            for frame in (self.readings, self.ratings)
        )

    def frames(self) -> dict[str, pd.DataFrame]:
        """Every table by name."""
        return {n: getattr(self, n) for n in COLUMNS}


def tables_from_frames(
    frames: Mapping[str, pd.DataFrame], *, title: str = "", closed: bool = False, **maps: Mapping[str, object]
) -> StudyTables:  # fmt: skip
    """Checked tables; an absent table is empty.

    Args:
        frames: By table name; `readings` or `ratings` must have a row.
        title: What the coordinator calls the study.
        closed: Whether it takes no more answers.
        **maps: `maps`, `image_shapes` and `wordings` of `StudyTables`.

    Raises:
        StudyStoreError: A column is missing or a cell is wrong; the message names table, row and column.
    """
    checked = {n: _checked(n, frames.get(n, pd.DataFrame(columns=list(COLUMNS[n])))) for n in COLUMNS}
    readings, cases = checked["readings"], checked["cases"]
    if readings.empty and checked["ratings"].empty:
        raise StudyStoreError("The study holds neither readings nor ratings yet.")
    _fill_truth(readings, cases)
    keys = ["reader", "arm", "case", "stage", "scale"]
    if (twice := readings.duplicated(keys)).any():
        _refuse("readings", "case", twice, "is a second reading of this case by this reader at this stage", None)
    for name in ("readings", "ratings", "assignments"):
        kept = checked[name]
        checked[name] = kept[kept["practice"] != 1].reset_index(drop=True)
    for name, column in (("readers", "reader"), ("cases", "case")):
        if checked[name].empty:
            seen = sorted({*checked["readings"][column], *checked["ratings"][column]} - {""})
            checked[name] = pd.DataFrame({column: seen, **dict.fromkeys(COLUMNS[name][1:], "")})
            if name == "cases":
                known = checked["readings"].drop_duplicates("case").set_index("case")["truth"]
                checked[name]["truth"] = checked[name]["case"].map(known).astype(float)
    return StudyTables(**checked, title=title, closed=closed, **maps)  # type: ignore[arg-type]  # the two maps, by name


def read_tables(path: Path) -> StudyTables:
    """The tables in a folder or a zip: `readings.csv` (or `.parquet`), `ratings.csv` and so on; `maps/NAME.npz`.

    A map file holds one 2-D array a map, by name, over the whole image, and `shape` = (height, width) of the image in
    pixels where the maps are on a coarser grid. NAME is the explanation's id, or the case.

    Raises:
        StudyStoreError: The path, a file, a column or a cell is wrong.
    """
    return tables_from_files(_files(path), name=path.name)


def tables_from_files(files: Mapping[str, bytes], *, name: str) -> StudyTables:
    """The same from the files themselves.

    Args:
        files: Content by path below the study's folder, e.g. "readings.csv" or "maps/C01.npz".
        name: For messages.

    Raises:
        StudyStoreError: A file, a column or a cell is wrong, or there is no table.
    """
    frames = {}
    for table in COLUMNS:
        for kind, read in ((".parquet", pd.read_parquet), (".csv", _read_csv)):
            if (data := files.get(table + kind)) is not None:
                try:
                    frames[table] = read(io.BytesIO(data))
                except (ValueError, OSError, UnicodeDecodeError) as error:
                    raise StudyStoreError(f"{table + kind}: is no table ({str(error).splitlines()[0]}).") from error
                break
    if not frames:
        raise StudyStoreError(f"{name}: holds no readings.csv and no ratings.csv.")
    maps, shapes = _all_maps({n.removeprefix("maps/"): d for n, d in files.items() if n.startswith("maps/")})
    return tables_from_frames(frames, maps=maps, image_shapes=shapes)


def with_maps(tables: StudyTables, folder: Path) -> StudyTables:
    """The same study with the maps of a folder: `CASE.npz`, or `CASE/saliency.npy` as `explain --out` writes it.

    Raises:
        StudyStoreError: The folder or a file is wrong, or holds no map.
    """
    return with_map_files(tables, _files(folder), name=folder.name)


def with_map_files(tables: StudyTables, files: Mapping[str, bytes], *, name: str) -> StudyTables:
    """The same from the files themselves.

    Args:
        tables: The study.
        files: Content by path, e.g. "C01.npz".
        name: For messages.

    Raises:
        StudyStoreError: A file is wrong, or there is no map.
    """
    maps, shapes = _all_maps({n.removeprefix("maps/"): d for n, d in files.items()})
    if not maps:
        raise StudyStoreError(f"{name}: holds no map (CASE.npz, or CASE/saliency.npy).")
    return replace(tables, maps={**tables.maps, **maps}, image_shapes={**tables.image_shapes, **shapes})


def _all_maps(files: Mapping[str, bytes]) -> tuple[dict[str, dict[str, FloatMap]], dict[str, tuple[int, int]]]:
    maps: dict[str, dict[str, FloatMap]] = {}
    shapes: dict[str, tuple[int, int]] = {}
    for name, data in files.items():
        path = PurePosixPath(name)
        if path.suffix == ".npz" and len(path.parts) == 1:
            maps[path.stem], shapes[path.stem] = _read_maps(name, data)
        elif path.name == "saliency.npy" and len(path.parts) == 2:
            maps[path.parts[0]], shapes[path.parts[0]] = _read_maps(name, data)
    return maps, shapes


def _files(path: Path) -> dict[str, bytes]:
    try:
        if path.is_dir():
            wanted = [p for p in sorted(path.rglob("*")) if p.suffix in _SUFFIXES]
            found = {p.relative_to(path).as_posix(): p.read_bytes() for p in wanted}
            inner = {n.removeprefix("tables/"): d for n, d in found.items() if n.startswith("tables/")}
            return {**found, **inner}
        return files_of_zip(path.read_bytes(), name=path.name)
    except OSError as error:
        raise StudyStoreError(f"{path.name}: cannot be read ({error.strerror}).") from error


def files_of_zip(data: bytes, *, name: str) -> dict[str, bytes]:
    """Tables and maps in a zip, by path below the folder that was zipped.

    Args:
        data: The zip.
        name: For messages.

    Raises:
        StudyStoreError: It is no zip, is damaged, or is too large when unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [e for e in archive.infolist() if e.filename.endswith(_SUFFIXES)]
            if sum(e.file_size for e in entries) > _MAX_BYTES:
                raise StudyStoreError(f"{name}: is larger than {_MAX_BYTES // 2**20} MB when unpacked.")
            found = {e.filename: archive.read(e) for e in entries}
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise StudyStoreError(f"{name}: is no zip of tables ({error}).") from error
    # A zip of a folder has that folder's name before every entry; that of one case's maps is the case.
    roots = {n.split("/")[0] for n in found}
    one_case = any(n.count("/") == 1 and n.endswith("/saliency.npy") for n in found)
    if len(roots) == 1 and all("/" in n for n in found) and roots != {"maps"} and not one_case:
        found = {n.split("/", 1)[1]: d for n, d in found.items()}
    # An export holds them in its folder "tables".
    inner = {n.removeprefix("tables/"): d for n, d in found.items() if n.startswith("tables/")}
    return {**found, **inner}


def _read_csv(data: io.BytesIO) -> pd.DataFrame:
    frame = pd.read_csv(data, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    # Our own exports put an apostrophe before a text that a spreadsheet would run as a formula.
    return frame.map(lambda v: v[1:] if v[:1] == "'" and v[1:2] in tuple("=+-@") else v)


def _read_maps(name: str, data: bytes) -> tuple[dict[str, FloatMap], tuple[int, int]]:
    try:
        kept = np.load(io.BytesIO(data), allow_pickle=False)
        arrays = {"saliency": kept} if isinstance(kept, np.ndarray) else {k: np.asarray(kept[k]) for k in kept.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise StudyStoreError(f"{name}: is no NumPy archive of maps.") from error
    shape = arrays.pop("shape", None)
    for key, value in arrays.items():
        if value.ndim != 2 or not value.size or not np.isfinite(value).all():
            raise StudyStoreError(f"{name}, map {key}: must be a finite 2-D array; got shape {value.shape}.")
    if not arrays:
        raise StudyStoreError(f"{name}: holds no map.")
    first = next(iter(arrays.values()))
    height, width = (int(v) for v in (first.shape if shape is None else shape.ravel()[:2]))
    return {k: v.astype(np.float32) for k, v in arrays.items()}, (height, width)


def _checked(name: str, given: pd.DataFrame) -> pd.DataFrame:
    frame = given.copy().reset_index(drop=True)
    frame.columns = [str(c).strip() for c in frame.columns]
    if missing := [c for c in NEEDED[name] if c not in frame.columns]:
        raise StudyStoreError(f"Table {name}: needs the columns {', '.join(NEEDED[name])}; {missing[0]} is missing.")
    for column in COLUMNS[name]:
        if column not in frame.columns:
            frame[column] = ""
        text = frame[column].map(lambda v: "" if v is None or (v is pd.NA) or v != v else str(v).strip())
        if column in _NUMBERS:
            frame[column] = _numbers(name, column, text)
        elif column in _FLAGS:
            frame[column] = _flags(name, column, text)
        else:
            frame[column] = text
    for column in NEEDED[name]:
        if column != "value":
            _refuse(name, column, frame[column] == "", "must not be blank", None)
    if name == "readings":
        _refuse(name, "stage", ~frame["stage"].isin(STAGES), f"must be one of {', '.join(STAGES)}", frame["stage"])
        _refuse(name, "active_s", frame["active_s"] < 0, "must be 0 or more", frame["active_s"])
    if "truth" in frame.columns:
        frame["truth"] = _truth(name, frame["truth"])
    if name == "ratings":
        frame["value"] = _numbers(name, "value", frame["value"])
        frame["state"] = frame["state"].where(frame["state"] != "", "answered")
    return frame[[*COLUMNS[name], *(c for c in frame.columns if c not in COLUMNS[name])]]


def _numbers(name: str, column: str, text: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(text.where(text != ""), errors="coerce").astype(float)
    wrong = (text != "") & (numbers.isna() | np.isinf(numbers))
    _refuse(name, column, wrong, "must be a number", text)
    return numbers


def _flags(name: str, column: str, text: pd.Series) -> pd.Series:
    low = text.str.lower()
    wrong = (low != "") & ~low.isin(_YES | _NO)
    _refuse(name, column, wrong, "must be 0 or 1", text)
    return low.map(lambda v: np.nan if v == "" else float(v in _YES)).astype(float)


def _truth(name: str, text: pd.Series) -> pd.Series:
    """1 positive, 0 negative, NaN unknown; a reference standard may be written as a word."""
    words = {"malignant": 1.0, "positive": 1.0, "benign": 0.0, "negative": 0.0, "normal": 0.0}
    low = text.astype(str).str.strip().str.lower()
    values = low.map(lambda v: 1.0 if v in _YES else 0.0 if v in _NO else words.get(v, np.nan)).astype(float)
    _refuse(name, "truth", (low != "") & values.isna(), "must be 0 (negative) or 1 (positive)", text)
    return values


def _fill_truth(readings: pd.DataFrame, cases: pd.DataFrame) -> None:
    """Takes a reading's missing truth from the cases, and refuses two truths of one case."""
    known = cases.dropna(subset=["truth"]).drop_duplicates("case").set_index("case")["truth"]
    readings["truth"] = readings["truth"].fillna(readings["case"].map(known)).astype(float)
    given = readings.dropna(subset=["truth"])
    reference = given["case"].map(known).fillna(given.groupby("case")["truth"].transform("first"))
    wrong = pd.Series(False, index=readings.index)
    wrong.loc[given.index] = given["truth"] != reference
    _refuse("readings", "truth", wrong, "differs from the truth given elsewhere for the same case", None)


def _refuse(name: str, column: str, wrong: pd.Series, rule: str, values: pd.Series | None) -> None:
    """Raises at the first wrong cell; rows count from 2, as in a file with a header."""
    if not wrong.any():
        return
    position = int(wrong.to_numpy().argmax())
    got = "" if values is None else f"; got {values.tolist()[position]!r}"
    raise StudyStoreError(f"Table {name}, row {position + 2}, column {column}: {rule}{got}.")
