"""The two branches: a CNN-Transformer over two glances of the image, and one token a clinical field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.model.attention import Block, attend, attention_weights
from mmxai_core.model.config import Architecture
from mmxai_core.model.glance import find_boxes, lesion_glance, whole_glance
from mmxai_core.model.lesion_map import GlanceCnn, LesionFinder

#: Lesion maps that a pass can be asked for: see `ImageEncoder.forward`.
Maps = Literal["found", "first", "both"]


@dataclass(frozen=True, eq=False)
class ImageState:
    """Everything the image branch knows of a batch of B canvases. N = 2 g^2 tokens: whole glance, then lesion glance.

    Attributes:
        features: (B, 2, d, g, g) ReLU feature maps of the two glances: the target layer of CAM methods.
        tokens: (B, N, d) after the Transformer.
        boxes: (B, 3) second glance: centre x, centre y, side, parts of the canvas.
        lesion_logits: (B, 1, 4g, 4g) over the whole canvas.
        summary: (B, M, d) image summaries.
        pooled: (B, d) image vector.
        logits: (B, K) of the image alone.
        block_attention: One (B, heads, N, N) a block.
        pool_attention: (B, M, N): where each summary query looks; rows sum to 1.
        second_lesion_logits: (B, 1, 4g, 4g) over the second glance, where `forward` was asked for them.
    """

    features: Tensor
    tokens: Tensor
    boxes: Tensor
    lesion_logits: Tensor
    summary: Tensor
    pooled: Tensor
    logits: Tensor
    block_attention: tuple[Tensor, ...]
    pool_attention: Tensor
    second_lesion_logits: Tensor | None = None

    def detach(self) -> ImageState:
        """The same values without their graph."""
        fields = {k: v.detach() for k, v in self.__dict__.items() if isinstance(v, Tensor)}
        return replace(self, **fields, block_attention=tuple(a.detach() for a in self.block_attention))


def _sincos(grid: int, width: int) -> Tensor:
    """(grid^2, width) fixed 2-D sine-cosine position code (Vaswani et al. 2017, in two dimensions)."""
    freq = 1.0 / 100.0 ** (torch.arange(width // 4) / (width // 4))
    angle = torch.arange(grid).float()[:, None] * freq
    code = torch.cat([angle.sin(), angle.cos()], 1)
    rows, cols = code[:, None].expand(-1, grid, -1), code[None].expand(grid, -1, -1)
    return torch.cat([rows, cols], -1).reshape(grid * grid, width)


class ImageEncoder(GlanceCnn):
    """CNN to stride 16, lesion map, second glance, Transformer over the tokens of both glances, pooling, image head.

    With `arch.finder`, a network of its own says where the lesion is (`finder`), and the map of this one's CNN only
    helps to train it: what tells benign from malignant is learned in a few epochs, and then by heart; to outline a
    lesion takes many more.
    """

    position: Tensor

    def __init__(self, arch: Architecture) -> None:
        super().__init__(arch)
        d = arch.width
        self.register_buffer("position", _sincos(arch.grid, d), persistent=False)
        self.glance_code = nn.Parameter(torch.randn(2, 1, d) * 0.02)
        self.token_norm = nn.LayerNorm(d)
        self.blocks = nn.ModuleList(Block(d, arch.heads, dropout=arch.dropout) for _ in range(arch.depth))
        self.final_norm = nn.LayerNorm(d)
        self.absent = nn.Parameter(torch.zeros(d))
        self.queries = nn.Parameter(torch.randn(arch.queries, d) * 0.5)
        self.pool_k, self.pool_v = nn.Linear(d, d), nn.Linear(d, d)
        self.pool_out = nn.Sequential(nn.LayerNorm(2 * d), nn.Linear(2 * d, d), nn.GELU(), nn.Dropout(arch.dropout))
        self.head = nn.Linear(d, arch.classes)
        self.finder = LesionFinder(arch) if arch.finder else None

    def forward(
        self, canvas: Tensor, *, boxes: Tensor | None = None, lesion_logits: Tensor | None = None,
        maps: Maps = "found",
    ) -> ImageState:  # fmt: skip
        """Encodes a batch of canvases once.

        Args:
            canvas: (B, 1, S, S) standardised.
            boxes: (B, 3) where the second glance looks; None: the model's own lesion map decides. Training gives
                boxes, so that both glances share one batch and batch norm sees the mixture that it meets later.
            lesion_logits: Handed on where the boxes are given too: the lesion map only says where to look.
            maps: What the state has for a lesion map: "found", the one that says where the lesion is; or, with boxes,
                what training compares to the mask: this CNN's own map of the "first" glance, or of "both". A map
                that is handed on stays.
        """
        if boxes is not None and lesion_logits is not None:
            return self.read_features(self.glance_features(canvas, boxes), boxes=boxes, lesion_logits=lesion_logits)
        size, b = self.arch.glance, len(canvas)
        whole = whole_glance(canvas, size)
        if self.finder is not None and maps == "found":
            lesion_logits = self.finder(whole)
            boxes = find_boxes(lesion_logits) if boxes is None else boxes
            return self.read_features(self.glance_features(canvas, boxes), boxes=boxes, lesion_logits=lesion_logits)
        if boxes is None:
            f_whole, lateral = self._cnn(whole)
            lesion_logits = self._lesion(f_whole, lateral)
            boxes = self._refined(canvas, find_boxes(lesion_logits))
            f_lesion, _ = self._cnn(lesion_glance(canvas, boxes, size))
        else:
            both, lateral = self._cnn(torch.cat([whole, lesion_glance(canvas, boxes, size)]))
            f_whole, f_lesion = both[:b], both[b:]
            if maps == "both":
                drawn = self._lesion(both, lateral)
                state = self.read_features(torch.stack([f_whole, f_lesion], 1), boxes=boxes, lesion_logits=drawn[:b])
                return replace(state, second_lesion_logits=drawn[b:])
            lesion_logits = self._lesion(f_whole, [x[:b] for x in lateral])
        return self.read_features(torch.stack([f_whole, f_lesion], 1), boxes=boxes, lesion_logits=lesion_logits)

    def _refined(self, canvas: Tensor, boxes: Tensor) -> Tensor:
        """(B, 3) -> (B, 3): the lesion is sought again on the glance that the boxes give, `arch.refine` times.

        A map of the whole canvas has cells as large as a small lesion's margin; one of the crop outlines it.
        """
        for _ in range(self.arch.refine):
            near, lateral = self._cnn(lesion_glance(canvas, boxes, self.arch.glance))
            boxes = find_boxes(self._lesion(near, lateral), within=boxes)
        return boxes

    def glance_features(self, canvas: Tensor, boxes: Tensor) -> Tensor:
        """The CNN alone, where the second glance is known: neither lesion map nor Transformer.

        Args:
            canvas: (B, 1, S, S) standardised.
            boxes: (B, 3) where the second glance looks.

        Returns:
            (B, 2, d, g, g), as `ImageState.features` of `forward` with these boxes.
        """
        size, b = self.arch.glance, len(canvas)
        both, _ = self._cnn(torch.cat([whole_glance(canvas, size), lesion_glance(canvas, boxes, size)]))
        return torch.stack([both[:b], both[b:]], 1)

    def read_features(self, features: Tensor, *, boxes: Tensor, lesion_logits: Tensor) -> ImageState:
        """(B, 2, d, g, g) features -> state: everything after the CNN, so that CAM methods differentiate from here."""
        x = features.flatten(3).transpose(2, 3) + self.position + self.glance_code
        x = self.token_norm(x.flatten(1, 2))
        attention = []
        for block in self.blocks:
            x, weights = block(x)
            attention.append(weights)
        tokens = self.final_norm(x)
        return self.pool(
            tokens, features=features, boxes=boxes, lesion_logits=lesion_logits, block_attention=tuple(attention)
        )

    def pool(
        self, tokens: Tensor, *, features: Tensor, boxes: Tensor, lesion_logits: Tensor,
        block_attention: tuple[Tensor, ...] = (),
    ) -> ImageState:  # fmt: skip
        """Summary queries over the tokens, image vector, image logits."""
        q = self.queries.expand(len(tokens), -1, -1)
        weights = attention_weights(q, self.pool_k(tokens), heads=1)
        summary = attend(weights, self.pool_v(tokens))
        pooled = self.pool_out(torch.cat([summary.mean(1), tokens.mean(1)], -1))
        return ImageState(
            features, tokens, boxes, lesion_logits, summary, pooled, self.head(pooled), block_attention, weights[:, 0]
        )

    def absent_state(self, batch: int) -> ImageState:
        """The state of a study without an image: one learned token stands at every place."""
        g, d = self.arch.grid, self.arch.width
        tokens = self.absent.expand(batch, 2 * g * g, d)
        blank = self.absent.new_zeros(batch, 2, d, g, g)
        boxes = self.absent.new_tensor([[0.5, 0.5, 1.0]]).expand(batch, -1)
        return self.pool(tokens, features=blank, boxes=boxes, lesion_logits=blank.new_zeros(batch, 1, 4 * g, 4 * g))


class ClinicalEncoder(nn.Module):
    """One token a field: value embedding, or the field's learned *unknown* token, then a shared MLP.

    The source paper's MLP to one vector would make attention over clinical keys identically 1; one token a field is
    our deliberate deviation. Numbers enter as a piecewise-linear code (Gorishniy et al. 2022) of `BINS` hats.
    """

    BINS = 6
    is_numeric: Tensor
    rows: Tensor
    top: Tensor

    def __init__(self, schema: ClinicalSchema, arch: Architecture) -> None:
        super().__init__()
        d = arch.width
        numeric = [f.kind == "numeric" for f in schema.fields]
        sizes = [self.BINS if n else len(f.category_ids) for n, f in zip(numeric, schema.fields, strict=True)]
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.register_buffer("is_numeric", torch.tensor(numeric, dtype=torch.bool), persistent=False)
        self.register_buffer("rows", torch.tensor(starts, dtype=torch.long), persistent=False)
        self.register_buffer("top", torch.tensor([s - 1 for s in sizes], dtype=torch.long), persistent=False)
        self.table = nn.Parameter(torch.randn(max(sum(sizes), 1), d) * 0.1)
        self.unknown = nn.Parameter(torch.randn(len(sizes), d) * 0.1)
        self.field_code = nn.Parameter(torch.randn(len(sizes), d) * 0.1)
        self.mlp = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, d), nn.GELU(), nn.Dropout(arch.dropout), nn.Linear(d, d))

    def forward(self, values: Tensor, known: Tensor) -> Tensor:
        """(B, F) encoded values, (B, F) bool known -> (B, F, d) tokens."""
        position = torch.where(self.is_numeric, values * (self.BINS - 1), values)
        low = torch.minimum(position.floor().long().clamp_min(0), self.top)
        part = (position - low).clamp(0, 1)[..., None]
        high = torch.minimum(low + 1, self.top)
        embedded = self.table[self.rows + low] * (1 - part) + self.table[self.rows + high] * part
        x = torch.where(known[..., None], embedded, self.unknown) + self.field_code
        tokens: Tensor = x + self.mlp(x)
        return tokens
