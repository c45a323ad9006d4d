"""The CNN that reads a glance, and the map of where in it the lesion is."""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmxai_core.model.config import Architecture


class GlanceCnn(nn.Module):
    """CNN to stride 16, and from its features a lesion map at stride 4.

    The map's decoder adds the CNN's finer features at strides 8 and 4, as a feature pyramid does (Lin et al. 2017).
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        d = arch.width
        self.cnn = timm.create_model(arch.backbone, pretrained=False, features_only=True, in_chans=1)
        c4, c8, c16, c32 = self.cnn.feature_info.channels()[-4:]
        self.neck16 = nn.Sequential(nn.Conv2d(c16, d, 1, bias=False), nn.BatchNorm2d(d))
        self.neck32 = nn.Sequential(nn.Conv2d(c32, d, 1, bias=False), nn.BatchNorm2d(d))
        self.lesion8 = nn.Sequential(nn.Conv2d(d + c8, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.lesion4 = nn.Sequential(nn.Conv2d(64 + c4, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.lesion_out = nn.Conv2d(32, 1, 1)

    def _cnn(self, glances: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 1, S, S) -> ((B, d, g, g) ReLU features, [stride-4, stride-8] maps)."""
        f4, f8, f16, f32 = self.cnn(glances.contiguous(memory_format=torch.channels_last))[-4:]
        deep = F.interpolate(self.neck32(f32), scale_factor=2, mode="bilinear", align_corners=False)
        return F.relu(self.neck16(f16) + deep), [f4, f8]

    def _lesion(self, features: Tensor, lateral: list[Tensor]) -> Tensor:
        """(B, 1, 4g, 4g) lesion logits of what the glances show."""
        f4, f8 = lateral
        x = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.lesion8(torch.cat([x, f8], 1))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        logits: Tensor = self.lesion_out(self.lesion4(torch.cat([x, f4], 1)))
        return logits


class LesionFinder(GlanceCnn):
    """Where the lesion is on a whole image: a network that learns nothing else.

    Not changed by the image stages: what it has learned stays while the class is learned.
    """

    def forward(self, glance: Tensor) -> Tensor:
        """(B, 1, S, S) whole glances -> (B, 1, 4g, 4g) lesion logits over the whole canvas."""
        return self._lesion(*self._cnn(glance))
