"""How a network is trained: phases, batch, seed, device."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from core.errors import InputError
from core.specs.augmentation import AugmentSpec
from core.specs.checks import number, one_of, whole
from core.specs.learning import METRICS, SAMPLERS, EarlyStopping, LiveChange, Loss, Mix, Schedule
from core.specs.model import FreezePlan

PRESETS = (
    "linear-probe",
    "fine-tune",
    "two-phase",
    "six-step",
    "gradual",
    "discriminative",
    "full",
    "scratch",
    "course",
    "custom",
)
OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop", "adagrad")
PRECISIONS = ("auto", "fp32", "bf16")
TRAINS = ("head", "plan")
DRAWS = ("image", "stream")


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training with one set of trainable parts, one optimizer and one schedule.

    Attributes:
        name: Stable name, such as ``head`` or ``fine-tune``.
        trains: ``head`` for the head alone, ``plan`` for the head and what the freeze plan leaves free.
        epochs: Number of passes over the training images.
        optimizer: One of :data:`OPTIMIZERS`, or the name of any other class of ``torch.optim``, such as ``NAdam``.
        lr: Learning rate of the head.
        backbone_factor: The rate of the backbone's last stage as a multiple of ``lr``.
        stage_decay: The rate of each earlier stage as a multiple of the next one's (discriminative rates, Howard and
            Ruder 2018, arXiv:1801.06146, who divide by 2.6); 1 for the same rate throughout.
        stage_factors: Stages whose rate is set by hand: (name, multiple of ``lr``), before anything else.
        weight_decay: Decoupled for AdamW, L2 for the others.
        momentum: For SGD and RMSprop.
        nesterov: For SGD: looks ahead before each step (Nesterov 1983; Sutskever et al. 2013).
        options: Further settings of the optimizer's class: (name, value), such as ``("eps", 1e-7)``.
        schedule: How the rates change over the phase.
        freeze: The phase's own freeze plan, such as one step of a gradual unfreezing; ``None`` for the experiment's.
        augment: The phase's own augmentation; ``None`` for the experiment's.
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
    nesterov: bool = False
    options: tuple[tuple[str, float | bool], ...] = ()
    schedule: Schedule = field(default_factory=Schedule)
    freeze: FreezePlan | None = None
    augment: AugmentSpec | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError("A phase has no name.")
        one_of("trains", self.trains, TRAINS)
        whole("epochs", self.epochs, low=1, high=100_000)
        self._check_optimizer()
        number("lr", self.lr, low=0.0, high=100.0, above=True)
        number("backbone_factor", self.backbone_factor, low=0.0, high=1000.0, above=True)
        number("stage_decay", self.stage_decay, low=0.0, high=1.0, above=True)
        self._check_factors()
        number("weight_decay", self.weight_decay, low=0.0, high=10.0)
        number("momentum", self.momentum, low=0.0, high=0.9999)
        if not isinstance(self.schedule, Schedule):
            raise InputError("The schedule of the phase {name} must be a JSON object.", name=self.name)
        if self.schedule.warmup >= self.epochs and self.schedule.warmup > 0:
            raise InputError(
                "The phase {name} warms up for {warmup} of its {epochs} epochs, so it would never reach its rate. "
                "Choose a shorter warm-up.",
                name=self.name,
                warmup=self.schedule.warmup,
                epochs=self.epochs,
            )
        if self.augment is not None and not isinstance(self.augment, AugmentSpec):
            raise InputError("The augmentation of the phase {name} must be a JSON object.", name=self.name)
        if self.freeze is not None and not isinstance(self.freeze, FreezePlan):
            raise InputError("The freeze plan of the phase {name} must be a JSON object.", name=self.name)

    def _check_optimizer(self) -> None:
        known = self.optimizer in OPTIMIZERS
        if not known and not (isinstance(self.optimizer, str) and re.fullmatch(r"[A-Z][A-Za-z]{1,30}", self.optimizer)):
            raise InputError(
                "optimizer is {value}. Choose one of {known}, or the name of a class in torch.optim, such as NAdam.",
                value=self.optimizer,
                known=", ".join(OPTIMIZERS),
            )
        if not isinstance(self.nesterov, bool):
            raise InputError("nesterov is {value}. It must be true or false.", value=self.nesterov)
        if self.nesterov and (self.optimizer not in ("sgd", "SGD") or self.momentum == 0):
            raise InputError("Nesterov's step is a way of SGD with momentum. Choose sgd and a momentum above 0.")
        if not isinstance(self.options, tuple):
            raise InputError("options must be a list of pairs: a setting of the optimizer and its value.")
        for pair in self.options:
            if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str):
                raise InputError("options must be a list of pairs: a setting of the optimizer and its value.")
            if not isinstance(pair[1], bool):
                number(pair[0], pair[1], low=-1e9, high=1e9)

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
        batch_size: Images a step; ``auto`` for the largest power of two that fits into the memory, up to 32 on a
            CPU and 256 on a GPU.
        seed: Seed of the head's weights, of shuffling and of augmentation.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        processes: How many processes of this machine train together, one a GPU; each takes its share of every batch.
        precision: ``fp32``, ``bf16`` (autocast), or ``auto`` to time a few steps of each and keep the faster.
        loss: What is made small.
        mix: MixUp and CutMix.
        clip: Largest norm of all gradients together; larger ones are scaled down to it (Pascanu et al. 2013,
            arXiv:1211.5063). ``None`` for no limit.
        accumulate: Batches whose gradients make one optimizer step.
        ema: Decay of a moving average of the weights, a step; the average is what is judged and kept (Polyak and
            Juditsky 1992). 0 for none.
        early: When a phase ends before its last epoch; ``None`` for never.
        best: Which epoch's weights are the run's, by one of :data:`METRICS`.
        views: With augmentation, so many views of each image are drawn once and used in turn, which lets the features
            of a frozen part be kept; 0 draws anew every time.
        deterministic: Use only algorithms that repeat exactly, also on a GPU, where some are slower.
        compile: Let ``torch.compile`` translate the network first; on GPUs only.
        recover: When a step does not fit into the memory, halve what is computed at once and go on.
        kept_mib: Disk space for the weights after epochs other than the best and the last, in MiB; as many are kept,
            evenly spread, as fit. 0 for none.
        precisions: What ``auto`` chose, by phase, once the run has found it; a repetition computes in the same.
        acts: What a person changed while the run was at work, by step; a repetition changes the same.
        sampler: Which images an epoch shows, one of :data:`SAMPLERS`. All but ``shuffle`` show classes equally
            often, so that balanced weights are all 1 then.
        draws: What augmentation draws its numbers from: ``image``, of each image by seed and epoch, or ``stream``, one
            sequence for all, as runs did that are written in schema 3 or before.
    """

    preset: str
    phases: tuple[Phase, ...]
    batch_size: int | Literal["auto"] = 32
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    loss: Loss = field(default_factory=Loss)
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
    precisions: tuple[str, ...] = ()
    acts: tuple[LiveChange, ...] = ()
    sampler: str = "shuffle"
    draws: str = "image"

    def __post_init__(self) -> None:
        one_of("preset", self.preset, PRESETS)
        if not isinstance(self.phases, tuple) or not all(isinstance(phase, Phase) for phase in self.phases):
            raise InputError("phases must be a list of phases.")
        if not self.phases:
            raise InputError("The training has no phase. Give at least one.")
        if self.batch_size != "auto":
            whole("batch_size", self.batch_size, low=1, high=65_536)
        whole("seed", self.seed, low=0, high=2**32 - 1)
        one_of("precision", self.precision, PRECISIONS)
        if not isinstance(self.device, str) or self.device.split(":")[0] not in ("auto", "cpu", "cuda", "mps"):
            raise InputError("The device {device} is not known. Choose auto, cpu or cuda.", device=self.device)
        self._check_parts()
        if self.clip is not None:
            number("clip", self.clip, low=0.0, high=1e6, above=True)
        whole("accumulate", self.accumulate, low=1, high=10_000)
        number("ema", self.ema, low=0.0, high=0.999999)
        one_of("best", self.best, METRICS)
        one_of("draws", self.draws, DRAWS)
        whole("kept_mib", self.kept_mib, low=0, high=1_000_000)
        whole("views", self.views, low=0, high=1000)
        whole("processes", self.processes, low=1, high=64)

    def _check_parts(self) -> None:
        kinds = {"loss": Loss, "mix": Mix}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise InputError("{name} must be a JSON object.", name=name)
        if self.early is not None and not isinstance(self.early, EarlyStopping):
            raise InputError("{name} must be a JSON object.", name="early")
        for name in ("deterministic", "compile", "recover"):
            if not isinstance(getattr(self, name), bool):
                raise InputError("{name} is {value}. It must be true or false.", name=name, value=getattr(self, name))
        if not isinstance(self.precisions, tuple):
            raise InputError("precisions must be a list of number formats, such as fp32.")
        for precision in self.precisions:
            one_of("precisions", precision, ("fp32", "bf16"))
        if not isinstance(self.acts, tuple) or not all(isinstance(act, LiveChange) for act in self.acts):
            raise InputError("acts must be a list of what was changed.")
        one_of("sampler", self.sampler, SAMPLERS)
        if self.mix.active and self.loss.name not in ("cross-entropy", "focal"):
            raise InputError(
                "MixUp and CutMix mix labels, which the loss {loss} cannot take. Choose cross-entropy.",
                loss=self.loss.name,
            )

    @property
    def weighted(self) -> bool:
        """Whether classes weigh differently in the loss."""
        return self.loss.balance == "balanced" and self.sampler == "shuffle"

    def drawn(self, counts: Sequence[int]) -> int:
        """Returns how many images an epoch draws.

        Args:
            counts: Training images of each class.
        """
        present = [count for count in counts if count]
        if self.sampler == "oversample":
            return max(present, default=0) * len(present)
        return min(present, default=0) * len(present) if self.sampler == "undersample" else sum(present)

    def steps(self, images: int) -> int | None:
        """Returns the optimizer steps of an epoch; ``None`` where the batch size is found at the start.

        Args:
            images: That an epoch draws.
        """
        if self.batch_size == "auto":
            return None
        return max(1, -(-images // (self.batch_size * self.accumulate)))

    @property
    def images(self) -> int:
        """Images a batch.

        Raises:
            ValueError: The batch size is still ``auto``; :func:`core.training.estimate.batch_size.batch_size` finds it.
        """
        if self.batch_size == "auto":
            raise ValueError("the batch size is still to be found")
        return self.batch_size

    @property
    def epochs(self) -> int:
        """Epochs of all phases together."""
        return sum(phase.epochs for phase in self.phases)
