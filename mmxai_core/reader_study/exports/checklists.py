"""DECIDE-AI and CLAIM 2024 for this study: an item is filled where the data show it, and "needs author" elsewhere.

Item numbers are those of the guidelines; the topics are in our own words. DECIDE-AI: Vasey et al., BMJ
2022;377:e070904. CLAIM 2024: Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmxai_core.reader_study.analysis.section import Section
from mmxai_core.reader_study.analysis.study_analysis import StudyAnalysis

FILLED, AUTHOR = "filled, with evidence", "needs author"

DECIDE_AI: Mapping[str, str] = {
    "1": "Title names an early clinical evaluation of AI decision support and its problem",
    "I": "Structured abstract",
    "2a": "Condition, problem, current practice, patients meant",
    "2b": "Users meant, place in the care pathway, expected impact",
    "II": "Objectives",
    "III": "Protocol, registration, ethics approval",
    "3a": "How patients (cases) were recruited; how their number was decided",
    "3b": "How users (readers) were recruited; how their number was decided",
    "3c": "How users were made familiar with the AI",
    "4a": "AI system: version, algorithm, training population, earlier performance",
    "4b": "Inputs of the AI: how acquired, entered, pre-processed; poor or missing data",
    "4c": "Outputs of the AI and how they were shown to users",
    "5a": "Setting in which the AI was evaluated",
    "5b": "Clinical workflow, timing of AI use, who decides in the end",
    "IV": "Primary and secondary outcomes",
    "6a": "How errors and malfunctions were defined and found",
    "6b": "How risks to patients were found, analysed and kept small",
    "7": "Human factors: tools, methods, frameworks, use cases, users",
    "V": "Statistical analysis of primary and secondary outcomes, and of further analyses",
    "8": "How ethical risks such as unfairness were handled",
    "VI": "Patient involvement",
    "9a": "Baseline of patients (cases); missing data",
    "9b": "Baseline of users (readers)",
    "10a": "User exposure to the AI, number of uses, adherence to the plan",
    "10b": "Changes of workflow caused by the AI",
    "VII": "Results of every outcome planned",
    "VIII": "Subgroup analyses",
    "11": "Changes of the AI or its platform during the study",
    "12": "Agreement of users with the AI; variation from its advice, minds changed by it",
    "13a": "Errors and malfunctions: rates, causes, whether they could be corrected",
    "13b": "Risks and harm observed",
    "14a": "Usability, by a recognised instrument",
    "14b": "Learning curves of users",
    "15": "Do the results support the intended use",
    "16": "Safety of the AI and what its errors mean",
    "IX": "Strengths and limitations",
    "17": "Whether and how data and code can be had",
    "X": "Conflicts of interest and role of the developer",
}
CLAIM: Mapping[str, str] = {
    "1": "Title or abstract names AI and its kind",
    "2": "Structured abstract",
    "3": "Background and intended use",
    "4": "Aims and hypotheses",
    "5": "Prospective or retrospective",
    "6": "Study goal",
    "7": "Data sources",
    "8": "Inclusion and exclusion criteria",
    "9": "Preprocessing of data",
    "10": "Selection of data subsets",
    "11": "De-identification",
    "12": "How missing data were handled",
    "13": "Image acquisition",
    "14": "How the reference standard was obtained",
    "15": "Why this reference standard",
    "16": "Source of the reference annotations",
    "17": "Annotation of the test set",
    "18": "Inter-rater and intra-rater variability",
    "19": "How data were assigned to partitions",
    "20": "Level at which partitions are disjoint",
    "21": "Intended sample size",
    "22": "Model: inputs, outputs, layers",
    "23": "Software libraries, frameworks, packages",
    "24": "Initial values of parameters",
    "25": "Training: augmentation, hyperparameters",
    "26": "Choice of the final model",
    "27": "Ensembling",
    "28": "Metrics of performance",
    "29": "Measures of significance and uncertainty",
    "30": "Robustness or sensitivity analysis",
    "31": "Methods of explainability",
    "32": "Test on internal data",
    "33": "Test on external data",
    "34": "Clinical trial registration",
    "35": "Numbers of patients or examinations included and excluded",
    "36": "Demographic and clinical characteristics by partition",
    "37": "Performance on all partitions",
    "38": "Estimates of performance with their precision",
    "39": "Failure analysis of wrong results",
    "40": "Limitations",
    "41": "Implications for practice",
    "42": "Full study protocol or further technical details",
    "43": "Where software, model and data can be had",
    "44": "Funding and role of the funders",
}


@dataclass(frozen=True)
class ChecklistItem:
    """One item of a guideline.

    Attributes:
        item: Number in the guideline.
        topic: In our own words.
        status: `FILLED` or `AUTHOR`.
        evidence: What the data show, and in which file; "" where the author must write it.
    """

    item: str
    topic: str
    status: str
    evidence: str


def checklist(analysis: StudyAnalysis, name: str) -> tuple[ChecklistItem, ...]:
    """Every item of a guideline; of simulated readers nothing is filled.

    Args:
        analysis: The study.
        name: "DECIDE-AI" or "CLAIM".
    """
    topics = DECIDE_AI if name == "DECIDE-AI" else CLAIM
    evidence = {} if analysis.simulated else (_decide if name == "DECIDE-AI" else _claim)(analysis)
    return tuple(
        ChecklistItem(i, topic, FILLED if evidence.get(i) else AUTHOR, evidence.get(i, ""))
        for i, topic in topics.items()
    )


def _lines(s: Section, most: int = 3) -> str:
    return "" if s.undefined else " ".join(s.lines[:most])


def _file(s: Section) -> str:
    return f" See results/{next(iter(s.tables))}.csv." if s.tables else ""


def _shown(s: Section, most: int = 3) -> str:
    text = _lines(s, most)
    return text + _file(s) if text else ""


def _bundles(a: StudyAnalysis) -> str:
    found = sorted(set(a.tables.readings["bundle_sha256"]) - {""})
    return f"Weights SHA-256 {', '.join(h[:16] for h in found)}; see the bundle's model card." if found else ""


def _methods(a: StudyAnalysis) -> str:
    notes = [
        s.notes[0]
        for s in a.sections
        if s.id in ("mrmc", "reliance", "confidence_time") and not s.undefined and s.notes
    ]
    return " ".join(notes) + f" {a.options.replicates} bootstrap replicates, seed {a.options.seed}." if notes else ""


def _decide(a: StudyAnalysis) -> dict[str, str]:
    p = a.prepared
    seeded = p is not None and bool((p.frame["seeded_wrong"] == 1).any())
    bundles = sorted(set(a.tables.readings["bundle_sha256"]) - {""})
    strata = a.tables.readers["stratum"]
    usability = a["questionnaires"]
    computed = ", ".join(s.title.lower() for s in a.sections[1:] if not s.undefined)
    return {
        "4a": _bundles(a),
        "IV": f"Outcomes computed: {computed}." if p else "",
        "6a": "Errors of the AI are cases where its class differs from the reference standard; planted errors are kept "
        "apart (column ai_seeded_wrong)." if p is not None and p.frame["ai"].notna().any() else "",
        "V": _methods(a),
        "9b": f"Readers by stratum: {strata[strata != ''].value_counts().to_dict()}." if (strata != "").any() else "",
        "10a": _lines(a["overview"], 4),
        "VII": _shown(a["mrmc"]) or _shown(a["accuracy"]),
        "11": "The model's weights did not change during the study (one SHA-256 in all readings)." if len(bundles) == 1
        else (f"The weights changed: {len(bundles)} hashes occur; say when and why." if bundles else ""),
        "12": _shown(a["reliance"], 4),
        "13a": a["overview"].lines[1] if p is not None and len(a["overview"].lines) > 1 and seeded else "",
        "14a": _shown(usability),
    }  # fmt: skip


def _claim(a: StudyAnalysis) -> dict[str, str]:
    p = a.prepared
    return {
        "12": "Blank ratings, times and answers are left out, never imputed; an incomplete questionnaire has no score. "
        + " ".join(f"Left out, because {why}: {n}." for why, n in (p.left_out.items() if p else ()))
        if p else "",
        "18": _shown(a["agreement"]),
        "21": _shown(a["planning"]) + " This is computed from the data, not before them: state what was planned."
        if not a["planning"].undefined else "",
        "22": _bundles(a),
        "28": "Sensitivity, specificity and AUC by reader and condition; reliance on the AI." if p else "",
        "29": _methods(a),
        "35": _lines(a["overview"], 1),
        "38": _shown(a["mrmc"]) or _shown(a["accuracy"]),
        "39": _shown(a["reliance"], 4),
    }  # fmt: skip
