"""The network as a drawing, made from the shapes that it really has. Readable in both themes, and told in words."""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.model.fusion import Fusion
from mmxai_core.model.shapes import NetworkShapes

_INK = {"dark": ("#dfe6ec", "#93a1b0", "#132a3a", "#33271b"), "light": ("#17212b", "#55626e", "#e3eef5", "#f0eae3")}
_WIDTH, _HEIGHT = 1180, 452

#: What each step is called, and what it does, in order of computation.
WORDS: dict[str, tuple[str, str]] = {
    "canvas": ("Image", "Letterboxed, never cropped, standardised by its own mean and SD."),
    "glances": ("Two looks", "The whole image, and the square around the lesion map's main spot at full detail."),
    "features": ("CNN", "Filters turn each look into feature maps; Grad-CAM++ reads them here."),
    "lesion_map": ("Lesion map", "Where the model sees a lesion; it places the second look."),
    "tokens": ("Transformer", "Every patch of both looks takes what it needs from all others."),
    "summary": ("Image summaries", "Learned questions that gather the patches."),
    "image_logits": ("Image score", "What the image alone says."),
    "fields": ("Clinical form", "History, description of the image, assessment; any of them may be unknown."),
    "field_tokens": ("One token a field", "The field's value, or its own learned token for unknown."),
    "clinical_to_image": ("Fields ask the image", "Attention of each field over the image patches: heads, fields, "
                          "patches."),
    "image_to_clinical": ("Image asks the fields", "Attention of each image summary over the fields."),
    "gate": ("Gate", "The weights of image and clinical data in this case; they are shown, not hidden."),
    "logits": ("Joint head", "One score a class, from both branches and what they took from each other."),
}  # fmt: skip

#: The step's words where a network of its own draws the map.
FINDER = (
    "Where a CNN of its own sees a lesion; it places the second look. The image branch draws one in training only, "
    "which is counted too."
)


@dataclass(frozen=True)
class AnswerFacts:
    """What turns scores into an answer, from the bundle.

    Attributes:
        backbone: Name of the CNN.
        temperature: The scores are divided by it.
        threshold: Operating threshold.
        coverage: Of the prediction set, or None where none is calibrated.
        classes: Class ids.
    """

    backbone: str
    temperature: float
    threshold: float
    coverage: float | None
    classes: tuple[str, ...]


def shape_words(shape: tuple[int, ...]) -> str:
    """(2, 128, 14, 14) -> "2 × 128 × 14 × 14"."""
    return " × ".join(f"{n:,}" for n in shape)


def architecture_svg(shapes: NetworkShapes, schema: ClinicalSchema, answer: AnswerFacts, *, theme: str) -> str:
    """The drawing as SVG.

    Args:
        shapes: Of the network.
        schema: Its fields.
        answer: What turns its scores into an answer.
        theme: "dark" or "light".
    """
    ink, faint, image_fill, clinical_fill = _INK["light" if theme == "light" else "dark"]
    parts: list[str] = []

    def box(x: int, y: int, w: int, h: int, title: str, *lines: str, fill: str = "none") -> None:
        parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="5" fill="{fill}" stroke="{faint}" stroke-width="1.2"/>'
        )
        start = y + h / 2 - 9 * len(lines) + 5
        for i, text in enumerate((title, *lines)):
            at = f'x="{x + w / 2:g}" y="{start + 18 * i:g}"'
            style = f'font-weight="600" fill="{ink}"' if i == 0 else f'fill="{ink}"'
            parts.append(f'<text {at} text-anchor="middle" {style}>{html.escape(text)}</text>')

    def arrow(points: str, label: str = "", at: tuple[int, int] = (0, 0), *, dashed: bool = False) -> None:
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        parts.append(
            f'<path d="{points}" fill="none" stroke="{faint}" stroke-width="1.6"{dash} marker-end="url(#tip)"/>'
        )
        if label:
            parts.append(f'<text x="{at[0]}" y="{at[1]}" fill="{faint}" font-size="13">{html.escape(label)}</text>')

    def of(key: str) -> str:
        return shape_words(shapes[key].shape)

    groups = Counter(f.group for f in schema.fields)
    grouped = [f"{groups[g]} {g}" for g in ("history", "descriptor", "assessment") if groups[g]]
    parts.append(f'<text x="10" y="20" font-weight="600" fill="{ink}">Image branch</text>')
    box(10, 32, 120, 74, "Image", of("canvas"), fill=image_fill)
    box(166, 32, 140, 74, "Two looks", of("glances"), "whole, lesion", fill=image_fill)
    box(342, 32, 170, 74, "CNN", answer.backbone, of("features"), fill=image_fill)
    own = ("CNN of its own",) if shapes.finder else ()
    box(342, 142, 170, 74 if own else 56, "Lesion map", *own, of("lesion_map"), fill=image_fill)
    box(548, 32, 160, 74, "Transformer", f"{shapes.blocks} blocks", f"{of('tokens')} tokens", fill=image_fill)
    box(744, 32, 176, 74, "Image summaries", of("summary"), fill=image_fill)
    arrow("M130 69 H164")
    arrow("M306 69 H340")
    arrow("M512 69 H546")
    arrow("M708 69 H742")
    if own:
        arrow("M280 106 V160 H340")
        arrow("M342 196 H192 V108", "places the second look", (192, 214), dashed=True)
    else:
        arrow("M427 106 V140")
        arrow("M342 170 H236 V108", "places the second look", (176, 190), dashed=True)
    parts.append(f'<text x="10" y="332" font-weight="600" fill="{ink}">Clinical branch</text>')
    box(10, 344, 120, 74, "Clinical form", f"{of('fields')} fields", fill=clinical_fill)
    box(166, 344, 346, 74, "Known, or unknown", ", ".join(grouped) or "no field", fill=clinical_fill)
    box(548, 344, 160, 74, "One token a field", of("field_tokens"), fill=clinical_fill)
    arrow("M130 381 H164")
    arrow("M512 381 H546")
    parts.append(f'<text x="744" y="142" font-weight="600" fill="{ink}">Fusion</text>')
    box(744, 154, 176, 74, "Fields ask the image", of("clinical_to_image"), f"{shapes.heads} heads")
    box(744, 262, 176, 74, "Image asks the fields", of("image_to_clinical"))
    arrow("M628 106 V176 H742")
    arrow("M600 344 V206 H742")
    arrow("M660 344 V312 H742")
    arrow("M920 84 H934 V282 H922")
    box(968, 154, 202, 56, "Gate", f"{of('gate')} weights, shown")
    box(968, 230, 202, 56, "Joint head", f"{of('logits')} scores")
    arrow("M920 69 H952 V172 H966")
    arrow("M920 191 H966")
    arrow("M920 299 H944 V258 H966")
    arrow("M1069 210 V228")
    box(968, 306, 202, 48, "Calibration", f"scores ÷ {answer.temperature:.3f}")
    risk = None if answer.coverage is None else 100 * (1 - answer.coverage)
    kept = "exclusions not calibrated" if risk is None else f"wrong exclusions: {risk:.0f} %"
    box(968, 374, 202, 68, "Answer", f"threshold {answer.threshold:.3f}", kept)
    arrow("M1069 286 V304")
    arrow("M1069 354 V372")
    tip = f'<path d="M0 0 L8 4 L0 8 z" fill="{faint}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="Source Sans Pro, Source Sans, DejaVu Sans, sans-serif" font-size="14">'
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f"{tip}</marker></defs>{''.join(parts)}</svg>"
    )


def architecture_rows(shapes: NetworkShapes) -> list[dict[str, str]]:
    """The same as a table: step, what it does, shape, learned numbers."""
    return [
        {
            "Step": WORDS[s.key][0],
            "What it does": FINDER if shapes.finder and s.key == "lesion_map" else WORDS[s.key][1],
            "Shape": shape_words(s.shape),
            "Learned numbers": f"{s.parameters:,}" if s.parameters else "none",
        }
        for s in shapes.stages
    ]  # fmt: skip


def equations(shapes: NetworkShapes) -> str:
    """The fusion in formulas with this network's numbers, as Markdown."""
    width, heads = shapes["field_tokens"].shape[-1], shapes.heads
    patches, fields = shapes["tokens"].shape[0], shapes["fields"].shape[0]
    return (
        f"Attention, both ways: $\\mathrm{{softmax}}(QK^\\top/\\sqrt{{d}})\\,V$, from {fields} fields to {patches:,} "
        f"patches with {heads} heads of $d = {width // heads}$, and from {shapes['summary'].shape[0]} image summaries "
        f"to {fields} fields with $d = {width}$ and scores kept between {-Fusion.BOUND:g} and {Fusion.BOUND:g}.\n\n"
        "Answer: $2\\,(w_I\\,\\ell_I + w_C\\,\\ell_C) + \\ell_J$, with the gate's weights $w_I + w_C = 1$, the scores "
        "of the image and of the clinical branch $\\ell_I, \\ell_C$, and the joint head's $\\ell_J$.\n\n"
        "Each field enters by sums only. That is why every combination of known and unknown fields can be evaluated, "
        "and Shapley values are exact.\n\n"
        "Not as in the paper: there, the clinical branch gives one vector, and attention over a single key is always "
        "1. Here each field has its own token, with a learned token for unknown."
    )
