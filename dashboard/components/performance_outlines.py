"""Table 6 in words: lesion outlines stand in for a clinician, and this much of our map's evidence lies inside them."""

from __future__ import annotations

from dashboard.components.performance_source import Run
from mmxai_core.report.wording import percent

#: What Table 6 is about; no clinician judged the maps.
OUTLINES = "Agreement with lesion outlines (in a clinician's place)"


def evidence_inside(run: Run) -> tuple[str, ...]:
    """How much of our map's evidence lies inside the outlines and outside, in a sentence; () where not measured."""
    ours = {(v.reference, v.level) for v in run.metrics.verdicts}
    found = next((r for r in run.metrics.models if (r.model, r.level) in ours and r.localisation), None)
    x = found.localisation if found else None
    if found is None or x is None or x.energy.value is None:
        return ()
    reference = run.config.lesion_reference.partition(",")[0]
    spread = "" if x.energy.low is None or x.energy.high is None else (
        f" ({percent(x.energy.low)} to {percent(x.energy.high)})"
    )  # fmt: skip
    return (
        f"{found.label}: {percent(x.energy.value)}{spread} of the map's evidence lies inside {reference}, hence "
        f"{percent(1 - x.energy.value)} outside it. The reference covers {percent(x.lesion_share)} of the image: so "
        f"much a map without knowledge would have inside. n = {x.n:,} images.",
    )
