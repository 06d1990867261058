"""One sigmoid output: its cross-entropy is the binary one, in value and gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from core.models.architectures.sigmoid_output import SigmoidOutput
from core.models.catalog import catalog
from core.models.network import assemble, outline
from core.specs import ModelSpec

SPEC = ModelSpec("cats_and_dogs_small_2", "none", image_size=64)


def test_cross_entropy_of_its_logits_is_bce_in_value_and_gradient() -> None:
    torch.manual_seed(0)
    layer = SigmoidOutput(7).double()
    x, labels = torch.randn(9, 7, dtype=torch.float64), torch.randint(0, 2, (9,))
    z = F.linear(x, layer.weight, layer.bias)[:, 0]
    expected = F.binary_cross_entropy_with_logits(z, labels.double())
    found = F.cross_entropy(layer(x), labels)
    assert torch.allclose(found, expected, rtol=1e-12)
    ours, theirs = (torch.autograd.grad(loss, layer.weight)[0] for loss in (found, expected))
    assert torch.allclose(ours, theirs, rtol=1e-10)
    assert torch.allclose(layer(x).softmax(1)[:, 1], z.sigmoid())


@pytest.mark.parametrize(
    ("classes", "kind", "outputs"), [(("cat", "dog"), "SigmoidOutput", 1), (("a", "b", "c"), "LinearHead", 3)]
)
def test_a_new_head_has_one_output_for_two_classes_only(classes: tuple[str, ...], kind: str, outputs: int) -> None:
    network = assemble(SPEC, classes, seed=0)
    head = network.model.get_submodule(network.anatomy.head)
    assert (type(head).__name__, len(head.weight)) == (kind, outputs)
    assert network.model.eval()(torch.rand(2, 3, 64, 64)).shape == (2, len(classes))


def test_the_catalogue_and_the_network_count_alike() -> None:
    assert catalog.backbone("cats_and_dogs_small_2").parameters == 3_453_121
    network = outline(ModelSpec("cats_and_dogs_small_2", "none"), ("cat", "dog"))
    assert sum(value.numel() for value in network.model.parameters()) == 3_453_121
