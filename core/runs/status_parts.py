"""What a status holds as a whole: what belongs together, and is not known where a part of it is not."""

from __future__ import annotations

from dataclasses import dataclass

from core.messages import N_, Sentence

_LEAKY = N_(
    "Leaky: copies of the same picture stand in more than one split (groups: {n}). The run is judged on pictures that "
    "it has seen, so its accuracy flatters it. Move the copies into one split and train again."
)


@dataclass(frozen=True, slots=True)
class LaunchStamp:
    """When a process was launched, by a clock that nobody sets.

    Attributes:
        uptime: Seconds since the machine's start.
        boot: Which start of the machine that was; ``None`` where the system does not say.
    """

    uptime: float
    boot: str | None = None


@dataclass(frozen=True, slots=True)
class TransferCounts:
    """What became of the tensors of earlier weights that a network was given.

    Attributes:
        copied: Tensors that were copied.
        missing: Tensors of the network that the weights lack.
        misfit: Tensors of another shape.
        unused: Tensors of the weights that the network lacks.
        kept: Tensors of the head, which was not to be copied.
        values: Values that were copied.
        total: Values of the network.
    """

    copied: int
    missing: int
    misfit: int
    unused: int = 0
    kept: int = 0
    values: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class LeakSearch:
    """What a run found, before it began, of copies that stand in different splits and that nobody set aside.

    Attributes:
        groups: Groups of such copies.
        images: Pictures in them.
        changed: Whether copies that were changed were looked for, too; else only equal files, as in large sets.
    """

    groups: int
    images: int = 0
    changed: bool = True

    @property
    def warning(self) -> Sentence | None:
        """What is to be said wherever the run's accuracy stands; nothing where there is no leak."""
        return Sentence(_LEAKY, {"n": self.groups}) if self.groups else None
