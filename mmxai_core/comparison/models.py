"""The models of the comparison: what each is, which inputs it reads, which encoder it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.training.missing import LEVELS

Kind = Literal["image", "clinical", "head", "ablation", "fields", "radiomics", "gradients", "late", "shipped"]
EncoderKind = Literal["main", "no_transformer", "no_cnn", "no_lesion_loss"]

#: The level at which no field is known.
IMAGE_LEVEL = "image"


@dataclass(frozen=True)
class Model:
    """One row of the comparison.

    Attributes:
        name: Name in the files.
        label: Name on a page.
        family: "ours", "ablation" or "rival".
        kind: How it is fitted.
        about: One sentence.
        encoder: Which image branch it reads, or None.
        reads_image: Whether it reads the image.
        reads_fields: Whether it reads the clinical fields.
    """

    name: str
    label: str
    family: Literal["ours", "ablation", "rival"]
    kind: Kind
    about: str
    encoder: EncoderKind | None
    reads_image: bool
    reads_fields: bool


_SHARED = "on the cached tokens of the fold's image branch, which all fusion variants share"
MODELS: tuple[Model, ...] = (
    Model("image", "Image only", "ours", "image", "The image branch, trained end to end, with its own head.",
          "main", True, False),
    Model("clinical", "Clinical only", "ours", "clinical", "Our clinical branch with its own head.", None, False, True),
    Model("concatenation", "Concatenation", "rival", "head",
          f"Image vector and clinical vector side by side, then an MLP, {_SHARED}.", "main", True, True),
    Model("attention", "Attention fusion", "ours", "head",
          f"Cross-attention both ways with a gate, {_SHARED}.", "main", True, True),
    Model("attention_coherence", "Attention + coherence", "ours", "head",
          f"Attention fusion whose field queries are asked, in training, to look into the lesion, {_SHARED}.",
          "main", True, True),
    Model("late_average", "Late average", "rival", "late",
          "Mean of the calibrated probabilities of image only and clinical only.", "main", True, True),
    Model("daft", "DAFT", "rival", "head",
          f"Scale and shift of the image tokens by the fields (Wolf et al. 2022), {_SHARED}.", "main", True, True),
    Model("logistic", "Logistic regression", "rival", "fields",
          "On the fields; unknown values take the training mean, so that missingness tells nothing.",
          None, False, True),
    Model("boosting", "Gradient boosting", "rival", "fields", "On the fields, encoded as for logistic regression.",
          None, False, True),
    Model("radiomics", "Radiomics + boosting", "rival", "radiomics",
          "First-order, texture and shape features of the lesion that the model's own lesion map finds, with the "
          "fields where they are known, by gradient boosting.", "main", True, True),
    Model("gradients", "Oriented gradients + logistic", "rival", "gradients",
          "Histograms of oriented gradients of the crop around the expert's outline or box, which no other model is "
          "given, and the fields where they are known, by logistic regression.", None, True, True),
    Model("no_transformer", "Without Transformer", "ablation", "ablation",
          "Attention fusion on an image branch of its own without Transformer blocks.", "no_transformer", True, True),
    Model("no_cnn", "Without CNN", "ablation", "ablation",
          "Attention fusion on an image branch of its own whose tokens are linear maps of 16 x 16 patches; there are "
          "no ImageNet weights for it.", "no_cnn", True, True),
    Model("no_lesion_loss", "Without lesion loss", "ablation", "ablation",
          "Attention fusion on an image branch of its own that is never told where the lesion is; both glances see the "
          "whole image.", "no_lesion_loss", True, True),
)  # fmt: skip
#: What `train` measured on the same folds with a bundle's own recipe; only where `compare --shipped` took it over.
SHIPPED, SHIPPED_IMAGE = "shipped", "shipped_image"
SHIPPED_MODELS: tuple[Model, ...] = (
    Model(SHIPPED, "Shipped recipe", "ours", "shipped",
          "Attention fusion with an image branch of its own, trained in each fold by `train` as a bundle is.",
          None, True, True),
    Model(SHIPPED_IMAGE, "Shipped recipe, image only", "ours", "shipped",
          "The image branch of the shipped recipe with its own head.", None, True, False),
)  # fmt: skip
BY_NAME = {m.name: m for m in (*MODELS, *SHIPPED_MODELS)}


def levels(schema: ClinicalSchema) -> dict[str, tuple[str, ...]]:
    """Levels of field groups at which a cohort's results are told: those that add a field to the level before."""
    out: dict[str, tuple[str, ...]] = {}
    fields = 0
    for name, groups in LEVELS.items():
        here = sum(f.group in groups for f in schema.fields)
        if here > fields:
            out[name] = groups
        fields = here
    return out


def chosen(schema: ClinicalSchema, *, shipped: bool = False) -> tuple[Model, ...]:
    """The models that a cohort with this schema can have, in order: without fields, those that read the image.

    Args:
        schema: The cohort's fields.
        shipped: Whether a bundle's own recipe is among them.
    """
    found = tuple(m for m in MODELS if schema.fields or m.kind in ("image", "radiomics", "gradients", "ablation"))
    return (*(SHIPPED_MODELS if shipped else ()), *found)
