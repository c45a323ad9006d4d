"""The image branch with one part taken out, for the comparison: no CNN, or no lesion map to place the second glance.

Without Transformer needs no class: `Architecture(depth=0)` has none.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from mmxai_core.model.config import Architecture
from mmxai_core.model.encoders import ImageEncoder, ImageState, Maps


class PatchEncoder(ImageEncoder):
    """Without CNN: each 16 x 16 patch of a glance enters the Transformer by one linear map (Dosovitskiy et al. 2021).

    The lesion map, which places the second glance, is decoded from the patches' tokens before the Transformer and from
    linear maps of 8 x 8 and 4 x 4 patches, so that no feature comes from a convolutional pyramid.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__(arch)
        d = arch.width
        c4, c8 = self.cnn.feature_info.channels()[-4:-2]  # what the lesion map's layers expect
        self.patches = nn.ModuleList(nn.Conv2d(1, c, s, stride=s) for c, s in ((c4, 4), (c8, 8), (d, 16)))
        self.patch_norm = nn.BatchNorm2d(d)
        del self.cnn, self.neck16, self.neck32

    def _cnn(self, glances: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 1, S, S) -> ((B, d, g, g) ReLU tokens, [stride-4, stride-8] linear maps)."""
        f4, f8, f16 = (patch(glances) for patch in self.patches)
        return F.relu(self.patch_norm(f16)), [f4, f8]


class WholeEncoder(ImageEncoder):
    """Without lesion loss: nothing says where the lesion is, so both glances see the whole canvas."""

    def forward(
        self, canvas: Tensor, *, boxes: Tensor | None = None, lesion_logits: Tensor | None = None,
        maps: Maps = "found",
    ) -> ImageState:  # fmt: skip
        """See `ImageEncoder.forward`; `boxes` is not read, not in training either."""
        whole = canvas.new_tensor([[0.5, 0.5, 1.0]]).expand(len(canvas), -1)
        return super().forward(canvas, boxes=whole, lesion_logits=lesion_logits, maps=maps)
