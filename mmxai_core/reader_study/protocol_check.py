"""The rules of a protocol: one clear sentence for each that is broken."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, get_args

from mmxai_core.reader_study import protocol as p
from mmxai_core.reader_study.questionnaire_registry import INSTRUMENTS

if TYPE_CHECKING:
    from mmxai_core.reader_study.protocol import Protocol

_ID = re.compile(r"[a-z][a-z0-9_]{0,47}")
_STUDY_ID = re.compile(r"[a-z0-9][a-z0-9_-]{1,47}")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{1,31}")
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
#: Ids that the questions with each case use themselves.
_RESERVED_ITEMS = frozenset({"opinion", "confidence", "region", "misled", "misled_how", "comment"})
MAX_CASES, MAX_READERS, MAX_ARMS = 2000, 500, 8


def problems(protocol: Protocol) -> tuple[str, ...]:
    """A sentence for each rule that is broken, in the order of the file; () for a valid protocol."""
    return tuple(_all(protocol))


def known_instruments() -> tuple[str, ...]:
    """Ids of the questionnaires a protocol may ask for: those whose wording is there."""
    return tuple(INSTRUMENTS)


def _all(protocol: Protocol) -> Iterator[str]:
    yield from _head(protocol)
    yield from _design(protocol)
    yield from _arms(protocol)
    yield from _cases(protocol)
    yield from _readers(protocol)
    yield from _questions(protocol)
    yield from _instruments(protocol)


def _head(protocol: Protocol) -> Iterator[str]:
    if not _STUDY_ID.fullmatch(protocol.id):
        yield f"id: 2 to 48 small letters, digits, “-” or “_”, for example us-pilot; got {protocol.id!r}."
    elif protocol.id == "survey":
        yield "id: “survey” is kept for the Survey page; choose another."
    if not 1 <= len(protocol.title.strip()) <= 200:
        yield f"title: needs 1 to 200 characters; got {len(protocol.title.strip())}."
    if protocol.version < 1:
        yield f"version: must be 1 or more; got {protocol.version}."
    if protocol.parent and not _HASH.fullmatch(protocol.parent):
        yield f"parent: must be the 64 hex digits of the earlier version's hash; got {protocol.parent!r}."
    if (protocol.version > 1) != bool(protocol.parent):
        yield (
            f"parent: version {protocol.version} "
            + ("must name its parent's hash." if protocol.version > 1 else "has no parent; only later versions do.")
        )
    if protocol.bundle_sha256 and not _HASH.fullmatch(protocol.bundle_sha256):
        yield f"bundle_sha256: must be 64 hex digits or empty; got {protocol.bundle_sha256!r}."
    if not 0 < protocol.threshold < 1:
        yield f"threshold: must lie between 0 and 1; got {protocol.threshold:g}."
    if not 5 <= protocol.idle_limit_s <= 3600:
        yield f"idle_limit_s: must be 5 to 3600 seconds; got {protocol.idle_limit_s:g}."
    if not protocol.positive.strip() or not protocol.negative.strip() or protocol.positive == protocol.negative:
        yield f"positive, negative: need two different names; got {protocol.positive!r} and {protocol.negative!r}."


def _design(protocol: Protocol) -> Iterator[str]:
    design, seed = protocol.design, protocol.randomisation.seed
    yield from _choice("design.kind", design.kind, get_args(p.DesignKind))
    yield from _choice("randomisation.method", protocol.randomisation.method, get_args(p.Method))
    if not 0 <= seed < 2**63:
        yield f"randomisation.seed: must be a whole number from 0 to 2^63 - 1; got {seed}."
    if not (math.isfinite(design.washout_days) and 0 <= design.washout_days <= 365):
        yield f"design.washout_days: must be 0 to 365 days; got {design.washout_days:g}."
    elif design.kind == "sequential" and design.washout_days:
        yield f"design.washout_days: a sequential study has one period and no washout; got {design.washout_days:g}."
    if design.kind == "crossover" and len(protocol.arms) < 2:
        yield f"arms: a crossover compares two or more arms; got {len(protocol.arms)}."
    if design.kind == "sequential" and not design.commit_first:
        yield "design.commit_first: a sequential study always commits the unaided opinion first; got false."


def _arms(protocol: Protocol) -> Iterator[str]:
    if not 1 <= len(protocol.arms) <= MAX_ARMS:
        yield f"arms: needs 1 to {MAX_ARMS}; got {len(protocol.arms)}."
    yield from _unique("arms", (a.id for a in protocol.arms))
    for arm in protocol.arms:
        where = f"arm {arm.id!r}"
        if not _ID.fullmatch(arm.id):
            yield f"{where}, id: a small letter, then small letters, digits or “_”."
        yield from _choice(f"{where}, kind", arm.kind, get_args(p.ArmKind))
        if unknown := [e for e in arm.explanations if e not in p.EXPLANATIONS]:
            yield f"{where}, explanations: are of {', '.join(p.EXPLANATIONS)}; got {unknown[0]!r}."
        yield from _unique(f"{where}, explanations", arm.explanations)
        if arm.kind == "ai_explanation" and not arm.explanations:
            yield f"{where}, explanations: needs at least one."
        if arm.kind != "ai_explanation" and arm.explanations:
            yield f"{where}, explanations: only an arm of kind “ai_explanation” shows any; this one is {arm.kind!r}."
        for name, share in (("placebo_share", arm.placebo_share), ("wrong_share", arm.wrong_share)):
            if not 0 <= share <= 1:
                yield f"{where}, {name}: must be 0 to 1; got {share:g}."
        if arm.placebo_share and "saliency" not in arm.explanations:
            yield f"{where}, placebo_share: a placebo replaces the saliency map, which this arm does not show."
        if arm.wrong_share and arm.kind == "unaided":
            yield f"{where}, wrong_share: an unaided arm shows no AI that could be wrong."
        if arm.wrong_share and any(c.truth is None for c in protocol.study_cases):
            yield f"{where}, wrong_share: the truth of every case must be known to seed a wrong AI."


def _cases(protocol: Protocol) -> Iterator[str]:
    cases = protocol.cases
    if not protocol.study_cases:
        yield "cases: needs at least one that is no practice case."
    if len(cases) > MAX_CASES:
        yield f"cases: at most {MAX_CASES}; got {len(cases)}."
    yield from _unique("cases", (c.id for c in cases))
    for number, case in enumerate(cases, start=1):
        where = f"case {number}"  # an id may have been typed as a name
        if not _CASE.fullmatch(case.id):
            yield f"{where}, id: 1 to 64 letters, digits, “.”, “-” or “_”, no name; it has {len(case.id)} characters."
        if case.image and (case.image.startswith(("/", "\\")) or ":" in case.image or ".." in case.image.split("/")):
            yield f"{where}, image: must be a path below the case folder, without “..”."
        if len(case.stratum) > 64:
            yield f"{where}, stratum: at most 64 characters; got {len(case.stratum)}."
        if case.lesion is not None and not _box(case.lesion):
            yield f"{where}, lesion: must be x0, y0, x1, y1 in pixels with x0 < x1 and y0 < y1; got {case.lesion}."
        for name, value in case.clinical.items():
            if not isinstance(value, str | int | float | bool):
                yield f"{where}, clinical.{name}: must be a text, a number, or true or false."


def _readers(protocol: Protocol) -> Iterator[str]:
    if not 1 <= len(protocol.readers) <= MAX_READERS:
        yield f"readers: needs 1 to {MAX_READERS}; got {len(protocol.readers)}."
    yield from _unique("readers", (r.code for r in protocol.readers))
    for number, reader in enumerate(protocol.readers, start=1):
        if not _CODE.fullmatch(reader.code):
            yield (
                f"reader {number}, code: 2 to 32 capital letters, digits, “-” or “_”, for example R01, no name; it has "
                f"{len(reader.code)} characters."
            )
        if len(reader.stratum) > 64:
            yield f"reader {number}, stratum: at most 64 characters; got {len(reader.stratum)}."


def _questions(protocol: Protocol) -> Iterator[str]:
    asked = protocol.questions
    yield from _choice("questions.scale", asked.scale, get_args(p.ScaleKind))
    yield from _choice("questions.confidence", asked.confidence, get_args(p.Confidence))
    if asked.scale == "categories" and not 2 <= len(asked.categories) <= 20:
        yield f"questions.categories: needs 2 to 20 labels in rising order of suspicion; got {len(asked.categories)}."
    if asked.scale == "probability" and asked.categories:
        yield "questions.categories: only for the scale “categories”."
    yield from _unique("questions.categories", asked.categories)
    if not asked.lowest < asked.positive_from <= asked.highest:
        yield (
            f"questions.positive_from: must lie above {asked.lowest:g} and at most at {asked.highest:g}; "
            f"got {asked.positive_from:g}."
        )
    for name in asked.agreement:
        yield from _choice("questions.agreement", name, p.AGREEMENT)
    yield from _unique("questions.agreement", asked.agreement)
    yield from _unique("questions.custom", (i.id for i in asked.custom))
    for item in asked.custom:
        if not _ID.fullmatch(item.id) or item.id in _RESERVED_ITEMS or item.id.startswith(("agree_", "useful_")):
            yield (
                f"questions.custom {item.id!r}, id: a small letter, then small letters, digits or “_”, and none that "
                "the standard questions use."
            )
        yield from _choice(f"questions.custom {item.id!r}, kind", item.kind, ("likert5", "percent", "text"))
        if not 1 <= len(item.text.strip()) <= 1000:
            yield f"questions.custom {item.id!r}, text: needs 1 to 1000 characters; got {len(item.text.strip())}."


def _instruments(protocol: Protocol) -> Iterator[str]:
    yield from _unique("instruments", (f"{i.id} ({i.when})" for i in protocol.instruments))
    for use in protocol.instruments:
        yield from _choice("instruments, id", use.id, known_instruments())
        yield from _choice(f"instrument {use.id!r}, when", use.when, get_args(p.When))


def _choice(where: str, value: str, allowed: Iterable[str]) -> Iterator[str]:
    names = tuple(allowed)
    if value not in names:
        yield f"{where}: is one of {', '.join(names)}; got {value!r}."


def _unique(where: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{where}: {name!r} is there {count} times."


def _box(box: tuple[float, ...]) -> bool:
    return len(box) == 4 and all(math.isfinite(v) for v in box) and 0 <= box[0] < box[2] and 0 <= box[1] < box[3]
