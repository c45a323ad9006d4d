"""Cohorts by the names the command line knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mmxai_core.cohorts import (
    breast_lesions_usg,
    bus_bra,
    cbis_ddsm,
    duke_breast_mri,
    tcga_brca,
    tcga_gbm,
    tcga_lgg,
    tcga_luad,
)
from mmxai_core.cohorts.case import Cohort
from mmxai_core.errors import CohortError


class _Load(Protocol):
    def __call__(self, root: Path) -> Cohort: ...


class _LoadTask(Protocol):
    def __call__(self, root: Path, *, task: str) -> Cohort: ...


_LOADERS: Mapping[str, _Load] = {
    breast_lesions_usg.NAME: breast_lesions_usg.load,
    bus_bra.NAME: bus_bra.load,
}
#: Cohorts that can answer several questions: the loader, and the tasks, the default first.
_WITH_TASKS: Mapping[str, tuple[_LoadTask, tuple[str, ...]]] = {
    cbis_ddsm.NAME: (cbis_ddsm.load, cbis_ddsm.TASKS),
    duke_breast_mri.NAME: (duke_breast_mri.load, duke_breast_mri.TASKS),
    tcga_brca.NAME: (tcga_brca.load, tcga_brca.TASKS),
    tcga_luad.NAME: (tcga_luad.load, tcga_luad.TASKS),
    tcga_gbm.NAME: (tcga_gbm.load, tcga_gbm.TASKS),
    tcga_lgg.NAME: (tcga_lgg.load, tcga_lgg.TASKS),
}


def cohort_names() -> tuple[str, ...]:
    """Names of the cohorts there is an adapter for."""
    return (*_LOADERS, *_WITH_TASKS)


def cohort_tasks(name: str) -> tuple[str, ...]:
    """The tasks of a cohort, the default first; empty where it has one question only.

    Raises:
        CohortError: No such cohort.
    """
    if name not in cohort_names():
        raise CohortError(f"Unknown cohort {name!r}; known: {', '.join(cohort_names())}.")
    return _WITH_TASKS[name][1] if name in _WITH_TASKS else ()


def load_cohort(name: str, root: Path, *, task: str | None = None) -> Cohort:
    """A cohort from its upstream layout under `root`.

    Args:
        name: One of `cohort_names`.
        root: The download's folder.
        task: One of `cohort_tasks`; None for the default.

    Raises:
        CohortError: No such cohort, task or folder, or the files do not fit the adapter.
    """
    tasks = cohort_tasks(name)
    if task is not None and task not in tasks:
        raise CohortError(f"Tasks of cohort {name} are {', '.join(tasks) or 'none'}; got {task!r}.")
    if not root.is_dir():
        raise CohortError(f"The folder of cohort {name} does not exist: {root}.")
    if name in _WITH_TASKS:
        return _WITH_TASKS[name][0](root, task=task or tasks[0])
    return _LOADERS[name](root)
