"""What the Train page asks, as one record, and the same record as a short text in the page's address."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from core.errors import InputError
from core.specs import PRESETS, AugmentSpec, EarlyStopping, FreezePlan, Loss, Mix, Phase, TrainingSpec, from_record
from core.specs.checks import number, one_of, whole
from core.training.course_recipes import COURSE
from pages.ui.session.packed import pack, unpack

MOST_RUNS = 20
"""Seeds, and folds, that are started in one go at most."""
BY_PHASE = ("course", "custom")
"""Recipes whose phases are given one by one."""
LISTED = tuple(name for name in PRESETS if name not in BY_PHASE)


@dataclass(frozen=True, slots=True)
class TrainChoice:
    """What the Train page asks beside data, model and freeze plan.

    What is called as in :class:`core.specs.TrainingSpec` means the same there.

    Attributes:
        epochs: Of a preset, altogether; ``None`` for the preset's own.
        lr: Rate of a preset's head in its first phase; ``None`` for the preset's own.
        optimizer: Of a preset.
        augment: Of all phases that have none of their own.
        name: Of the run.
        backbone_factor: Rate of the backbone's last stage as a multiple of the head's; ``None`` for the recipe's own.
        stage_decay: Rate of each earlier stage as a multiple of the next one's.
        stage_factors: Stages whose rate is set by hand: (name, multiple of the head's rate).
        gradual: Gradual unfreezing: (stage, first epoch in which it learns, counted from 1).
        preset: The recipe in force: one of the presets, ``course`` for a run of the course as it is (it brings its own
            network and settings), ``custom`` for the person's own phases.
        listed: The preset to come back to from the course's recipes and one's own phases.
        phases: The person's own phases; kept while another recipe is in force.
        course: Id of the course's recipe looked at last; kept likewise.
        seeds: Runs that are started with one seed after the other.
        folds: Parts of a k-fold cross-validation; 0 for none.
        remedies: Whether the remedies against imbalance are compared, a run for each.
    """

    preset: str = "linear-probe"
    listed: str = "linear-probe"
    epochs: int | None = None
    lr: float | None = None
    optimizer: str = "adamw"
    batch_size: int | Literal["auto"] = 32
    seed: int = 0
    device: str = "auto"
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    name: str = ""
    backbone_factor: float | None = None
    stage_decay: float = 1.0
    stage_factors: tuple[tuple[str, float], ...] = ()
    gradual: tuple[tuple[str, int], ...] = ()
    phases: tuple[Phase, ...] = ()
    course: str = ""
    precision: str = "auto"
    loss: Loss = field(default_factory=Loss)
    sampler: str = "shuffle"
    mix: Mix = field(default_factory=Mix)
    clip: float | None = None
    accumulate: int = 1
    ema: float = 0.0
    early: EarlyStopping | None = None
    best: str = "val_accuracy"
    views: int = 0
    deterministic: bool = False
    compile: bool = False
    recover: bool = True
    processes: int = 1
    kept_mib: int = 512
    seeds: int = 1
    folds: int = 0
    remedies: bool = False

    def __post_init__(self) -> None:
        one_of("preset", self.preset, PRESETS)
        one_of("listed", self.listed, LISTED)
        if self.epochs is not None:
            whole("epochs", self.epochs, low=1, high=100_000)
        for name, value in (("lr", self.lr), ("backbone_factor", self.backbone_factor)):
            if value is not None:
                number(name, value, low=0.0, high=1000.0, above=True)
        number("stage_decay", self.stage_decay, low=0.0, high=1.0, above=True)
        whole("seeds", self.seeds, low=1, high=MOST_RUNS)
        if self.folds != 0:
            whole("folds", self.folds, low=2, high=MOST_RUNS)
        if not isinstance(self.remedies, bool):
            raise InputError("{name} is {value}. It must be true or false.", name="remedies", value=self.remedies)

    @property
    def by_phase(self) -> bool:
        """Whether the phases are given one by one, instead of made from a preset."""
        return self.preset in BY_PHASE

    @property
    def own(self) -> TrainChoice:
        """The choices without the course, whose recipes bring a network of their own: back to the listed preset."""
        return self.turned(self.listed) if self.preset == "course" else self

    def turned(self, preset: str) -> TrainChoice:
        """Returns the choices with another recipe in force; what was set of each is kept."""
        if preset in BY_PHASE:
            return replace(self, preset=preset, listed=self.listed if self.by_phase else self.preset)
        return replace(self, preset=preset, listed="linear-probe")

    def training(self, phases: tuple[Phase, ...]) -> TrainingSpec:
        """Returns how to train with these phases.

        Raises:
            InputError: Two of the choices do not go together.
        """
        own = {f.name for f in fields(self)}
        shared = [f.name for f in fields(TrainingSpec) if f.name in own and f.name not in ("preset", "phases")]
        return TrainingSpec(self.preset, phases, **{name: getattr(self, name) for name in shared})


def to_address(choice: TrainChoice, plan: FreezePlan) -> str | None:
    """Returns choices and freeze plan as a text for an address; ``None`` where it would be empty or too long."""
    record: dict[str, Any] = {}
    for key, value, plain in (("train", choice, TrainChoice()), ("freeze", plan, FreezePlan())):
        own, usual = asdict(value), asdict(plain)
        changed = {name: own[name] for name in own if own[name] != usual[name]}
        if changed:
            record[key] = changed
    return pack(record)


def from_address(text: str) -> tuple[TrainChoice, FreezePlan]:
    """Reads what :func:`to_address` wrote.

    Raises:
        InputError: It is something else, or names what is not allowed.
    """
    record = unpack(text)
    try:
        choice = from_record(TrainChoice, "train", record.get("train", {}))
        plan = from_record(FreezePlan, "freeze", record.get("freeze", {}))
        choice.training(choice.phases or (Phase("head", "head", 1),))
        for pairs in (choice.stage_factors, choice.gradual):
            {str(name): float(value) for name, value in pairs}
    except InputError:
        raise
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError("A value in it is of a wrong type.") from error
    if choice.preset == "course" and choice.course not in COURSE:
        raise InputError("The notes have no run {name}.", name=choice.course)
    if choice.preset == "custom" and not choice.phases:
        raise InputError("Its phases are missing.")
    return choice, plan
