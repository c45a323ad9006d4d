"""What all sessions share: the model, the ratings store, the samples. The only file with st.cache_*.

Nothing of a patient is cached here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import streamlit as st

from dashboard import bundles, garbage, sample_index, state
from dashboard.components import performance_source
from dashboard.messages import sentence
from dashboard.sample_index import Sample
from dashboard.watching import Watcher
from mmxai_core import io
from mmxai_core.comparison.files import read_config
from mmxai_core.errors import BundleError, ClinicalValueError, CohortError, MmxaiError, StudyStoreError
from mmxai_core.explain.explainer import Explainer
from mmxai_core.model.bundle import Bundle, load_bundle
from mmxai_core.model.shapes import NetworkShapes
from mmxai_core.model.shapes import network_shapes as measure_shapes
from mmxai_core.predict import Predictor
from mmxai_core.reader_study.database import default_location
from mmxai_core.reader_study.store import RatingStore, default_store_path
from mmxai_core.reader_study.study_store import StudyStore
from mmxai_core.results.standing import warnings
from mmxai_core.study import Study
from mmxai_core.worklist import WorklistStore
from mmxai_core.worklist.database import worklist_url


def own_path() -> Path:
    """The bundle that the program was started with: MMXAI_BUNDLE where set, else the one that ships."""
    return bundles.own()


def bundle_path() -> Path:
    """The bundle that this session reads with: the open case's, else the one chosen last, else the program's own.

    Raises:
        BundleError: It is not offered any more.
    """
    return bundles.named(state.current().bundle)


def study_path(weights: str = "") -> Path:
    """The bundle of a reader study.

    Args:
        weights: Hash of the weights that its protocol asks for; the program's own bundle where it is "" or no other has
            these weights.
    """
    return bundles.with_weights(weights) or bundles.own()


@st.cache_resource(show_spinner=False)
def _predictor(path: Path) -> Predictor:
    # A busy or slow machine may need longer than the two minutes a reader is asked to wait at most.
    deadline = float(os.environ.get("MMXAI_DEADLINE_S", 120))
    made = Predictor(load_bundle(path), device=os.environ.get("MMXAI_DEVICE", "auto"), deadline_s=deadline)
    garbage.spare_what_stays()
    return made


def predictor(at: Path | None = None) -> Predictor:
    """The one predictor of a bundle on this server.

    Args:
        at: The bundle; None: the session's.

    Raises:
        BundleError: There is no bundle, or it is damaged.
        DeviceError: The device asked for is not there.
    """
    return _predictor(at or bundle_path())


def bundle(at: Path | None = None) -> Bundle:
    """A bundle, loaded.

    Args:
        at: The bundle; None: the session's.

    Raises:
        BundleError: There is no bundle, or it is damaged.
    """
    return predictor(at).bundle


def problem_with(name: str) -> str:
    """Why a bundle cannot be used, in one sentence; "" where it can. Loads it where it is not yet.

    Args:
        name: Of the bundle.
    """
    try:
        predictor(bundles.named(name))
    except MmxaiError as error:
        return sentence(error)
    return ""


def trained_for(at: Path | None = None) -> str | None:
    """The kind of image that a bundle was trained for; None where its cohort is no public one.

    Args:
        at: The bundle; None: the session's.
    """
    return bundles.offer(at or bundle_path()).reads or None


def bundle_warnings(at: Path | None = None) -> tuple[str, ...]:
    """What must be said beside a bundle's answers.

    Args:
        at: The bundle; None: the session's.

    Raises:
        BundleError: There is no bundle, or it is damaged.
    """
    found = bundle(at)
    return warnings(found.metadata, found.results())


def other_bundles() -> dict[str, Path]:
    """Name and place of each further bundle to compare with.

    Those that MMXAI_BUNDLES lists, and offered ones that tell the same classes apart in the same kind of image.
    """
    mine, listed = bundles.offer(bundle_path()), {p.resolve() for p in bundles.listed()}
    alike = (
        o for o in bundles.offered().values()
        if o.path.resolve() in listed or (o.classes == mine.classes and o.reads and o.reads == mine.reads)
    )  # fmt: skip
    return {o.name: o.path for o in alike if o.path.resolve() != mine.path.resolve()}


def bundle_name() -> str:
    """Name of the bundle that this session reads with, as a case remembers it."""
    return state.current().bundle or bundles.own().name


def bundle_is_missing() -> bool:
    """True where the program's own bundle has no folder at all, which is no error but a thing to set up."""
    return not (own_path() / "metadata.json").is_file()


@st.cache_resource(show_spinner=False)
def _explainer(path: Path) -> Explainer:
    return Explainer(_predictor(path))


def explainer(at: Path | None = None) -> Explainer:
    """The explainer of a bundle's predictor.

    Args:
        at: The bundle; None: the session's.
    """
    return _explainer(at or bundle_path())


@st.cache_resource(show_spinner=False)
def _shapes(path: Path) -> NetworkShapes:
    served = _predictor(path)
    return served.submit(lambda network, _: measure_shapes(network, served.bundle.schema))


def network_shapes(at: Path | None = None) -> NetworkShapes:
    """The shapes of a bundle's network, from one pass over an empty canvas.

    Args:
        at: The bundle; None: the session's.
    """
    return _shapes(at or bundle_path())


@st.cache_resource(show_spinner=False)
def _store(location: Path | str) -> RatingStore:
    return RatingStore(location)


def rating_store() -> RatingStore:
    """The ratings store.

    Raises:
        StudyStoreError: The file cannot be opened.
    """
    return _store(default_location())


@st.cache_resource(show_spinner=False)
def _study_store(location: Path | str) -> StudyStore:
    return StudyStore(location)


def study_store() -> StudyStore:
    """The store of reader studies; it lies where the ratings lie.

    Raises:
        StudyStoreError: It cannot be opened.
    """
    return _study_store(default_location())


@dataclass(frozen=True)
class WorklistSettings:
    """What the site decided about the worklist.

    Attributes:
        url: Its database.
        folder: Folder of the site's key and of the de-identified pixels.
        keep_pixels: MMXAI_KEEP_PIXELS; False where it is 0, no or off.
        keep_days: MMXAI_KEEP_DAYS; pixels go this many days after a case was last opened.
        mapping: MMXAI_MAPPING; the file that says which code was which original, or None: no such list is kept.
        watch: MMXAI_WATCH; the watched folder, or None.
    """

    url: str
    folder: Path
    keep_pixels: bool
    keep_days: int
    mapping: Path | None
    watch: Path | None


def worklist_settings() -> WorklistSettings:
    """The settings, from the environment.

    Raises:
        StudyStoreError: MMXAI_KEEP_DAYS is no whole number of days.
    """
    given = os.environ.get
    store = given("MMXAI_STORE") or str(default_store_path())
    beside = default_store_path() if "://" not in store else Path(store.removeprefix("sqlite:///"))
    if "://" in store and not store.startswith("sqlite"):  # a server's database: key and pixels stay on this machine
        beside = Path.home() / ".local" / "share" / "mmxai" / "ratings.sqlite"
    days = given("MMXAI_KEEP_DAYS", "30")
    if not days.isdigit() or not 1 <= int(days) <= 3650:
        raise StudyStoreError(f"MMXAI_KEEP_DAYS must be a whole number from 1 to 3650; got {days!r}.")
    mapping, watch = given("MMXAI_MAPPING"), given("MMXAI_WATCH")
    return WorklistSettings(
        worklist_url(store), Path(given("MMXAI_WORKLIST") or beside.parent / "worklist").expanduser(),
        given("MMXAI_KEEP_PIXELS", "1").lower() not in ("0", "no", "off", "false"), int(days),
        Path(mapping).expanduser() if mapping else None, Path(watch).expanduser() if watch else None,
    )  # fmt: skip


@st.cache_resource(show_spinner=False)
def _worklist(settings: WorklistSettings) -> WorklistStore:
    return WorklistStore(
        settings.url, settings.folder, keep_pixels=settings.keep_pixels, keep_days=settings.keep_days,
        mapping=settings.mapping,
    )  # fmt: skip


@st.cache_resource(show_spinner=False, max_entries=4)
def _swept(settings: WorklistSettings, day: date) -> int:
    return _worklist(settings).sweep()


def worklist() -> WorklistStore:
    """The worklist's store; pixels whose days are over go with the first call of a day.

    Raises:
        StudyStoreError: It cannot be opened.
    """
    settings = worklist_settings()
    _swept(settings, datetime.now(UTC).date())
    return _worklist(settings)


@st.cache_resource(show_spinner=False)
def _watcher(settings: WorklistSettings, bundle_at: Path) -> Watcher | None:
    if settings.watch is None:
        return None
    found = _predictor(bundle_at).bundle
    return Watcher(settings.watch, _worklist(settings), found.schema, found.classes, found.positive_class)


def watcher() -> Watcher | None:
    """The watch over MMXAI_WATCH, started with the first page; None where there is no such folder to watch."""
    return _watcher(worklist_settings(), own_path())


@st.cache_resource(show_spinner=False)
def every_sample() -> tuple[Sample, ...]:
    """The shipped samples of every kind; none where the folder is missing.

    Raises:
        BundleError: The index is malformed.
    """
    return sample_index.read_samples()


def samples(at: Path | None = None) -> tuple[Sample, ...]:
    """The samples of a bundle's kind of image.

    Args:
        at: The bundle; None: the session's.

    Raises:
        BundleError: The index is malformed.
    """
    return sample_index.of_cohorts(every_sample(), bundles.offer(at or bundle_path()).cohorts)


@st.cache_resource(show_spinner=False, max_entries=16)
def sample_study(file: str) -> Study:
    """A sample, read as an upload is. Synthetic, so that it may be shared between sessions."""
    return io.read_study((sample_index.FOLDER / file).read_bytes(), file)


@dataclass(frozen=True)
class Misread:
    """The sample that the model in use reads wrongly, surest first; or the one nearest to its threshold.

    Attributes:
        file: The sample.
        is_wrong: False where the model reads every sample as it was designed.
        probability: Of the positive class, in [0, 1].
    """

    file: str
    is_wrong: bool
    probability: float


@st.cache_resource(show_spinner="Looking for a sample that this model reads wrongly")
def _misread(path: Path) -> Misread:
    model, found = _predictor(path), []
    for sample in samples(path):
        schema, known = model.bundle.schema, {}
        for field_id, value in sample.clinical.items():
            with suppress(ClinicalValueError):  # a field or a category of another bundle
                known |= dict(schema.record({field_id: value}).values)
        p = model.predict(sample_study(sample.file), schema.record(known))
        wrong = bool(sample.truth) and p.predicted_class != sample.truth
        margin = abs(p.probability - p.threshold)
        found.append((not wrong, -margin if wrong else margin, Misread(sample.file, wrong, p.probability)))
    if not found:
        raise BundleError("There is no sample to look at.")
    return min(found, key=lambda f: f[:2])[2]


def misread() -> Misread:
    """Of the program's own bundle, which the tour shows; measured once, on the synthetic samples.

    Raises:
        BundleError: There is no sample.
    """
    return _misread(own_path())


def _results_folder(at: Path | None) -> Path:
    return (at or bundle_path()) / "results"


@st.cache_resource(show_spinner=False, max_entries=32)
def _run_title(folder: Path, stamp: object) -> str:
    try:
        return performance_source.run_title(read_config(folder), folder.name)
    except CohortError:  # choosing the run says what is wrong with it
        return folder.name


@st.cache_resource(show_spinner="Reading the results", max_entries=16)
def _performance_run(folder: Path, stamp: object) -> performance_source.Run:
    return performance_source.read_run(folder)


@st.cache_resource(show_spinner=False, max_entries=8)
def _measurements(results: Path, stamp: object) -> tuple[performance_source.Measurement, ...]:
    found = (performance_source.read_measurement(p, results) for p in performance_source.measurement_files(results))
    return tuple(m for m in found if m is not None)


def performance_titles(at: Path | None = None) -> Mapping[str, str]:
    """Runs with metrics as a reader chooses them, by folder name.

    Args:
        at: The bundle; None: the session's.
    """
    folders = performance_source.run_folders(_results_folder(at))
    return {f.name: _run_title(f, performance_source.stamp(f, ("config.json",))) for f in folders}


def performance_runs(at: Path | None = None) -> tuple[str, ...]:
    """Folder names of a bundle's runs with metrics, the one on the bundle's own cohort first.

    Args:
        at: The bundle; None: the session's.
    """
    own = str((bundle(at).results() or {}).get("cohort", ""))
    return tuple(sorted(performance_titles(at), key=lambda name: (name != own, name)))


def performance_run(name: str, at: Path | None = None) -> performance_source.Run:
    """A run of a bundle; read again only where its files changed.

    Args:
        name: Its folder.
        at: The bundle; None: the session's.

    Raises:
        CohortError: A file is missing, malformed, or of another format.
    """
    folder = _results_folder(at) / name
    return _performance_run(folder, performance_source.stamp(folder))


def started_runs(at: Path | None = None) -> tuple[performance_source.Started, ...]:
    """Comparisons of a bundle without metrics yet.

    Args:
        at: The bundle; None: the session's.
    """
    return performance_source.started_runs(_results_folder(at))


def measurements(at: Path | None = None) -> tuple[performance_source.Measurement, ...]:
    """A bundle's measurements of explanations, input check and cost.

    Args:
        at: The bundle; None: the session's.

    Raises:
        CohortError: A file cannot be read.
    """
    results = _results_folder(at)
    found = performance_source.measurement_files(results)
    return _measurements(results, tuple((p, p.stat().st_mtime_ns) for p in found))


@st.cache_resource(show_spinner=False)
def start_reading_worker() -> bool:
    """Start the child process that reads files, so that the first upload does not wait for it."""
    io.warm_up()
    return True
