"""Head first: gradients and moves are what plain torch gives, and layers that were right are moved less."""

from __future__ import annotations

import copy

import pytest
import torch

from core.errors import InputError
from core.lessons.trained import head_first


@pytest.mark.parametrize("alone", [0, 2])
def test_courses_gradients_and_moves_are_plain_torchs(alone: int) -> None:
    """Ways are trained side by side: each comes out as one that torch's optimizer trains by itself."""
    found = head_first.fine_tune((0, 2), steps=5, seeds=2)[alone]
    known, old_head = head_first._first()
    (x, y), held = head_first._parts()[1:]
    gradients, moves, courses, olds = [], [], [], []

    def right(model: torch.nn.Module) -> float:
        with torch.no_grad():
            return float((model(held[0]).argmax(1) == held[1]).float().mean())

    for seed in range(2):
        body = copy.deepcopy(known)
        torch.manual_seed(10 + seed)
        head = torch.nn.Linear(head_first.WIDTH, 10)
        model, course = torch.nn.Sequential(body, head), []
        optimizer = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
        for step in range(alone + 5):
            if step == alone:
                optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
            if step % head_first.EVERY == 0:
                course.append(right(model))
            model.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            if step == alone:
                gradients.append(float(torch.cat([value.grad.flatten() for value in body.parameters()]).norm()))
            optimizer.step()
        courses.append([*course, right(model)][: len(found.held)])
        olds.append(right(torch.nn.Sequential(body, old_head)))
        with torch.no_grad():
            pairs = [(body[place].weight, known[place].weight) for place in (0, 2, 4)]
            moves.append([float((new - old).norm() / old.norm()) for new, old in pairs])
    assert found.gradient == pytest.approx(sum(gradients) / 2, rel=1e-5)
    assert found.moved == pytest.approx([sum(pair) / 2 for pair in zip(*moves, strict=True)], rel=1e-5)
    assert found.old == pytest.approx(sum(olds) / 2, abs=0.003)
    assert len(found.held) == 2
    if alone == 0:
        assert found.held == pytest.approx([sum(pair) / 2 for pair in zip(*courses, strict=True)], abs=0.003)


def test_head_first_moves_the_layers_less_and_keeps_what_they_know() -> None:
    once, later = head_first.fine_tune((0, 60)).values()
    assert once.gradient > 10 * later.gradient
    assert all(less < more / 2 for less, more in zip(later.moved, once.moved, strict=True))
    assert later.old > once.old
    assert later.held[-1] > once.held[-1]
    for wrong in ({"head_steps": (0, 200)}, {"head_steps": (0,), "rate": 0.0}, {"head_steps": (), "steps": 0}):
        with pytest.raises(InputError, match="Steps go up to"):
            head_first.fine_tune(**wrong)
