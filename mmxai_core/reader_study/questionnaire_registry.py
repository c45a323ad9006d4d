"""The questionnaires on offer, word for word, each with the terms of its use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.instruments import PAPER_QUESTIONS, PAPER_SURVEY, Instrument
from mmxai_core.reader_study.questionnaires import Norm, Questionnaire, ScaleItem

_SUS_ITEMS = (
    "I think that I would like to use this system frequently.",
    "I found the system unnecessarily complex.",
    "I thought the system was easy to use.",
    "I think that I would need the support of a technical person to be able to use this system.",
    "I found the various functions in this system were well integrated.",
    "I thought there was too much inconsistency in this system.",
    "I would imagine that most people would learn to use this system very quickly.",
    "I found the system very cumbersome to use.",
    "I felt very confident using the system.",
    "I needed to learn a lot of things before I could get going with this system.",
)

#: Score = 2.5 x (sum of odd items - 1, and 5 - even items), 0 to 100.
SUS = Questionnaire(
    id="sus",
    version="1",
    title="System Usability Scale",
    source="Brooke J. SUS: a quick and dirty usability scale. In: Usability Evaluation in Industry, 1996, 189-194.",
    licence="Free to use where the source is named (copyright Digital Equipment Corporation, 1986).",
    items=tuple(ScaleItem(f"sus_{n}", text, reverse=n % 2 == 0) for n, text in enumerate(_SUS_ITEMS, start=1)),
    minimum=1,
    maximum=5,
    score_range=(0.0, 100.0),
    norm=Norm(68.0, 12.5, "Sauro J. A Practical Guide to the System Usability Scale, 2011 (about 500 studies)."),
)

_SCS_ITEMS = (
    "I found that the data included all relevant known causal factors with sufficient precision and granularity.",
    "I understood the explanations within the context of my work.",
    "I could change the level of detail on demand.",
    "I did not need support to understand the explanations.",
    "I found the explanations helped me to understand causality.",
    "I was able to use the explanations with my knowledge base.",
    "I did not find inconsistencies between explanations.",
    "I think that most people would learn to understand the explanations very quickly.",
    "I did not need more references in the explanations: e.g., medical guidelines, regulations.",
    "I received the explanations in a timely and efficient manner.",
)

#: Score = sum / 50, 0.2 to 1; no item is reversed.
SCS = Questionnaire(
    id="scs",
    version="1",
    title="System Causability Scale",
    source="Holzinger A, Carrington A, Müller H. Measuring the quality of explanations: the System Causability Scale. "
    "Künstliche Intelligenz 2020;34:193-198.",
    licence="CC BY 4.0; name the source.",
    items=tuple(ScaleItem(f"scs_{n}", text) for n, text in enumerate(_SCS_ITEMS, start=1)),
    minimum=1,
    maximum=5,
    score_range=(0.2, 1.0),
)

#: Trust in the AI; item 6 is reversed. Score = mean of the items, 1 to 5.
TRUST = Questionnaire(
    id="trust_xai",
    version="1",
    title="Trust Scale for the XAI Context",
    source="Hoffman RR, Mueller ST, Klein G, Litman J. Measures for explainable AI. Frontiers in Computer Science "
    "2023;5:1096257.",
    licence="CC BY 4.0; name the source and the change.",
    changes="“the [tool]” reads “the AI”.",
    items=(
        ScaleItem("trust_1", "I am confident in the AI. I feel that it works well."),
        ScaleItem("trust_2", "The outputs of the AI are very predictable."),
        ScaleItem("trust_3", "The AI is very reliable. I can count on it to be correct all the time."),
        ScaleItem("trust_4", "I feel safe that when I rely on the AI I will get the right answers."),
        ScaleItem("trust_5", "The AI is efficient in that it works very quickly."),
        ScaleItem("trust_6", "I am wary of the AI.", reverse=True),
        ScaleItem("trust_7", "The AI can perform the task better than a novice human user."),
        ScaleItem("trust_8", "I like using the AI for decision making."),
    ),
    minimum=1,
    maximum=5,
    score_range=(1.0, 5.0),
)

#: Satisfaction with the explanations. Score = mean of the items, 1 to 5.
ESS = Questionnaire(
    id="ess",
    version="1",
    title="Explanation Satisfaction Scale",
    source="Hoffman RR, Mueller ST, Klein G, Litman J. Measures for explainable AI. Frontiers in Computer Science "
    "2023;5:1096257.",
    licence="CC BY 4.0; name the source and the change.",
    changes="“the [software, algorithm, tool]” reads “the AI”.",
    items=tuple(
        ScaleItem(f"ess_{n}", text)
        for n, text in enumerate(
            (
                "From the explanation, I understand how the AI works.",
                "This explanation of how the AI works is satisfying.",
                "This explanation of how the AI works has sufficient detail.",
                "This explanation of how the AI works seems complete.",
                "This explanation of how the AI works tells me how to use it.",
                "This explanation of how the AI works is useful to my goals.",
                "This explanation of the AI shows me how accurate the AI is.",
                "This explanation lets me judge when I should trust and not trust the AI.",
            ),
            start=1,
        )
    ),
    minimum=1,
    maximum=5,
    score_range=(1.0, 5.0),
)

_DISTRUST = tuple(f"jian_{n}" for n in range(1, 6))
_TRUST = tuple(f"jian_{n}" for n in range(6, 13))

#: Trust and distrust apart: items 1 to 5 speak of distrust, 6 to 12 of trust. Score = mean, distrust reversed, 1 to 7.
JIAN = Questionnaire(
    id="jian_trust",
    version="1",
    title="Checklist for Trust between People and Automation",
    source="Jian JY, Bisantz AM, Drury CG. Foundations for an empirically determined scale of trust in automated "
    "systems. International Journal of Cognitive Ergonomics 2000;4:53-71.",
    licence="The wording is the publisher's: the site supplies it, under a licence of its own.",
    items=tuple(
        ScaleItem(name, "", "not at all", "extremely", reverse=name in _DISTRUST) for name in (*_DISTRUST, *_TRUST)
    ),
    minimum=1,
    maximum=7,
    score_range=(1.0, 7.0),
    parts=(("distrust", _DISTRUST), ("trust", _TRUST)),
)

#: Raw NASA-TLX: the mean of six ratings, 0 to 100. High performance ratings mean failure, as published.
TLX_RAW = Questionnaire(
    id="nasa_tlx_raw",
    version="1",
    title="NASA Task Load Index, raw",
    source="Hart SG, Staveland LE. Development of NASA-TLX. Advances in Psychology 1988;52:139-183. Raw score: Hart "
    "SG. NASA-Task Load Index; 20 years later. Proc. HFES 2006;50:904-908.",
    licence="Public domain (work of the US government).",
    items=(
        ScaleItem("mental_demand", "How mentally demanding was the task?", "very low", "very high"),
        ScaleItem("physical_demand", "How physically demanding was the task?", "very low", "very high"),
        ScaleItem("temporal_demand", "How hurried or rushed was the pace of the task?", "very low", "very high"),
        ScaleItem(
            "performance", "How successful were you in accomplishing what you were asked to do?", "perfect", "failure"
        ),
        ScaleItem(
            "effort", "How hard did you have to work to accomplish your level of performance?", "very low", "very high"
        ),
        ScaleItem(
            "frustration",
            "How insecure, discouraged, irritated, stressed, and annoyed were you?",
            "very low",
            "very high",
        ),
    ),
    minimum=0,
    maximum=100,
    whole=False,
    score_range=(0.0, 100.0),
)

#: Weighted NASA-TLX: sum(weight x rating)/15, the weights from 15 comparisons of two items each.
TLX_WEIGHTED = replace(TLX_RAW, id="nasa_tlx_weighted", title="NASA Task Load Index, weighted", scoring="weighted")

#: Every questionnaire, by id.
QUESTIONNAIRES: Mapping[str, Questionnaire] = {q.id: q for q in (SUS, SCS, ESS, TRUST, JIAN, TLX_RAW, TLX_WEIGHTED)}


#: The paper's two questions as a form of its own; each speaks for itself.
PAPER_FORM = Questionnaire(
    id=PAPER_QUESTIONS.id, version=PAPER_QUESTIONS.version, title=PAPER_QUESTIONS.title, source=PAPER_QUESTIONS.source,
    licence="The paper's.", items=tuple(ScaleItem(i.id, i.text, i.low, i.high) for i in PAPER_QUESTIONS.items),
    minimum=1, maximum=5, score_range=(1.0, 5.0), scoring="none",
)  # fmt: skip

#: What a reading session can ask between cases, by id: those whose wording is there.
SESSION_FORMS: Mapping[str, Questionnaire] = {q.id: q for q in QUESTIONNAIRES.values() if q.has_wording} | {
    PAPER_FORM.id: PAPER_FORM
}


def session_form(name: str) -> Questionnaire:
    """The questionnaire that a session asks under an id.

    Raises:
        StudyStoreError: A session cannot ask it.
    """
    if name not in SESSION_FORMS:
        raise StudyStoreError(f"A session can ask {', '.join(SESSION_FORMS)}; got {name!r}.")
    return SESSION_FORMS[name]


def questionnaire(name: str) -> Questionnaire:
    """The questionnaire of that id.

    Raises:
        StudyStoreError: There is none.
    """
    if name not in QUESTIONNAIRES:
        raise StudyStoreError(f"Questionnaires are {', '.join(QUESTIONNAIRES)}; got {name!r}.")
    return QUESTIONNAIRES[name]


def custom_questionnaire(
    name: str, title: str, items: Mapping[str, str], *, minimum: int = 1, maximum: int = 5, version: str = "1"
) -> Questionnaire:
    """A site's own questions, without a score: each item speaks for itself.

    Args:
        name: snake_case id, not one of the registry's.
        title: For people.
        items: Wording by snake_case item id.
        minimum: Lowest answer, a whole number.
        maximum: Highest answer.
        version: Changes with any word.

    Raises:
        StudyStoreError: An id or a text is blank, ill-formed or taken, or the scale has fewer than 2 steps.
    """
    for one in (name, *items):
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", one) or one.startswith("pair__"):
            raise StudyStoreError(f"An id has 1 to 64 small letters, digits and underscores; got {one!r}.")
    if name in QUESTIONNAIRES:
        raise StudyStoreError(f"The id {name!r} belongs to {QUESTIONNAIRES[name].title}; choose another.")
    if not items or not title.strip() or not all(t.strip() for t in items.values()):
        raise StudyStoreError(f"Questionnaire {name!r} needs a title and at least one question, none of them blank.")
    if not minimum < maximum:
        raise StudyStoreError(f"The scale of {name!r} needs at least 2 steps; got {minimum} to {maximum}.")
    return Questionnaire(
        id=name, version=version, title=title.strip(), source="The site's own questions.", licence="The site's own.",
        items=tuple(ScaleItem(i, t.strip()) for i, t in items.items()), minimum=minimum, maximum=maximum,
        score_range=(float(minimum), float(maximum)), scoring="none",
    )  # fmt: skip


#: Every instrument that a session can ask as it stands: the paper's, and the questionnaires whose wording is free.
INSTRUMENTS: Mapping[str, Instrument] = {PAPER_SURVEY.id: PAPER_SURVEY, PAPER_QUESTIONS.id: PAPER_QUESTIONS} | {
    q.id: q.as_instrument() for q in QUESTIONNAIRES.values() if q.has_wording
}
