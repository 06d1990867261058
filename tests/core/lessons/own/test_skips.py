"""Cutting a skip: what comes out is what the block's layers make, gradients are torch's, the network stays whole."""

from __future__ import annotations

import pytest
import torch

from core.errors import InputError
from core.lessons.own import skips
from core.workflows.network_loading import load_network


@pytest.fixture(scope="module")
def resnet():
    return load_network("resnet18", weights="none", image_size=64)


def test_identity_and_convolution_blocks_are_told_apart_with_the_notes_sizes() -> None:
    found = {skip.name: skip for skip in skips.skips(load_network("resnet18", weights="none"))}
    assert list(found) == [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    first = found["layer2.0"]
    assert (first.before, first.after, first.projection) == ((64, 56, 56), (128, 28, 28), 8192)
    assert [name for name, skip in found.items() if skip.projection] == ["layer2.0", "layer3.0", "layer4.0"]


@pytest.mark.parametrize("name", ["layer1.1", "layer2.0"])
def test_what_leaves_a_block_without_its_skip_is_what_its_layers_make(resnet, name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 64, 64)
    seen: list[torch.Tensor] = []
    cut = skips.without(resnet, name)
    hook = cut.get_submodule(name).register_forward_hook(lambda _m, i, o: seen.extend((i[0], o)))
    cut(x)
    hook.remove()
    entered, left = seen
    block = resnet.model.get_submodule(name)
    wanted = torch.relu(block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(entered))))))
    torch.testing.assert_close(left, wanted, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(resnet.model.get_submodule(name)(entered), block(entered))


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet50", "efficientnet_lite0"])
def test_every_skip_of_other_families_can_be_cut(name: str) -> None:
    network = load_network(name, weights="none", image_size=64)
    found = skips.skips(network)
    assert found
    torch.manual_seed(0)
    x = torch.randn(1, 3, 64, 64)
    for skip in (found[0], found[-1]):
        assert not torch.equal(skips.without(network, skip.name)(x), network.model(x))


def test_gradients_with_the_skip_are_plain_torchs_and_without_it_others(resnet) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 64, 64)
    found = skips.compare(resnet, skips.without(resnet, "layer1.0"), x)
    model = resnet.model
    loss = torch.nn.functional.cross_entropy(model(x), torch.tensor([found.named]))
    for name in ("conv1", "layer3.0.conv2", "fc"):
        (wanted,) = torch.autograd.grad(loss, [model.get_submodule(name).weight], retain_graph=True)
        assert found.whole[found.layers.index(name)] == pytest.approx(float(wanted.norm()), rel=1e-5)
    assert found.whole != found.cut
    assert found.layers[0] == "conv1"
    assert found.layers[-1] == "fc"
    assert not any(value.grad is not None for value in model.parameters())


def test_pictures_are_asked_about_a_few_at_a_time_and_answered_as_all_at_once(resnet) -> None:
    torch.manual_seed(0)
    batch, seen = torch.randn(2 * skips.AT_ONCE + 1, 3, 64, 64), []
    found = skips.answers(resnet.model.eval(), batch, lambda done, total: seen.append((done, total)))
    with torch.no_grad():
        assert torch.equal(found, resnet.model(batch).argmax(1))
    assert seen == [(done, len(batch)) for done in (skips.AT_ONCE, 2 * skips.AT_ONCE, len(batch))]


def test_a_network_without_skips_says_so() -> None:
    network = load_network("vgg11", weights="none", image_size=64)
    assert skips.skips(network) == []
    with pytest.raises(InputError, match="has no skip at features"):
        skips.without(network, "features")
