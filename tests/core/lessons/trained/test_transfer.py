"""Three ways from one set to another: what is copied, what learns, and that the quick way is the plain one."""

from __future__ import annotations

import pytest
import torch

from core.errors import InputError
from core.lessons.trained import transfer
from core.lessons.trained.small import fit, pictures


def test_all_but_the_last_layer_is_copied_and_batch_norms_figures_when_they_are_asked_for() -> None:
    source = transfer.network(26, 0)
    source.train()(torch.randn(8, 1, 28, 28))  # moves the kept figures
    for statistics in (True, False):
        target = transfer.network(10, 1)
        before = {name: value.clone() for name, value in target.state_dict().items()}
        left = set(transfer.copied(source, target, statistics=statistics))
        kept = {name for name in before if "running" in name or "tracked" in name}
        assert left == {"classifier.weight", "classifier.bias"} | (set() if statistics else kept)
        for name, value in target.state_dict().items():
            torch.testing.assert_close(value, before[name] if name in left else source.state_dict()[name])


def test_the_last_layer_on_kept_features_learns_as_it_does_behind_a_frozen_network() -> None:
    known = pictures("clothes?per_class=8&size=28")
    learn, held = known.few(5, seed=0)
    parts = [(known.x[rows], known.y[rows]) for rows in (learn, held)]
    model = transfer.network(known.classes, 3)
    head, shown = transfer._head(model, *parts)
    course = fit(head, *shown, 4, rate=0.01, seed=0)

    plain = transfer.network(known.classes, 3)
    plain[:-1].requires_grad_(requires_grad=False)
    rng = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(plain[-1].parameters(), 0.01)
    wanted = []
    for epoch in range(5):
        plain.eval()
        with torch.no_grad():
            wanted.append(float((plain(parts[1][0]).argmax(1) == parts[1][1]).float().mean()))
        if epoch < 4:
            for rows in torch.randperm(len(learn), generator=rng).split(32):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(plain(parts[0][0][rows]), parts[0][1][rows]).backward()
                optimizer.step()
    assert course == pytest.approx(wanted, abs=1e-6)
    torch.testing.assert_close(head.weight, plain[-1].weight, rtol=1e-4, atol=1e-6)


def test_circles_teach_nothing_for_clothes_and_digits_do() -> None:
    ticks: list[tuple[int, int]] = []
    circles = transfer.run("circles-clothes", seeds=(0,), progress=lambda done, total: ticks.append((done, total)))
    digits = transfer.run("digits-clothes", seeds=(0,))
    total = transfer.FIRST_EPOCHS + 3 * transfer.EPOCHS
    assert ticks == [(done + 1, total) for done in range(total)]
    assert circles.mean("frozen", -1) < circles.mean("random", -1) - 0.2
    assert digits.mean("frozen", -1) > circles.mean("frozen", -1) + 0.2
    assert sum(digits.mean("tuned", epoch) for epoch in range(1, 4)) > sum(
        digits.mean("random", epoch) for epoch in range(1, 4)
    )
    assert digits.learning == {"random": 15_470, "tuned": 15_470, "frozen": 306}
    assert digits.pictures == 6 * transfer.EACH
    again = transfer.run("circles-clothes", seeds=(0,), ways=("frozen",))
    assert again.courses["frozen"] == circles.courses["frozen"]


def test_a_pair_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="There is no pair a-b"):
        transfer.run("a-b")
