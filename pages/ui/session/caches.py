"""The only place with Streamlit's caches. Everything here is bounded, and keyed on what it was made from.

What is returned is shared by every session: look at it, never change it. Networks carry a lock that the core's probe
takes.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from core import settings
from core.data.encoding import compact
from core.errors import InputError
from core.specs import DataSpec, Experiment, ModelSpec
from pages.ui.session.lru_store import LruStore
from pages.ui.text.i18n import N_

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.models.anatomy.records import Anatomy
    from core.models.network import Network
    from core.runs.jobs import Job
    from core.runs.journal import Journal
    from core.runs.listing.index import Entry, RunIndex
    from core.runs.store import Run
    from core.runs.usage import Meter, Usage
    from core.workflows.data_check.report import Check
    from core.workflows.jobs.data_check import CheckRequest

T = TypeVar("T")

LOG = logging.getLogger("backbone_lab.caches")

# --- data ------------------------------------------------------------------------------------------------------------


def roots() -> tuple[Path, ...]:
    """Returns the folders that the pages may read."""
    return settings.data_roots()


def divided(spec: DataSpec) -> Dataset:
    """Returns the data set of a spec with every image's split set.

    Raises:
        InputError: The data are not there, or hold no two classes.
    """
    return _divided(_key(spec), _stamp(spec.source))


@st.cache_resource(max_entries=6, show_spinner=False)
def _divided(key: str, stamp: int) -> Dataset:
    from core.workflows.data_check.dividing import divide

    return divide(_listed(key, stamp), DataSpec(**json.loads(key)))


def listed(spec: DataSpec) -> Dataset:
    """Returns the data set of a spec as it lies there, before it is divided."""
    return _listed(_key(spec), _stamp(spec.source))


@st.cache_resource(max_entries=6, show_spinner=False)
def _listed(key: str, stamp: int) -> Dataset:  # noqa: ARG001 - the stamp is part of the cache's key
    from core.data.sources import open_spec

    return open_spec(DataSpec(**json.loads(key)), roots=roots())


def normalised(model: ModelSpec, data: DataSpec) -> ModelSpec:
    """Returns a network that normalises by the images with what is measured on these ones, whatever it had before.

    Raises:
        InputError: The data are not there, or no image can be read.
    """
    if model.normalise != "data":
        return model
    return dataclasses.replace(model, colours=colours(model, data))


def _square(model: ModelSpec, data: DataSpec) -> tuple[Any, ...]:
    from core.models.catalog.catalog import prepared

    prep = prepared(dataclasses.replace(model, normalise="weights", colours=()))
    return (_key(data), _stamp(data.source), prep.fit, prep.resize, prep.crop)


def colours_known(model: ModelSpec, data: DataSpec) -> bool:
    """Whether :func:`colours` were measured already, so that no busy face need be shown."""
    return known("colours", _square(model, data))


def colours(model: ModelSpec, data: DataSpec) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and deviation of the training images' colours, as squares of the network, measured once."""
    from core.data import statistics
    from core.models.catalog.catalog import prepared

    prep = prepared(dataclasses.replace(model, normalise="weights", colours=()))
    return remember("colours", _square(model, data), lambda: statistics.colours(divided(data), prep))


def anchored(spec: DataSpec) -> DataSpec:
    """Returns the spec with its folder's full path, checked to lie where the pages may read: what a run is given.

    Raises:
        InputError: The data are not there, or outside the allowed folders.
    """
    return dataclasses.replace(spec, source=listed(spec).name)


def check_request(spec: DataSpec, *, features: bool = True) -> CheckRequest:
    """Returns the request to check a spec's images in the state in which their files are now."""
    from core.workflows.jobs import data_check

    return data_check.check_request(spec, str(_stamp(spec.source)), features=features)


def found(spec: DataSpec) -> Check | None:
    """Returns what a check found of a spec's images as they lie there; ``None`` before there was one."""
    from core.workflows.jobs import data_check

    job = data_check.latest(check_request(spec))
    if job is None or not (stamp := check_stamp(job)):
        return None
    return remember("checks", (str(job.path), stamp), lambda: data_check.result(job), entries=4)


def checked(spec: DataSpec, limit: float | None = None) -> Check | None:
    """Returns the same for the images as they are labelled and divided now.

    Args:
        spec: The images.
        limit: Another margin from which on pictures count as copies.
    """
    known = found(spec)
    if known is None:
        return None
    key = (id(known), _key(spec), _stamp(spec.source), limit)
    return remember("checks of divisions", key, lambda: (known, known.on(divided(spec), limit)), entries=12)[1]


def check_stamp(job: Job | None) -> int:
    """Returns when a job's findings were written last; 0 before there were any."""
    try:
        return (job.path / "result.json").stat().st_mtime_ns if job is not None else 0
    except OSError:
        return 0


def thumbnails(spec: DataSpec, positions: Sequence[int], side: int = 256) -> list[bytes | None]:
    """Returns images of a data set as small encoded files; ``None`` where one cannot be read."""
    key = (_key(spec), _stamp(spec.source), tuple(positions), side)
    return _shelf("thumbnails", 48).get(key, lambda: _thumbnails(divided(spec), positions, side))


def thumbnails_known(spec: DataSpec, positions: Sequence[int], side: int = 256) -> bool:
    """Whether :func:`thumbnails` has these already."""
    return _shelf("thumbnails", 48).has((_key(spec), _stamp(spec.source), tuple(positions), side))


def _thumbnails(dataset: Dataset, positions: Sequence[int], side: int) -> list[bytes | None]:
    found: list[bytes | None] = []
    for position in positions:
        try:
            found.append(compact(dataset.load(position), side))
        except InputError:
            found.append(None)
    return found


def _key(spec: DataSpec) -> str:
    return json.dumps(dataclasses.asdict(spec), sort_keys=True)


def _stamp(source: str) -> int:
    """The newest change of a folder and of the two levels of folders below it; 0 for what is no folder of ours."""
    from core.data.embedded import EMBEDDED
    from core.data.folders.reader import locate
    from core.errors import InputError

    if source.partition("?")[0] in EMBEDDED:
        return 0
    try:
        path = locate(source, roots())
        folders = [path, *(p for p in path.glob("*") if p.is_dir()), *(p for p in path.glob("*/*") if p.is_dir())]
        return max(folder.stat().st_mtime_ns for folder in folders[:5000])
    except (InputError, OSError):  # opening it says what is wrong
        return 0


# --- networks --------------------------------------------------------------------------------------------------------


def anatomy(spec: ModelSpec, num_classes: int | None = None) -> Anatomy:
    """Returns the anatomy of the network that a spec describes; nothing is downloaded.

    Args:
        spec: Backbone, image size, channels, design and head.
        num_classes: With a new head, as the spec says, for so many classes; ``None`` for the network's own head.

    Raises:
        InputError: The network is unknown, or cannot be built like that.
    """
    from core.models.anatomy_cache import blueprint

    return blueprint(spec, num_classes)


def network(reference: str, weights: str = "default", stamp: int = 0, image_size: int | None = None) -> Network:
    """Returns a network: a run's by its id, or a backbone's by its name.

    Args:
        reference: A run's id, or a name in the catalogue.
        weights: For a backbone, ``default`` or ``none``.
        stamp: For a run, its checkpoint's ``mtime_ns``, so that better weights are loaded when they come.
        image_size: For a backbone, the side of its input in pixels.
    """
    return _network(reference, weights, stamp, image_size)


@st.cache_resource(max_entries=3, show_spinner=False)
def _network(reference: str, weights: str, stamp: int, image_size: int | None) -> Network:  # noqa: ARG001
    from core.workflows.network_loading import load_network

    return load_network(reference, weights=weights, image_size=image_size)


def built(spec: ModelSpec, classes: int) -> Network:
    """Returns the network that a spec describes, with a head for so many classes.

    Raises:
        InputError: It cannot be built, or its weights are not to be had here.
    """

    def make() -> Network:
        from core.workflows.network_loading import build_network

        return build_network(spec, tuple(str(index) for index in range(classes)), seed=0, roots=roots())

    return _shelf("built", 2).get((spec, classes), make)


def remember(
    shelf: str,
    key: tuple[Any, ...],
    make: Callable[[], T],
    *,
    entries: int = 32,
    waiting: Callable[[], None] | None = None,
) -> T:
    """Returns what ``make`` made for this key, once; the least used of more than ``entries`` is forgotten.

    For small results (PNG bytes, tables) of a page; the key must say everything they depend on, such as
    ``(*target.key, image.sha256, layer)``. While somebody else makes the same, ``waiting`` is called now and then;
    what it raises ends the waiting.
    """
    return _shelf(shelf, entries).get(key, make, waiting)


def known(shelf: str, key: tuple[Any, ...], *, entries: int = 32) -> bool:
    """Whether :func:`remember` has this key's value already, so that no busy face need be shown."""
    return _shelf(shelf, entries).has(key)


def later(shelf: str, key: tuple[Any, ...], make: Callable[[], Any], *, entries: int = 32) -> None:
    """Has ``make`` run in a thread, for :func:`known` and :func:`remember` to find; at most one such thread runs.

    What still waits for its turn when something else of the same shelf is asked for is given up.
    """
    _queue(shelf).ask(_shelf(shelf, entries), key, make)


@st.cache_resource(max_entries=8, show_spinner=False)
def _queue(name: str) -> Queue:  # noqa: ARG001 - the name tells queues apart
    return Queue()


class Queue:
    """One thread that fills a shelf, the last wish first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wish: tuple[LruStore, tuple[Any, ...], Callable[[], Any]] | None = None
        self._busy: tuple[Any, ...] | None = None

    def ask(self, shelf: LruStore, key: tuple[Any, ...], make: Callable[[], Any]) -> None:
        """Notes a wish, and starts the thread if it does not run."""
        with self._lock:
            if self._busy == key:
                return
            self._wish = (shelf, key, make)
            if self._busy is None:
                self._busy = key
                threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                wish, self._wish = self._wish, None
                self._busy = wish[1] if wish else None
            if wish is None:
                return
            shelf, key, make = wish
            try:
                shelf.get(key, make)
            except Exception:
                LOG.exception("background work failed")
                shelf.get(key, lambda: InputError(N_("This could not be worked out; the server's log says why.")))


# --- runs ------------------------------------------------------------------------------------------------------------


def journal(run: Run) -> Journal:
    """Returns a run's epochs and step curve, brought up to date; read once for all who watch."""
    book = _journal(str(run.path))
    book.look()
    return book


@lru_cache(maxsize=64)  # asked for many times a second: Streamlit's own cache takes a hundred times as long to look up
def _journal(path: str) -> Journal:
    from core.runs.journal import Journal

    return Journal(Path(path))


def experiment(run: Run) -> Experiment:
    """Returns a run's experiment, read once for each state of its file.

    Raises:
        InputError: The run is gone, or its file is damaged.
    """
    try:
        stamp = (run.path / "experiment.json").stat().st_mtime_ns
    except OSError:
        return run.experiment  # which says that it is gone
    return remember("experiments", (str(run.path), stamp), lambda: run.experiment, entries=2048)


def course(run: Run, measure: str = "val_accuracy", points: int = 60) -> list[float]:
    """Returns one measure over a run's epochs, thinned for a small line; read once for each state of its file."""

    def read() -> list[float]:
        from core.runs.journal import column_of, thinned

        line = column_of(run.path / "metrics.jsonl", measure, "epoch")
        return [float(value) for value in line[thinned([line], points)] if not math.isnan(value)]

    try:
        found = (run.path / "metrics.jsonl").stat()
    except OSError:
        return []
    key = (str(run.path), found.st_mtime_ns, found.st_size, measure, points)
    return remember("courses", key, read, entries=2048)


def entries() -> list[Entry]:
    """Returns all runs with what a list shows of them, the newest first; each file is read once for each state."""
    return _index(str(settings.runs_dir())).entries()


@lru_cache(maxsize=4)
def _index(root: str) -> RunIndex:
    from core.runs.listing.index import RunIndex

    return RunIndex(root)


@st.cache_data(ttl=0.8, max_entries=16, show_spinner=False)
def usage(pid: int, device: str) -> Usage:
    """Returns what a process takes of its machine just now."""
    return _meter(pid, device).read()


@st.cache_resource(max_entries=16, show_spinner=False)
def _meter(pid: int, device: str) -> Meter:
    from core.runs.usage import Meter

    return Meter(pid, device)


@lru_cache(maxsize=64)  # shelves are few, and bounded themselves
def _shelf(name: str, entries: int) -> LruStore:  # noqa: ARG001 - the name tells shelves apart
    return LruStore(entries)
