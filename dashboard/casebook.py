"""The open case and the worklist: what the reader sees is kept as it changes, and a reload brings it back.

A case that cannot be kept is read all the same, and the page says that it is not kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import streamlit as st

from dashboard import bundles, jobs, services, state
from dashboard.batch import later
from dashboard.jobs import Job
from dashboard.messages import incident, sentence
from mmxai_core.clinical import ClinicalSchema, Value
from mmxai_core.errors import BundleError, CancelledError, ClinicalValueError, MmxaiError, StudyStoreError
from mmxai_core.results import BranchAccount, FirstAnswer
from mmxai_core.study import Study
from mmxai_core.types import Box
from mmxai_core.worklist import SITE, Analysed, NewCase, Source, WorklistCase, select
from mmxai_core.worklist.case import flags_of

#: Name of the cookie that marks this browser, and of the case in a page's address.
COOKIE, ADDRESS = "mmxai_desk", "case"
_MARK = re.compile(r"[0-9a-f]{32}")
_CODE = re.compile(r"[A-Z2-7]{12}")


def desk_owner(mark: str) -> str:
    """The owner that a browser's mark stands for; the mark itself is never written down."""
    return "desk-" + hashlib.sha256(mark.encode()).hexdigest()[:40]


def take_up_desk() -> None:
    """Use the mark that this browser showed; without one, the session's own is what it will be given."""
    shown = st.context.cookies.get(COOKIE, "")
    fits = isinstance(shown, str) and _MARK.fullmatch(shown)  # a page under test has no browser
    if fits and state.current().desk != shown and not state.current().opened:
        state.update(desk=shown)


def owner() -> str:
    """Whose a new case is: the reader's, or this browser's while nobody has signed in."""
    session = state.current()
    return session.reader or desk_owner(session.desk)


def owners() -> tuple[str, ...]:
    """Whose cases may be seen: the site's, this browser's, this reader's."""
    session = state.current()
    mine = (SITE, desk_owner(session.desk))
    return (*mine, session.reader) if session.reader else mine


def open_new(
    source: Source, study: Study | None, *, name: str, values: Mapping[str, Value], prefilled: Mapping[str, str],
    title: str = "", apart: bool = False,
) -> None:  # fmt: skip
    """Make a study the open case, and keep it; a study that the list has already comes back as it was left.

    Args:
        source: Where it comes from.
        study: The study, or None: clinical data only.
        name: What the reader calls it.
        values: Known values now, of the bundle in use.
        prefilled: Where each came from, in words.
        title: A sample's title, or "".
        apart: Where another bundle reads the kept case already, leave that alone and keep nothing of this one.
    """
    reads = services.bundle_name()
    try:
        case = services.worklist().add(
            NewCase(
                owner(), source, study, values, prefilled, title=title, original="" if title else name, bundle=reads
            ),
            later=lambda work: later(work, failed=incident),  # a series of hundreds of slices must not wait for it
        )
    except StudyStoreError as error:
        state.open_study(study, name, values, prefilled, source=source, unkept=str(error))
        return
    read_before = bundle_of(case)
    if read_before != reads and apart:
        state.open_study(study, name, values, prefilled, source=source)
        return
    try:
        _show(case, study, name)
    except MmxaiError as error:
        state.open_study(study, name, values, prefilled, source=source, unkept=sentence(error))
        return
    if read_before != reads:
        state.update(
            notice=f"This study is in your worklist already, and {read_before} reads it. To ask another model, choose "
            "it above."
        )


def read_by(bundle: str) -> None:
    """Let another bundle read the open case, and the next ones.

    The values that it knows stay, the others are parked with the case until a bundle reads it that knows them; an
    answer goes, for it was another model's.

    Args:
        bundle: Its name.

    Raises:
        BundleError: It is not offered, or damaged; nothing has changed.
    """
    keep()
    session, schema = state.current(), services.bundle(bundles.named(bundle)).schema
    if bundle == services.bundle_name():
        return
    if not session.opened:
        state.update(bundle=bundle)
        return
    values, parked = _known_and_parked({**session.parked, **session.values}, schema)
    unkept = session.unkept
    if session.case:
        try:
            services.worklist().set_bundle(session.case, owners(), bundle, values=values, parked=parked)
        except StudyStoreError as error:
            unkept = str(error)
    state.open_study(
        session.study, session.study_name, values, session.prefilled, bundle=bundle, parked=MappingProxyType(parked),
        initial=MappingProxyType(fitting(session.given, schema)), given=session.given, roi=session.roi,
        roi_image=session.roi_image, image_index=session.image_index, case=session.case, source=session.source,
        unkept=unkept, pixels_gone=session.pixels_gone,
    )  # fmt: skip
    state.update(noted=_inputs(state.current()))


def hand_over(case: WorklistCase, bundle: str) -> None:
    """Let another bundle read a case of the worklist that is not open, as `read_by` does with the open one.

    Args:
        case: The case.
        bundle: Name of the bundle.

    Raises:
        BundleError: It is not offered, or damaged.
        StudyStoreError: It could not be kept.
    """
    schema = services.bundle(bundles.named(bundle)).schema
    values, parked = _known_and_parked({**case.parked, **case.values}, schema)
    services.worklist().set_bundle(case.code, owners(), bundle, values=values, parked=parked)


def _known_and_parked(pool: Mapping[str, Value], schema: ClinicalSchema) -> tuple[dict[str, Value], dict[str, Value]]:
    """All values of a case, by field id -> (those that a bundle knows and allows, the others)."""
    values = fitting(pool, schema)
    return values, {k: v for k, v in pool.items() if k not in values}


def open_kept(code: str) -> bool:
    """Make a case of the worklist the open one.

    Returns:
        False where this reader has no such case.

    Raises:
        StudyStoreError: It cannot be read.
        BundleError: The bundle that reads it is not offered, or damaged; the case that was open stays open.
    """
    store = services.worklist()
    case = store.open(code, owners()) if _CODE.fullmatch(code) else None
    if case is None:
        return False
    _show(case, store.study(code, owners()) if case.images else None, case.title or f"Case {case.code}")
    return True


def close() -> None:
    """Back to the choice of a study. The address lets go of the case too, or the next run would take it up again."""
    state.close_study()
    if ADDRESS in st.query_params:
        del st.query_params[ADDRESS]


def line_up() -> None:
    """The open case among the others for next and previous, where the worklist has not shown it yet."""
    session = state.current()
    if not session.case or session.case in session.queue:
        return
    try:
        cases = select(services.worklist().cases(owners()), session.query)
    except StudyStoreError:  # the page goes on; only the way to the other cases is not there
        return
    state.update(queue=tuple(c.code for c in cases))


def _show(case: WorklistCase, study: Study | None, name: str) -> None:
    """The case with everything that was kept of it, read by its own bundle; other bundles' values stay parked.

    Raises:
        BundleError: Its bundle is not offered, or damaged; nothing has changed.
        StudyStoreError: Its answer cannot be read; nothing has changed.
    """
    reads = bundle_of(case)
    try:
        found = services.bundle(bundles.named(reads))
    except BundleError as error:
        raise BundleError(
            f"Case {case.code} is read by the model {reads}. {error} On the Worklist, Change lets another one read it."
        ) from error
    first, told = None, case.analysed
    if told is not None and told.bundle_sha256 == found.sha256:
        first = services.worklist().answer(case.code, owners())
    initial = fitting(case.initial, found.schema)
    values, others = _known_and_parked(case.values, found.schema)
    parked = {**case.parked, **others}
    state.open_study(
        study, name, values, case.prefilled, bundle=reads, given=MappingProxyType(dict(case.initial)),
        initial=MappingProxyType(initial), parked=MappingProxyType(parked), roi=case.roi, roi_image=case.roi_image,
        image_index=case.image_index if study is not None and case.image_index < len(study.images) else 0,
        case=case.code, source=case.source, first=first, first_for=told if first is not None else None,
        pixels_gone=study is None and case.images > 0,
    )  # fmt: skip
    state.update(noted=_inputs(state.current()))


def bundle_of(case: WorklistCase) -> str:
    """Name of the bundle that reads a case.

    A row of format 1 says none: then the one that answered, where it is offered, else the program's own.
    """
    if case.bundle:
        return case.bundle
    answered = None if case.analysed is None else bundles.with_weights(case.analysed.bundle_sha256)
    return next((o.name for o in bundles.offered().values() if o.path == answered), bundles.own().name)


def fitting(values: Mapping[str, Any], schema: ClinicalSchema | None = None) -> dict[str, Value]:
    """The values that a bundle knows and allows; a sample or a kept case may come from another.

    Args:
        values: By field id.
        schema: The bundle's fields; None: those of the bundle in use.
    """
    schema = schema or services.bundle().schema
    kept: dict[str, Value] = {}
    for field_id, value in values.items():
        try:
            kept |= dict(schema.record({field_id: value}).values)
        except ClinicalValueError:  # another bundle's field, or another range
            continue
    return kept


def _inputs(session: state.ReadingSession) -> tuple[object, ...]:
    return (dict(session.values), session.roi, session.roi_image, session.image_index)


def keep() -> None:
    """Write what the reader entered since the last time."""
    session = state.current()
    if not session.case or session.noted == _inputs(session):
        return
    try:
        services.worklist().keep_inputs(
            session.case, owners(), values=session.values, roi=session.roi, roi_image=session.roi_image,
            image_index=session.image_index, bundle=services.bundle_name(), parked=session.parked,
        )  # fmt: skip
        state.update(noted=_inputs(session), unkept="")
    except StudyStoreError as error:
        state.update(unkept=str(error))


def follow_address() -> None:
    """A new session takes up the case in the address; an open case stands in the address of every page."""
    keep()
    asked = str(st.query_params.get(ADDRESS, ""))
    if not state.current().opened and asked and not open_kept(asked):
        del st.query_params[ADDRESS]
        state.update(problem="The case in this address is not in your worklist, or was removed.")
    session = state.current()
    if session.case and st.query_params.get(ADDRESS) != session.case:
        st.query_params[ADDRESS] = session.case
    elif not session.case and ADDRESS in st.query_params:
        del st.query_params[ADDRESS]


def begin() -> None:
    """Start the analysis of what is on the page; its answer is kept as soon as there is one, whoever still looks on.

    Where the answer is there already and only the pictures are not, they are computed again and nothing is written.
    """
    keep()
    session = state.current()
    record = services.bundle().schema.record(dict(session.values))
    again = is_answered(session)
    told = _Told(session, owners()) if session.case and not again else None
    if told is not None:
        try:
            told.begin()
        except StudyStoreError as error:  # the reader gets the answer all the same
            state.update(unkept=str(error))
            told = None
    job = jobs.start(
        services.predictor(), services.explainer(), session.study, record, roi=session.roi,
        roi_image=session.roi_image, known=session.analysis,
        on_first=(lambda _: None) if told is None else told.first,
    )  # fmt: skip
    if told is not None:
        job.when_done(told.end)
    state.update(job=job, problem="", pictures_asked=True, **({} if again else {"first": None, "first_for": None}))


def is_answered(session: state.ReadingSession) -> bool:
    """True where the prediction on hand belongs to what is on the page."""
    told = session.first_for
    return (
        session.first is not None and told is not None and dict(told.values) == dict(session.values)
        and told.roi == session.roi
    )  # fmt: skip


def ask_for_pictures() -> None:
    """Compute the explanation of a kept answer again, once: the same inputs and seed give the same pictures."""
    session = state.current()
    idle = session.analysis is None and session.job is None and not session.pictures_asked
    if session.opened and idle and is_answered(session) and not session.pixels_gone:
        begin()


def analysed(
    first: FirstAnswer, *, values: Mapping[str, Value], roi: Box | None, roi_image: int, unknown: int,
    branches: BranchAccount | None = None,
) -> Analysed:  # fmt: skip
    """What the worklist shows of an answer."""
    p = first.prediction
    view = branches.views[0] if branches is not None and branches.views else None
    kept = first.prediction_set
    return Analysed(
        dict(values), roi, roi_image, p.probability, view.low if view else None, view.high if view else None,
        p.threshold, p.positive_class, p.predicted_class, () if kept.outcome == "not_calibrated" else kept.classes,
        flags_of(first.input_check, kept, unknown=unknown), p.versions.bundle, p.versions.bundle_sha256,
        datetime.now(UTC),
    )  # fmt: skip


class _Told:
    """Tells the worklist how an analysis goes, from the analysis' own thread: it holds no session."""

    def __init__(self, session: state.ReadingSession, mine: tuple[str, ...]) -> None:
        self.code, self.mine, self.store = session.case, mine, services.worklist()
        self.values, self.roi, self.roi_image = dict(session.values), session.roi, session.roi_image
        self.bundle = services.bundle_name()

    def begin(self) -> None:
        self.store.begin(self.code, self.mine, bundle=self.bundle)

    def first(self, first: FirstAnswer, branches: BranchAccount | None = None) -> None:
        try:
            told = analysed(
                first, values=self.values, roi=self.roi, roi_image=self.roi_image,
                unknown=len(first.prediction.unknown_fields), branches=branches,
            )  # fmt: skip
            self.store.finish(self.code, self.mine, first, told, bundle=self.bundle)
        except StudyStoreError as error:  # the reader has the answer all the same
            incident(error)

    def end(self, job: Job) -> None:
        try:
            error = job.error
            if error is None and job.first is not None:
                self.first(job.first, job.result().explanation.branches)
            elif isinstance(error, CancelledError):
                self.store.give_up(self.code, self.mine, bundle=self.bundle)
            elif error is not None and job.first is None:
                self.store.fail(
                    self.code, self.mine, sentence(error) if isinstance(error, MmxaiError) else "It failed.",
                    bundle=self.bundle,
                )  # fmt: skip
        except StudyStoreError as error:
            incident(error)


def rated() -> None:
    """A rating of the open case was kept."""
    session = state.current()
    if session.case:
        try:
            services.worklist().rated(session.case, owners())
        except StudyStoreError as error:  # the rating itself is kept, in its own store
            incident(error)
