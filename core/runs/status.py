"""What ``status.json`` says: one typed record for a run, and one for a job beside the runs.

The file is replaced by the process at work while others read it, and a person or a disk can damage it. Reading never
raises: what cannot be read is as if it were missing, and :attr:`Status.faults` says what that was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeVar, get_args

from core.errors import InputError
from core.messages import Sentence
from core.runs.files import write_json
from core.runs.status_parts import LaunchStamp, LeakSearch, TransferCounts

_T = TypeVar("_T")
FILE = "status.json"
Live = Literal["queued", "starting", "running", "stopping", "pausing"]
Ended = Literal["finished", "stopped", "failed", "interrupted", "paused", "unreadable"]
State = Live | Ended | Literal["discarded"]
LIVE: tuple[Live, ...] = get_args(Live)
ENDED: tuple[Ended, ...] = get_args(Ended)
RESUMABLE: tuple[Ended, ...] = ("paused", "interrupted", "stopped", "failed", "unreadable")
"""Ended states that a run can go on from, if it kept its state."""
REPEATABLE: tuple[Ended, ...] = ("paused", "interrupted", "stopped", "unreadable")
"""Ended states that a run of which nothing was saved begins again from."""
_STATES = {*LIVE, *ENDED} - {"unreadable"}
LARGEST = 1e15
"""No count, size in bytes, or time in seconds is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What runs and jobs have in common. Moments are seconds since 1970; ``None`` is what is not known.

    Attributes:
        state: One of :data:`LIVE` or :data:`ENDED`; *unreadable* where the file, or its state, cannot be read.
        doing: What goes on within the state, such as ``reading images``; empty after the end.
        done: How much of ``total`` is done: images, steps or bytes.
        total: How much there is to do; 0 where that is not known.
        ahead: Runs and jobs that wait before this one.
        owner: Who started it; owners take turns at a device.
        queue_device: The device it wants or has, such as ``cuda:0``; the first of several.
        queue_devices: All devices that it wants or has together; empty for ``queue_device`` alone.
        foreground: Whether it belongs to somebody's terminal.
        launched: When it was last queued.
        spawned: When its process was launched, where one was.
        started: When its process began to wait.
        begun: When it got its device.
        heartbeat: When the file was last written.
        ended: When it ended.
        seconds: How long the work took.
        spent_seconds: How long it has trained so far, before interruptions too.
        eta_seconds: How long it still takes, as of ``heartbeat``.
        estimate_seconds: How long it was expected to take before it began.
        pid: Of its process; ``None`` before that is there.
        create_time: When the process was created.
        boot: Which start of the machine it belongs to.
        ticks: When it was created, in clock ticks since that start.
        message: Why it failed, in English.
        message_template: The same as a template, to be translated.
        message_values: What the template names.
        faults: What of the file could not be read.
    """

    state: State = "queued"
    doing: str = ""
    done: int = 0
    total: int = 0
    ahead: int = 0
    owner: str = ""
    queue_device: str = ""
    queue_devices: tuple[str, ...] = ()
    foreground: bool = False
    launched: float | None = None
    spawned: LaunchStamp | None = None
    started: float | None = None
    begun: float | None = None
    heartbeat: float | None = None
    ended: float | None = None
    seconds: float | None = None
    spent_seconds: float = 0.0
    eta_seconds: float | None = None
    estimate_seconds: float | None = None
    pid: int | None = None
    create_time: float | None = None
    boot: str | None = None
    ticks: int | None = None
    message: str = ""
    message_template: str = ""
    message_values: Mapping[str, str | float] = field(default_factory=dict)
    faults: tuple[Sentence, ...] = field(default=(), metadata={"key": None})

    @property
    def failure(self) -> InputError | None:
        """Why it failed, as an error that can be translated; ``None`` where nothing is said of it."""
        try:
            if self.message_template:
                return InputError(self.message_template, **self.message_values)
        except (LookupError, ValueError, TypeError, AttributeError):  # a template that does not fit its values
            pass
        return InputError(self.message.replace("{", "{{").replace("}", "}}")) if self.message else None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the file of a run's or job's folder; an absent one says nothing."""
        try:
            return cls.read(json.loads((folder / FILE).read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except OSError as error:
            fault = Sentence("{file} cannot be read: {reason}.", {"file": FILE, "reason": error.strerror})
        except (ValueError, RecursionError) as error:
            fault = Sentence("{file} is not valid JSON: {reason}.", {"file": FILE, "reason": str(error)})
        return cls(state="unreadable", faults=(fault,))

    @classmethod
    def read(cls, record: object) -> Self:
        """Reads what the file holds. Keys of no field are passed over; ``null`` is what is not known."""
        if not isinstance(record, dict):
            return cls(state="unreadable", faults=(Sentence("{file} holds no JSON object.", {"file": FILE}),))
        columns, values, faults = _COLUMNS[cls], dict[str, Any](), []
        for key, value in record.items():
            column = columns.get(key)
            if column is None or (value is None and key != "state"):
                continue
            try:
                values[column.name] = column.read(value)
            except (TypeError, ValueError, KeyError):
                named = {"file": FILE, "key": key, "value": _shortened(value)}
                faults.append(Sentence("In {file}, {key} cannot be {value}.", named))
                if key == "state":
                    values["state"] = "unreadable"
        return cls(**values, faults=tuple(faults))

    def as_record(self) -> dict[str, Any]:
        """Returns the state and all that is known beside it, as JSON spells it."""
        return {
            key: _plain(getattr(self, column.name))
            for key, column in _COLUMNS[type(self)].items()
            if key == "state" or getattr(self, column.name) != column.default
        }

    def write(self, folder: Path) -> None:
        """Replaces the file of a run's or job's folder.

        Raises:
            OSError: It cannot be written; the old one stays.
        """
        write_json(folder / FILE, self.as_record())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus(Status):
    """What a run's ``status.json`` says. Figures are of the last epoch or step where nothing else is said.

    Attributes:
        device: What it trains on, such as ``cpu`` or ``cuda:0``; empty before it has that.
        images: Images of the data set.
        unreadable_images: Images that cannot be read and are left out.
        train_images: Images that are learned from.
        val_images: Images that each epoch is judged on.
        batch_size: Images of a step.
        parts: Parts that each batch is computed in, because it did not fit into the memory whole.
        part_images: Images of such a part.
        phase: Name of the phase at work.
        phase_index: Its place, from 0.
        phase_parameters: Values that learn in it.
        precision: Its number format, ``fp32`` or ``bf16``.
        cached: Whether its epochs run on features computed once.
        cut: The last frozen stage whose output is computed without a graph; ``None`` where everything learns.
        epoch: The epoch at work, from 1.
        epochs: Epochs of all phases together; 0 before that is known.
        epochs_done: Epochs that have ended.
        step: Optimizer steps done.
        steps: Optimizer steps of all phases together.
        lr: Learning rate.
        images_per_second: Training images a second.
        memory_bytes: What the process takes: peak allocation on a GPU, resident set on the CPU.
        trainable_parameters: Values that learn in the last phase.
        learned_parameters: Values that had learned when the best epoch ended, whose weights are kept.
        total_parameters: Values of the whole network.
        best_epoch: The epoch whose weights are kept.
        best_val_accuracy: Its validation accuracy during the training, 0 to 1.
        val_accuracy: Of the kept weights, judged once more in 32 bit after the training.
        test_accuracy: Of the kept weights, on images never used before.
        early: Names of the phases that ended early, because they no longer improved.
        frozen_values: Parameters that were frozen in all phases.
        frozen_changed: How many of them are not the same, bit by bit, after the training.
        frozen_buffers: The same for buffers, such as the statistics of BatchNorm.
        frozen_buffers_changed: How many of them changed.
        moved: For each stage the change of its parameters as a share of their length before.
        transferred: What was handed on from earlier weights, where any were.
        leaks: What was found of copies in different splits; ``None`` where nobody looked.
        requests_read: Bytes of ``control.jsonl`` that were read: what people asked for later is still open.
    """

    device: str = ""
    images: int | None = None
    unreadable_images: int = field(default=0, metadata={"key": "unreadable"})
    train_images: int | None = None
    val_images: int | None = None
    batch_size: int | None = None
    parts: int = 1
    part_images: int | None = None
    phase: str = ""
    phase_index: int = 0
    phase_parameters: int | None = None
    precision: str = ""
    cached: bool = False
    cut: str | None = None
    epoch: int = 0
    epochs: int = 0
    epochs_done: int = 0
    step: int = 0
    steps: int = 0
    lr: float | None = None
    images_per_second: float | None = None
    memory_bytes: int | None = None
    trainable_parameters: int | None = None
    learned_parameters: int | None = None
    total_parameters: int | None = None
    best_epoch: int | None = None
    best_val_accuracy: float | None = None
    val_accuracy: float | None = None
    test_accuracy: float | None = None
    early: tuple[str, ...] = ()
    frozen_values: int = 0
    frozen_changed: int | None = None
    frozen_buffers: int = 0
    frozen_buffers_changed: int = 0
    moved: Mapping[str, float | None] = field(default_factory=dict)
    transferred: TransferCounts | None = field(default=None, metadata={"key": "grafted"})
    leaks: LeakSearch | None = None
    requests_read: int = field(default=0, metadata={"key": "heard"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus(Status):
    """What the ``status.json`` of a job beside the runs says.

    Attributes:
        backbone: The backbone that a ranking is at.
        number: Backbones that it is done with.
        networks: Backbones that it compares.
        rate: The learning rate that is tried.
        loss: The loss at that rate, in nats.
        ready: Pictures that are grown.
    """

    backbone: str = ""
    number: int = 0
    networks: int = 0
    rate: float | None = None
    loss: float | None = None
    ready: int = 0


class _Column(NamedTuple):
    """How a key of the file becomes a field."""

    name: str
    read: Callable[[object], Any]
    default: Any


def _columns(kind: type) -> dict[str, _Column]:
    """Returns the fields of a record by their keys in the file."""
    found = {}
    for known in fields(kind):
        default = known.default if known.default_factory is MISSING else known.default_factory()
        column = _Column(known.name, _READERS.get(known.type.removesuffix(" | None"), _text), default)
        found[known.metadata.get("key", known.name)] = column
    found.pop(None, None)
    return found


def _checked(kind: type[_T], value: object) -> _T:
    if not isinstance(value, kind):
        raise TypeError
    return value


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError
    if not value.isascii():
        value.encode()  # half a character cannot be shown
    return value


def _number(value: object) -> float:
    if (type(value) is float or type(value) is int) and 0 <= value <= LARGEST:
        return float(value)
    raise ValueError


def _count(value: object) -> int:
    if type(value) is int and 0 <= value <= LARGEST:
        return value
    number = _number(value)
    if number != int(number):
        raise ValueError
    return int(number)


def _state(value: object) -> str:
    if value not in _STATES:
        raise ValueError
    return str(value)


def _part(kind: type) -> Callable[[object], Any]:
    """Returns how an object within the file is read: one of its values that cannot be read spoils the whole."""

    def read(value: object) -> object:
        columns = _COLUMNS[kind]
        record = {key: item for key, item in _checked(dict, value).items() if key in columns and item is not None}
        return kind(**{columns[key].name: columns[key].read(item) for key, item in record.items()})

    return read


_READERS: dict[str, Callable[[object], Any]] = {
    "State": _state,
    "int": _count,
    "float": _number,
    "bool": lambda value: _checked(bool, value),
    "tuple[str, ...]": lambda value: tuple(map(_text, _checked(list, value))),
    "Mapping[str, float | None]": lambda value: {
        _text(key): None if item is None else _number(item) for key, item in _checked(dict, value).items()
    },
    "Mapping[str, str | float]": lambda value: {
        _text(key): item if isinstance(item, int | float) else _text(item)
        for key, item in _checked(dict, value).items()
    },
    "LaunchStamp": _part(LaunchStamp),
    "TransferCounts": _part(TransferCounts),
    "LeakSearch": _part(LeakSearch),
}
"""How a value is read, by the type of its field; they raise where it is another."""

_KINDS: tuple[type, ...] = (LaunchStamp, TransferCounts, LeakSearch, RunStatus, JobStatus)
_COLUMNS = {kind: _columns(kind) for kind in _KINDS}


def _plain(value: object) -> object:
    """Returns a value as JSON spells it; a number that JSON has no word for is ``null``."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shortened(value: object, most: int = 40) -> str:
    """Returns a value as it stands in the file, or its beginning."""
    if isinstance(value, list | dict):
        return "[…]" if isinstance(value, list) else "{…}"
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= most else text[:most] + "…"
