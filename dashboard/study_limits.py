"""What keeps this program, on this machine, from running a protocol that is valid in itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dashboard.study_ai import BESIDE_PLACEBO, TURNED
from dashboard.study_files import missing_images
from mmxai_core.errors import ClinicalValueError
from mmxai_core.reader_study.protocol import Arm, Case, Protocol
from mmxai_core.reader_study.questionnaire_registry import SESSION_FORMS

if TYPE_CHECKING:
    from mmxai_core.clinical import ClinicalSchema
    from mmxai_core.model.bundle import Bundle

#: Explanations the session page can show.
SHOWN = (
    "saliency", "attribution", "cross_modal", "unified", "joint", "rollout", "similar", "reliability", "uncertainty",
)  # fmt: skip


def problems_here(protocol: Protocol, bundle: Bundle) -> tuple[str, ...]:
    """One sentence for each obstacle, said before a study starts and not to a reader in it.

    Args:
        protocol: A valid one.
        bundle: The model that runs here.
    """
    found = [p for arm in protocol.arms for p in _arm(arm)]
    others = set(bundle.classes) - {bundle.positive_class}
    if protocol.negative == bundle.positive_class or protocol.positive in others:
        found.append(
            f"Positive class: the AI's probability is of {bundle.positive_class!r}; the protocol calls "
            f"{protocol.positive!r} positive."
        )
    if protocol.bundle_sha256 not in ("", bundle.sha256):
        found.append(
            f"The protocol is for the bundle {protocol.bundle_sha256[:8]}; this program runs {bundle.sha256[:8]}. "
            "Start it with MMXAI_BUNDLE set to the protocol's, or open the protocol file without bundle_sha256."
        )
    found += [
        f"Questionnaire {i.id}: a session cannot ask it; choose of {', '.join(SESSION_FORMS)}."
        for i in protocol.instruments if i.id not in SESSION_FORMS
    ]  # fmt: skip
    found += [p for c in protocol.cases if (p := _case(c, bundle.schema))]
    return (*found, *missing_images(protocol.cases))


def _arm(arm: Arm) -> Iterator[str]:
    for name in arm.explanations:
        if name not in SHOWN:
            yield f"Arm {arm.id}: a session cannot show {name!r}; choose of {', '.join(SHOWN)}."
        elif arm.wrong_share and name not in TURNED:
            yield (
                f"Arm {arm.id}: take out {name!r}. It cannot be turned with a wrong AI, and to leave it out of those "
                "readings alone would give them away."
            )
        elif arm.placebo_share and name not in BESIDE_PLACEBO:
            yield f"Arm {arm.id}: take out {name!r}. Beside a placebo map it would contradict it."


def _case(case: Case, schema: ClinicalSchema) -> str:
    if unknown := [k for k in case.clinical if k not in schema.ids]:
        return f"Case {case.id}: the model knows no clinical field {unknown[0]!r}."
    try:
        record = schema.record(dict(case.clinical))
    except ClinicalValueError as error:
        return f"Case {case.id}: {error}"
    return "" if case.image or record.values else f"Case {case.id} has neither an image nor a clinical value."
