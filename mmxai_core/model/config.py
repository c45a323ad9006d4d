"""The architecture, as plain values that travel in the bundle's metadata."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mmxai_core.errors import BundleError
from mmxai_core.types import Json


@dataclass(frozen=True)
class Architecture:
    """Shapes of the fused network.

    Attributes:
        backbone: timm model name; ReLU activations, so that Grad-CAM++'s assumption holds.
        canvas: Side of the letterboxed input, pixels.
        glance: Side of each of the two glances the CNN sees, pixels.
        width: Token width d.
        heads: Attention heads.
        depth: Transformer blocks over the tokens of both glances.
        queries: Image summary queries M.
        dropout: Dropout rate in training.
        classes: Number of classes K.
        refine: How often the lesion is sought once more, on the second glance itself, before that glance is read.
        finder: Whether a network of its own finds the lesion, see `lesion_map.LesionFinder`; else the map of the image
            branch's CNN does.
    """

    backbone: str = "efficientnet_lite0"
    canvas: int = 448
    glance: int = 224
    width: int = 128
    heads: int = 4
    depth: int = 2
    queries: int = 4
    dropout: float = 0.1
    classes: int = 2
    refine: int = 0
    finder: bool = False

    def __post_init__(self) -> None:
        for name, low in (
            ("heads", 1),
            ("depth", 0),
            ("queries", 1),
            ("classes", 2),
            ("width", 4),
            ("glance", 32),
            ("refine", 0),
        ):
            if getattr(self, name) < low:
                raise BundleError(f"Architecture setting {name} must be at least {low}; got {getattr(self, name)}.")
        if not isinstance(self.finder, bool):
            raise BundleError(f"Architecture setting finder must be true or false; got {self.finder!r}.")
        if self.finder and self.refine:
            raise BundleError(
                "Architecture setting refine seeks the lesion on the image branch's own map; with finder it must be 0; "
                f"got {self.refine}."
            )
        if not 0 <= self.dropout < 1:
            raise BundleError(f"Architecture setting dropout must be from 0 to below 1; got {self.dropout:g}.")
        if self.width % self.heads or self.width % 4:
            raise BundleError(f"Token width must divide by 4 and by the {self.heads} heads; got {self.width}.")
        if self.glance % 32 or self.canvas < self.glance:
            raise BundleError(
                f"A glance must be a multiple of 32 and at most the canvas; got {self.glance}, {self.canvas}."
            )

    @property
    def grid(self) -> int:
        """Token rows (and columns) of a glance: stride 16."""
        return self.glance // 16

    def to_json(self) -> Json:
        """A plain dict; without what came later where it is off, as bundles and cached encoders from before have it."""
        return {k: v for k, v in asdict(self).items() if k not in ("refine", "finder") or v}

    @classmethod
    def from_json(cls, values: Json) -> Architecture:
        """The architecture that `to_json` wrote.

        Raises:
            BundleError: An entry is unknown or missing its type.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise BundleError(f"The bundle's architecture does not fit this version: {error}.") from error
