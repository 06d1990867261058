"""Heads on features of one's own pictures: computed once, divided as the data are, the same as plain torch."""

from __future__ import annotations

import pytest
import torch

from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.lessons.race import Parts, train_head
from core.specs import DataSpec
from core.workflows import lesson_race


def test_pictures_are_taken_evenly_from_training_and_held_out_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = split(open_dataset("shapes?per_class=30"), DataSpec("shapes", val_share=0.2, test_share=0.2))
    learned, held = lesson_race.places_of(dataset)
    assert {dataset.items[place].split for place in learned} == {"train"}
    assert {dataset.items[place].split for place in held} == {"val", "test"}
    assert len(set(learned)) == len(learned) <= lesson_race.LEARNED
    assert {dataset.items[place].label for place in held} == {0, 1, 2, 3}
    with pytest.raises(InputError, match="no training pictures of two classes"):
        lesson_race.places_of(open_dataset("shapes"))
    looked: list[int] = []

    def seen(images, digests, _eye, progress):
        looked.append(len(list(images)))
        progress(1, 1)
        rng = torch.Generator().manual_seed(len(set(digests.tolist())))
        return torch.randn(len(digests), 6, generator=rng).numpy()

    monkeypatch.setattr("core.workflows.data_check.features.features_of", seen)
    monkeypatch.setattr("core.workflows.data_check.features.Eye", lambda _device: None)
    parts = lesson_race.features(dataset)
    assert looked == [len(learned) + len(held)]
    assert parts.classes == 4
    torch.testing.assert_close(parts.x.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(parts.x.std(0), torch.ones(6), atol=1e-5, rtol=0)
    assert parts.held_y.tolist() == [dataset.items[place].label for place in held]
    assert len(lesson_race.race(parts, steps=2)) == 63


def test_a_head_is_trained_as_plain_torch_trains_it() -> None:
    torch.manual_seed(0)
    parts = Parts(torch.randn(20, 5), torch.arange(20) % 3, torch.randn(9, 5), torch.arange(9) % 3, 3)
    found = train_head("Adam", 0.05, 7, parts)
    layer = torch.nn.Linear(5, 3)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(layer.parameters(), 0.05)
    for _step in range(7):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(parts.x), parts.y)
        loss.backward()
        optimizer.step()
    assert found.loss == pytest.approx(float(loss.detach()), rel=1e-6)
    assert found.accuracy == pytest.approx(float((layer(parts.held_x).argmax(1) == parts.held_y).float().mean()))
