"""How a network is trained: phases, batch, seed, device."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError
from core.specs.checks import number, one_of, whole
from core.specs.model import FreezePlan

PRESETS = ("linear-probe", "fine-tune", "two-phase", "gradual", "full", "scratch")
OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine")
PRECISIONS = ("auto", "fp32", "bf16")
TRAINS = ("head", "plan")


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training with one set of trainable parts, one optimizer and one schedule.

    Attributes:
        name: Stable name, such as ``head`` or ``fine-tune``.
        trains: ``head`` for the head alone, ``plan`` for the head and what the freeze plan leaves free.
        epochs: Number of passes over the training images.
        optimizer: One of :data:`OPTIMIZERS`.
        lr: Learning rate of the head.
        backbone_factor: The rate of the backbone's last stage as a multiple of ``lr``.
        stage_decay: The rate of each earlier stage as a multiple of the next one's (discriminative rates, Howard and
            Ruder 2018, arXiv:1801.06146, who divide by 2.6); 1 for the same rate throughout.
        stage_factors: Stages whose rate is set by hand: (name, multiple of ``lr``), before anything else.
        weight_decay: Decoupled for AdamW, L2 for the others.
        momentum: For SGD and RMSprop.
        schedule: ``constant``, or ``cosine`` from ``lr`` to 0 over the phase.
        freeze: The phase's own freeze plan, such as one step of a gradual unfreezing; ``None`` for the experiment's.
    """

    name: str
    trains: str
    epochs: int
    optimizer: str = "adamw"
    lr: float = 1e-3
    backbone_factor: float = 1.0
    stage_decay: float = 1.0
    stage_factors: tuple[tuple[str, float], ...] = ()
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: str = "constant"
    freeze: FreezePlan | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError("A phase has no name.")
        one_of("trains", self.trains, TRAINS)
        whole("epochs", self.epochs, low=1, high=100_000)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        number("lr", self.lr, low=0.0, high=100.0, above=True)
        number("backbone_factor", self.backbone_factor, low=0.0, high=1000.0, above=True)
        number("stage_decay", self.stage_decay, low=0.0, high=1.0, above=True)
        self._check_factors()
        number("weight_decay", self.weight_decay, low=0.0, high=10.0)
        number("momentum", self.momentum, low=0.0, high=0.9999)
        one_of("schedule", self.schedule, SCHEDULES)
        if self.freeze is not None and not isinstance(self.freeze, FreezePlan):
            raise InputError("The freeze plan of the phase {name} must be a JSON object.", name=self.name)

    def _check_factors(self) -> None:
        if not isinstance(self.stage_factors, tuple):
            raise InputError("stage_factors must be a list of pairs: a stage and its multiple of lr.")
        for pair in self.stage_factors:
            if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str):
                raise InputError("stage_factors must be a list of pairs: a stage and its multiple of lr.")
            number("stage_factors", pair[1], low=0.0, high=1000.0, above=True)


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """How the network is trained.

    Attributes:
        preset: The recipe the phases were made from, one of :data:`PRESETS`.
        phases: What happens, in order.
        batch_size: Images a step.
        seed: Seed of the head's weights, of shuffling and of augmentation.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        precision: ``fp32``, ``bf16`` (autocast), or ``auto`` to time a few steps of each and keep the faster.
    """

    preset: str
    phases: tuple[Phase, ...]
    batch_size: int = 32
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        one_of("preset", self.preset, PRESETS)
        if not isinstance(self.phases, tuple) or not all(isinstance(phase, Phase) for phase in self.phases):
            raise InputError("phases must be a list of phases.")
        if not self.phases:
            raise InputError("The training has no phase. Give at least one.")
        whole("batch_size", self.batch_size, low=1, high=65_536)
        whole("seed", self.seed, low=0, high=2**32 - 1)
        one_of("precision", self.precision, PRECISIONS)
        if not isinstance(self.device, str) or self.device.split(":")[0] not in ("auto", "cpu", "cuda", "mps"):
            raise InputError("The device {device} is not known. Choose auto, cpu or cuda.", device=self.device)

    @property
    def epochs(self) -> int:
        """Epochs of all phases together."""
        return sum(phase.epochs for phase in self.phases)
