"""The nearest cases of a cohort that is on disk, with their images: kept by the session that asks, never shipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.cohorts.case import Cohort
from mmxai_core.errors import CohortError
from mmxai_core.evaluation.cases import open_case
from mmxai_core.explain.fused_space import block_scale, fused_vectors
from mmxai_core.model.encoded import EncodedStudy, concatenate, select, to_device
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.worker import Cancelled, Progress
from mmxai_core.predict import Predictor
from mmxai_core.results.similar import SimilarCase, SimilarCases
from mmxai_core.types import GreyImage

#: Mean difference of display grey below which two pictures are one: saved twice, BrEaST's differ by 0.002 at most.
SAME = 0.005
#: Cases fused in one pass.
BATCH = 32
SEMANTICS = (
    "Nearness in what the model's last layers read (image, clinical data and what each took from the other), every "
    "case of the cohort seen with only the fields that are known here."
)


def trained_cohorts(metadata: Mapping[str, object]) -> tuple[str, ...]:
    """Names of the cohorts that a bundle says it learned from, each once.

    Args:
        metadata: The bundle's.
    """
    rows = metadata.get("training_data")
    named = [str(r.get("cohort")) for r in rows if isinstance(r, Mapping)] if isinstance(rows, list) else []
    return tuple(dict.fromkeys(named))


@dataclass(frozen=True, eq=False)
class CaseIndex:
    """A cohort's encoded cases. Holds about 0.25 MB a case; build it once a session.

    Attributes:
        cohort: The cohort.
        positions: N places in `cohort.cases`.
        records: N records.
        hashes: N sha256 of the image files, so that a case does not find itself; see also `same_picture`.
        states: Batch of N: what the fusion reads.
        bundle_sha256: Weights they were encoded with.
    """

    cohort: Cohort
    positions: tuple[int, ...]
    records: tuple[ClinicalRecord, ...]
    hashes: tuple[str, ...]
    states: ImageState
    bundle_sha256: str

    @classmethod
    def build(
        cls, predictor: Predictor, cohort: Cohort, *, positions: Sequence[int] | None = None,
        progress: Progress | None = None, cancelled: Cancelled | None = None,
    ) -> CaseIndex:  # fmt: skip
        """Encodes every labelled case: one image encoding each.

        Args:
            predictor: The predictor.
            cohort: With labels.
            positions: Places in `cohort.cases` to use; None: all.
            progress: Called with each step.
            cancelled: Asked between images.

        Raises:
            CohortError: There is no labelled case, or an image cannot be read.
            CancelledError: `cancelled` said so.
        """
        wanted = range(len(cohort.cases)) if positions is None else positions
        used = [i for i in wanted if cohort.cases[i].label is not None]
        if not used:
            raise CohortError(f"Cohort {cohort.name} has no labelled case to compare with.")
        states, records, hashes = [], [], []
        for done, i in enumerate(used):
            if progress is not None:
                progress(f"Reading case {done + 1} of {len(used)}", done / len(used))
            opened = open_case(cohort.cases[i], cohort, schema=predictor.bundle.schema)
            encoded = predictor.encode(opened.study, cancelled=cancelled)
            states.append(_slim(encoded.image(0)))
            records.append(opened.record)
            hashes.append(opened.study.sha256)
        return cls(
            cohort, tuple(used), tuple(records), tuple(hashes), concatenate(states), predictor.bundle.sha256
        )  # fmt: skip

    def nearest(
        self, predictor: Predictor, encoded: EncodedStudy | None, record: ClinicalRecord, *, image_index: int = 0,
        count: int = 5, cancelled: Cancelled | None = None,
    ) -> SimilarCases:  # fmt: skip
        """The nearest cases, each of another patient. One pass of the fusion a case of the cohort.

        Args:
            predictor: The predictor the index was built with.
            encoded: The study, or None: clinical data only; the cohort's images are then left out too.
            record: Known clinical values.
            image_index: Which image of the study.
            count: Most cases.
            cancelled: Asked now and then.

        Raises:
            CohortError: The index was built with another model.
            CancelledError: `cancelled` said so.
        """
        if self.bundle_sha256 != predictor.bundle.sha256:
            raise CohortError(f"Cohort {self.cohort.name} was encoded by another model; encode it again.")
        schema = predictor.bundle.schema
        here = schema.encode(record)
        rows = [schema.encode(r) for r in self.records]
        values = np.stack([r.values for r in rows])
        known = np.stack([r.known for r in rows]) & here.known
        own = None if encoded is None else encoded.image(image_index)
        query, vectors = predictor.submit(
            lambda network, ticket: (
                _fused(network, own, here.values[None], here.known[None], predictor.torch_device, ticket.check),
                _fused(
                    network, None if own is None else self.states, values, known, predictor.torch_device, ticket.check
                ),
            ),
            cancelled=cancelled,
        )  # fmt: skip
        scale = block_scale(vectors)
        spread = np.sqrt((((vectors - vectors.mean(0)) / scale) ** 2).sum(1).mean() * 2)
        distance = np.linalg.norm((vectors - query) / scale, axis=1) / max(float(spread), 1e-9)
        same = np.array([encoded is not None and h == encoded.study.sha256 for h in self.hashes])
        order = np.argsort(np.where(same, np.inf, distance), kind="stable")
        cases: list[SimilarCase] = []
        at = [self.cohort.cases[p] for p in self.positions]
        own_case = next((at[n].case_id for n in np.flatnonzero(same)), "")
        patients = {at[n].patient_id for n in np.flatnonzero(same)}
        for n in order:
            if len(cases) == count or same[n]:
                break
            if at[n].patient_id in patients:
                continue
            patients.add(at[n].patient_id)
            case = self._case(int(n), float(distance[n]), predictor)
            if encoded is not None and same_picture(case.image, encoded.study.images[image_index].grey):
                own_case = own_case or case.case_id
            else:
                cases.append(case)
        return SimilarCases(
            tuple(cases), len(self.positions), self.cohort.name, SEMANTICS,
            self.cohort.name in trained_cohorts(predictor.bundle.metadata), own_case,
        )  # fmt: skip

    def _case(self, n: int, distance: float, predictor: Predictor) -> SimilarCase:
        case, record = self.cohort.cases[self.positions[n]], self.records[n]
        schema = predictor.bundle.schema
        fields = tuple((schema[i].label, schema[i].describe(record.get(i))) for i in schema.ids if i in record.values)
        grey = open_case(case, self.cohort, schema=schema).study.images[0].grey
        return SimilarCase(case.case_id, str(case.label), distance, fields, grey)


def same_picture(one: GreyImage, other: GreyImage) -> bool:
    """True for one picture in two files, whose bytes differ by how they were saved.

    Args:
        one: (H, W) display grey in [0, 1].
        other: The same.
    """
    return one.shape == other.shape and float(np.abs(one - other).mean()) < SAME


def _slim(state: ImageState) -> ImageState:
    """The state without what only maps are read from."""
    return replace(state, features=state.features[..., :0], lesion_logits=state.lesion_logits[..., :0])


def _fused(
    network: FusedNetwork, states: ImageState | None, values: NDArray[np.float32], known: NDArray[np.bool_],
    device: torch.device, check: Callable[[], None],
) -> NDArray[np.float32]:  # fmt: skip
    """(N, 3d), a few cases at a time; with `states` None, all without an image."""
    out = []
    for start in range(0, len(values), BATCH):
        check()
        rows = slice(start, start + BATCH)
        count = len(values[rows])
        with torch.no_grad():
            image = network.encode_image(None, batch=count) if states is None else to_device(
                select(states, rows), device
            )  # fmt: skip
        out.append(
            fused_vectors(
                network, image, torch.from_numpy(values[rows]).to(device), torch.from_numpy(known[rows]).to(device)
            )
        )
    return np.concatenate(out)
