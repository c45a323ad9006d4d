"""How many studies the input check flags: intruders should all be, real ones hardly ever."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.explain.input_check import check_input
from mmxai_core.model.reference import InputReference
from mmxai_core.predict import Predictor
from mmxai_core.study import Study


@dataclass(frozen=True)
class FlagCount:
    """What was flagged of a set of studies.

    Attributes:
        studies: How many were checked.
        flagged: Names of those flagged, in order.
        passed: Names of those not flagged, in order.
    """

    studies: int
    flagged: tuple[str, ...]
    passed: tuple[str, ...]

    @property
    def share(self) -> float | None:
        """Part flagged, in [0, 1]; None where nothing was checked."""
        return len(self.flagged) / self.studies if self.studies else None


def count_flags(
    predictor: Predictor,
    studies: Iterable[tuple[str, Study]],
    *,
    inputs: InputReference | None,
    read_header: bool = False,
) -> FlagCount:
    """Checks each study. One image encoding an image.

    Args:
        predictor: The bundle on its device.
        studies: (name, study).
        inputs: `Reference.inputs` of the bundle.
        read_header: False: the DICOM modality is hidden, so that the pixels alone must tell.
    """
    flagged: list[str] = []
    passed: list[str] = []
    for name, study in studies:
        shown = study if read_header else replace(study, modality=None)
        check = check_input(predictor.encode(shown), ClinicalRecord(), inputs=inputs, planes=predictor.bundle.planes)
        (flagged if check.flagged else passed).append(name)
    return FlagCount(len(flagged) + len(passed), tuple(flagged), tuple(passed))
