"""The check of the input in a reader's words, from its rules and numbers."""

from __future__ import annotations

from dashboard.components.wording import measured_against, verdict
from mmxai_core.results import InputCheck, Prediction, PredictionSet
from mmxai_core.results.input_check import ImageCheck, InputFinding

#: Stands before a prediction that the check of the input does not let stand.
NOT_VALID = "Not valid for this image"

_PARTS = {
    "picture": "the look of the picture",
    "whole glance": "the image as a whole",
    "lesion glance": "the region of the second look",  # of another kind of image no lesion is spoken of
}


def stated(prediction: Prediction, check: InputCheck | None, kept: PredictionSet | None = None) -> str:
    """The prediction in words, taken back where the check of the input does not let it stand.

    Args:
        prediction: The prediction.
        check: Of its input: of another kind of input nothing is called.
        kept: The classes that cannot be ruled out; a model that abstains by them calls nothing either.
    """
    if check is not None and check.flagged:
        return f"{NOT_VALID}: {measured_against(prediction)}"
    return verdict(prediction, kept)


def finding_sentence(finding: InputFinding, image: ImageCheck | None = None) -> str:
    """One finding in a sentence.

    Args:
        finding: What was found.
        image: The image it was found in, for the scores behind it; None for a finding about the study.
    """
    if finding.rule != "unlike training images" or image is None or finding.value is None or finding.limit is None:
        return finding.sentence
    score = next((s for s in image.scores if s.name == "image"), None)
    parts = [s for s in image.scores if s.name in _PARTS]
    said = f"It is unlike the images the model learned from (score {finding.value:.1f}, limit {finding.limit:.1f})"
    if score is not None and score.tail is not None:
        share = "none" if not score.tail else f"only {100 * score.tail:.1f} %"
        said += (
            f": {share} of the training images set aside for testing {'lies' if not score.tail else 'lie'} as far out"
        )
    if parts:
        said += f". What differs most is {_PARTS[max(parts, key=lambda p: p.value).name]}"
    return said + "."


def check_sentences(check: InputCheck) -> tuple[str, ...]:
    """The verdict, then every finding, each once."""
    found = [finding_sentence(f) for f in check.findings]
    found += [finding_sentence(f, image) for image in check.images for f in image.findings]
    return tuple(dict.fromkeys([check.sentence, *found]))
