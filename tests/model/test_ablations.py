"""The image branch with a part taken out, and the rival heads: shapes, and that the part is really out."""

from __future__ import annotations

import pytest
import torch
from tiny_bundle import ARCH, SCHEMA

from mmxai_core.model.ablations import PatchEncoder, WholeEncoder
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.model.fusion_rivals import AttentionHead, ConcatenationHead, DaftHead, FusionHead, ImageReader


@pytest.fixture(scope="module")
def canvas() -> torch.Tensor:
    return torch.randn(2, 1, ARCH.canvas, ARCH.canvas, generator=torch.Generator().manual_seed(0))


def test_patches_have_no_cnn(canvas: torch.Tensor) -> None:
    encoder = PatchEncoder(ARCH).eval()
    assert not [n for n, _ in encoder.named_parameters() if n.startswith(("cnn", "neck"))]
    state = encoder(canvas)
    g = ARCH.grid
    assert state.tokens.shape == (2, 2 * g * g, ARCH.width) and state.lesion_logits.shape == (2, 1, 4 * g, 4 * g)
    moved = canvas.clone()
    moved[:, :, : ARCH.canvas // 2] += torch.randn_like(moved[:, :, : ARCH.canvas // 2])
    same = (encoder(moved, boxes=state.boxes).features[:, 0] == encoder(canvas, boxes=state.boxes).features[:, 0]).all(
        1
    )
    assert same[:, g // 2 :].all() and not same[:, : g // 2].any()  # a patch sees itself only


def test_without_lesion_loss_both_glances_are_whole(canvas: torch.Tensor) -> None:
    encoder = WholeEncoder(ARCH).eval()
    given = encoder(canvas, boxes=torch.tensor([[0.5, 0.5, 0.2]]).expand(2, -1))
    assert given.boxes.tolist() == [[0.5, 0.5, 1.0]] * 2
    assert torch.equal(given.logits, encoder(canvas).logits)


@pytest.mark.parametrize("kind", [AttentionHead, ConcatenationHead, DaftHead])
def test_a_head_reads_image_and_fields(kind: type[FusionHead], canvas: torch.Tensor) -> None:
    torch.manual_seed(0)
    head, state = kind(ARCH, SCHEMA).eval(), ImageEncoder(ARCH).eval()(canvas)
    values, known = torch.zeros(2, len(SCHEMA.fields)), torch.ones(2, len(SCHEMA.fields), dtype=torch.bool)
    logits = head(state, values, known).logits
    assert logits.shape == (2, ARCH.classes)
    assert not torch.allclose(logits, head(state, values, ~known).logits)
    assert not torch.allclose(logits[0], logits[1])


def test_the_image_reader_is_the_image_branch(canvas: torch.Tensor) -> None:
    reader = ImageReader(ARCH).eval()
    nothing = torch.zeros(2, 0)
    out = reader(canvas, nothing, nothing.bool())
    assert torch.equal(out.logits, reader.image_encoder(canvas).logits)
