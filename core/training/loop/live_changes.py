"""What a person changes in a training at work: done when it is wished, and repeated when the run is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.models import freeze
from core.models.anatomy.examine import Anatomy
from core.specs import FreezePlan, LiveChange
from core.training.loop.state import TrainerState


class Acts:
    """The acts of a run, in order.

    Args:
        known: Those that the experiment says, which are repeated at their place.
    """

    def __init__(self, known: Sequence[LiveChange]) -> None:
        self._acts = list(known)

    def due(self, at: TrainerState) -> LiveChange | None:
        """Returns the act that is to be repeated before the next step, if there is one."""
        if at.acts >= len(self._acts):
            return None
        act = self._acts[at.acts]
        return act if (act.phase, act.step) <= (at.phase, at.step) else None

    def wished(self, wish: ControlRequest, at: TrainerState) -> LiveChange:
        """Writes a wish down as an act at this place."""
        act = LiveChange(at.step, wish.kind, wish.value, at.phase)
        self._acts.insert(at.acts, act)
        return act

    @staticmethod
    def take(act: LiveChange, at: TrainerState, anatomy: Anatomy, plan: FreezePlan) -> tuple[str, ...]:
        """Lets an act take effect on where the training stands.

        Args:
            act: The act.
            at: Is changed.
            anatomy: The network's.
            plan: What the experiment lets learn in this phase.

        Returns:
            The stages that are to join in.
        """
        stages: tuple[str, ...] = ()
        if act.kind == "rate":
            at.rate *= act.value
        elif act.kind == "extend":
            at.extra += int(act.value)
            at.added += int(act.value)
        else:
            known = at.thawed + at.joining
            before, after = (
                freeze.trainable_stage_names(anatomy, freeze.thawed(anatomy, plan, count))
                for count in (known, known + int(act.value))
            )
            stages = tuple(name for name in after if name not in before)
            at.joining += int(act.value)
        at.acts += 1
        return stages


STOP_REQUESTS = ("stop", "pause")


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One wish.

    Attributes:
        kind: ``stop`` (end, keeping the best weights), ``pause`` (end so that it can go on as if nothing had
            happened), or one of :data:`core.specs.LIVE_CHANGES`.
        value: Of an act, see :class:`core.specs.LiveChange`.
    """

    kind: str
    value: float = 1.0


PollRequests = Callable[[], Sequence[ControlRequest]]
"""Returns what was wished since it was last asked."""


def no_requests() -> Sequence[ControlRequest]:
    """Wishes nothing."""
    return ()
