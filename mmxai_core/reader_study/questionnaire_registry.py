"""The questionnaires on offer, word for word, each with the terms of its use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mmxai_core.errors import StudyStoreError
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
QUESTIONNAIRES: Mapping[str, Questionnaire] = {q.id: q for q in (SUS, SCS, TRUST, TLX_RAW, TLX_WEIGHTED)}


def questionnaire(name: str) -> Questionnaire:
    """The questionnaire of that id.

    Raises:
        StudyStoreError: There is none.
    """
    if name not in QUESTIONNAIRES:
        raise StudyStoreError(f"Questionnaires are {', '.join(QUESTIONNAIRES)}; got {name!r}.")
    return QUESTIONNAIRES[name]
