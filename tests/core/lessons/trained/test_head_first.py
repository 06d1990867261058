"""Head first: gradients and moves are what plain torch gives, and layers that were right are moved less."""

from __future__ import annotations

import copy

import pytest
import torch

from core.errors import InputError
from core.lessons.trained import head_first


def test_the_first_gradient_and_the_moves_are_plain_torchs() -> None:
    found = head_first.fine_tune(0, steps=3, seeds=1)
    known, _head = head_first._first()
    (x, y), _held = head_first._parts()[1:]
    body = copy.deepcopy(known)
    torch.manual_seed(10)
    model = torch.nn.Sequential(body, torch.nn.Linear(head_first.WIDTH, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for step in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        if step == 0:
            length = torch.stack([value.grad.square().sum() for value in body.parameters()]).sum().sqrt()
            assert found.gradient == pytest.approx(float(length), rel=1e-5)
        optimizer.step()
    with torch.no_grad():
        moved = [
            float((body[place].weight - known[place].weight).norm() / known[place].weight.norm()) for place in (0, 2, 4)
        ]
    assert found.moved == pytest.approx(moved, rel=1e-5)
    assert len(found.held) == 4


def test_head_first_moves_the_layers_less_and_keeps_what_they_know() -> None:
    once, later = (head_first.fine_tune(steps) for steps in (0, 60))
    assert once.gradient > 10 * later.gradient
    assert all(less < more / 2 for less, more in zip(later.moved, once.moved, strict=True))
    assert later.old > once.old
    assert later.held[-1] > once.held[-1]
    with pytest.raises(InputError, match="Steps go up to"):
        head_first.fine_tune(200)
