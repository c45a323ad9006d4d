"""The model card of a bundle: every number in it is the run's own."""

from __future__ import annotations

from typing import Any

from mmxai_core.cohorts.case import Cohort
from mmxai_core.model.glance import MISSED
from mmxai_core.results.typography import listed
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.purpose import intended_use, purpose_of
from mmxai_core.types import Json

#: What finds the lesion, by whether there is a network of its own.
_FINDS = {
    False: "its own lesion map finds",
    True: "a network of its own finds, trained for nothing else",
}
_LEVEL_NAMES = {
    "history": "history",
    "history+descriptor": "history + descriptors",
    "history+descriptor+assessment": "history + descriptors + assessment",
    "image": "no field known",
}


#: Of what early stopping of the image branch watched, where it was not the class alone.
_WATCHED = {
    "whole": "Its image stages stopped early by class and lesion map together. ",
    "lesion": "Its image stages stopped early by the lesion map, for the image tells little of the class. ",
}

#: How a run's settings were chosen, where `results.json` does not say otherwise ("choices" of its "training").
CHOICES = "Settings were chosen on validation folds."

#: Where a reader's category had a say in the image branch's targets.
_TAUGHT = (
    "In training the image branch's target was {share:.0f} % how often lesions of the same BI-RADS category are of "
    "each class, the rest the class itself; no category is read where the image branch is used or validated. "
)


def _cell(entry: Json) -> str:
    if entry is None:
        return "undefined"
    return f"{entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"


def _model_name(key: str) -> str:
    model, _, level = key.partition("|")
    if not level:
        return "Image only"
    return f"{'Fused' if model == 'fused' else 'Clinical only'}, {_LEVEL_NAMES.get(level, level)}"


def _other_seeds(results: Json, cohort: Cohort) -> list[str]:
    """What the same recipe came to with other seeds, beside this one; nothing where it was not run again."""
    others = results.get("other_seeds")
    if not others:
        return []
    own = results["cross_validation"]["models"]
    rows = [
        f"{_model_name(key)} {', '.join(f'{v:.3f}' for v in values)} (here {own[key]['auc']['value']:.3f})"
        for key, values in others["auc"].items()
        if _has_fields(key, cohort)
    ]
    seeds = listed([str(s) for s in others["seeds"]])
    return [
        f"The same recipe with other seeds ({seeds}), that is other folds, another pretraining and other draws; pooled "
        f"AUC: {'; '.join(rows)}. What differs between seeds is chance: judge the recipe by their mean (Performance).",
        "",
    ]


def _metric_rows(models: Json) -> list[str]:
    rows = ["| Model | AUC | Sensitivity | Specificity | Brier | ECE |", "|---|---|---|---|---|---|"]
    for key, table in models.items():
        cells = [_cell(table.get(m)) for m in ("auc", "sensitivity", "specificity", "brier", "ece")]
        rows.append(f"| {_model_name(key)} | {' | '.join(cells)} |")
    return rows


def _in_words(tests: Json, cohort: Cohort) -> str:
    """What the paired tests come to: where the fused model is shown to be better than a branch alone, and where not."""
    better, worse, equal = list[str](), list[str](), list[str]()
    for key, test in tests.items():
        a, _, b = key.partition(" - ")
        if not (_has_fields(a, cohort) and _has_fields(b, cohort)) or test["p"] is None:
            continue
        known = _LEVEL_NAMES.get(a.partition("|")[2], a.partition("|")[2])
        said = f"with {known} known, {'the image' if b == 'image' else 'the fields'} alone ({test['value']:+.3f})"
        (equal if test["p"] >= 0.05 else better if test["value"] > 0 else worse).append(said)
    parts = [
        f"{verb}: {'; '.join(found)}"
        for verb, found in (
            ("is better than", better),
            ("is worse than", worse),
            ("is not shown to differ from", equal),
        )
        if found
    ]
    return f"In words, each test by itself at p < 0.05: the fused model {'. It '.join(parts)}." if parts else ""


def _has_fields(key: str, cohort: Cohort) -> bool:
    """Whether the last group of a model's level has fields at all; where it has none, the level repeats another."""
    last = key.partition("|")[2].rpartition("+")[2]
    return last in ("", "image") or any(f.group == last for f in cohort.schema.fields)


def _at_threshold_rows(measured: Json) -> list[str]:
    """The fused network's calls at the bundle's own threshold; nothing where they were not measured."""
    if not measured:
        return []
    columns = ("sensitivity", "specificity", "ppv", "npv")
    return [
        "",
        f"At the bundle's operating threshold of {measured['threshold']:.3f}, chosen on the folds' validation splits:",
        "",
        "| Model | Sensitivity | Specificity | PPV | NPV |",
        "|---|---|---|---|---|",
        *(
            f"| {_model_name(key)} | {' | '.join(_cell(entry.get(c)) for c in columns)} |"
            for key, entry in measured["models"].items()
        ),
    ]


def _planes(cohort: Cohort) -> list[str]:
    channels = cohort.cases[0].channels if cohort.cases else ()
    if not channels:
        return []
    shown = ", ".join(f"{colour} {c.name}" for colour, c in zip(("red", "green", "blue"), channels, strict=False))
    return [
        f"The image is one colour picture of several planes ({shown}), read as its luma (ITU-R BT.601). A picture of "
        "one plane alone opens, but looks different to the model."
    ]


def _marked_lines(marked: Any, cohort: Cohort) -> list[str]:
    """What it is worth that a reader marks the lesion."""
    if not marked:
        return []
    rows = {k: v for k, v in marked["models"].items() if k == "image" or _has_fields(k, cohort)}
    said = [
        f"Where the fused model's second look falls, out of fold, {marked['n']} cases with an expert's outline or box: "
        f"overlap (IoU) with the square that this gives, context included, {_cell(marked['overlap'])}; elsewhere "
        f"(overlap below {MISSED:g}) in a share of {_cell(marked['missed'])}. Where a reader marks the lesion, the "
        "second look goes there instead.",
        "",
    ]
    if not rows:
        return said
    return [
        *said,
        "| AUC, pooled; second look placed by | the model | the expert's mark | difference (DeLong, clustered) | p |",
        "|---|---|---|---|---|",
        *(
            f"| {_model_name(k)} | {_cell(v['found'])} | {_cell(v['marked'])} | {_cell(v['difference'])} | "
            + ("undefined" if v["difference"]["p"] is None else f"{v['difference']['p']:.3g}")
            + " |"
            for k, v in rows.items()
        ),
        "",
    ]


def model_card(name: str, cohort: Cohort, pretrain: Cohort | None, config: TrainConfig, results: dict[str, Any]) -> str:
    """Markdown after Mitchell et al. 2019, "Model Cards for Model Reporting"."""
    sources, purpose = [c for c in (cohort, pretrain) if c], purpose_of(cohort)
    cv = results["cross_validation"]
    rows = {k: v for k, v in cv["models"].items() if _has_fields(k, cohort)}
    lines = [
        f"# Model card: {name}",
        "",
        "**Research use only, not for diagnosis.**",
        "",
        "## What it does",
        f"Probability that {purpose.question}, from {purpose.image} and up to {len(cohort.schema.fields)} clinical "
        "fields; every field, and the image, may be unknown.",
        *_planes(cohort),
        f"Image branch: {config.arch.backbone} to stride 16 over two glances (whole frame, and the lesion that "
        f"{_FINDS[config.arch.finder]}), then {config.arch.depth} Transformer blocks of width {config.arch.width}. "
        "Clinical branch: one token a field. Fusion: cross-attention in both directions, additive over fields before "
        "the head.",
        f"The fused network's image branch lies {100 * config.image_mix:.0f} % of the way from the weights "
        f"pretrained on {pretrain.name if pretrain else 'the same training cases'} to those fine-tuned on "
        f"{cohort.name}; the image-only sibling is the fine-tuned one. "
        + ("The fused network's image head was learned with the fusion. " if config.readout == "own" else "")
        + _WATCHED.get(config.watch, "")
        + (_TAUGHT.format(share=100 * config.teacher) if config.teacher else "")
        + str(results.get("training", {}).get("choices", CHOICES)),
        "",
        "## Intended use",
        intended_use(purpose, [c.licence for c in sources]),
        purpose.excluded,
        "",
        "## Trained on",
    ]
    for c in sources:
        dropped = "; ".join(f"{n} dropped: {why}" for why, n in c.dropped if n) or "none dropped"
        lines.append(
            f"- **{c.name}**: {len(c.cases)} images, {c.patients} patients ({dropped}). "
            f"{c.label} {c.citation}. {c.licence}."
        )
    if config.init == "imagenet":
        lines.append(
            "- First weights of the CNN: EfficientNet-Lite0 trained on ImageNet (Apache-2.0; "
            "ImageNet's own terms apply)."
        )
    lines += [
        f"- Never read, since they tell the label: {', '.join(x for c in sources for x in c.leaks)}.",
        "- Missing fields are hidden at random in training so that, within each class, every field is unknown equally "
        "often: which fields are unknown should then tell little of the class. What the gaps of this cohort alone tell "
        "of it is measured by `compare` (Performance, Leakage).",
        "",
        f"## Cross-validation on {cohort.name}",
        f"{cv['folds']} patient-grouped folds, {cv['n']} cases, {100 * cv['prevalence']:.0f} % "
        f"{cohort.positive_class}. Out of fold, pooled; 95 % intervals by patient bootstrap, those of ECE turned round "
        "(basic); temperature from the "
        "validation splits of all folds, for each fold without the patients it is tested on, before the refit; "
        "sensitivity and specificity at probability 0.5.",
        "",
        *_metric_rows(rows),
        "",
        "Mean of the folds' own AUCs (pooled, cases of one fold are ranked against those of another): "
        + "; ".join(
            f"{_model_name(k)} {sum(v) / len(v):.3f}"
            for k, v in cv["auc_by_fold"].items()
            if None not in v and _has_fields(k, cohort)
        )
        + ".",
        "",
        *_other_seeds(results, cohort),
        purpose.readings,
        "",
        "| Paired difference in AUC (DeLong, clustered by patient) | Difference | p |",
        "|---|---|---|",
    ]
    for key, test in cv["auc_difference_delong"].items():
        a, _, b = key.partition(" - ")
        if not (_has_fields(a, cohort) and _has_fields(b, cohort)):
            continue
        p = "undefined" if test["p"] is None else f"{test['p']:.3g}"
        lines.append(f"| {_model_name(a)} minus {_model_name(b)} | {_cell(test)} | {p} |")
    lines += ["", _in_words(cv["auc_difference_delong"], cohort)]
    if at := cv.get("at_operating_threshold"):
        lines += _at_threshold_rows({**at, "models": {k: v for k, v in at["models"].items() if _has_fields(k, cohort)}})
    loc = cv["localization"]
    lines += [
        "",
        "No case has a lesion mask: the maps were not scored."
        if loc is None
        else f"Grad-CAM++ against the lesion masks, out of fold, {loc['n']} cases: pointing game {_cell(loc['hit'])}; "
        f"overlap (IoU) at the lesion's area {_cell(loc['iou'])}; "
        f"share of the map inside the lesion {_cell(loc['energy'])}.",
        "",
        *_marked_lines(cv.get("marked"), cohort),
    ]
    for title, tables in results.get("external_test", {}).items():
        lines += [f"## External test: {title}"]
        lines += [f"- {part.replace('_', ' ')} (n = {t['n']}): AUC {_cell(t['auc'])}" for part, t in tables.items()]
        lines.append("")
    if phantoms := results.get("phantoms"):
        lines += [
            "## Synthetic phantoms",
            f"On {phantoms['n']} fresh phantoms (never trained on): AUC {_cell(phantoms['auc']['fused'])} with fields, "
            f"{_cell(phantoms['auc']['image'])} from the image alone. Phantoms test the machinery, not accuracy.",
            "",
        ]
    lines += [
        "## Limits",
        f"- {cv['n']} cases of {cohort.patients} patients, from one publication, train and test the fusion: intervals "
        "are wide, and other sites will differ.",
        "- Every training image shows a lesion. On an image without one the model still answers.",
        "- Calibration holds for the training prevalence; it shifts where the class is rarer or more frequent.",
        "- Subgroups (age, device, tissue) are not judged here; where a comparison was run, the Performance page shows "
        "them with their intervals.",
        "- Attention and saliency show what the model used, not what causes disease.",
        "",
    ]
    return "\n".join(lines)
