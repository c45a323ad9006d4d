"""What a bundle of a cohort is for, in words: its card, its metadata and the page that opens a study say it alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mmxai_core.cohorts.case import Cohort
from mmxai_core.results.standing import is_non_commercial


@dataclass(frozen=True)
class Purpose:
    """Words about a cohort's question.

    Attributes:
        reads: The kind of image, as a subject: "B-mode breast ultrasound".
        image: One study's image: "one B-mode ultrasound image".
        question: What the probability is of: "a breast lesion is malignant".
        cases: Which studies it may be shown, after "on".
        excluded: What it is not for, one sentence.
        readings: What the fields beyond history are, one sentence; "" where there are none to speak of.
    """

    reads: str
    image: str
    question: str
    cases: str
    excluded: str
    readings: str


_ULTRASOUND = Purpose(
    "B-mode breast ultrasound",
    "one B-mode ultrasound image",
    "a breast lesion is malignant",
    "B-mode breast ultrasound with a visible lesion",
    "Not for screening, not for images without a lesion, not for other modalities, not for men or children.",
    "Descriptor fields are a reader's description of the same image, and BI-RADS is a reader's own assessment, so that "
    "the rows with them measure reader + model.",
)
_DUKE = Purpose(
    "Contrast-enhanced breast MRI",
    "one slice of a contrast-enhanced breast MRI",
    "",
    "contrast-enhanced breast MRI of a cancer that is known already",
    "Not for detection, not for staging, not for other sequences or modalities.",
    "Descriptors are a reader's of the same images, and assessments come from tissue or examination, so that the rows "
    "with them measure those readings too.",
)
_GLIOMA = Purpose(
    "Brain MRI with FLAIR",
    "one slice of a brain MRI",
    "a lower-grade glioma is of WHO grade 3",
    "brain MRI of a lower-grade glioma that is known already",
    "Not for detection, not for tumours of other grades, not for other modalities, not for children.",
    "Descriptors are a reader's of the same images, so that the rows with them measure reader + model.",
)
_MAMMOGRAM = Purpose(
    "Digitised film mammography",
    "one mammogram",
    "a marked finding is malignant",
    "mammograms with a finding that a reader marked",
    "Not for screening, not for other modalities, not for men.",
    "Descriptors and BI-RADS are a reader's own, so that the rows with them measure reader + model.",
)
#: By cohort, and by cohort and task where it has several.
_KNOWN: dict[str | tuple[str, str], Purpose] = {
    "breast_lesions_usg": _ULTRASOUND,
    "bus_bra": _ULTRASOUND,
    "cbis_ddsm": _MAMMOGRAM,
    ("duke_breast_mri", "nodal_status"): Purpose(
        **{**_DUKE.__dict__, "question": "the lymph nodes of a known breast cancer are involved"}
    ),
    ("duke_breast_mri", "grade"): Purpose(**{**_DUKE.__dict__, "question": "a known breast cancer is of high grade"}),
    "tcga_lgg": _GLIOMA,
}


def purpose_of(cohort: Cohort) -> Purpose:
    """A known cohort's words; for a site's own data what its label says."""
    return known_purpose(cohort.name, cohort.task) or Purpose(
        f"Images of {cohort.name}",
        "one image",
        f"a case is {cohort.positive_class.replace('_', ' ')}",
        f"images such as those of {cohort.name}",
        "Not for other modalities, organs or questions.",
        "Fields that a reader filled in from the image measure the reader too.",
    )


def known_purpose(name: str, task: str = "") -> Purpose | None:
    """The words of a public cohort by its name; None of others. Without a task: those of the cohort's first."""
    of_name = [p for k, p in _KNOWN.items() if k == name or (isinstance(k, tuple) and k[0] == name and not task)]
    return _KNOWN.get((name, task)) or next(iter(of_name), None)


def intended_use(purpose: Purpose, licences: Iterable[str]) -> str:
    """What the bundle may be used for; whether its data's licences leave commercial use."""
    bound = (
        " Non-commercial use only, by the licence of its training data."
        if any(is_non_commercial(x) for x in licences)
        else ""
    )
    return (
        f"Research and demonstration of explained predictions on {purpose.cases}. Research use only, not for "
        f"diagnosis.{bound}"
    )
