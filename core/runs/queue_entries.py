"""The state of the queue in the folders of the runs: who waits for which device, who has it, and with which ticket."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from core.errors import InputError, RunMissing
from core.runs.files import read_json, write_json
from core.runs.job_kinds import JOB_KINDS
from core.runs.jobs import Job, JobStore
from core.runs.status import ENDED, JobStatus, RunStatus
from core.runs.status import FILE as STATUS_FILE
from core.runs.store import Run, RunStore

QUEUE_FILE = "queue.json"
"""Holds the ticket that somebody gave a waiting run; only people write it, never the trainer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the folder of a run, or of a job that queues with the runs, records.

    Attributes:
        run: The run or job.
        status: Its status, the state checked against its process.
        ticket: Its place in the line.
    """

    run: Run | Job
    status: RunStatus | JobStatus
    ticket: Ticket

    @property
    def device(self) -> str:
        """The device it wants or has, the first of several; empty as long as its process has not named it."""
        return self.status.queue_device

    @property
    def devices(self) -> tuple[str, ...]:
        """All devices that it wants or has together."""
        return self.status.queue_devices or (self.device,)

    @property
    def owner(self) -> str:
        """Whose it is."""
        return self.status.owner

    @property
    def waits(self) -> bool:
        """Whether it waits for its device, and nobody asked it to end."""
        return self.status.state == "queued"

    @property
    def works(self) -> bool:
        """Whether it has its device."""
        return not self.waits and self.status.state not in ENDED and self.status.doing != "queued"


def entries(root: Path) -> list[Entry]:
    """Reads all folders under the folder of the runs."""
    return [entry for entry in map(_entry, everything(root)) if entry is not None]


def everything(root: Path) -> list[Run | Job]:
    """Returns the runs, and the jobs that queue with them."""
    kinds = [kind.id for kind in JOB_KINDS.values() if kind.waits_for == "turn"]
    return [*RunStore(root).list(), *(job for kind in kinds for job in JobStore(kind, root).list())]


def line(device: str, found: Sequence[Entry]) -> list[Entry]:
    """Returns those that wait for a device, in order; who has not named its device yet is waited for, too."""
    served: dict[str, float] = {}
    holders: dict[Ticket, list[Entry]] = defaultdict(list)
    for entry in found:
        if entry.waits:
            if device in entry.devices or not entry.device:
                holders[entry.ticket].append(entry)
        elif device in entry.devices:
            begun = math.inf if entry.works else entry.status.begun
            if begun is not None:
                served[entry.ticket.owner] = max(begun, served.get(entry.ticket.owner, -math.inf))
    return [
        entry for ticket in order(holders, served) for entry in sorted(holders[ticket], key=lambda entry: entry.run.id)
    ]


def ticket_of(run: Run | Job, status: RunStatus | JobStatus) -> Ticket:
    """Returns a run's ticket: its own, or the one it was given since it was last queued."""
    queued = status.launched or 0.0
    moved = read_json(run.path / QUEUE_FILE)
    given = Ticket.read(moved.get("ticket")) if moved.get("of") == queued else None
    return given or Ticket(0, status.owner, queued, run.id)


def give(entry: Entry, ticket: Ticket) -> None:
    """Gives a waiting run another ticket.

    Raises:
        InputError: Its folder cannot be written.
    """
    try:
        write_json(entry.run.path / QUEUE_FILE, {"of": entry.status.launched or 0.0, "ticket": asdict(ticket)})
    except OSError as error:
        raise InputError("The run cannot be reached: {reason}.", reason=error.strerror) from error


def runs_folder(run: Run | Job) -> Path:
    """Returns the folder of the runs: a job lies two levels below it."""
    return run.path.parent.parent if isinstance(run, Job) else run.path.parent


def _entry(run: Run | Job) -> Entry | None:
    """Reads a folder; what ended is read again only if it changed, because there may be thousands."""
    try:
        file = (run.path / STATUS_FILE).stat()
        entry = _read(run, file.st_mtime_ns, file.st_size, file.st_ino)
        if entry.status.state in ENDED:
            return entry
        status = run.status()
    except (OSError, RunMissing):  # deleted since it was listed
        return None
    return Entry(run, status, ticket_of(run, status))


@lru_cache(maxsize=8192)
def _read(run: Run | Job, _modified: int, _size: int, _inode: int) -> Entry:
    status = run.recorded
    return Entry(run, status, ticket_of(run, status))


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """A place in the line. Two runs that change places change tickets.

    Attributes:
        front: 0, or the larger, the later somebody brought it to the front.
        owner: Whose turn it uses.
        queued: When it was queued, in seconds since 1970.
        id: The run's id, so that no two tickets are equal.
    """

    front: int
    owner: str
    queued: float
    id: str

    @classmethod
    def read(cls, record: object) -> Ticket | None:
        """Returns the ticket in a JSON object, or ``None`` if it is none."""
        if not isinstance(record, Mapping):
            return None
        try:
            return cls(int(record["front"]), str(record["owner"]), float(record["queued"]), str(record["id"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


def order(tickets: Iterable[Ticket], served: Mapping[str, float]) -> list[Ticket]:
    """Returns the tickets in the order in which they are served.

    Args:
        tickets: Those that wait for one device.
        served: When each owner was last given the device, in seconds since 1970; who never was is left out, and
            whoever has it now is at infinity.
    """
    waiting = sorted(tickets, key=lambda ticket: (ticket.queued, ticket.id))
    first = sorted((t for t in waiting if t.front), key=lambda ticket: -ticket.front)
    rounds: dict[str, int] = defaultdict(int)
    places: list[tuple[int, float, int, Ticket]] = []
    for index, ticket in enumerate(t for t in waiting if not t.front):
        places.append((rounds[ticket.owner], served.get(ticket.owner, float("-inf")), index, ticket))
        rounds[ticket.owner] += 1
    return [*first, *(ticket for *_, ticket in sorted(places))]
