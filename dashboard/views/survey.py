"""Survey: what the reader made of the explanation; kept before the page says so."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import casebook, services, state
from dashboard.components.input_words import stated
from dashboard.components.pressing import pressed
from dashboard.components.ratings_table import ratings_table
from dashboard.components.survey_form import survey_form
from dashboard.jobs import Analysis
from dashboard.messages import NOT_SAVED, incident, markdown_safe, sentence
from dashboard.views.following import follow_job, parts_left_out
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.export import responses_csv
from mmxai_core.reader_study.instruments import PAPER_SURVEY
from mmxai_core.reader_study.store import RatedCase, SurveyResponse, reader_code


def rated_case(analysis: Analysis) -> RatedCase:
    """What a rating is about: pseudonyms and hashes."""
    explanation, prediction = analysis.explanation, analysis.prediction
    case = f"clinical-{explanation.id[:12]}" if analysis.study is None else analysis.study.sha256[:16]
    return RatedCase(
        case, explanation.id, prediction.versions.bundle, prediction.versions.bundle_sha256,
        prediction.predicted_class, prediction.probability,
    )  # fmt: skip


def sign_in() -> str:
    """The reader code, from this session or the address; "" while there is none."""
    session = state.current()
    known = session.reader or str(st.query_params.get("reader", ""))
    raw = st.text_input(
        "Reader code", value=known, placeholder="R01", max_chars=32, key="reader-code", width=260,
        help="A pseudonym given to you by the study's coordinator, never a name. It stays in this page's address, so "
        "that a reload finds your ratings.",
    )  # fmt: skip
    if not raw.strip():
        return ""
    code = reader_code(raw)
    if code != session.reader:
        state.update(reader=code)
    if st.query_params.get("reader") != code:
        st.query_params["reader"] = code
    return code


def ask(code: str, analysis: Analysis) -> None:
    """The form; on sending, the rating is committed and then confirmed."""
    about = rated_case(analysis)
    if state.current().survey_for != (code, about.explanation_id):
        state.fresh_survey(reader=code, explanation=about.explanation_id)
    session = state.current()
    check = analysis.explanation.input_check
    said = markdown_safe(stated(analysis.prediction, check, analysis.explanation.prediction_set))
    st.markdown(
        f"Case `{session.case or about.case_code}`: "
        + (f":gray[{said}]" if check is not None and check.flagged else said)
    )
    store = services.rating_store()
    earlier = [r for r in store.responses(reader=code, case_code=about.case_code)
               if r.about.explanation_id == about.explanation_id]  # fmt: skip
    if earlier:
        st.info("You have rated this explanation. A new answer replaces it; the old one stays on record.")
    running = session.job is not None
    if running:
        st.info("The rating can be saved once the analysis has ended.", icon=":material/hourglass:")
        follow_job(show=False)
    elif left_out := parts_left_out(analysis.explanation):
        st.warning(left_out, icon=":material/warning:")
    raw = survey_form(PAPER_SURVEY, key=session.survey_token, closed=running)
    if raw is None:
        return
    try:
        kept = store.save(
            reader=code, about=about, instrument=PAPER_SURVEY, answers=PAPER_SURVEY.answers(raw),
            opened_at=session.survey_opened, token=session.survey_token,
        )  # fmt: skip
    except StudyStoreError as error:
        st.error(markdown_safe(sentence(error, opening=NOT_SAVED)), icon=":material/error:")
        return
    st.success(
        f"Rating {kept.id} is saved ({kept.saved_at:%H:%M:%S} UTC, version {kept.iteration}).",
        icon=":material/check_circle:",
    )
    state.fresh_survey(reader=code, explanation=about.explanation_id)
    casebook.rated()
    link(about)


def link(about: RatedCase) -> None:
    """Note which case of the worklist was rated, so that the table below can name it as every page does."""
    try:
        services.worklist().link_rating(state.current().case, casebook.owners(), about.case_code)
    except StudyStoreError as error:  # the rating is kept, and is named by its own code then
        incident(error)


def worklist_codes(responses: Sequence[SurveyResponse]) -> dict[str, str]:
    """What the worklist calls the rated cases that it still has, by their codes in the ratings."""
    session, known = state.current(), {r.about.case_code for r in responses}
    try:
        codes = services.worklist().rated_codes(casebook.owners(), known)
    except StudyStoreError as error:  # the ratings are named by their own codes then
        incident(error)
        codes = {}
    if session.case and session.analysis is not None:  # ratings that are older than the note, of the case on hand
        codes[rated_case(session.analysis).case_code] = session.case
    return codes


def kept_ratings(code: str) -> None:
    """This reader's ratings, from the store."""
    responses = services.rating_store().responses(reader=code)
    everything = services.rating_store().responses(reader=code, current=False)
    st.subheader(f"Ratings kept for {code}", anchor=False)
    if not responses:
        st.caption("None yet.")
        return
    ratings_table(responses, PAPER_SURVEY, worklist_codes(responses))
    st.caption("In the CSV a case goes by a code of its own, from the hash of its study; so does one above that your "
               "worklist does not hold.")  # fmt: skip
    st.download_button(
        f"Download as CSV ({len(everything)} with earlier versions)", responses_csv(everything), f"ratings-{code}.csv",
        "text/csv", icon=":material/download:", on_click="ignore", key="csv",
    )  # fmt: skip


def main() -> None:
    """The page."""
    left, right = st.columns([6, 7], gap="large")
    with left:
        st.subheader(PAPER_SURVEY.title, anchor=False)
        code = sign_in()
        casebook.ask_for_pictures()  # after a reload: the answer is kept, its pictures are not
        analysis = state.current().analysis
        if analysis is None and state.current().job is not None:
            st.caption("The pictures of this case are being computed; then it can be rated.")
            follow_job(show=False)
        elif analysis is None:
            st.info("Nothing to rate in this session: analyse a case first.", icon=":material/info:")
            if pressed("Go to the case", key="to-case"):
                st.switch_page("views/case.py")
        elif not code:
            st.caption("Enter your reader code to see the questions.")
        else:
            ask(code, analysis)
    with right:
        if code:
            kept_ratings(code)


main()
