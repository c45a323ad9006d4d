"""Cohorts by the names the command line knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmxai_core.cohorts import breast_lesions_usg, bus_bra
from mmxai_core.cohorts.case import Cohort
from mmxai_core.errors import CohortError

_LOADERS: dict[str, Callable[[Path], Cohort]] = {
    breast_lesions_usg.NAME: breast_lesions_usg.load,
    bus_bra.NAME: bus_bra.load,
}


def cohort_names() -> tuple[str, ...]:
    """Names of the cohorts there is an adapter for."""
    return tuple(_LOADERS)


def load_cohort(name: str, root: Path) -> Cohort:
    """A cohort from its upstream layout under `root`.

    Raises:
        CohortError: No such cohort or folder, or the files do not fit the adapter.
    """
    if name not in _LOADERS:
        raise CohortError(f"Unknown cohort {name!r}; known: {', '.join(_LOADERS)}.")
    if not root.is_dir():
        raise CohortError(f"The folder of cohort {name} does not exist: {root}.")
    return _LOADERS[name](root)
