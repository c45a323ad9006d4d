"""The fused network: `encode_image`, `encode_clinical` and `fuse` compose into `forward`.

Training, prediction and every explainer call these same functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.model.config import Architecture
from mmxai_core.model.encoders import ClinicalEncoder, ImageEncoder, ImageState
from mmxai_core.model.fusion import FieldTerms, Fused, Fusion


@dataclass(frozen=True, eq=False)
class ForwardResult:
    """One forward pass.

    Attributes:
        logits: (B, K) raw logits, before temperature.
        image: The image state.
        fused: Gate and branch logits; None in a single-branch network.
        terms: What each field added, with the clinical -> image attention; None in a single-branch network.
        clinical_logits: (B, K) of the clinical branch; None without one.
    """

    logits: Tensor
    image: ImageState | None
    fused: Fused | None
    terms: FieldTerms | None
    clinical_logits: Tensor | None


class Network(Protocol):
    """What training and evaluation ask of the fused network and of its single-branch siblings."""

    def __call__(
        self, canvas: Tensor | None, values: Tensor, known: Tensor, *, boxes: Tensor | None = None
    ) -> ForwardResult:
        """See `FusedNetwork.forward`."""
        ...


class FusedNetwork(nn.Module):
    """Image branch + clinical branch + cross-attention fusion."""

    def __init__(self, arch: Architecture, schema: ClinicalSchema) -> None:
        super().__init__()
        self.arch = arch
        self.image_encoder = ImageEncoder(arch)
        self.clinical_encoder = ClinicalEncoder(schema, arch)
        self.fusion = Fusion(arch)

    def encode_image(
        self, canvas: Tensor | None, *, boxes: Tensor | None = None, lesion_logits: Tensor | None = None, batch: int = 1
    ) -> ImageState:  # fmt: skip
        """(B, 1, S, S) canvases, or None for `batch` studies without an image -> image state.

        Where `boxes` and `lesion_logits` are both given, the lesion map is not computed but handed on.
        """
        if canvas is None:
            return self.image_encoder.absent_state(batch)
        state: ImageState = self.image_encoder(canvas, boxes=boxes, lesion_logits=lesion_logits)
        return state

    def encode_clinical(self, values: Tensor, known: Tensor) -> Tensor:
        """(B, F) encoded values and (B, F) bool -> (B, F, d) field tokens."""
        tokens: Tensor = self.clinical_encoder(values, known)
        return tokens

    def fuse(self, image: ImageState, tokens: Tensor) -> tuple[Fused, FieldTerms]:
        """Image state and field tokens -> answer and per-field terms."""
        result: tuple[Fused, FieldTerms] = self.fusion(image, tokens)
        return result

    def forward(
        self, canvas: Tensor | None, values: Tensor, known: Tensor, *, boxes: Tensor | None = None
    ) -> ForwardResult:
        """One pass.

        Args:
            canvas: (B, 1, S, S), or None: no image.
            values: (B, F) encoded values.
            known: (B, F) bool.
            boxes: (B, 3) second glance, or None: found by the model.
        """
        image = self.encode_image(canvas, boxes=boxes, batch=len(values))
        fused, terms = self.fuse(image, self.encode_clinical(values, known))
        return ForwardResult(fused.logits, image, fused, terms, fused.clinical_logits)
