"""What `reader-study analyse` and `reader-study rehearse` do, apart from printing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.from_store import named_study, tables_from_store
from mmxai_core.reader_study.analysis.planning import EFFECTS
from mmxai_core.reader_study.analysis.study_analysis import RESEARCH_USE, Options, analyse_study
from mmxai_core.reader_study.exports.package import export_files, table_files, write_folder
from mmxai_core.reader_study.rehearsal import Rehearsal, rehearse_study
from mmxai_core.reader_study.study_store import StudyStore
from mmxai_core.reader_study.study_tables import STAGES, StudyTables, read_tables, with_maps
from mmxai_core.types import Json


def analyse_command(args: argparse.Namespace, step: Callable[[str, float, float], None]) -> tuple[Json, list[Path]]:
    """Analyses a study and writes its exports.

    Args:
        args: Of the command.
        step: Told of progress.

    Returns:
        The analysis as plain values, and the files written.

    Raises:
        StudyStoreError: The tables, the store or an option is wrong.
    """
    tables = read_tables(args.tables) if args.tables is not None else _from_store(args)
    if args.maps is not None:
        tables = with_maps(tables, args.maps)
    effects = tuple(args.effect) if args.effect else EFFECTS
    options = Options(args.scale, args.threshold, effects, 0.8, args.replicates, args.seed)
    analysis = analyse_study(tables, options, progress=lambda what, n, total: step(what, n, total + 4))
    written: list[Path] = []
    if args.out is not None:
        sections = len(analysis.sections)
        files = export_files(analysis, progress=lambda what, n, total: step(what, sections + n, sections + total))
        written = write_folder(files, args.out)
    return analysis.to_json(), written


def _from_store(args: argparse.Namespace) -> StudyTables:
    is_url = "://" in args.store
    if not is_url and not Path(args.store).is_file():
        raise StudyStoreError(f"{args.store}: there is no such store.")
    store = StudyStore(args.store if is_url else Path(args.store))
    try:
        return tables_from_store(store, named_study(store, args.study, args.version))
    finally:
        store.close()


def analysis_rows(found: Json) -> list[tuple[str, object]]:
    """The short table: every section's lines."""
    rows: list[tuple[str, object]] = []
    for section in found["sections"].values():
        rows += [(section["title"] if n == 0 else "", line) for n, line in enumerate(section["lines"])]
    return rows


def rehearse_command(args: argparse.Namespace) -> Json:
    """Simulates a study and writes its tables.

    Args:
        args: Of the command.

    Raises:
        StudyStoreError: A size or AUC makes no sense, or the folder cannot be written.
    """
    plan = Rehearsal(
        design=args.design, readers=args.readers, positives=args.positives, negatives=args.negatives,
        ai_accuracy=args.ai_accuracy, seeded_wrong=args.seeded_wrong, seed=args.seed,
    )  # fmt: skip
    if args.auc:
        plan = replace(plan, aucs=_aucs(args.auc))
    tables = rehearse_study(plan)
    notice = f"SIMULATED READERS: no evidence. {RESEARCH_USE}."
    files = table_files(tables, notice=notice) | {"NOTICE.txt": f"{notice}\n".encode()}
    written = write_folder(files, args.out)
    return {
        "study": tables.name,
        "notice": notice,
        "readings": len(tables.readings),
        "ratings": len(tables.ratings),
        "files": len(written),
        "folder": str(args.out),
        "next": f"python -m mmxai_core reader-study analyse --tables {args.out} --out DIR",
    }


def _aucs(given: list[str]) -> dict[str, float]:
    found = {}
    for text in given:
        stage, _, value = text.partition("=")
        try:
            found[stage] = float(value)
        except ValueError as error:
            raise StudyStoreError(f"--auc takes STAGE=AUC, e.g. unaided=0.75; got {text!r}.") from error
        if stage not in STAGES:
            raise StudyStoreError(f"--auc: stages are {', '.join(STAGES)}; got {stage!r}.")
    return found
