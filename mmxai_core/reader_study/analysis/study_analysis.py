"""The whole analysis of one study: every section, each answered or undefined with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from mmxai_core.errors import CancelledError, MmxaiError
from mmxai_core.reader_study.analysis import (
    accuracy,
    agreeing,
    alignment,
    comparison,
    confidence_time,
    forms,
    likert,
    overview,
    planning,
    reliance_section,
)
from mmxai_core.reader_study.analysis.answers import current
from mmxai_core.reader_study.analysis.comparison import Compared
from mmxai_core.reader_study.analysis.prepared import Prepared, prepare
from mmxai_core.reader_study.analysis.section import Section, undefined
from mmxai_core.reader_study.study_tables import StudyTables
from mmxai_core.types import Json

RESEARCH_USE = "Research use only, not for diagnosis"
#: Called with (section done, number done, number in all).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Options:
    """Choices of the coordinator; all are in the result.

    Attributes:
        scale: Rating scale to analyse; None: the commonest.
        threshold: From where on a rating is positive; None: what the scale means.
        effects: AUC differences to plan for.
        power: To plan for.
        replicates: Of every bootstrap.
        seed: Of every bootstrap.
    """

    scale: str | None = None
    threshold: float | None = None
    effects: tuple[float, ...] = planning.EFFECTS
    power: float = 0.8
    replicates: int = 2000
    seed: int = 0


@dataclass(frozen=True, eq=False)
class StudyAnalysis:
    """What was found.

    Attributes:
        study: Name.
        simulated: True where readers were simulated: nothing in it is evidence.
        sections: In the order shown.
        options: Of the run.
        prepared: The readings analysed; None where there are none.
        compared: The comparisons of AUC.
        tables: What it rests on.
    """

    study: str
    simulated: bool
    sections: tuple[Section, ...]
    options: Options
    prepared: Prepared | None
    compared: tuple[Compared, ...]
    tables: StudyTables

    def __getitem__(self, name: str) -> Section:
        """The section of that id.

        Raises:
            KeyError: There is none.
        """
        return {s.id: s for s in self.sections}[name]

    @property
    def banner(self) -> str:
        """What stands on every page and file."""
        return (f"SIMULATED READERS: no evidence. {RESEARCH_USE}" if self.simulated else RESEARCH_USE) + "."

    def to_json(self) -> Json:
        """Plain values."""
        prepared, options = self.prepared, self.options
        return {
            "study": self.study,
            "title": self.tables.title,
            "simulated": self.simulated,
            "notice": self.banner,
            "scale": prepared.scale.name if prepared else None,
            "threshold": prepared.scale.threshold if prepared else None,
            "conditions": list(prepared.conditions) if prepared else [],
            "sections": {s.id: s.to_json() for s in self.sections},
            "provenance": {
                "replicates": options.replicates,
                "seed": options.seed,
                "power": options.power,
                "effects": list(options.effects),
                "versions": sorted(set(self.tables.readings["version"]) - {""}),
                "bundles": sorted(set(self.tables.readings["bundle_sha256"]) - {""}),
                "mmxai": _version(),
            },
        }


def analyse_study(
    tables: StudyTables,
    options: Options = Options(),
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> StudyAnalysis:
    """Analyses a study, whatever it holds: what cannot be computed is undefined, with the reason.

    Args:
        tables: The study.
        options: Choices.
        progress: Called after each section.
        cancelled: Asked before each section.

    Raises:
        StudyStoreError: An option does not fit the readings, e.g. there is no such scale.
        CancelledError: `cancelled` said so.
    """
    replicates, seed = options.replicates, options.seed
    prepared = None
    if len(tables.readings):
        prepared = prepare(tables, scale=options.scale, threshold=options.threshold)
    answers = current(tables.ratings)
    compared: tuple[Compared, ...] = ()
    none = "the study holds no readings."

    def comparing(p: Prepared) -> Section:
        nonlocal compared
        compared = comparison.compare(p, replicates=replicates, seed=seed)
        return comparison.comparison_section(p, compared, replicates=replicates, seed=seed)

    def on_readings(id_: str, title: str, work: Callable[[Prepared], Section]) -> Callable[[], Section]:
        return lambda: undefined(id_, title, none) if prepared is None else work(prepared)

    steps: list[tuple[str, str, Callable[[], Section]]] = [
        (overview.ID, overview.TITLE, lambda: overview.overview(tables, prepared)),
        *(
            (module_id, title, on_readings(module_id, title, work))
            for module_id, title, work in (
                (accuracy.ID, accuracy.TITLE, lambda p: accuracy.accuracy(p, replicates=replicates, seed=seed)),
                (comparison.ID, comparison.TITLE, comparing),
                (reliance_section.ID, reliance_section.TITLE,
                 lambda p: reliance_section.reliance_section(p, replicates=replicates, seed=seed)),
                (confidence_time.ID, confidence_time.TITLE,
                 lambda p: confidence_time.confidence_time(p, replicates=replicates, seed=seed)),
            )
        ),
        (likert.ID, likert.TITLE, lambda: likert.likert(answers, tables.wordings)),
        (forms.ID, forms.TITLE, lambda: forms.questionnaires(answers)),
        (agreeing.ID, agreeing.TITLE,
         lambda: agreeing.agreement_section(prepared, answers, tables.wordings, replicates=replicates, seed=seed)),
        (alignment.ID, alignment.TITLE,
         on_readings(alignment.ID, alignment.TITLE,
                     lambda p: alignment.alignment(tables, p, replicates=replicates, seed=seed))),
        (planning.ID, planning.TITLE,
         lambda: planning.planning(compared, effects=options.effects, power=options.power)),
    ]  # fmt: skip
    sections = []
    for number, (id_, title, work) in enumerate(steps, start=1):
        if cancelled is not None and cancelled():
            raise CancelledError("The analysis was cancelled.")
        try:
            sections.append(work())
        except MmxaiError as error:
            sections.append(undefined(id_, title, str(error)))
        if progress is not None:
            progress(title, number, len(steps))
    return StudyAnalysis(tables.name, tables.simulated, tuple(sections), options, prepared, compared, tables)


def all_tables(analysis: StudyAnalysis) -> dict[str, pd.DataFrame]:
    """Every result table by name."""
    return {name: t for s in analysis.sections for name, t in s.tables.items()}


def _version() -> str:
    try:
        return version("mmxai")
    except PackageNotFoundError:
        return "unknown"
