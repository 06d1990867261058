"""What a person changes in a training at work: done when it is requested, and repeated when the run is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from core.models import freeze
from core.models.anatomy.examine import Anatomy
from core.specs import FreezePlan, LiveChange
from core.training.loop.distributed import World
from core.training.loop.state import TrainerState


class LiveControl:
    """What a training at work is to change: what its experiment repeats, and what people request meanwhile.

    Args:
        known: The changes of the experiment, which are repeated at their place.
        poll_requests: Called in the first process for the requests since the last call.
        world: The processes that train together.

    Attributes:
        halt: The last request that ends the training, ``stop`` or ``pause``; ``None`` before one came.
    """

    def __init__(self, known: Sequence[LiveChange], poll_requests: PollRequests, world: World) -> None:
        self._changes, self._poll_requests, self._world = list(known), poll_requests, world
        self.halt: str | None = None

    def repeated(self, state: TrainerState) -> Iterator[LiveChange]:
        """Yields the changes that are due before the next step; each is to be applied before the next is asked for."""
        while change := self.due(state):
            yield change

    def requested(self, state: TrainerState) -> Iterator[LiveChange]:
        """Yields the changes that are due, then those requested since; a request to end is noted as :attr:`halt`."""
        yield from self.repeated(state)
        for request in self._world.from_first(tuple(self._poll_requests()) if self._world.first else ()):
            if request.kind in STOP_REQUESTS:
                self.halt = request.kind
            else:
                yield self.record(request, state)

    def due(self, state: TrainerState) -> LiveChange | None:
        """Returns the change that is to be repeated before the next step, if there is one."""
        if state.acts >= len(self._changes):
            return None
        change = self._changes[state.acts]
        return change if (change.phase, change.step) <= (state.phase, state.step) else None

    def record(self, request: ControlRequest, state: TrainerState) -> LiveChange:
        """Writes a request down as a change at this place."""
        change = LiveChange(state.step, request.kind, request.value, state.phase)
        self._changes.insert(state.acts, change)
        return change

    @staticmethod
    def apply(change: LiveChange, state: TrainerState, anatomy: Anatomy, plan: FreezePlan) -> tuple[str, ...]:
        """Applies a change to the state of the training.

        Args:
            change: The change.
            state: Is changed.
            anatomy: The network's.
            plan: What the experiment lets learn in this phase.

        Returns:
            The stages that are to join in.
        """
        stages: tuple[str, ...] = ()
        if change.kind == "rate":
            state.rate *= change.value
        elif change.kind == "extend":
            state.extra += int(change.value)
            state.added += int(change.value)
        else:
            known = state.thawed + state.joining
            before, after = (
                freeze.trainable_stage_names(anatomy, freeze.unfreeze(anatomy, plan, count))
                for count in (known, known + int(change.value))
            )
            stages = tuple(name for name in after if name not in before)
            state.joining += int(change.value)
        state.acts += 1
        return stages


STOP_REQUESTS = ("stop", "pause")


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One request.

    Attributes:
        kind: ``stop`` (end, keeping the best weights), ``pause`` (end so that it can go on as if nothing had
            happened), or one of :data:`core.specs.LIVE_CHANGES`.
        value: Of a change, see :class:`core.specs.LiveChange`.
    """

    kind: str
    value: float = 1.0


PollRequests = Callable[[], Sequence[ControlRequest]]
"""Returns the requests since the last call."""


def no_requests() -> Sequence[ControlRequest]:
    """Returns no requests."""
    return ()
