"""The parts an explanation grows by after its first maps and account, each from the same cached image state.

A part takes the case and the explanation so far and gives the explanation with its own entries filled in. Costs are in
forward passes of the network for 8 known fields; see the functions called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.explain import reliability
from mmxai_core.explain.assemble import Evidence, Request
from mmxai_core.explain.audit import attention_audit, audit_blocks, knock_out
from mmxai_core.explain.coalition import CoalitionHead
from mmxai_core.explain.grids import canvas_cells
from mmxai_core.explain.interventional import interventional_accounts
from mmxai_core.explain.joint import Accounts, contributions_without, joint_accounts
from mmxai_core.explain.mirror import mirrored_state
from mmxai_core.explain.regions import Regions, case_regions
from mmxai_core.explain.saliency import box_of
from mmxai_core.explain.shapley import shapley_values
from mmxai_core.explain.stability import quick_values
from mmxai_core.explain.strip import StripCase, StripImage, measure_strip, read_strip
from mmxai_core.explain.strip_reference import bundle_null, bundle_scale, bundle_thresholds
from mmxai_core.explain.unified import maps_without, unified_map
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.encoded import EncodedStudy, to_device
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.reference import Reference
from mmxai_core.model.worker import Ticket
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.results import Explanation, JointAccount


@dataclass(frozen=True, eq=False)
class Case:
    """What every part reads.

    Attributes:
        request: What is explained.
        evidence: What the first part found.
        bundle: The bundle.
        reference: What it carries of its cohort.
        background: (Z, F) encoded values and (Z, F) bool known of the bundle's background rows.
        values: (1, F) encoded values, on the network's device.
        known: (1, F) bool.
        image: State of the image explained, on the network's device; None without an image.
    """

    request: Request
    evidence: Evidence
    bundle: Bundle
    reference: Reference
    background: tuple[Tensor, Tensor]
    values: Tensor
    known: Tensor
    image: ImageState | None

    @property
    def encoded(self) -> EncodedStudy | None:
        """The study."""
        return self.request.encoded

    @property
    def full(self) -> NDArray[np.float64]:
        """(K,) logits of the prediction, after temperature."""
        prediction = self.request.prediction
        return np.array([prediction.logits[c] for c in prediction.classes])

    def map_contributions(self) -> NDArray[np.float64]:
        """(P,) what fields and whole image contribute to the log-odds of the class the maps are about."""
        request, accounts = self.request, self.evidence.accounts
        if request.map_target == request.target:
            return np.asarray(accounts.log_odds.values, np.float64)
        table = accounts.table(request.map_target)
        if table is not None:
            return shapley_values(table)
        return quick_values(
            self.evidence.head, target=request.map_target, temperature=self.bundle.temperature, seed=request.seed
        )

    def geometry(self) -> CanvasGeometry:
        """How the image explained lies on its canvas."""
        assert self.encoded is not None
        return self.encoded.geometries[self.request.index]


def case_tensors(request: Request, device: torch.device) -> tuple[Tensor, Tensor, ImageState | None]:
    """(1, F) values, (1, F) known and the image's state on the network's device."""
    values = torch.from_numpy(request.clinical.values)[None].to(device)
    known = torch.from_numpy(request.clinical.known)[None].to(device)
    encoded = request.encoded
    return values, known, None if encoded is None else to_device(encoded.image(request.index), device)


def background_rows(bundle: Bundle) -> tuple[Tensor, Tensor]:
    """(Z, F) encoded values and (Z, F) bool known of the bundle's background rows, on the CPU.

    Raises:
        BundleError: `background.csv` is not a table of the schema's fields.
        ClinicalValueError: A cell breaks its field's rule.
    """
    schema = bundle.schema
    rows = [
        schema.encode(schema.record({str(k): v for k, v in r.items()})) for r in bundle.background().to_dict("records")
    ]
    shape = (len(rows), len(schema.fields))
    return (
        torch.from_numpy(np.array([r.values for r in rows], np.float32).reshape(shape)),
        torch.from_numpy(np.array([r.known for r in rows], bool).reshape(shape)),
    )


def joint_part(network: FusedNetwork, ticket: Ticket, case: Case, so_far: Explanation) -> Explanation:
    """The joint account of fields and regions, under both semantics. About 10 passes' time; no pass of the CNN."""
    request, bundle, image = case.request, case.bundle, case.image
    regions: Regions | None = None
    accounts: Accounts = case.evidence.accounts
    if image is not None:
        regions = case_regions(
            request.partition, probability=torch.sigmoid(image.lesion_logits[0, 0]).cpu().numpy(),
            geometry=case.geometry(), box=box_of(image), grid=bundle.arch.grid,
        )  # fmt: skip
        accounts = joint_accounts(
            CoalitionHead(network, image, case.values, case.known, fields=bundle.schema.ids, regions=regions),
            temperature=bundle.temperature, target=request.target, base=case.evidence.base, full=case.full,
            seed=request.seed, check=ticket.check,
        )  # fmt: skip
    ticket.step("Asking what other patients' values would have given", 0.4)
    rows = len(case.background[0])
    against = None
    if rows and bool(case.known.any()):
        against = interventional_accounts(
            network, image, case.values, case.known, background=case.background, fields=bundle.schema.ids,
            regions=regions, temperature=bundle.temperature, target=request.target, full=case.full, seed=request.seed,
            check=ticket.check,
        )  # fmt: skip
    labels = None if regions is None else regions.labels
    return replace(
        so_far,
        joint=JointAccount(
            partition="none" if regions is None else request.partition,
            regions=() if regions is None else regions.names,
            labels=labels,
            labels_source=None if labels is None else _nearest(labels, case.geometry()),
            removal=accounts.log_odds,
            removal_probability=accounts.probability,
            background=against and against[0],
            background_probability=against and against[1],
            background_rows=rows if against else 0,
            seed=request.seed,
        ),
    )


def attention_part(network: FusedNetwork, ticket: Ticket, case: Case, so_far: Explanation) -> Explanation:
    """Audited attention and the unified map. About 8 passes' time; none without an image or a known field."""
    image, request, cross = case.image, case.request, so_far.cross_modal
    if image is None or cross is None or so_far.saliency is None:
        return so_far
    cells, box = canvas_cells(case.bundle.arch), box_of(image)
    blocks = audit_blocks(case.geometry(), box, cells=cells, grid=case.bundle.arch.grid)
    found = knock_out(
        network, image, case.values, case.known, blocks=blocks, target=request.map_target,
        temperature=case.bundle.temperature, seed=request.seed, check=ticket.check,
    )  # fmt: skip
    ticket.step("Joining image and clinical evidence in one map", 0.4)
    without = maps_without(
        network, image, mirrored_state(network, request.canvas(case.values.device), image), case.values, case.known,
        box=box, cells=cells, target=request.map_target, score=request.score, check=ticket.check,
    )  # fmt: skip
    count, values = len(cross.fields), case.map_contributions()
    fewer = contributions_without(
        case.evidence.head, case.evidence.accounts.table(request.map_target), fields=count,
        temperature=case.bundle.temperature, target=request.map_target, seed=request.seed, check=ticket.check,
    )  # fmt: skip
    return replace(
        so_far,
        audit=attention_audit(found, fields=cross.fields, box=box, target_class=so_far.saliency.target_class),
        unified=unified_map(
            so_far.saliency.grid, without, density=cross.clinical_to_image * cells**2,
            values=values[:count], values_without=fewer, fields=cross.fields,
            geometry=case.geometry(), reference=so_far.saliency.reference, target_class=so_far.saliency.target_class,
        ),
    )  # fmt: skip


def strip_part(network: FusedNetwork, ticket: Ticket, case: Case, so_far: Explanation) -> Explanation:
    """The reliability strip, with thresholds and null of the bundle. See `mmxai_core.explain.strip` for its passes."""
    request, read, encoded, image = case.request, case.evidence.read, case.encoded, case.image
    shown = None
    if encoded is not None and image is not None and read is not None:
        drawn = request.prediction.lesion_box_source == "reader"
        shown = StripImage(
            encoded.study.images[request.index].grey, case.geometry(), image, read, drawn, mirrored=True
        )  # fmt: skip
    evidence = measure_strip(
        network,
        StripCase(
            image=shown, values=case.values, known=case.known, fields=case.bundle.schema.ids, head=case.evidence.head,
            contributions=case.map_contributions(), target=request.map_target,
            score=request.score, temperature=case.bundle.temperature, seed=request.seed,
        ),
        check=ticket.check, step=ticket.step,
    )  # fmt: skip
    thresholds = bundle_thresholds(case.reference)
    strip = read_strip(evidence, thresholds=thresholds, null=bundle_null(case.reference))
    numbers = [*so_far.reliability, *strip.numbers]
    if shown is not None and shown.drawn and encoded is not None and encoded.roi is not None and so_far.saliency:
        geometry, cells = case.geometry(), so_far.saliency.grid.shape[0]
        whole = (0, 0, geometry.source_shape[1], geometry.source_shape[0])
        content, drawn_cells = (
            reliability.box_region(geometry.box_to_canvas(b), cells, geometry.canvas) for b in (whole, encoded.roi)
        )
        numbers.append(
            reliability.evidence_inside(
                so_far.saliency.grid, drawn_cells, content=content, name="Evidence inside the drawn region",
                where="the region you drew", thresholds=thresholds,
            )
        )  # fmt: skip
    scale = bundle_scale(case.reference, saliency_reference=case.bundle.saliency_reference)
    return replace(so_far, reliability=tuple(numbers), strip=strip, evidence_scale=scale)


Part = Callable[[FusedNetwork, Ticket, Case, Explanation], Explanation]
#: By name, in order: what is done, in plain words, and the function that does it on the predictor's worker.
PARTS: dict[str, tuple[str, Part]] = {
    "joint": ("Sharing the prediction among fields and image regions", joint_part),
    "attention": ("Testing where the fields look", attention_part),
    "strip": ("Testing how far the explanation can be trusted", strip_part),
}


def _nearest(labels: NDArray[np.int8], geometry: CanvasGeometry) -> NDArray[np.int8]:
    """(h, w) labels on the canvas grid -> (H, W) on the source image's pixels."""
    at = []
    for axis in (0, 1):
        canvas = (np.arange(geometry.source_shape[axis]) + 0.5) * geometry.scale[axis] + geometry.offset[axis]
        at.append(np.clip((canvas * labels.shape[axis] / geometry.canvas).astype(int), 0, labels.shape[axis] - 1))
    taken: NDArray[np.int8] = labels[np.ix_(at[0], at[1])]
    return taken
