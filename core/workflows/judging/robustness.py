"""How a run bears spoilt pictures: its accuracy under corruptions and attacks, each in five strengths.

What was measured is kept in the run's folder, ``robustness/<split>-<checkpoint>-<pictures>.json``, and measured once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.corruptions.table import CORRUPTIONS, STRENGTHS, corrupted
from core.data.images import normalise
from core.device import resolve_device
from core.errors import InputError
from core.evaluation.attacks import ATTACKS, attacked
from core.evaluation.intervals import Interval, influence_interval, share_interval, wilson_interval
from core.evaluation.predictions import BATCH_SIZE
from core.messages import StagedProgress
from core.models.network import Network
from core.runs.files import read_json, write_json
from core.runs.store import Run
from core.workflows.checkpoints import network_at, weights_at
from core.workflows.judging.held_out import PICTURES, HeldOut, held_out, related, splits_of

FOLDER = "robustness"
"""Where a run's folder keeps what was measured."""
GROUPS = ("noise", "blur", "weather", "digital", "place", "attack")
_FORMAT = 1

Answers = tuple[tuple[int, ...], ...]
"""The classes that a network named at each strength, a row a strength, a column a picture."""


@dataclass(frozen=True, slots=True)
class Robustness:
    """What a network answered to pictures as they are and spoilt.

    Attributes:
        split: Where the pictures stand.
        of: How many pictures the split has.
        keys: The pictures.
        labels: Their classes, as places in ``classes``.
        classes: Names of the classes.
        clean: What it answered to the pictures as they are.
        answers: For each corruption or attack what it answered at strengths 1 to 5.
        groups: Group of each picture, from 0, where the run's division keeps related ones together.
    """

    split: str
    of: int
    keys: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    clean: tuple[int, ...]
    answers: Mapping[str, Answers]
    groups: tuple[int, ...] | None = None

    def right(self, name: str) -> NDArray[np.bool_]:
        """Returns which answers are right, at strength 0, the picture as it is, to 5: ``6 x N``."""
        rows: NDArray[np.bool_] = np.asarray([self.clean, *self.answers[name]]) == np.asarray(self.labels)
        return rows

    def curve(self, name: str) -> list[tuple[float, Interval]]:
        """Returns the accuracy at strengths 0 to 5, each with its 95 % interval: Wilson's, or over groups."""
        groups = self._groups()
        return [(float(row.mean()), share_interval(row, groups)) for row in self.right(name)]

    def _groups(self) -> NDArray[np.int64] | None:
        return None if self.groups is None else np.unique(self.groups, return_inverse=True)[1]

    def mean(self, names: Sequence[str] | None = None) -> tuple[float, Interval]:
        """Returns the mean accuracy over corruptions and strengths 1 to 5, and its 95 % interval.

        Args:
            names: Which; by default all corruptions that were measured, attacks not among them.

        Raises:
            InputError: None was measured.
        """
        chosen = [name for name in self.answers if name in CORRUPTIONS] if names is None else list(names)
        if not chosen:
            raise InputError("No corruption was measured, so there is no mean.")
        each = np.mean([self.right(name)[1:].mean(0) for name in chosen], axis=0)
        value, count, groups = float(each.mean()), len(each), self._groups()
        if count < 2 or each.std() == 0:  # all alike: as if each picture were right or wrong as a whole
            units = count if groups is None else int(groups.max()) + 1
            return value, wilson_interval(round(value * units), units)
        return value, influence_interval(value, (each - value) / count, "logit", groups)

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON-ready data."""
        return {
            "split": self.split,
            "of": self.of,
            "keys": list(self.keys),
            "labels": list(self.labels),
            "classes": list(self.classes),
            "clean": list(self.clean),
            "answers": {name: [list(row) for row in rows] for name, rows in self.answers.items()},
            "groups": None if self.groups is None else list(self.groups),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Robustness:
        """Reads what :meth:`as_record` returned; corruptions that are not known any more are passed over.

        Raises:
            KeyError: It is damaged.
            TypeError: Likewise.
            ValueError: Likewise.
        """
        made = cls(
            str(record["split"]),
            int(record["of"]),
            tuple(map(str, record["keys"])),
            tuple(map(int, record["labels"])),
            tuple(map(str, record["classes"])),
            tuple(map(int, record["clean"])),
            {
                str(name): tuple(tuple(map(int, row)) for row in rows)
                for name, rows in record["answers"].items()
                if name in CORRUPTIONS or name in ATTACKS
            },
            None if record.get("groups") is None else tuple(map(int, record["groups"])),
        )
        rows = [
            made.groups or made.labels,
            made.labels,
            made.clean,
            *(row for answers in made.answers.values() for row in answers),
        ]
        if not made.keys or any(len(row) != len(made.keys) for row in rows):
            raise ValueError("rows of other lengths")
        if any(len(answers) != len(STRENGTHS) for answers in made.answers.values()):
            raise ValueError("other strengths")
        return made


def named(words: str) -> tuple[str, ...]:
    """Returns corruptions and attacks from ``fog,blur,...``; a group stands for all of its own, ``all`` for all.

    Raises:
        InputError: One is not known.
    """
    groups = {name: row.group for name, row in CORRUPTIONS.items()} | dict.fromkeys(ATTACKS, "attack")
    found: list[str] = []
    for word in (part.strip() for part in words.split(",") if part.strip()):
        chosen = [name for name, group in groups.items() if word in ("all", name, group)]
        if not chosen:
            raise InputError(
                "There is no corruption {name}. Choose from: {known}.",
                name=word[:60],
                known=", ".join([*groups, *GROUPS, "all"]),
            )
        found += chosen
    if not found:
        raise InputError("Name at least one corruption, such as fog or blur; all takes every one.")
    return tuple(dict.fromkeys(found))


def measured(run: Run, split: str, *, most: int = PICTURES, checkpoint: str = "best") -> Robustness | None:
    """Returns what was measured of a run with its weights as they are now; ``None`` where that is nothing."""
    record = read_json(_file(run, split, most, checkpoint))
    if record.get("format") != _FORMAT or record.get("weights") != _stamp(run, checkpoint):
        return None
    try:
        return Robustness.from_record(record)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def measure(
    run: Run,
    names: Sequence[str],
    *,
    split: str = "",
    most: int = PICTURES,
    checkpoint: str = "best",
    device: str = "auto",
    roots: Sequence[Path] | None = None,
    progress: StagedProgress = lambda *_: None,
) -> Robustness:
    """Measures a run under corruptions and attacks; what was measured before is taken as it is.

    Args:
        run: With weights.
        names: Corruptions of :data:`core.data.corruptions.table.CORRUPTIONS` and attacks of
            :data:`core.evaluation.attacks.ATTACKS`.
        split: ``test``, ``val`` or ``train``; by default the first of them that the run has.
        most: Pictures at most, drawn by lot, the same each time; 0 for all.
        checkpoint: As for :func:`core.workflows.checkpoints.network_at`.
        device: What to compute on.
        roots: Folders that the images must lie under, links resolved; ``None`` for no limit.
        progress: Called with the corruption at work, pictures done and pictures altogether; what it raises ends the
            work, and the corruptions that were done are kept.

    Raises:
        InputError: There are no such weights, images or corruptions.
    """
    split = split or next(iter(splits_of(run)), "")
    for name in names:
        if name not in ATTACKS:
            named(name)
    before = measured(run, split, most=most, checkpoint=checkpoint)
    if before is not None and set(names) <= before.answers.keys():
        return _with_groups(run, before, roots)
    network = network_at(run, checkpoint, roots=roots)
    network.model.to(resolve_device(device))
    progress("reading images", 0, 0)
    with held_out(run, network, split=split, most=most, roots=roots) as pictures:
        if before is None or before.keys != pictures.keys:
            clean = tuple(_named_at(network, pictures, "", 0, lambda _: None))
            labels = tuple(pictures.labels.tolist())
            before = Robustness(pictures.split, pictures.of, pictures.keys, labels, network.classes, clean, {})
        before = _with_groups(run, before, roots)
        wanted = [name for name in names if name not in before.answers]
        total = len(wanted) * len(STRENGTHS) * len(pictures.keys)
        done = 0

        for name in wanted:

            def report(count: int, name: str = name) -> None:
                nonlocal done
                done += count
                progress(name, done, total)

            rows = tuple(tuple(_named_at(network, pictures, name, strength, report)) for strength in STRENGTHS)
            before = replace(before, answers={**before.answers, name: rows})
            _keep(run, before, most, checkpoint)
    return before


def _with_groups(run: Run, found: Robustness, roots: Sequence[Path] | None) -> Robustness:
    """Returns it with the groups of its pictures, which what was measured by earlier versions does not hold."""
    return found if found.groups is not None else replace(found, groups=related(run, found.keys, roots=roots))


def strip(
    network: Network, picture: Tensor, name: str, key: str, label: int | None = None
) -> list[tuple[Tensor, NDArray[np.float32]]]:
    """Returns one picture as it is and at the five strengths, each with what the network answers.

    Args:
        network: In eval mode.
        picture: uint8 ``3 x S x S``, as it enters the network before it is normalised.
        name: A corruption or an attack.
        key: The picture's name, by which chance falls as it does in :func:`measure`.
        label: Its class, which an attack leads away from; by default the class that the network names.

    Returns:
        Six pictures, uint8 ``3 x S x S``, with probabilities ``K``.
    """
    found = []
    with network.lock:
        network.model.eval()
        device = next(network.model.parameters()).device
        target = torch.tensor([label if label is not None else int(_probabilities(network, picture[None])[0].argmax())])
        for strength in (0, *STRENGTHS):
            pixels = _spoilt(network, picture[None], target.to(device), name, strength, (key,))
            shown = pixels[0].round().clamp(0, 255).to(torch.uint8).cpu()
            found.append((shown, _probabilities(network, pixels)[0]))
    return found


def _named_at(
    network: Network, pictures: HeldOut, name: str, strength: int, report: Callable[[int], None]
) -> Iterator[int]:
    """Yields the class that is named for each picture."""
    device = next(network.model.parameters()).device
    for start in range(0, len(pictures.keys), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        images = pictures.store.batch(pictures.positions[part]).contiguous()
        labels = torch.from_numpy(pictures.labels[part]).to(device)
        pixels = _spoilt(network, images, labels, name, strength, pictures.keys[part])
        yield from _probabilities(network, pixels).argmax(1).tolist()
        report(len(images))


def _spoilt(network: Network, images: Tensor, labels: Tensor, name: str, strength: int, keys: Sequence[str]) -> Tensor:
    device = next(network.model.parameters()).device
    if not strength:
        return images.to(device)
    if name in ATTACKS:
        return attacked(network, images.to(device), labels, name, strength)
    rows = [corrupted(image, name, strength, key) for image, key in zip(images, keys, strict=True)]
    return torch.stack(rows).to(device)


@torch.no_grad()
def _probabilities(network: Network, pixels: Tensor) -> NDArray[np.float32]:
    device = next(network.model.parameters()).device
    logits = network.model(normalise(pixels.to(device, copy=True), network.preprocessing))
    found: NDArray[np.float32] = logits.float().softmax(1).cpu().numpy()
    return found


def _file(run: Run, split: str, most: int, checkpoint: str) -> Path:
    return run.path / FOLDER / f"{split}-{checkpoint}-{most or 'all'}.json"


def _stamp(run: Run, checkpoint: str) -> str:
    """Returns when a checkpoint's weights were written; those of ``start`` never change."""
    path = weights_at(run, checkpoint)
    try:
        return str(path.stat().st_mtime_ns) if path is not None else ""
    except OSError:
        return "gone"


def _keep(run: Run, found: Robustness, most: int, checkpoint: str) -> None:
    """Writes what was measured, with what another process may have measured of the same pictures meanwhile."""
    path = _file(run, found.split, most, checkpoint)
    other = measured(run, found.split, most=most, checkpoint=checkpoint)
    if other is not None and other.keys == found.keys:
        found = replace(found, answers={**other.answers, **found.answers})
    try:
        path.parent.mkdir(exist_ok=True)
        write_json(path, {"format": _FORMAT, "weights": _stamp(run, checkpoint), **found.as_record()})
    except OSError as error:
        raise InputError(
            "What was measured cannot be kept in {path}: {reason}.", path=str(path.parent), reason=error.strerror
        ) from error
