"""The worklist's store: rows in a database, pixels in the site's folder. Every call names whose cases it may touch."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer

from mmxai_core.clinical import Value
from mmxai_core.errors import StudyStoreError
from mmxai_core.results import FirstAnswer
from mmxai_core.study import Study
from mmxai_core.types import Box
from mmxai_core.worklist.case import SITE, Analysed, Priority, Source, WorklistCase
from mmxai_core.worklist.codec import from_plain, to_plain
from mmxai_core.worklist.database import open_database, plain_errors
from mmxai_core.worklist.pixels import PixelFolder
from mmxai_core.worklist.pseudonym import MappingFile, pseudonym, site_key
from mmxai_core.worklist.rows import aware, case_of
from mmxai_core.worklist.schema import CaseRow, PlaceRow

#: An analysis that has run longer than this has died with its server.
STALE = timedelta(minutes=15)
#: Pixels up to this many bytes are written before `add` returns.
AT_ONCE = 32 * 1024 * 1024
Later = Callable[[Callable[[], None]], object]


@dataclass(frozen=True, eq=False)
class NewCase:
    """A case to add.

    Attributes:
        owner: Reader code, a browser's mark, or `SITE`.
        source: Where it comes from.
        study: The study, or None: clinical data only.
        values: Known clinical values, by field id.
        prefilled: Where each came from, in words.
        title: A sample's title; never a file's name.
        original: What the file or the manifest's row is called; only ever written to the site's mapping file.
        bundle: Name of the bundle that is to read it.
    """

    owner: str
    source: Source
    study: Study | None
    values: Mapping[str, Value] = field(default_factory=dict)
    prefilled: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    original: str = ""
    bundle: str = ""


class WorklistStore:
    """Adds, lists, changes and removes cases. Safe to share between threads: each call has its own connection."""

    def __init__(
        self, url: str, folder: Path, *, keep_pixels: bool = True, keep_days: int = 30, mapping: Path | None = None
    ) -> None:
        """Opens or creates the database and the site's key.

        Args:
            url: An SQLAlchemy URL, e.g. from `worklist_url`.
            folder: The site's folder for key and pixels.
            keep_pixels: False: no pixel is ever written.
            keep_days: Pixels are removed this many days after their case was last opened.
            mapping: File that says which code was which original; None: no such list is kept.

        Raises:
            StudyStoreError: Database or key cannot be opened.
        """
        self.keep_pixels, self.keep_days = keep_pixels, keep_days
        self._engine = open_database(url)
        self._key = site_key(folder / "site.key")
        self._pixels = PixelFolder(folder / "pixels")
        self._mapping = None if mapping is None else MappingFile(mapping)

    def code_for(self, owner: str, study: Study) -> str:
        """The code a study has, or would get, in an owner's list."""
        return pseudonym(self._key, owner, study.sha256)

    def add(self, new: NewCase, *, later: Later | None = None) -> WorklistCase:
        """Add a case; one that the owner has already is given back as it is, with its values and its result.

        Args:
            new: The case.
            later: Runs the writing of a large study's pixels beside the caller; None: all is written on return.

        Raises:
            StudyStoreError: It cannot be kept.
        """
        study = new.study
        code = pseudonym(self._key, new.owner, uuid.uuid4().hex) if study is None else self.code_for(new.owner, study)
        known = self.case(code, (new.owner,))
        if known is None:
            self._insert(code, new)
            if self._mapping is not None and new.original:
                self._mapping.add(code, new.original)
        if study is not None and self.keep_pixels and (known is None or not known.has_pixels):
            large = sum(image.pixels.nbytes for image in study.images) > AT_ONCE
            if later is not None and large:
                later(partial(self._keep_pixels, code, new.owner, study))
            else:
                self._keep_pixels(code, new.owner, study)
        found = self.open(code, (new.owner,))
        if found is None:
            raise StudyStoreError("The case could not be kept; another window may have removed it. Open it again.")
        return found

    def _insert(self, code: str, new: NewCase) -> None:
        study, now = new.study, datetime.now(UTC)
        row = CaseRow(
            code=code, owner=new.owner, source=new.source, title=new.title, status="new", priority="routine",
            modality=study.modality if study else None, images=len(study.images) if study else 0,
            synthetic=study.synthetic if study else False, has_pixels=False,
            clinical=dict(new.values), initial=dict(new.values), prefilled=dict(new.prefilled), roi=None, roi_image=0,
            image_index=0, analysed=None, answer=None, problem="", analysing_since=None, added_at=now, opened_at=now,
            bundle=new.bundle, parked={},
        )  # fmt: skip
        with plain_errors("written"), Session(self._engine) as session, suppress(IntegrityError):
            # The same file may have come in through another window at the same moment: one row is enough.
            session.add(row)
            session.commit()

    def _keep_pixels(self, code: str, owner: str, study: Study) -> None:
        self._pixels.save(code, study)
        self._set(code, (owner,), has_pixels=True)
        if self.case(code, (owner,)) is None:  # removed while its pixels were written
            self._pixels.remove(code)

    def cases(self, owners: Collection[str]) -> tuple[WorklistCase, ...]:
        """Every case of these owners, newest first.

        Raises:
            StudyStoreError: The database cannot be read.
        """
        query = select(CaseRow).where(CaseRow.owner.in_(tuple(owners))).order_by(CaseRow.added_at.desc(), CaseRow.code)
        with plain_errors("read"), Session(self._engine) as session:
            return tuple(case_of(row, stale_before=datetime.now(UTC) - STALE) for row in session.scalars(query))

    def case(self, code: str, owners: Collection[str]) -> WorklistCase | None:
        """One case, or None where there is none that these owners may see.

        Raises:
            StudyStoreError: The database cannot be read.
        """
        with plain_errors("read"), Session(self._engine) as session:
            row = session.get(CaseRow, code)
            if row is None or row.owner not in owners:
                return None
            return case_of(row, stale_before=datetime.now(UTC) - STALE)

    def open(self, code: str, owners: Collection[str]) -> WorklistCase | None:
        """As `case`, and note that it was opened now."""
        self._set(code, owners, opened_at=datetime.now(UTC))
        return self.case(code, owners)

    def study(self, code: str, owners: Collection[str]) -> Study | None:
        """The kept study of a case; None where no pixel is kept.

        Raises:
            StudyStoreError: The pixels are damaged.
        """
        return self._pixels.load(code) if self.case(code, owners) is not None else None

    def answer(self, code: str, owners: Collection[str]) -> FirstAnswer | None:
        """Input check, prediction and prediction set as they were shown; None where there is no answer.

        Raises:
            StudyStoreError: Another version wrote it.
        """
        with plain_errors("read"), Session(self._engine) as session:
            query = select(CaseRow).where(CaseRow.code == code).options(undefer(CaseRow.answer))
            row = session.scalars(query).one_or_none()
            if row is None or row.owner not in owners or row.answer is None:
                return None
            return from_plain(FirstAnswer, json.loads(row.answer))

    def keep_inputs(
        self, code: str, owners: Collection[str], *, values: Mapping[str, Value], roi: Box | None, roi_image: int,
        image_index: int, bundle: str = "", parked: Mapping[str, Value] | None = None,
    ) -> None:  # fmt: skip
        """Keep what the reader entered.

        Args:
            code: The case.
            owners: Whose cases may be touched.
            values: Known values of the bundle that reads it.
            roi: Box the reader drew, or None.
            roi_image: The image it was drawn on.
            image_index: The image shown.
            bundle: The bundle for which they were entered; "" to write whichever reads it.
            parked: Values that this bundle does not know; None: as they are.

        Raises:
            StudyStoreError: Another bundle reads the case by now.
        """
        more: dict[str, Any] = {} if parked is None else {"parked": dict(parked)}
        self._set_read(code, owners, bundle, clinical=dict(values), roi=None if roi is None else list(roi),
                       roi_image=roi_image, image_index=image_index, **more)  # fmt: skip

    def set_priority(self, code: str, owners: Collection[str], priority: Priority) -> None:
        """Change the priority."""
        self._set(code, owners, priority=priority)

    def set_bundle(
        self, code: str, owners: Collection[str], bundle: str, *, values: Mapping[str, Value],
        parked: Mapping[str, Value],
    ) -> None:  # fmt: skip
        """Change which bundle reads the case. What another one answered no longer stands: the case is new again.

        Args:
            code: The case.
            owners: Whose cases may be touched.
            bundle: Name of the bundle.
            values: What it knows of the case.
            parked: The other values, for the way back.
        """
        self._set(code, owners, bundle=bundle, clinical=dict(values), parked=dict(parked), status="new", problem="",
                  analysing_since=None, analysed=None, answer=None)  # fmt: skip

    def begin(self, code: str, owners: Collection[str], *, bundle: str = "") -> None:
        """An analysis has begun.

        Args:
            code: The case.
            owners: Whose cases may be touched.
            bundle: The bundle that computes; "" where it does not matter.

        Raises:
            StudyStoreError: Another bundle reads the case by now.
        """
        self._set_read(code, owners, bundle, status="analysing", problem="", analysing_since=datetime.now(UTC))

    def finish(
        self, code: str, owners: Collection[str], answer: FirstAnswer, analysed: Analysed, *, bundle: str = ""
    ) -> None:
        """Keep an answer. An analysis that was made after a rating makes the case unrated again.

        Args:
            code: The case.
            owners: Whose cases may be touched.
            answer: The whole answer.
            analysed: In short.
            bundle: The bundle that gave it; where another one reads the case by now, nothing is written.
        """
        self._set(code, owners, bundle, status="analysed", problem="", analysing_since=None,
                  analysed=to_plain(analysed), answer=json.dumps(to_plain(answer)))  # fmt: skip

    def fail(self, code: str, owners: Collection[str], sentence: str, *, bundle: str = "") -> None:
        """The analysis failed.

        Args:
            code: The case.
            owners: Whose cases may be touched.
            sentence: Why, in one sentence.
            bundle: As for `finish`.
        """
        self._set(code, owners, bundle, status="failed", problem=sentence, analysing_since=None)

    def give_up(self, code: str, owners: Collection[str], *, bundle: str = "") -> None:
        """The analysis was cancelled: the case is what it was before.

        Args:
            code: The case.
            owners: Whose cases may be touched.
            bundle: As for `finish`.
        """
        found = self.case(code, owners)
        if found is not None and found.status == "analysing":
            self._set(
                code, owners, bundle, status="new" if found.analysed is None else "analysed", analysing_since=None
            )

    def rated(self, code: str, owners: Collection[str]) -> None:
        """A rating of this case was kept."""
        self._set(code, owners, status="rated")

    def link_rating(self, code: str, owners: Collection[str], rated: str) -> None:
        """Note by what code the ratings know a case, so that a rating can be found in the worklist.

        The ratings' code is the start of a hash of the study's bytes: as such it stands nowhere here, for it would tell
        whoever has the file which case it is. What is kept is its keyed hash.

        Args:
            code: The case.
            owners: Whose cases may be touched.
            rated: Its code in the ratings.
        """
        found = self.case(code, owners)
        if found is not None:
            self.remember(found.owner, self._rated(rated), code)

    def rated_codes(self, owners: Collection[str], rated: Collection[str]) -> dict[str, str]:
        """The worklist's code of each rated case that is still in the list, by its code in the ratings.

        Args:
            owners: Whose cases may be seen.
            rated: Codes in the ratings.

        Raises:
            StudyStoreError: The database cannot be read.
        """
        names = {self._rated(r): r for r in rated}
        query = (
            select(PlaceRow.name, CaseRow.code)
            .join(CaseRow, CaseRow.code == PlaceRow.value)
            .where(PlaceRow.owner.in_(tuple(owners)), CaseRow.owner == PlaceRow.owner, PlaceRow.name.in_(tuple(names)))
            .order_by(CaseRow.opened_at)
        )
        with plain_errors("read"), Session(self._engine) as session:
            return {names[name]: code for name, code in session.execute(query)}

    def _rated(self, rated: str) -> str:
        return f"rated-{pseudonym(self._key, 'rated', rated)}"

    def remove(self, code: str, owners: Collection[str]) -> bool:
        """Remove a case, its pixels and its line in the mapping file. Ratings are another store's, and stay.

        Returns:
            False where these owners have no such case.
        """
        found = self.case(code, owners)
        if found is None:
            return False
        self._pixels.remove(code)
        if found.source == "watch":
            self.remember(found.owner, _removed(code), "yes")
        if self._mapping is not None:
            self._mapping.remove(code)
        with plain_errors("written"), self._engine.begin() as connection:
            connection.execute(delete(CaseRow).where(CaseRow.code == code))
            connection.execute(delete(PlaceRow).where(PlaceRow.name.startswith("rated-"), PlaceRow.value == code))
        if self._engine.dialect.name == "sqlite":  # the log of changes would keep the old page until the next one
            with plain_errors("written"), self._engine.connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        return True

    def was_removed(self, code: str) -> bool:
        """True where a case of the watched folder was removed: its file must not bring it back."""
        return self.recall(SITE, _removed(code)) is not None

    def sweep(self, now: datetime | None = None) -> int:
        """Remove the pixels of cases not opened for `keep_days`.

        Args:
            now: The time, UTC; None: now.

        Returns:
            How many cases lost their pixels.
        """
        before = (now or datetime.now(UTC)) - timedelta(days=self.keep_days)
        with plain_errors("read"), Session(self._engine) as session:
            query = select(CaseRow.code, CaseRow.owner).where(CaseRow.has_pixels, CaseRow.opened_at < before)
            old = [(code, owner) for code, owner in session.execute(query)]
        for code, owner in old:
            self._pixels.remove(code)
            self._set(code, (owner,), has_pixels=False)
        return len(old)

    def remember(self, owner: str, name: str, value: str) -> None:
        """Note where an owner stopped."""
        with plain_errors("written"), Session(self._engine) as session:
            session.merge(PlaceRow(owner=owner, name=name, value=value))
            session.commit()

    def recall(self, owner: str, name: str) -> str | None:
        """What `remember` noted, or None."""
        with plain_errors("read"), Session(self._engine) as session:
            row = session.get(PlaceRow, (owner, name))
            return None if row is None else row.value

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _set_read(self, code: str, owners: Collection[str], bundle: str, **columns: Any) -> None:
        """As `_set`, and an error where the case is there and another bundle reads it."""
        if not self._set(code, owners, bundle, **columns) and (found := self.case(code, owners)) is not None:
            raise StudyStoreError(
                f"Another window lets the model {found.bundle} read this case now; open it again from the worklist."
            )

    def _set(self, code: str, owners: Collection[str], reader: str = "", **columns: Any) -> bool:
        """Change columns of a case of these owners; nothing where there is none.

        Args:
            code: The case.
            owners: Whose cases may be touched.
            reader: Only where this bundle reads it, or, in a row of format 1, none is named: then it is from now on.
            **columns: The columns.

        Returns:
            Whether there was one.
        """
        columns = {k: aware(v) for k, v in columns.items()}
        change = update(CaseRow).where(CaseRow.code == code, CaseRow.owner.in_(tuple(owners)))
        if reader:
            change = change.where(CaseRow.bundle.in_((reader, "")))
            columns["bundle"] = reader
        with plain_errors("written"), self._engine.begin() as connection:
            return bool(connection.execute(change.values(**columns)).rowcount)


def _removed(code: str) -> str:
    return f"removed-{code}"
