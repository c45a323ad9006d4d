"""Worklist: the cases of this reader and of the site, what the model says of each, and adding more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import streamlit as st

from dashboard import batch as batches
from dashboard import bundles, casebook, services, state, triage, uploads
from dashboard.batch import Batch, Line
from dashboard.components import worklist_rows
from dashboard.components.batch_panel import batch_panel
from dashboard.components.bundle_choice import say_warnings
from dashboard.components.chrome import empty_state
from dashboard.components.pressing import pressed
from dashboard.components.worklist_tools import Added, add_tools, query_tools
from dashboard.messages import boundary, incident, markdown_safe, sentence
from dashboard.views import model_or_stop
from mmxai_core.errors import MmxaiError, StudyStoreError
from mmxai_core.explain.explainer import Explainer
from mmxai_core.reader_study.store import reader_code
from mmxai_core.worklist import NewCase, Priority, WorklistCase, select
from mmxai_core.worklist.intake import take_in

#: Cases on one page.
PAGE = 12
_READ = "read-"
_CHOICES = {"urgent": "Urgent", "soon": "Soon", "routine": "Routine", "remove": "Remove case …"}


def say_failed(error: BaseException) -> str:
    """What the page says where the whole work stopped."""
    return sentence(error) if isinstance(error, MmxaiError) else incident(error)


def add(added: Added) -> None:
    """Begin to add studies; the page shows how it goes."""
    at = bundles.named(added.model)
    bundle, model = services.bundle(at), added.model
    store, schema, owner = services.worklist(), bundle.schema, casebook.owner()
    if added.samples:
        samples = services.samples(at)
        known = {sample.file: casebook.fitting(sample.clinical, schema) for sample in samples}

        def take_samples(batch: Batch) -> Iterator[Line]:
            for sample in samples:
                if batch.cancelled:
                    return
                batch.step = sample.title
                values = known[sample.file]
                study = services.sample_study(sample.file)
                case = store.add(
                    NewCase(
                        owner, "sample", study, values, dict.fromkeys(values, "from sample"), sample.title, bundle=model
                    )
                )
                other = "" if case.bundle == model else f", read by {casebook.bundle_of(case)}"
                yield Line(sample.title, True, f"In the list as {case.code}{other}.")

        work = Batch("Adding samples", len(samples))
        work = batches.start(work, take_samples, failed=say_failed)
        state.update(
            batch=work, files_wait=added.waiting,
            upload_version=state.current().upload_version + (not added.waiting),  # only what was added is emptied
        )  # fmt: skip
        return
    files = added.files
    manifest = any(uploads.is_manifest(name) for name, _ in files)
    total = len(files) - manifest

    def take_files(batch: Batch) -> Iterator[Line]:
        batch.step = "Reading"
        studies = uploads.incoming(files, schema, classes=bundle.classes, positive=bundle.positive_class)
        batch.total = len(studies)
        source = "manifest" if manifest else "upload"
        told = take_in(
            studies, store, schema, owner=owner, source=source, cancelled=lambda: batch.cancelled, bundle=model,  # type: ignore[arg-type]
        )  # fmt: skip
        yield from (Line(o.name, o.case is not None, o.sentence) for o in told)

    work = batches.start(Batch("Adding studies", total), take_files, failed=say_failed)
    state.update(batch=work, files_wait=False, upload_version=state.current().upload_version + 1)


def analyse_all(codes: tuple[str, ...]) -> None:
    """Begin to analyse these cases, one after the other, each by the bundle that reads it."""
    store, owners = services.worklist(), casebook.owners()

    def explainer_of(case: WorklistCase) -> Explainer:
        return services.explainer(bundles.named(casebook.bundle_of(case)))

    work = Batch("Analysing", len(codes))
    state.update(
        batch=batches.start(work, lambda b: triage.triage(b, codes, store, explainer_of, owners), failed=say_failed)
    )


@st.fragment(run_every=1.0)
def follow_batch(done: int) -> None:
    """Progress; the page runs again with every case that has ended.

    Args:
        done: How many had ended when the page was drawn.
    """
    with boundary():
        work = state.current().batch
        if work is None:
            return
        batch_panel(work)
        if work.done or len(work.lines) > done:
            st.rerun()


@st.dialog("Remove this case?")
def ask_remove(case: WorklistCase) -> None:
    """Removal cannot be undone, so it is asked for."""
    with boundary():
        st.markdown(
            f"Case **{case.code}**: its values, its result and its pixels are removed from this machine and cannot be "
            "brought back. Ratings that were given of it stay in the ratings store, under their code."
        )
        with st.container(horizontal=True):
            if pressed("Remove", type="primary", icon=":material/delete:", key=f"remove-yes-{case.code}"):
                services.worklist().remove(case.code, casebook.owners())
                if state.current().case == case.code:
                    casebook.close()
                st.rerun()
            if pressed("Keep it", key=f"remove-no-{case.code}"):
                st.rerun()


def open_case(code: str) -> None:
    """Make it the open case and show it."""
    if state.current().case != code:
        casebook.keep()
        try:
            casebook.open_kept(code)
        except MmxaiError as error:  # its model is gone, or its answer cannot be read
            st.error(markdown_safe(sentence(error)), icon=":material/error:")
            return
    st.switch_page("views/case.py")


def change_model(case: WorklistCase, model: str) -> None:
    """Let another model read it; its answer goes, its values stay for the model that knows them."""
    if problem := services.problem_with(model):
        st.error(markdown_safe(problem), icon=":material/error:")
        return
    if state.current().case == case.code:
        casebook.read_by(model)
    else:
        casebook.hand_over(case, model)
    st.rerun()


def show_row(case: WorklistCase, now: datetime) -> None:
    """One case: its code opens it; the menu changes its priority or removes it."""
    opener, told, menu = st.columns([4, 20, 3], gap="small", vertical_alignment="center")
    with opener:
        mine = state.current().case == case.code
        if pressed(case.code, key=f"open-{case.code}", width="stretch", type="primary" if mine else "secondary",
                     help="Open this case" if not mine else "This case is open"):  # fmt: skip
            open_case(case.code)
    with told:
        st.html(worklist_rows.row(case, now, reads="" if only_own(case) else casebook.bundle_of(case)))
    with menu:
        reads = casebook.bundle_of(case)
        hand_over = {f"{_READ}{n}": f"Read with {n}" for n in bundles.offered() if n != reads}
        words = {k: v for k, v in _CHOICES.items() if k != "remove"} | hand_over | {"remove": _CHOICES["remove"]}
        chosen = st.menu_button(
            "Change", list(words), format_func=words.__getitem__, key=f"menu-{case.code}", width="stretch"
        )
        if chosen is not None and chosen in hand_over:
            change_model(case, chosen.removeprefix(_READ))
        elif chosen == "remove":
            ask_remove(case)
        elif chosen is not None:
            priority: Priority = chosen
            services.worklist().set_priority(case.code, casebook.owners(), priority)
            st.rerun()


def only_own(case: WorklistCase) -> bool:
    """True where the program offers one model only and that reads the case: it needs no mention."""
    return list(bundles.offered()) == [casebook.bundle_of(case)]


def standing(shown: tuple[WorklistCase, ...]) -> None:
    """The warnings of the models whose answers are on the page."""
    answered = {casebook.bundle_of(c) for c in shown if c.analysed is not None}
    for name in bundles.offered():
        if name in answered and not services.problem_with(name):
            say_warnings(name, services.bundle_warnings(bundles.named(name)))


def show_list(cases: tuple[WorklistCase, ...], shown: tuple[WorklistCase, ...]) -> None:
    """The cases that the query asks for, a page at a time."""
    if not cases:
        empty_state(
            "No case yet",
            "Add studies above (each file is one), take the samples, or open one on the Case page: it is kept here. "
            "A site may also name a watched folder (`MMXAI_WATCH`).",
        )
        return
    if not shown:
        empty_state("No case fits", f"{len(cases)} cases are in the list. Change the search or the filters.")
        return
    pages = (len(shown) + PAGE - 1) // PAGE
    number = 1
    if pages > 1:
        number = int(
            st.segmented_control("Page", range(1, pages + 1), default=1, required=True, key=f"wl-page-{pages}")
        )
    st.html(f'<div class="mmx-list-head">{worklist_rows.header()}</div>')
    now = datetime.now(UTC)
    for case in shown[(number - 1) * PAGE : number * PAGE]:
        show_row(case, now)
    standing(shown[(number - 1) * PAGE : number * PAGE])


def watched() -> str:
    """What the watched folder did, in one sentence; "" where none is watched."""
    watcher = services.watcher()
    if watcher is None:
        return ""
    told = f"Watched folder: {watcher.added} added since the program started."
    if watcher.refused:
        told += f" {watcher.refused} refused; the latest: {watcher.problem}"
    elif watcher.problem:
        told += f" {watcher.problem}"
    return told


def kept_words() -> str:
    """What is kept, and for how long."""
    settings = services.worklist_settings()
    pixels = (
        f"de-identified pixels for {settings.keep_days} days after a case was last opened" if settings.keep_pixels
        else "no pixels (this site keeps none: after a reload, open the file again)"
    )  # fmt: skip
    mapping = "" if settings.mapping is None else " This site also keeps a list of which code was which file."
    return (
        "Kept on this machine: a code in place of the name, clinical values, the result, and " + pixels + ". "
        "Text burned into a picture stays in it. *Remove case* removes all of it." + mapping
    )


def sign_in(reader: str) -> None:
    """The reader code, whose own cases the list then shows as well; without one, those of this browser."""
    raw = st.text_input(
        "Reader code", value=reader, placeholder="Reader code, e.g. R01", max_chars=32, key="wl-reader", width=210,
        label_visibility="collapsed", help="A pseudonym, never a name. With it you find your cases from any machine of "
        "this site.",
    )  # fmt: skip
    try:
        code = reader_code(raw) if raw.strip() else ""
    except StudyStoreError as error:
        st.error(markdown_safe(str(error)), icon=":material/error:")
        return
    if code == reader:
        return
    casebook.keep()
    state.update(reader=code)
    if code:
        st.query_params["reader"] = code
    elif "reader" in st.query_params:
        del st.query_params["reader"]
    st.rerun()


def main() -> None:
    """The page."""
    model_or_stop()
    session = state.current()
    # Asked once and before the list is read: whatever ends while the page is drawn is then drawn by the next run.
    work = session.batch
    running = work is not None and not work.done
    told_of = len(work.lines) if work is not None else 0
    cases = services.worklist().cases(casebook.owners())
    added = add_tools(
        version=session.upload_version, running=running, kept=kept_words(), offers=bundles.offered(),
        model=services.bundle_name(), samples=lambda name: len(services.samples(bundles.named(name))),
        expanded=session.files_wait or (not cases and session.batch is None),
    )  # fmt: skip
    if added is not None:
        add(added)
        st.rerun()
    if running:
        follow_batch(told_of)
    elif work is not None and batch_panel(work):
        state.update(batch=None)
        st.rerun()
    query = query_tools(session.query)
    shown = select(cases, query)
    state.update(query=query, queue=tuple(c.code for c in shown))
    new = tuple(c.code for c in shown if c.status == "new")
    with st.container(horizontal=True, vertical_alignment="center"):
        whose = f"of {session.reader} and of this site" if session.reader else "of this browser and of this site"
        st.markdown(f"**{len(shown)}** of {len(cases)} cases, {whose}.", width="stretch")
        sign_in(session.reader)
        if pressed(f"Analyse all new ({len(new)})", key="analyse-all", icon=":material/play_arrow:",
                     disabled=not new or running, type="primary"):  # fmt: skip
            analyse_all(new)
            st.rerun()
    if told := watched():
        st.caption(markdown_safe(told))
    show_list(cases, shown)


main()
