"""The reliability numbers of faithfulness, sanity and coherence, from what was measured; no forward pass."""

from __future__ import annotations

from collections.abc import Sequence

from mmxai_core.explain.reliability import NONE_MEASURED
from mmxai_core.explain.thresholds import Threshold, Thresholds
from mmxai_core.results import ReliabilityNumber
from mmxai_core.results.strip import CascadeStep, DeletionCurves, FieldRemoval


def curve_numbers(
    curves: DeletionCurves | None, *, thresholds: Thresholds = NONE_MEASURED
) -> tuple[ReliabilityNumber, ReliabilityNumber]:
    """Deletion and insertion against random regions: how much more the map's places move the probability.

    Args:
        curves: From `deletion_curves`; None: the map is empty.
        thresholds: The bundle's.
    """
    rows = (
        ("deletion_gain", "Deletion: lead over random regions", "Deleting what the map marks lowers the probability",
         "more than deleting random regions"),
        ("insertion_gain", "Insertion: lead over random regions", "Showing only what the map marks raises it",
         "more than showing random regions"),
    )  # fmt: skip
    empty = "Could not be computed: the map is empty."
    out = []
    for key, name, does, rival in rows:
        threshold = thresholds.of(key)
        if curves is None:
            out.append(ReliabilityNumber(name, None, threshold.value, True, empty, threshold.source))
            continue
        value = curves.deletion_gain if key == "deletion_gain" else curves.insertion_gain
        verdict = _against(value, threshold, f"{does} {rival}", f"{does} no {rival}: the map may miss what counts")
        part = f"{100 * curves.fractions[-1]:.0f} % of the image, {curves.how}"
        source = f"mean probability over the first {part}; {threshold.source}"
        out.append(ReliabilityNumber(name, value, threshold.value, True, verdict, source))
    return out[0], out[1]


def removal_number(
    removal: FieldRemoval | None, *, top: int, thresholds: Thresholds = NONE_MEASURED
) -> ReliabilityNumber:
    """Removing the top fields against random fields.

    Args:
        removal: From `field_removal`; None: too few known fields.
        top: How many are removed.
        thresholds: The bundle's.
    """
    name, threshold = f"Removal of the top {top} fields: lead over random fields", thresholds.of("field_gain")
    if removal is None:
        verdict = f"Could not be computed: it needs more than {top} known fields."
        return ReliabilityNumber(name, None, threshold.value, True, verdict, threshold.source)
    falls = (
        f"Without the top {top} fields the probability changes by {-100 * removal.drop:+.1f} points, "
        f"without {top} random fields by {-100 * removal.random_drop:+.1f}"
    )
    verdict = _against(removal.gain, threshold, falls, f"{falls}: the ranking of the fields is doubtful")
    source = f"all {removal.sets} sets of {top} known fields, image kept; {threshold.source}"
    return ReliabilityNumber(name, removal.gain, threshold.value, True, verdict, source)


def cascade_number(cascade: Sequence[CascadeStep], *, thresholds: Thresholds = NONE_MEASURED) -> ReliabilityNumber:
    """How alike the map is once every weight is random: low is good.

    Args:
        cascade: From `weight_randomisation`, at least one step.
        thresholds: The bundle's.
    """
    threshold, value = thresholds.of("randomisation"), cascade[-1].similarity
    verdict = (
        "With random weights the map is another one: it depends on what the model learned."
        if value < threshold.value
        else "With random weights the map stays alike: it may show the image rather than the model."
    )
    steps = ", ".join(f"{s.stage} {s.similarity:.2f}" for s in cascade)
    return ReliabilityNumber(
        "Map with random weights (Pearson)", value, threshold.value, False, verdict,
        f"weights made random from the output down: {steps}; {threshold.source}",
    )  # fmt: skip


def coherence_numbers(
    agreement: float | None, overlap: float | None, *, thresholds: Thresholds = NONE_MEASURED
) -> tuple[ReliabilityNumber, ReliabilityNumber]:
    """Whether image and clinical data say the same, and whether the fields look where the map finds evidence.

    Args:
        agreement: From `coherence.agreement`.
        overlap: From `coherence.attention_overlap`.
        thresholds: The bundle's.
    """
    at, where = thresholds.of("agreement"), thresholds.of("attention_overlap")
    missing = "Could not be computed: it needs an image and a known field that both contribute."
    if agreement is None:
        said = missing
    elif agreement < 0:
        said = "Image and clinical data point to different answers: look at both before trusting their sum."
    elif agreement < at.value:
        said = "Image and clinical data agree less than usual: one of them says little."
    else:
        said = "Image and clinical data point the same way."
    if overlap is None:
        looked = missing
    elif overlap >= where.value:
        looked = "The clinical fields look where the map finds evidence."
    else:
        looked = "The clinical fields look elsewhere than where the map finds evidence."
    return (
        ReliabilityNumber(
            "Agreement of image and clinical data", agreement, at.value, True, said,
            f"Shapley values in log-odds, 1 = same direction and size, -1 = opposite; {at.source}",
        ),
        ReliabilityNumber(
            "Fields' attention on the map (Pearson)", overlap, where.value, True, looked,
            f"attention of the known fields weighted by their contributions, and the Grad-CAM++ map; {where.source}",
        ),
    )  # fmt: skip


def _against(value: float, threshold: Threshold, good: str, bad: str) -> str:
    """The verdict on a lead over a random rival: it must be above 0 and not below the threshold."""
    if value > 0 and value >= threshold.value:
        return f"{good}."
    if value > 0:
        return f"{good}, but by less than usual for this model."
    return f"{bad}."
