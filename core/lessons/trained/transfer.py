"""What one set teaches for another: random weights, copied and all learn, copied and only the last layer learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.lessons.trained.small import Pictures, Ticks, fit, pictures
from core.messages import N_, Progress

SETS = {
    "letters": "letters?per_class=40&size=28",
    "digits": "mnist",
    "clothes": "clothes?per_class=60&size=28",
    "circles": "circles?per_class=300&size=28",
}
"""What a set is called -> the embedded set and its options; all of 28 px."""
PAIRS = {
    "letters-digits": N_("From letters to digits"),
    "digits-clothes": N_("From digits to clothes"),
    "circles-clothes": N_("From circles to clothes"),
}
"""By name in a link, which is also that of the ready study."""
WAYS = {
    "random": N_("Random weights, all learn"),
    "tuned": N_("Copied, all learn"),
    "frozen": N_("Copied, only the last layer learns"),
}
SEEDS = (0, 1, 2)
EPOCHS, FIRST_EPOCHS = 12, 5
RATE = 0.01
"""Of Adam, for every way alike."""
EACH, FIRST_MOST, HELD_MOST = 20, 1200, 500
"""Pictures a class of the new set; pictures of the first set and held-out ones of the new one, at most."""
LAST = "classifier."


@dataclass(frozen=True, slots=True)
class Transferred:
    """How far each way came.

    Attributes:
        first: Accuracy on the first set, which the copied weights come from.
        courses: By name of :data:`WAYS`: for each seed the accuracy on held-out pictures of the new set before training
            and after every epoch.
        learning: By the same names, how many weights learn.
        pictures: How many pictures of the new set were learned from.
        held: How many were judged by.
    """

    first: float
    courses: dict[str, tuple[tuple[float, ...], ...]]
    learning: dict[str, int]
    pictures: int
    held: int

    def mean(self, way: str, epoch: int) -> float:
        """Returns a way's accuracy after an epoch, the mean over the seeds."""
        return sum(course[epoch] for course in self.courses[way]) / len(self.courses[way])


def network(classes: int, seed: int) -> nn.Sequential:
    """Returns the notes' letters network for so many classes, with random weights."""
    from core.models.architectures.small_networks import construct, emnist_cnn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cast("nn.Sequential", construct(emnist_cnn(), 1, 28, classes))


def copied(source: nn.Module, target: nn.Module, *, statistics: bool = True) -> list[str]:
    """Copies every tensor but the last layer's.

    Args:
        source: Where the weights come from.
        target: What gets them.
        statistics: Whether batch norm's kept mean and variance come along; ``named_parameters()`` has not got them.

    Returns:
        Names of the tensors that were not copied.
    """
    own = source.state_dict() if statistics else dict(source.named_parameters())
    taken = {name: value.detach() for name, value in own.items() if not name.startswith(LAST)}
    target.load_state_dict(taken, strict=False)
    return [name for name in target.state_dict() if name not in taken]


def first_network(name: str, tick: Callable[[], None] = lambda: None) -> tuple[nn.Sequential, float]:
    """Trains the network that weights are copied from; returns it with its accuracy on pictures it has not seen."""
    known = pictures(SETS[name])
    learn, rest = known.few(min(1000, FIRST_MOST // known.classes), seed=1)
    held = rest if len(rest) else learn
    judged = _rows(known, held[:HELD_MOST])
    made = network(known.classes, 0)
    course = fit(made, _rows(known, learn), judged, FIRST_EPOCHS, rate=RATE, seed=0, tick=tick)
    return made, course[-1]


def run(
    pair: str,
    *,
    statistics: bool = True,
    seeds: Sequence[int] = SEEDS,
    ways: Sequence[str] = tuple(WAYS),
    progress: Progress = lambda *_: None,
) -> Transferred:
    """Trains the first network once, and each way from it for every seed.

    Args:
        pair: One of :data:`PAIRS`.
        statistics: Whether batch norm's kept figures are copied with the weights.
        seeds: Seeds of the pictures that are drawn, of new weights and of the order.
        ways: Which of :data:`WAYS`.
        progress: Called with epochs done and all; what it raises ends the work.

    Raises:
        InputError: There is no such pair.
    """
    if pair not in PAIRS:
        raise InputError("There is no pair {name}. Choose one of: {all}.", name=pair, all=", ".join(PAIRS))
    before, _, after = pair.partition("-")
    ticks = Ticks(FIRST_EPOCHS + EPOCHS * len(ways) * len(seeds), progress)
    source, reached = first_network(before, ticks)
    known = pictures(SETS[after])
    courses: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
    learning: dict[str, int] = {}
    for seed in seeds:
        learn, rest = known.few(EACH, seed=seed)
        parts = _rows(known, learn), _rows(known, rest[:HELD_MOST])
        for way in ways:
            model = network(known.classes, 10 + seed)
            if way != "random":
                copied(source, model, statistics=statistics)
            trained, shown = (model, parts) if way != "frozen" else _head(model, *parts)
            learning[way] = sum(value.numel() for value in trained.parameters())
            courses[way].append(tuple(fit(trained, *shown, EPOCHS, rate=RATE, seed=seed, tick=ticks)))
    return Transferred(
        reached,
        {way: tuple(found) for way, found in courses.items()},
        learning,
        EACH * known.classes,
        min(HELD_MOST, len(known.y) - EACH * known.classes),
    )


def _head(
    model: nn.Sequential, learn: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor]
) -> tuple[nn.Module, tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
    """Returns the last layer, and what the frozen rest, in eval mode, makes of the pictures once and for all."""
    body = model[:-1].eval()
    with torch.no_grad():
        return model[-1], ((body(learn[0]), learn[1]), (body(held[0]), held[1]))


def _rows(known: Pictures, places: Tensor) -> tuple[Tensor, Tensor]:
    return known.x[places], known.y[places]
