"""A run of the course: what it does, on which data, with how many epochs, and what stands in for its network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from core.errors import InputError
from core.messages import N_
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, HeadSpec, ModelSpec, Phase, TrainingSpec

STAND_IN = "efficientnet_lite0"
"""The backbone whose weights come with the app, for runs whose own weights cannot be had."""
_SUFFIX = "-lite0"


@dataclass(frozen=True, slots=True)
class CourseRun:
    """One training of the course.

    Attributes:
        id: Stable name.
        title: What a person calls it.
        description: One or two sentences on what it does.
        source: Which of the course's notes it is from.
        classes: Classes that it was done with.
        model: Network, weights and head.
        training: Phases, batch and the rest; its preset is ``course``.
        freeze: What learns.
        augment: How training images are changed.
        slip: What the notes did wrong, and what is done here instead; empty where there is nothing.
        slip_kept: Whether the slip is left in, to be seen.
        division: Shares of the images that test, and of the rest that validate; ``None`` where the notes leave it open.
        stands_for: Id of the run whose network :data:`STAND_IN` stands in for; empty for the notes' own.
    """

    id: str
    title: str
    description: str
    source: str
    classes: int
    model: ModelSpec
    training: TrainingSpec
    freeze: FreezePlan = field(default_factory=FreezePlan)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    slip: str = ""
    slip_kept: bool = False
    division: tuple[float, float] | None = None
    stands_for: str = ""

    def experiment(self, data: DataSpec, *, epochs: int | None = None, name: str = "") -> Experiment:
        """Returns the run on some data.

        Args:
            data: Which images, and how they are divided.
            epochs: Epochs altogether, shared among the phases as the course does; ``None`` for the course's number.
            name: Name of the run; its title where none is given.

        Raises:
            InputError: There are fewer epochs than phases.
        """
        training = self.training if epochs is None else scaled(self.training, epochs)
        return Experiment(data, self.model, training, self.freeze, self.augment, name or self.title)

    def divided(self, data: DataSpec) -> DataSpec:
        """Returns some data, divided as the run divides them; as they are where the notes leave that open."""
        if self.division is None:
            return data
        test, val = self.division
        return replace(data, test_share=test, val_share=val, val_of="rest")

    @property
    def stand_in(self) -> CourseRun | None:
        """The same run on :data:`STAND_IN`; ``None`` for runs from random weights and for stand-ins themselves."""
        if self.model.weights == "none" or self.stands_for:
            return None
        return replace(
            self,
            id=self.id + _SUFFIX,
            description=N_(
                "The same recipe on EfficientNet-Lite0, whose weights come with the app. Its averaged features enter "
                "the head; where the notes let some last layers learn along, its last stage does."
            ),
            model=ModelSpec(STAND_IN, head=HeadSpec(self.model.head.hidden, dropout=self.model.head.dropout)),
            freeze=replace(self.freeze, trainable_stages=1, thaw=()) if self.freeze.thaw else self.freeze,
            stands_for=self.id,
        )


def scaled(training: TrainingSpec, epochs: int) -> TrainingSpec:
    """Returns a training whose phases share another number of epochs in the same proportion, each at least one.

    Raises:
        InputError: There are fewer epochs than phases.
    """
    phases, left = training.phases, epochs
    if epochs < len(phases):
        raise InputError(
            "This recipe has {phases} phases and needs at least as many epochs, not {epochs}.",
            phases=len(phases),
            epochs=epochs,
        )
    found: list[Phase] = []
    for number, phase in enumerate(phases, start=1):
        after = len(phases) - number
        share = min(left - after, max(1, round(epochs * phase.epochs / training.epochs))) if after else left
        found.append(replace(phase, epochs=share))
        left -= share
    return replace(training, phases=tuple(found))
