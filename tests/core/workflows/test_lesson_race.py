"""Heads on features of one's own pictures: computed once, divided as the data are, the same as plain torch."""

from __future__ import annotations

import pytest
import torch

from core.data.images import to_tensor
from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.lessons.race import Parts, race_heads, train_heads
from core.models.network import bare
from core.specs import DataSpec
from core.workflows import lesson_race


def test_pictures_are_taken_evenly_from_training_and_held_out_ones() -> None:
    dataset = split(open_dataset("shapes?per_class=30"), DataSpec("shapes", val_share=0.2, test_share=0.2))
    learned, held = lesson_race.places_of(dataset)
    assert {dataset.items[place].split for place in learned} == {"train"}
    assert {dataset.items[place].split for place in held} == {"val", "test"}
    assert len(set(learned)) == len(learned) <= lesson_race.LEARNED
    assert {dataset.items[place].label for place in held} == {0, 1, 2, 3}
    with pytest.raises(InputError, match="no training pictures of two classes"):
        lesson_race.places_of(open_dataset("shapes"))


def test_features_are_what_enters_the_head_of_the_chosen_network() -> None:
    dataset = split(open_dataset("shapes?per_class=6&size=32"), DataSpec("shapes", val_share=0.2, test_share=0.2))
    learned, held = lesson_race.places_of(dataset)
    network = bare("emnist_cnn", "none")
    network.model.train()
    done: list[tuple[int, int]] = []
    parts = lesson_race.features(dataset, network, progress=lambda *at: done.append(at))
    assert done[-1] == (len(learned) + len(held),) * 2
    assert network.model.training, "left as it was"
    head = network.model.get_submodule(network.anatomy.head)
    entered: list[torch.Tensor] = []
    hook = head.register_forward_pre_hook(lambda _module, given: entered.append(given[0].detach()))
    with torch.no_grad():
        network.model.eval()(torch.cat([to_tensor(dataset.load(at), network.preprocessing) for at in learned + held]))
    hook.remove()
    own = entered[0][: len(learned)]
    wanted = (entered[0] - own.mean(0)) / own.std(0).clamp_min(1e-6)
    torch.testing.assert_close(torch.cat([parts.x, parts.held_x]), wanted, rtol=1e-4, atol=1e-4)
    assert parts.classes == 4
    assert parts.held_y.tolist() == [dataset.items[place].label for place in held]
    assert len(race_heads(2, parts)) == 63


def test_a_head_is_trained_as_plain_torch_trains_it() -> None:
    torch.manual_seed(0)
    parts = Parts(torch.randn(20, 5), torch.arange(20) % 3, torch.randn(9, 5), torch.arange(9) % 3, 3)
    found = train_heads("Adam", (0.5, 0.05), 7, parts)[1]
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
