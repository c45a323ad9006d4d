"""Runs a comparison unit by unit; a run that was cut off goes on from its unit files, on any machine."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from mmxai_core import __version__
from mmxai_core.cohorts.case import Cohort
from mmxai_core.comparison.cohort import Split, make_splits, published, with_fields
from mmxai_core.comparison.config import CompareConfig
from mmxai_core.comparison.encoders import Trained, train_encoder
from mmxai_core.comparison.fold import FoldWork
from mmxai_core.comparison.gradients import Seen
from mmxai_core.comparison.models import SHIPPED, EncoderKind, Model, chosen, levels
from mmxai_core.comparison.prepared_data import ReadCohort, read_cohort
from mmxai_core.comparison.shipped import shipped_seeds
from mmxai_core.comparison.units import Unit, read_unit, unit_path, write_unit
from mmxai_core.errors import CancelledError, CohortError
from mmxai_core.training.data import LUMINANCE, CohortArrays
from mmxai_core.training.run_log import RunLog
from mmxai_core.training.split import split_hash
from mmxai_core.types import Json

#: What must be the same for a run to go on in its folder; the rest of config.json and splits.json only describes it.
FIXED = ("cohort", "task", "classes", "case_hash", "seeds", "settings", "levels", "splits")


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        cohort: With its fields: see `cohort.with_fields`.
        out: Folder of the results.
        config: Settings.
        folds: Folds a seed.
        seeds: Number of seeds.
        cache: Folder of trained encoders; what is lost there is trained again.
        source: Cohort of the encoders to start from, or None.
        only: Models to work on now; the others stay to be done. None: all that the cohort can have.
        preprocessed: Cache of preprocessed pictures, where the settings ask for them.
        workers: Processes that preprocess.
        progress: Called with (what, units done, units in all).
        cancelled: True when the run should stop; checked between steps of training.
    """

    cohort: Cohort
    out: Path
    config: CompareConfig
    folds: int
    seeds: int
    cache: Path
    source: Cohort | None = None
    only: Sequence[str] | None = None
    preprocessed: Path = Path("runs/preprocessed")
    workers: int = 1
    progress: Callable[[str, int, int], None] = lambda what, done, total: None
    cancelled: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class UnitKey:
    """Which unit."""

    seed: int
    fold: int
    model: Model


class _Log(RunLog):
    """Epoch rows go to progress.jsonl, with the wall clock's time in UTC."""

    def write(self, stage: str, row: Any) -> None:
        add_progress(self.folder, {"stage": stage, **row})


def add_progress(folder: Path, row: Json) -> None:
    """Appends a row to progress.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with (folder / "progress.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"time": stamp, **row}) + "\n")


class Comparison:
    """A run: its data, its splits, its units."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.config = plan.config
        self.read = self._read(plan.cohort)
        self.cohort, self.data = self.read.cohort, self.read.data
        labelled = [c for c in self.cohort.cases if c.label is not None]
        self.cases = {c.case_id: c for c in labelled}
        parts = [c.split for c in labelled] if published(labelled) else None
        self.splits = {
            (s.seed, s.fold): s
            for i in range(plan.seeds)
            for s in make_splits(
                self.data, folds=plan.folds, seed=plan.config.seed + i, validation=plan.config.validation, parts=parts
            )
        }
        self.published = parts is not None
        self._source: CohortArrays | None = None
        self._source_encoders: dict[tuple[EncoderKind, int], Trained] = {}
        self.log = _Log(plan.out, cancelled=plan.cancelled)

    def _read(self, cohort: Cohort) -> ReadCohort:
        return read_cohort(
            cohort, config=self.config, folder=self.plan.preprocessed, workers=self.plan.workers,
            progress=lambda done, total: self.plan.progress(f"reading {cohort.name}", 0, 1),
            cancelled=self.plan.cancelled,
        )  # fmt: skip

    def units(self) -> list[UnitKey]:
        """All units in the order of work: what `train` measured, the models of the main encoder, the ablations."""
        models, taken = chosen(self.cohort.schema, shipped=True), shipped_seeds(self.plan.out)
        shipped = [UnitKey(s, f, m) for m in models if m.kind == "shipped" for s, f in self.splits if s in taken]
        main = [UnitKey(s, f, m) for s, f in self.splits for m in models if m.kind not in ("ablation", "shipped")]
        limit = self.config.seed + self.config.ablation_seeds
        more = [UnitKey(s, f, m) for m in models if m.kind == "ablation" for s, f in self.splits if s < limit]
        return shipped + main + more

    def models(self) -> tuple[Model, ...]:
        """The run's models, in order."""
        return chosen(self.cohort.schema, shipped=bool(shipped_seeds(self.plan.out)))

    def finished(self) -> list[Unit]:
        """The units that lie in the folder and belong to the plan."""
        paths = [unit_path(self.plan.out, k.seed, k.fold, k.model.name) for k in self.units()]
        return [read_unit(p) for p in paths if p.is_file()]

    def prepare(self) -> None:
        """Writes config.json and splits.json.

        Raises:
            CohortError: The folder holds a run with other settings or cases.
        """
        self.plan.out.mkdir(parents=True, exist_ok=True)
        for name, value in (("config.json", self.describe()), ("splits.json", self._splits())):
            path, now = self.plan.out / name, json.loads(json.dumps(value))
            if path.is_file():
                before = json.loads(path.read_text(encoding="utf-8"))
                if odd := [k for k in FIXED if before.get(k) != now.get(k)]:
                    raise CohortError(
                        f"The folder {self.plan.out.name} holds a comparison with other settings or cases "
                        f"({name}: {', '.join(odd)}); give another one."
                    )
                if "environment" in before:  # where the run was begun: most of its units were made there
                    now["environment"] = before["environment"]
            path.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def run(self) -> None:
        """Works through the missing units, each written at once.

        Raises:
            CancelledError: The run was cancelled; finished units stay.
        """
        self.prepare()
        keys = self.units()
        missing = [k for k in keys if not unit_path(self.plan.out, k.seed, k.fold, k.model.name).is_file()]
        done = len(keys) - len(missing)
        todo = [
            k
            for k in missing
            if k.model.kind != "shipped" and (self.plan.only is None or k.model.name in self.plan.only)
        ]
        work: FoldWork | None = None
        for key in todo:
            if self.plan.cancelled():
                raise CancelledError("The comparison was cancelled; finished units are kept.")
            if work is None or (work.split.seed, work.split.fold) != (key.seed, key.fold):
                work = self._work(self.splits[key.seed, key.fold])
            self.plan.progress(f"{work.name}, {key.model.name}", done, len(keys))
            started = time.perf_counter()
            unit = work.fit(key.model, partial(self._done, key))
            write_unit(self.plan.out, unit)
            done += 1
            seconds = round(time.perf_counter() - started, 1)
            add_progress(
                self.plan.out,
                {"unit": f"{key.seed}-{key.fold}-{key.model.name}", "done": done, "of": len(keys), "seconds": seconds},
            )
        self.plan.progress("measuring", done, len(keys))

    def _done(self, key: UnitKey, name: str) -> Unit:
        path = unit_path(self.plan.out, key.seed, key.fold, name)
        if not path.is_file():
            raise CohortError(f"Model {key.model.name} needs model {name} of the same seed and fold; name it too.")
        return read_unit(path)

    def _work(self, split: Split) -> FoldWork:
        def from_source(kind: EncoderKind) -> Trained:
            return self.source_encoder(kind, split.fold % self.config.source_folds)

        source = from_source if self.plan.source is not None else None
        return FoldWork(
            self.data, split, schema=self.cohort.schema, config=self.config, cache=self.plan.cache, log=self.log,
            source=source, replay=self.source_data() if source else None,
            gradients=(lambda: self.source_gradients) if source else None,
        )  # fmt: skip

    def source_data(self) -> CohortArrays:
        """The source cohort's cases.

        Raises:
            CohortError: The plan has no source.
        """
        if self.plan.source is None:
            raise CohortError("This comparison has no source cohort.")
        if self._source is None:
            self._source = self._read(self.plan.source).data
        return self._source

    @cached_property
    def source_gradients(self) -> Seen:
        """The source cohort's cases as the rival of oriented gradients sees them."""
        return Seen.of(self.source_data())

    def source_splits(self) -> list[Split]:
        """The folds of the source cohort's own comparison with the same settings."""
        return make_splits(
            self.source_data(), folds=self.config.source_folds, seed=self.config.seed,
            validation=self.config.validation,
        )  # fmt: skip

    def source_encoder(self, kind: EncoderKind, fold: int) -> Trained:
        """The encoder of the source cohort's fold: the very one its own comparison trains, from the cache or again."""
        if (kind, fold) not in self._source_encoders:
            split = self.source_splits()[fold]
            data = self.source_data()
            self._source_encoders[kind, fold] = train_encoder(
                kind, data.take(split.train), data.take(split.validation), config=self.config,
                seed=split.seed * 100 + split.fold, cache=self.plan.cache, log=self.log, name=f"source fold {fold}",
            )  # fmt: skip
        return self._source_encoders[kind, fold]

    def describe(self) -> Json:
        """What config.json holds."""
        c, config = self.cohort, self.config
        per_patient = len(self.data) / max(len(set(self.data.patients)), 1)
        return {
            "format": 1,
            "cohort": c.name, "task": c.task, "label": c.label, "classes": list(c.classes),
            "positive_class": c.positive_class, "cases": len(self.data), "patients": len(set(self.data.patients)),
            "prevalence": float(self.data.labels.mean()), "case_hash": split_hash(self.data.case_ids),
            "licence": c.licence, "citation": c.citation, "leaks": list(c.leaks), "notes": list(c.notes),
            "dropped": [list(d) for d in c.dropped], "research_use_only": True,
            "unit": config.unit,
            "aggregation": "mean of the calibrated probabilities of a patient's images"
            if config.unit == "patient" and per_patient > 1 else "none: every image is scored by itself",
            "folds": 1 if self.published else self.plan.folds,
            "seeds": [config.seed + i for i in range(self.plan.seeds)],
            "split": "published by the cohort" if self.published else "patient-grouped, stratified by label",
            "image_input": f"one grey channel, {config.arch.canvas} px canvas, two glances of {config.arch.glance} px; "
            f"several planes are read as luminance {LUMINANCE}" + self._shipped_input(),
            "lesion_reference": self._reference(),
            "levels": {k: list(v) for k, v in levels(c.schema).items()},
            "fields": [{"id": f.id, "label": f.label, "group": f.group} for f in c.schema.fields],
            "models": [
                {"name": m.name, "label": m.label, "family": m.family, "about": m.about, "encoder": m.encoder,
                 "seeds": len({k.seed for k in self.units() if k.model is m})}
                for m in self.models()
            ],
            "source": None if self.plan.source is None else {
                "cohort": self.plan.source.name, "folds": config.source_folds,
                "start": "fold k starts from the encoder of the source's fold k mod source folds, seed "
                f"{config.seed}; no patient is in both cohorts",
            },
            "shared_encoder": "A fold's image branch is trained end to end once, by its own loss; image only reads it "
            "whole, and the fusion variants share cached tokens of it and are trained with the same schedule, the same "
            "early stopping and the same refit. Each ablation has an image branch of its own, by the settings "
            "`ablation`" + (" for the source and `tune` after it" if self.plan.source else "") + "."
            + (" The shipped recipe shares neither image branch nor schedule." if shipped_seeds(self.plan.out) else ""),
            "settings": config.to_json(),
            **self._choices(),
            "environment": {"version": __version__, "torch": torch.__version__, "python": platform.python_version(),
                            "threads": torch.get_num_threads()},
        }  # fmt: skip

    def _shipped_input(self) -> str:
        """What is told of the shipped recipe's image input; "" without one."""
        for unit in self.finished():
            if unit.model == SHIPPED:
                settings = unit.account["settings"]
                arch = settings["arch"]
                return (
                    f"; the shipped recipe: {arch['canvas']} px canvas, two glances of {arch['glance']} px, image "
                    f"branch pretrained on {settings['pretrain_cohort'] or 'the training cases of each fold'}"
                )
        return ""

    def _choices(self) -> Json:
        """What runs that leave these choices alone do not state, so that their files stay as they are."""
        read, out = self.read, {}
        if read.preprocessing is not None:
            out["preprocessing"] = read.preprocessing
        if read.preprocessing is not None or read.pairs["dropped"]:
            out["pairs"] = read.pairs
        return out

    def _reference(self) -> str:
        masks = sum(bool(c.masks) for c in self.cases.values())
        boxes = sum(bool(c.boxes) and not c.masks for c in self.cases.values())
        if not masks and not boxes:
            return "none"
        return "the expert's outline" if not boxes else "the expert's box, filled" if not masks else "outline or box"

    def _splits(self) -> Json:
        def part(index: Any) -> Json:
            ids = [self.data.case_ids[i] for i in index]
            return {"hash": split_hash(ids), "case_ids": ids}

        return {
            "splits": [
                {"seed": s.seed, "fold": s.fold, "train": part(s.train), "validation": part(s.validation),
                 "test": part(s.test)}
                for s in self.splits.values()
            ]
        }  # fmt: skip


def plan_of(
    cohort: Cohort, out: Path, *, config: CompareConfig, folds: int, seeds: int, cache: Path,
    source: Cohort | None = None, **more: Any,
) -> Plan:  # fmt: skip
    """A plan whose cohorts have their fields.

    Raises:
        CohortError: The settings name a source that was not given, or there is one they do not name.
    """
    wanted = config.source_cohort if config.source_cohort != cohort.name else ""
    if wanted and (source is None or source.name != wanted):
        raise CohortError(f"The settings start from encoders of {wanted}: give its folder with --source-root.")
    if source is not None and not wanted:
        raise CohortError("A source cohort was given, but the settings name none for this cohort.")
    if len(cohort.classes) != 2:
        raise CohortError(f"A comparison needs two classes; {cohort.name} has {len(cohort.classes)}.")
    config = replace(config, arch=replace(config.arch, classes=2))
    return Plan(
        with_fields(cohort), out, config, folds, seeds, cache, source=with_fields(source) if source else None, **more
    )
