"""One plain sentence for every term the interface uses, with where it comes from. For tooltips, pages and reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Term:
    """One entry.

    Attributes:
        name: As the interface writes it.
        text: One plain sentence.
        source: Where the term comes from.
        also: Other spellings under which it is found.
        group: Heading on the glossary page.
    """

    name: str
    text: str
    source: str
    also: tuple[str, ...] = ()
    group: str = "Answer"

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every way it is written."""
        return (self.name, *self.also)


_OURS = "This program's own definition"
_ANSWER, _EVIDENCE, _TRUST, _NUMBERS, _MODEL = (
    "The answer", "The evidence", "How far to trust it", "Performance", "The model",
)  # fmt: skip

TERMS: tuple[Term, ...] = (
    Term("Probability", "How likely the model takes the named class to be in this case, after calibration, from 0 to "
         "100 %.", "Guo et al. 2017, On Calibration of Modern Neural Networks", (), _ANSWER),
    Term("Calibration", "Adjusting the model's numbers so that, of cases given 70 %, about 70 in 100 have the finding.",
         "Guo et al. 2017", ("calibrated",), _ANSWER),
    Term("Temperature", "The one number that the model's raw scores are divided by to calibrate them; above 1 makes "
         "answers more cautious.", "Guo et al. 2017", ("temperature scaling",), _ANSWER),
    Term("Operating threshold", "The probability from which the model calls a case positive, chosen on validation "
         "data before testing.", "Youden 1950", ("operating point", "threshold"), _ANSWER),
    Term("Log-odds", "The logarithm of probability over one minus probability: 0 is even odds, and equal steps weigh "
         "equally wherever they start.", "Berkson 1944", ("logit", "log odds"), _ANSWER),
    Term("Conformal set", "The classes that cannot be left out if the true class is to be kept in, say, 9 of 10 cases.",
         "Vovk 2012; Angelopoulos and Bates 2023", ("prediction set", "conformal"), _ANSWER),
    Term("Coverage", "The share of cases whose true class is in the conformal set; here it is held within each class.",
         "Vovk 2012, Conditional validity of inductive conformal predictors", ("class-conditional coverage",), _ANSWER),
    Term("Abstention", "The model gives no single class, because its conformal set holds several or none.",
         "Chow 1970, On optimum recognition error and reject tradeoff", ("abstains", "abstained"), _ANSWER),
    Term("Out of distribution", "An input unlike those the model was trained on, for which its numbers mean little.",
         "Hendrycks and Gimpel 2017; Lee et al. 2018", ("not the model's kind of input", "OOD"), _ANSWER),
    Term("90 % range", "Where the probability would lie in 9 of 10 ways in which the unknown fields may turn out.",
         _OURS, ("range over unknown fields",), _ANSWER),
    Term("Uncertainty in bits", "How undecided the probabilities are, in bits: 0 is sure, 1 is a coin toss between two "
         "classes.", "Shannon 1948", ("entropy", "bit"), _ANSWER),
    Term("Branch weight", "The share that the model itself gave to the image and to the clinical data in this case.",
         "Arevalo et al. 2017, Gated Multimodal Units", ("modality weight", "image weight", "clinical weight"),
         _ANSWER),
    Term("Unknown", "A field without a value; the model has learned a token for it, so that nothing is filled in.",
         _OURS, (), _ANSWER),

    Term("Saliency map", "A picture of which places in the image moved the model's number.",
         "Simonyan et al. 2014", ("map",), _EVIDENCE),
    Term("Grad-CAM++", "A map of where the image features speak for the named class, from the gradients of its score.",
         "Chattopadhay et al. 2018, Grad-CAM++", ("Grad-CAM",), _EVIDENCE),
    Term("Attention", "The weights by which the model takes information from image places or fields; it says where "
         "from, not how used.", "Vaswani et al. 2017; Jain and Wallace 2019", (), _EVIDENCE),
    Term("Attention rollout", "The attention of all Transformer blocks multiplied through, to show which places reach "
         "the end.", "Abnar and Zuidema 2020", ("rollout",), _EVIDENCE),
    Term("Cross-modal attention", "How much each clinical field draws on each image place, and the image on fields.",
         "Vaswani et al. 2017", ("What the image asks of the fields", "What a field looks at"), _EVIDENCE),
    Term("Lesion map", "Where the model sees a lesion, learned from outlines by experts; it says where, not what.",
         "Shen et al. 2021, GMIC (the idea of a second look)", ("lesion region",), _EVIDENCE),
    Term("Second look", "The square around the lesion map's main spot, or the reader's own region, read again at full "
         "detail.", "Shen et al. 2021, GMIC", ("second glance", "lesion glance"), _EVIDENCE),
    Term("Shapley value", "Each input's fair share of the prediction: its mean effect over all orders in which inputs "
         "may become known.", "Shapley 1953; Lundberg and Lee 2017", ("SHAP", "contribution"), _EVIDENCE),
    Term("Waterfall", "A chart that walks from the answer with nothing known to this answer, input by input.",
         "Lundberg and Lee 2017", (), _EVIDENCE),
    Term("Base value", "The model's answer when no input is known: where the waterfall starts.",
         "Lundberg and Lee 2017", ("nothing known",), _EVIDENCE),
    Term("Residual", "What the contributions miss of the prediction; above 0.0001 the chart is withheld.",
         "Shapley 1953 (efficiency axiom)", ("additivity",), _EVIDENCE),
    Term("Interaction", "What two inputs say together beyond the sum of what each says alone.",
         "Grabisch and Roubens 1999", ("synergy",), _EVIDENCE),
    Term("Joint map", "The image evidence at the places a field looks at, weighted by what that field contributes.",
         _OURS, ("unified map", "multi-modal map"), _EVIDENCE),
    Term("Background", "Made-up typical records that an absent value may be replaced by, never a patient's.",
         "Lundberg and Lee 2017", ("background rows",), _EVIDENCE),
    Term("What-if", "The model's answer to this case with some values changed; it is not what treatment would do.",
         "Wachter et al. 2018", ("counterfactual",), _EVIDENCE),
    Term("Similar cases", "Training cases that look alike to the model; they show its memory, not a matched group.",
         "Chen et al. 2019, This Looks Like That (the idea)", ("similar training cases",), _EVIDENCE),

    Term("Reliability strip", "The row of tests of this explanation, each with its number, what it needs and its "
         "verdict.", _OURS, ("bar", "reliability check"), _TRUST),
    Term("Strength of the evidence", "The share of maps made where the model's weights mean nothing that are weaker "
         "than this map.", "Adebayo et al. 2018 (the idea)", ("evidence",), _TRUST),
    Term("SSIM", "Structural similarity of two pictures: 1 is the same, 0 unlike; here of the map before and after a "
         "small change.", "Wang et al. 2004", ("ssim_noise", "ssim_shift", "map stability"), _TRUST),
    Term("Pearson correlation", "How far two sets of numbers rise and fall together: 1 fully, 0 not at all.",
         "Pearson 1895", ("Pearson", "pearson_noise", "pearson_shift", "attribution stability"), _TRUST),
    Term("Deletion AUC", "The mean probability while the places the map marks are blurred away, strongest first; it "
         "should fall faster than for random places.", "Petsiuk et al. 2018, RISE",
         ("deletion", "deletion_gain", "faithfulness"), _TRUST),
    Term("Insertion AUC", "The mean probability while only the places the map marks are shown, strongest first; it "
         "should rise faster than for random places.", "Petsiuk et al. 2018, RISE", ("insertion", "insertion_gain"),
         _TRUST),
    Term("Lead over random", "How much better the explanation does than random places or fields; 0 is no better.",
         "Petsiuk et al. 2018; Tomsett et al. 2020", ("field_gain", "removal of the top fields"), _TRUST),
    Term("Random-weight test", "The map is drawn again with meaningless weights; a map that stays the same does not "
         "depend on learning.", "Adebayo et al. 2018, Sanity Checks for Saliency Maps",
         ("randomisation", "map with random weights", "weight randomisation"), _TRUST),
    Term("Agreement of image and clinical data", "Whether both point the same way: 1 the same, -1 the opposite.",
         _OURS, ("agreement",), _TRUST),
    Term("Fields' attention on the map", "Whether the clinical fields look where the map finds evidence.",
         _OURS, ("attention_overlap",), _TRUST),
    Term("Evidence inside the lesion region", "The share of the whole map, also of what is too faint to be coloured, "
         "inside the region that the model itself takes for the lesion.",
         "Wang et al. 2020, Score-CAM (energy-based pointing game)", ("inside_lesion", "coherence"), _TRUST),
    Term("Knock-out", "Hiding image blocks from a field, to see whether the places it attends to matter.",
         "Jain and Wallace 2019 (the question)", ("attention audit", "knockout"), _TRUST),

    Term("AUC", "The chance that a case with the finding gets a higher number than one without: 0.5 is guessing, 1 is "
         "perfect.", "Hanley and McNeil 1982", ("area under the ROC curve", "ROC"), _NUMBERS),
    Term("DeLong test", "Whether two AUCs on the same cases differ by more than chance.", "DeLong et al. 1988",
         ("DeLong",), _NUMBERS),
    Term("Sensitivity", "The share of cases with the finding that are called positive.", "Altman and Bland 1994",
         (), _NUMBERS),
    Term("Specificity", "The share of cases without the finding that are called negative.", "Altman and Bland 1994",
         (), _NUMBERS),
    Term("PPV", "The share of positive calls that are right; it falls where the finding is rarer.",
         "Altman and Bland 1994", ("positive predictive value",), _NUMBERS),
    Term("NPV", "The share of negative calls that are right; it falls where the finding is commoner.",
         "Altman and Bland 1994", ("negative predictive value",), _NUMBERS),
    Term("Accuracy", "The share of all calls that are right; it depends on how common the finding is.",
         "Altman and Bland 1994", (), _NUMBERS),
    Term("F1", "The harmonic mean of sensitivity and positive predictive value.", "van Rijsbergen 1979", (), _NUMBERS),
    Term("Brier score", "The mean squared distance of the probability from what came true: 0 is best.", "Brier 1950",
         ("Brier",), _NUMBERS),
    Term("ECE", "The mean gap between the probabilities given and the shares that came true, over bins; small samples "
         "make it look larger.", "Naeini et al. 2015; Roelofs et al. 2022", ("expected calibration error",), _NUMBERS),
    Term("95 % interval", "The range that resampling the patients gives in 95 of 100 repeats.",
         "Efron and Tibshirani 1993", ("CI", "confidence interval", "bootstrap"), _NUMBERS),
    Term("Cross-validation", "Training several times, each time testing on patients that were kept out.", "Stone 1974",
         ("out of fold", "folds"), _NUMBERS),
    Term("External test", "A test on cases from a site that the tested model never saw.", "Altman and Royston 2000",
         (), _NUMBERS),
    Term("Prevalence", "The share of cases that have the finding.", "Altman and Bland 1994", (), _NUMBERS),
    Term("Pointing game", "How often the map's strongest point lies in the lesion outline drawn by experts.",
         "Zhang et al. 2018, Excitation Backprop", ("hit",), _NUMBERS),
    Term("IoU", "Overlap of two areas: what they share over what they cover together.", "Jaccard 1912",
         ("intersection over union",), _NUMBERS),
    Term("N", "How many cases a number rests on.", _OURS, ("cases",), _NUMBERS),
    Term("SD", "Standard deviation: how far values typically lie from their mean.", "Pearson 1894", (), _NUMBERS),

    Term("Branch", "One of the model's two sides: the image branch and the clinical branch.", _OURS,
         ("image branch", "clinical branch"), _MODEL),
    Term("Token", "A list of numbers that stands for one image patch or one clinical field.", "Vaswani et al. 2017",
         ("field token", "image token"), _MODEL),
    Term("CNN", "A network of small filters that turns an image into feature maps.", "LeCun et al. 1998",
         ("convolutional network",), _MODEL),
    Term("Transformer", "Layers in which every token takes from all others what it needs, by attention.",
         "Vaswani et al. 2017", (), _MODEL),
    Term("Fusion", "Where image and clinical data meet: each asks the other by cross-attention, then a head answers.",
         _OURS, (), _MODEL),
    Term("Gate", "The part that sets how much the image and the clinical data weigh in this case.",
         "Arevalo et al. 2017", (), _MODEL),
    Term("Bundle", "The folder that holds a model with its fields, calibration, card and results, sealed by hashes.",
         _OURS, ("model bundle",), _MODEL),
    Term("SHA-256", "A fingerprint of a file: any change of the file changes it.", "FIPS 180-4", ("hash",), _MODEL),
    Term("Case capsule", "A file from which this very result can be computed again and compared, number by number.",
         _OURS, ("capsule",), _MODEL),
    Term("Model card", "A short account of what a model is for, what it was trained on, and how well it does.",
         "Mitchell et al. 2019", (), _MODEL),
    Term("Provenance", "What exactly produced a result: model, versions, device, seeds.", "W3C PROV 2013", (), _MODEL),
    Term("BI-RADS", "The American College of Radiology's categories for breast imaging findings.",
         "ACR BI-RADS Atlas, 5th edition, 2013", (), _MODEL),
)  # fmt: skip


def _index(terms: Iterable[Term]) -> Mapping[str, Term]:
    found: dict[str, Term] = {}
    for term in terms:
        for spelling in term.spellings:
            key = spelling.lower()
            if key in found:
                raise ValueError(f"The glossary has {spelling!r} under {found[key].name!r} and {term.name!r}.")
            found[key] = term
    return MappingProxyType(found)


_BY_SPELLING = _index(TERMS)
#: Longest spelling first, so that "Attention rollout" is not found as "Attention".
_ANY = re.compile(
    r"(?<![\w-])(" + "|".join(sorted(map(re.escape, _BY_SPELLING), key=len, reverse=True)) + r")(?![\w-])",
    re.IGNORECASE,
)


def term(name: str) -> Term:
    """The entry of a term, by any of its spellings or by the key of a reliability number.

    Raises:
        KeyError: The glossary has none.
    """
    return _BY_SPELLING[name.lower()]


def terms_in(text: str) -> tuple[Term, ...]:
    """Every term that a text uses, in order, each once."""
    found = [_BY_SPELLING[m.group(1).lower()] for m in _ANY.finditer(text)]
    return tuple(dict.fromkeys(found))


def tooltip(*names: str) -> str:
    """Definitions for a tooltip, one paragraph a term, with their sources.

    Args:
        names: Terms, by any spelling.

    Raises:
        KeyError: The glossary has one of them not.
    """
    return "\n\n".join(f"{t.name}: {t.text} ({t.source})" for t in dict.fromkeys(term(n) for n in names))


def groups() -> Mapping[str, tuple[Term, ...]]:
    """Terms by heading, in order."""
    found: dict[str, list[Term]] = {}
    for entry in TERMS:
        found.setdefault(entry.group, []).append(entry)
    return MappingProxyType({name: tuple(entries) for name, entries in found.items()})
