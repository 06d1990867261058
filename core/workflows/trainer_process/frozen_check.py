"""Checks that frozen tensors did not change: they are fingerprinted before training and compared after it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

from core.models import freeze
from core.models.anatomy.examine import Anatomy
from core.models.network import Network
from core.specs import Experiment

_THREADS = 4


class FrozenCheck:
    """A network's tensors before its training.

    Of frozen tensors a fingerprint of 32 bytes is kept, of learning ones a copy on the CPU.

    Args:
        network: As it was built, before its training.
        experiment: Its phases and freeze plans; a parameter is frozen if it learns in none of them.
    """

    def __init__(self, network: Network, experiment: Experiment) -> None:
        learning = _learning(network.anatomy, experiment)
        parameters = dict(network.model.named_parameters())
        buffers = _resting_buffers(network.model, learning)
        self._anatomy = network.anatomy
        self._frozen = _digests({name: value for name, value in parameters.items() if name not in learning})
        self._buffers = _digests(buffers)
        self._start = {
            name: value.detach().to("cpu", copy=True) for name, value in parameters.items() if name in learning
        }

    def verify(self, model: nn.Module, learned: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Compares a trained network with what it was.

        Args:
            model: The same network after its training, on any device and in any memory format.
            learned: Names of parameters that learned; those unfrozen during the run are not counted as frozen.

        Returns:
            ``frozen_values``, how many parameters were frozen in all phases, and ``frozen_changed``, how many of them
            are in tensors that are not the same bit by bit; ``frozen_buffers`` and ``frozen_buffers_changed``, the
            same for statistics and other buffers of modules that were frozen (BatchNorm's move if the plan says so);
            and ``moved``, for each stage the length of the change of its learning parameters as a share of their
            length before: 0 if it was frozen, ``None`` if they were all zero or joined in while the run was at work.
        """
        parameters = dict(model.named_parameters())
        buffers = dict(model.named_buffers())
        owners = {name.rpartition(".")[0] for name in learned}
        values, changed = _changed({n: d for n, d in self._frozen.items() if n not in learned}, parameters)
        resting = {n: d for n, d in self._buffers.items() if n.rpartition(".")[0] not in owners}
        counted, drifted = _changed(resting, buffers)
        return {
            "frozen_values": values,
            "frozen_changed": changed,
            "frozen_buffers": counted,
            "frozen_buffers_changed": drifted,
            "moved": {
                stage.name: self._moved(stage.parameter_names, parameters, learned) for stage in self._anatomy.stages
            },
        }

    def _moved(self, names: tuple[str, ...], parameters: Mapping[str, Tensor], also: frozenset[str]) -> float | None:
        if any(name in also and name not in self._start for name in names):
            return None
        change = before = 0.0
        learned = [name for name in names if name in self._start]
        for name in learned:
            start = self._start[name].double()
            change += float((parameters[name].detach().cpu().double() - start).square().sum())
            before += float(start.square().sum())
        if not learned:
            return 0.0
        return math.sqrt(change / before) if before else None


def _learning(anatomy: Anatomy, experiment: Experiment) -> frozenset[str]:
    """Returns the names of the parameters that learn in any phase."""
    found: set[str] = set()
    for phase in experiment.training.phases:
        found |= freeze.learning(anatomy, experiment.plan(phase))
    return frozenset(found)


def _resting_buffers(model: nn.Module, learning: frozenset[str]) -> dict[str, Tensor]:
    """Returns the buffers of modules none of whose own parameters learns."""
    found: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        if any(prefix + own in learning for own, _ in module.named_parameters(recurse=False)):
            continue
        found |= {prefix + own: value for own, value in module.named_buffers(recurse=False)}
    return found


def _changed(before: Mapping[str, bytes], tensors: Mapping[str, Tensor]) -> tuple[int, int]:
    """Returns how many values were fingerprinted, and how many of them lie in tensors that differ now."""
    after = _digests({name: tensors[name] for name in before})
    values = sum(tensors[name].numel() for name in before)
    return values, sum(tensors[name].numel() for name in before if after[name] != before[name])


def _digests(tensors: Mapping[str, Tensor]) -> dict[str, bytes]:
    with ThreadPoolExecutor(_THREADS) as pool:  # hashing lets go of Python's lock
        return dict(zip(tensors, pool.map(_digest, tensors.values()), strict=True))


def _digest(tensor: Tensor) -> bytes:
    """Returns a fingerprint of a tensor's bits in its logical order."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(flat.view(torch.uint8).numpy().data).digest()
