"""The queue for a device: who waits, who is next, who may change that, and what a restart takes up again.

There is no central process. Each training process waits for its device itself; every one computes the same order from
the runs' folders (:mod:`core.runs.queue_entries`), and whoever is first takes the device's lock, a file under the runs
folder that the system frees when its holder dies. What people change stands in a waiting run's ``queue.json``, which
the trainer never writes.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import filelock

from core.errors import InputError
from core.runs.jobs import Job
from core.runs.process import launch_stamp, spawn
from core.runs.queue_entries import Entry, Ticket, entries, everything, give, line, runs_folder, ticket_of
from core.runs.status import JobStatus, RunStatus, Status
from core.runs.store import Run, RunStore, checked_state

POLL_SECONDS = 0.5
"""Seconds between two looks at the device's lock."""
MOVES = ("up", "down", "front")
BUSY_AFTER = 20.0
"""Seconds to wait for another process that changes the queue."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands.

    Attributes:
        run: The run, or a ranking that waits among the runs.
        position: 1 for the next one; 0 for one that has the device.
        device: The device's id; empty as long as the run's process has not named it.
        owner: Whose it is, as it was given at its start.
        starts_in: Seconds until it starts, as far as the durations of all before it are known; else ``None``.
    """

    run: Run | Job
    position: int
    device: str
    owner: str
    starts_in: float | None


# ---------------------------------------------------------------- waiting for the device


@contextmanager
def hold_device(run: Run | Job, device: str | Sequence[str], waiting: Callable[[int], None]) -> Iterator[bool]:
    """Waits for a device and holds it for as long as the block runs.

    Args:
        run: The run or job that wants it; its status names ``queue_device``, so that others see it wait.
        device: The device's id, such as ``cpu`` or ``cuda:0``; or several, which are held together.
        waiting: Called with the number of runs ahead at every look that ends in waiting.

    Yields:
        ``True`` once the device is held; ``False`` if the run was asked to stop while it waited.
    """
    devices = (device,) if isinstance(device, str) else tuple(device)
    folder = _locks(runs_folder(run))
    with ExitStack() as acquired:
        while not run.stop_requested:
            ahead, busy = _before(run, devices)
            if not ahead and _take([folder / f"{name.replace(':', '-')}.lock" for name in devices], acquired):
                yield True
                return
            waiting(ahead + (busy if ahead else max(1, busy)))
            time.sleep(POLL_SECONDS)
        yield False


def _before(run: Run | Job, devices: Sequence[str]) -> tuple[int, int]:
    """Returns how many wait before a run, and how many have one of its devices."""
    found = entries(runs_folder(run))
    lines = [[entry.run for entry in line(device, found)] for device in devices]
    ahead = max(standing.index(run) if run in standing else 0 for standing in lines)
    return ahead, sum(entry.works and not set(devices).isdisjoint(entry.devices) for entry in found)


def _take(files: Sequence[Path], acquired: ExitStack) -> bool:
    """Takes all locks, or none of them."""
    with ExitStack() as taking:
        try:
            for file in files:
                taking.enter_context(filelock.FileLock(file, timeout=0))
        except filelock.Timeout:
            return False
        acquired.push(taking.pop_all())
    return True


def known_device(name: str) -> str | None:
    """Returns the id under which a device is queued for, as far as torch need not be asked.

    Without an NVIDIA driver ``auto`` can only be the CPU.
    """
    if name == "auto" and not (shutil.which("nvidia-smi") or Path("/proc/driver/nvidia").exists()):
        return "cpu"
    return name if name == "cpu" or name.startswith("cuda:") else None


def queue_device(name: str) -> str:
    """Returns the id under which a device is queued for: what ``auto`` and ``cuda`` mean on this machine.

    Raises:
        InputError: The device is not there.
    """
    if known_device(name) == "cpu":
        return "cpu"
    from core.device import resolve_device

    return str(resolve_device(name))


def queue_devices(name: str) -> tuple[str, ...]:
    """Returns all devices that this process and those started with it use: one GPU each, or the CPU.

    Raises:
        InputError: The device is not there.
    """
    first, together = queue_device(name), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return tuple(f"cuda:{gpu}" for gpu in range(together)) if together > 1 and first.startswith("cuda") else (first,)


# ---------------------------------------------------------------- looking at it


def waiting(store: RunStore) -> list[Place]:
    """Returns what waits, device by device, in the order of the line."""
    found = entries(store.root)
    devices = sorted({entry.device for entry in found if entry.waits})
    return [place for device in devices for place in _places(device, found)]


def working(store: RunStore) -> list[Place]:
    """Returns what has a device now."""
    found = sorted((entry for entry in entries(store.root) if entry.works), key=lambda entry: entry.device)
    return [Place(entry.run, 0, entry.device, entry.owner, 0.0) for entry in found]


def place(run: Run | Job) -> Place | None:
    """Returns where a run stands in the line, or ``None`` if it does not wait."""
    return next((found for found in waiting(RunStore(runs_folder(run))) if found.run == run), None)


def remaining(status: Status) -> float | None:
    """Returns the seconds that a run has still to go, as far as it is known.

    A run at work reports it itself once it trains; before, and while it waits, what was estimated at its start counts,
    less what it has trained already.
    """
    now, at_work = time.time(), status.state != "queued"
    if at_work and status.eta_seconds is not None:
        return max(0.0, status.eta_seconds - max(0.0, now - (status.heartbeat or now)))
    if status.estimate_seconds is None:
        return None
    elapsed = status.spent_seconds
    if at_work and status.begun is not None:
        elapsed += max(0.0, now - status.begun)
    return max(0.0, status.estimate_seconds - elapsed)


# ---------------------------------------------------------------- changing it


def move(run: Run | Job, where: str) -> None:
    """Moves a run that waits: ``up`` or ``down`` by one, or to the ``front``.

    Moving by one changes tickets with the neighbour, so that all others keep their turns; at the end of the line
    nothing happens.

    Raises:
        InputError: There is no such move, the run does not wait, or its folder cannot be written.
    """
    if where not in MOVES:
        raise InputError("The move is {where}. Choose one of: {known}.", where=where, known=", ".join(MOVES))
    root = runs_folder(run)
    with changing(root):
        found = entries(root)
        mine = next((entry for entry in found if entry.run == run and entry.waits), None)
        if mine is None:
            raise InputError(
                "The run {name} does not wait for a device, so it cannot be moved in the queue.", name=run.name
            )
        standing = line(mine.device, found)
        if where == "front":
            give(mine, replace(mine.ticket, front=1 + max(entry.ticket.front for entry in standing)))
            return
        other = standing.index(mine) + (-1 if where == "up" else 1)
        if 0 <= other < len(standing):
            neighbour = standing[other]
            give(mine, neighbour.ticket)
            give(neighbour, mine.ticket)


def revive(runs_dir: Path | str | None = None, *, roots: Sequence[Path] | None = None) -> list[Run | Job]:
    """Starts the processes of runs that waited when the machine or their processes went down.

    Several servers may call this at the same time: each run is started once. What had the device then stays
    *interrupted* and can be resumed; what someone asked to end has ended; what trained in somebody's terminal is theirs
    to start again. One that cannot be started keeps none of the others waiting.

    Args:
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
        roots: Folders that the processes may read images under, links resolved; ``None`` for no limit.

    Returns:
        What was started, in the order in which it was queued.

    Raises:
        InputError: A folder cannot be written, or no process can be started; said of the first, after all were tried.
    """
    root = RunStore(runs_dir).root
    if not root.is_dir():
        return []
    asleep: list[tuple[Ticket, Run | Job, RunStatus | JobStatus]] = []
    woken: list[Run | Job] = []
    refused: list[InputError] = []
    with changing(root):
        for run in everything(root):
            before = run.recorded
            if before.state == "queued" and checked_state(before, halting=None) == "interrupted":
                asleep.append((ticket_of(run, before), run, before))
        for _, run, before in sorted(asleep, key=lambda row: row[0].queued):
            try:
                woken += [run] if _wake(run, before, roots) else []
            except InputError as error:
                refused.append(error)
    if refused:
        raise refused[0]
    return woken


def _wake(run: Run | Job, before: RunStatus | JobStatus, roots: Sequence[Path] | None) -> bool:
    halting = run.halting if isinstance(run, Run) else "stop" if run.stop_requested else None
    try:
        if halting:
            replace(before, state="paused" if halting == "pause" else "stopped").write(run.path)
        elif not before.foreground:
            replace(before, pid=None, spawned=launch_stamp()).write(run.path)
    except OSError as error:
        raise InputError("The run {name} cannot be written: {reason}.", name=run.name, reason=error.strerror) from error
    if halting == "discard" and isinstance(run, Run):
        RunStore(run.path.parent).delete(run)
    if halting or before.foreground:
        return False
    words = ("train", "--run", str(run.path)) if isinstance(run, Run) else ("job", str(run.path))
    processes = 1
    with suppress(InputError):  # an experiment that cannot be read is for the process to report
        processes = run.experiment.training.processes if isinstance(run, Run) else 1
    try:
        spawn(run.path, words, roots, processes=processes)
    except OSError as error:
        before.write(run.path)
        raise InputError("The process cannot be started: {reason}.", reason=error.strerror) from error
    return True


@contextmanager
def changing(root: Path) -> Iterator[None]:
    """Lets one process at a time start runs or change the queue.

    Raises:
        InputError: The folder cannot be written, or another process does not let go.
    """
    lock = filelock.FileLock(_locks(root) / "queue.lock", timeout=BUSY_AFTER)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise InputError("Another process changes the queue under {root}. Try again.", root=root) from error
    except OSError as error:
        raise InputError(
            "The queue under {root} cannot be changed: {reason}.", root=root, reason=error.strerror
        ) from error
    try:
        yield
    finally:
        lock.release()


def _locks(root: Path) -> Path:
    try:
        (root / ".locks").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "The run's folder cannot be made under {root}: {reason}.", root=root, reason=error.strerror
        ) from error
    return root / ".locks"


def _places(device: str, found: Sequence[Entry]) -> list[Place]:
    left: float | None = 0.0
    for entry in found:
        if entry.works and device in entry.devices:
            left = _sum(left, remaining(entry.status))
    places = []
    for position, entry in enumerate(line(device, found), start=1):
        if entry.device == device:
            places.append(Place(entry.run, position, device, entry.owner, left))
        left = _sum(left, remaining(entry.status))
    return places


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second
