"""A short account of one explanation in clinical words, made from its numbers by templates.

A sentence is allowed by the checks behind it (`mmxai_core.report.checks`): a failed check weakens it, a missing one is
named, and an input of the wrong kind is said first and silences the evidence altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mmxai_core.figures.evidence_colour import coloured_inside
from mmxai_core.report.checks import Check, Support, checks
from mmxai_core.report.wording import about, class_name, likelihood, percent, verdict
from mmxai_core.results import Explanation, Prediction, PredictionSet
from mmxai_core.results.certainty import BranchView
from mmxai_core.results.typography import listed, share

#: Contributions below this many log-odds are not named: they change a probability by less than 2.5 points.
NAMED = 0.1
#: No more sentences than this.
MOST = 6
#: Why the place of the evidence is not stated, by failed check; the first that failed is said.
_NO_PLACE = {
    "evidence": "the map is no stronger than maps that mean nothing",
    "randomisation": "the map hardly depends on what the model learned",
    "deletion_gain": "deleting what the map marks matters no more than chance",
    "insertion_gain": "showing what the map marks matters no more than chance",
    "ssim_noise": "the map changes when noise is added",
    "ssim_shift": "the map changes when the image moves slightly",
}
_NO_ACCOUNT = {
    "pearson_noise": "they change when noise is added",
    "pearson_shift": "they change when the image moves slightly",
    "field_gain": "removing the largest matters no more than usual for random fields",
}


@dataclass(frozen=True)
class Summary:
    """What may be said of one explanation.

    Attributes:
        sentences: Three to six, the most important first.
        cannot_tell: What the explanation cannot tell, one sentence each.
    """

    sentences: tuple[str, ...]
    cannot_tell: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentences as one paragraph."""
        return " ".join(self.sentences)


def summarise(
    explanation: Explanation, labels: Mapping[str, str], *, check_name: Callable[[str], str] = str
) -> Summary:  # fmt: skip
    """The summary of an explanation.

    Args:
        explanation: The explanation; parts that are missing are said to be missing.
        labels: What to call each player, e.g. "Age: 57 years"; one without a label is called by its id.
        check_name: What a check is called where the summary is read; as in the result, if not given.
    """
    check = explanation.input_check
    if check is not None and check.flagged:
        return Summary(_wrong_kind(explanation), limits(explanation))
    support, made = Support.of(explanation), checks(explanation)
    caution, spread, tally = _caution(explanation), _range(explanation), _tally(made, check_name)
    evidence = (_account(explanation, support, labels), _place(explanation, support, made))
    kept = [s for s in (caution, *_answer(explanation), spread, *evidence, tally) if s]
    while len(kept) > MOST:  # the page itself shows both
        kept.remove(spread if spread in kept else tally)
    return Summary(tuple(kept), limits(explanation))


def _wrong_kind(explanation: Explanation) -> tuple[str, ...]:
    """An input the model was not made for: said first; its number is given, its evidence is not described."""
    check, prediction = explanation.input_check, explanation.prediction
    assert check is not None
    said = [check.sentence]
    said += [s for s in check.sentences[1:2] if s]
    name = class_name(prediction.positive_class)
    said.append(
        f"The model still gives {percent(prediction.probability)} {name}, but neither that number nor its "
        "stated share of wrong exclusions holds for such an input."
    )
    said.append("Maps and contributions are shown to examine the model, not the patient.")
    return tuple(said)


def _caution(explanation: Explanation) -> str:
    """The first thing that is off with an input that is of the right kind."""
    check = explanation.input_check
    if check is None:
        return ""
    found = [f.sentence for f in check.findings] + [f.sentence for i in check.images for f in i.findings]
    return _first_sentence(found[0]) if found else ""


def _first_sentence(text: str) -> str:
    head, stop, _ = text.partition(". ")
    return head + "." if stop else text


def _answer(explanation: Explanation) -> tuple[str, ...]:
    """The answer with what the prediction set allows: a call, an abstention, or a call of unknown certainty."""
    prediction, kept = explanation.prediction, explanation.prediction_set
    p, name = prediction.probability, class_name(prediction.positive_class)
    call = _call(prediction)
    if kept is None:
        return call, "How sure that may be was not computed."
    if kept.outcome == "not_calibrated":
        return call, kept.sentence.replace(". No class", "; no class")
    number = f"The probability of {name} is {percent(p)} ({likelihood(p)})"
    allowed = f"({percent(1 - kept.coverage)} of each class may be ruled out wrongly)"
    if kept.outcome == "several":
        named = [class_name(c) for c in kept.classes]
        ruled = f"neither {named[0]} nor {named[1]}" if len(named) == 2 else f"none of {listed(named)}"
        return f"The model abstains: {ruled} can be ruled out {allowed}.", f"{number}."
    if kept.outcome == "none":
        return f"The model abstains: no class is usual for a case like this {allowed}.", f"{number}."
    if kept.classes[0] != prediction.predicted_class:
        cut = percent(prediction.threshold)
        return (f"{number}; the operating threshold of {cut} and the prediction set disagree: take it as undecided.",)
    return call, _kept_one(kept, prediction)


def _call(prediction: Prediction) -> str:
    """`verdict` in one sentence."""
    first, _, second = verdict(prediction).partition(". ")
    return f"{first}; {second[:1].lower()}{second[1:]}"


def _kept_one(kept: PredictionSet, prediction: Prediction) -> str:
    """A set of one class in words: what share of the others is wrongly ruled out like this, asked and measured."""
    others = [c for c in prediction.classes if c not in kept.classes]
    only = class_name(kept.classes[0])
    parts = []
    for other in others:
        entry = kept.by_class.get(other)
        wrong = f"about {percent(1 - kept.coverage)} of {class_name(other)} cases are wrongly left out in this way"
        if entry is not None and entry.measured is not None:
            wrong += f" ({percent(1 - entry.measured)} when measured)"
        parts.append(wrong)
    return f"Only {only} is kept; {listed(parts)}."


def case_view(explanation: Explanation) -> BranchView | None:
    """The view of the case as it is, with its range over the unknown fields; None where it was not computed."""
    if explanation.branches is None:
        return None
    return next((v for v in explanation.branches.views if v.is_case), None)


def _range(explanation: Explanation) -> str:
    """What the unknown fields may still change."""
    view, cut = case_view(explanation), explanation.prediction.threshold
    if view is None or not view.unknown:
        return ""
    fields = "field turns" if view.unknown == 1 else "fields turn"
    text = f"Depending on how the {view.unknown} unknown {fields} out, the probability may "
    if percent(view.low) == percent(view.high):
        text += f"be {about(view.low)} (90 % range)"
    else:
        text += f"lie from {percent(view.low)} to {percent(view.high)} (90 % range)"
    if view.low < cut <= view.high:
        text += ", on either side of the operating threshold"
    return f"{text}."


def _account(explanation: Explanation, support: Support, labels: Mapping[str, str]) -> str:
    """What moved the number, as far as the account holds."""
    account, target = explanation.attribution, class_name(explanation.target_class)
    if account.withheld:
        return "The contributions do not add up to the prediction and are withheld."
    if explanation.strip is None:
        return "The contributions were not tested in this case, and none is named here."
    if failed := support.account_failed:
        reason = next(text for key, text in _NO_ACCOUNT.items() if key in failed)
        return f"No contribution is named: {reason}."
    if explanation.prediction.image_index is not None and support.untested("pearson_noise", "pearson_shift"):
        return "No contribution is named: how stable they are could not be tested."
    ranked = sorted(zip(account.players, account.values, strict=True), key=lambda row: -abs(float(row[1])))
    toward = [labels.get(p, p) for p, v in ranked if v >= NAMED][:2]
    away = [labels.get(p, p) for p, v in ranked if v <= -NAMED][:2]
    if not toward and not away:
        return f"No single input moved the model's number for {target} by much."
    said = []
    if toward:
        said.append(f"for {target} most: {listed([_quoted(t) for t in toward])}")
    if away:
        said.append(f"against it: {listed([_quoted(a) for a in away])}")
    text = f"In the model's account, what spoke {'; '.join(said)}"
    if not toward:
        text = f"In the model's account, what spoke against {target} most: {listed([_quoted(a) for a in away])}"
    if support.by_key.get("agreement") is False:
        value = next((c.number.value for c in checks(explanation) if c.key == "agreement"), None)
        if value is not None and value < 0:
            text += "; image and clinical data point to different answers"
    return f"{text}."


def _quoted(label: str) -> str:
    """A label inside a sentence: "Palpable lump: yes" -> "Palpable lump (yes)"."""
    head, colon, tail = label.partition(": ")
    return f"{head} ({tail})" if colon else head


def _place(explanation: Explanation, support: Support, made: Sequence[Check]) -> str:
    """Where the image's evidence lies, as far as the map holds."""
    saliency = explanation.saliency
    whose = "" if saliency is None else f"the map's evidence for {class_name(saliency.target_class)}"
    if saliency is None:
        return "" if explanation.prediction.image_index is not None else "No image was given: there is no map."
    if explanation.strip is None:
        return "The map was not tested in this case: it supports no statement about place."
    if failed := support.place_failed:
        reason = next(text for key, text in _NO_PLACE.items() if key in failed)
        return f"The map supports no statement about place: {reason}."
    untested = support.untested("randomisation", "deletion_gain", "insertion_gain", "ssim_noise", "ssim_shift")
    if untested:
        return "The map supports no statement about place: not every test of it could be made."
    inside = next((c for c in made if c.key == "inside_lesion"), None)
    if inside is None or inside.number.value is None or inside.passed is None:
        return f"How much of {whose} lies in the region that the model takes for the lesion is not known."
    share, coloured = percent(inside.number.value), coloured_inside(explanation)
    counts = "counting what is too faint to be coloured" + (
        f"; {percent(coloured)} of the colour as drawn lies inside the outline" if coloured is not None else ""
    )
    if not inside.passed:
        return (
            f"Only {share} of {whose} lies in the region that the model takes for the lesion ({counts}): a reason to "
            "doubt the prediction."
        )
    text = f"Of {whose}, {share} lies in the region that the model takes for the lesion ({counts})"
    if support.by_key.get("evidence") is None:
        text += "; whether it is stronger than in maps that mean nothing was not tested"
    return f"{text}."


def _tally(made: Sequence[Check], check_name: Callable[[str], str]) -> str:
    """How many checks pass."""
    judged = [c for c in made if c.passed is not None]
    if not judged:
        return "No reliability check was made."
    failed = [check_name(c.number.name) for c in judged if not c.passed]
    count = len(judged) - len(failed)
    if failed and len(judged) == 1:
        return f"The one reliability check fails: {failed[0]}."
    text = share(count, len(judged), "reliability check", "pass").capitalize()
    if len(failed) > 2:
        return f"{text}; among those that fail: {failed[0]}."
    return f"{text}; {'fails' if len(failed) == 1 else 'fail'}: {listed(failed)}." if failed else f"{text}."


#: What no explanation on the page can tell (DESIGN §4; saliency maps fail trust tests: Arun et al. 2021).
ALWAYS = (
    "A map shows what moved the model's score, not where disease is. Colour outside a lesion is a reason to doubt the "
    "prediction; colour inside it is no proof.",
    "Attention shows where information was taken from, not how it was used.",
    "A contribution says what the model did with a value, not that the value causes disease.",
    "The pictures explain this model. They do not say whether it is right in this patient.",
)


def limits(explanation: Explanation) -> tuple[str, ...]:
    """What this explanation cannot tell, one sentence each; what belongs to this case comes first.

    Args:
        explanation: The explanation.
    """
    prediction, kept, found = explanation.prediction, explanation.prediction_set, []
    if explanation.input_check is not None and not explanation.input_check.measured:
        found.append(
            "Whether the case resembles the training cases is not known: the bundle has no statistics of them."
        )
    if explanation.input_check is not None:
        images = [f for image in explanation.input_check.images for f in image.findings]
        found += dict.fromkeys(f.sentence for f in images if f.rule == "training image")
    if prediction.image_index is None:
        found.append("No image was read: nothing here speaks of its findings.")
    elif len(prediction.image_scores) > 1:
        found.append(f"The maps are of one of {len(prediction.image_scores)} images: the one with the highest score.")
    if kept is None or kept.outcome == "not_calibrated":
        found.append("How often such a call is right is not known: it was not measured for such inputs.")
    if prediction.unknown_fields:
        n = len(prediction.unknown_fields)
        found.append(f"{n} clinical {'field is' if n == 1 else 'fields are'} unknown; the model has not seen them.")
    return (*found, *ALWAYS)
