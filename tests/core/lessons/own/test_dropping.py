"""Values dropped before the last layer of a network: torch's dropout, any kind of head, nothing left behind."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from core.errors import InputError
from core.lessons.own.dropping import redraw
from core.models.network import bare


@pytest.mark.parametrize("name", ["mnist_cnn", "emnist_cnn", "squeezenet1_1"])
def test_each_draw_is_what_torchs_dropout_makes_of_it(name: str) -> None:
    network = bare(name, "none", 64 if "squeeze" in name else None)
    prep = network.preprocessing
    x = torch.randn(1, prep.channels, prep.crop, prep.crop)
    hooks = len(network.model.get_submodule(network.anatomy.head)._forward_pre_hooks)
    found = redraw(network, x, 0.4, draws=7, seed=3)
    assert len(network.model.get_submodule(network.anatomy.head)._forward_pre_hooks) == hooks
    model = network.model.eval()
    head = model.get_submodule(network.anatomy.head)
    with torch.no_grad():
        whole = model(x).softmax(1)[0]
        torch.manual_seed(3)
        hook = head.register_forward_pre_hook(
            lambda _module, given: (F.dropout(given[0].expand(7, *given[0].shape[1:]), 0.4),)
        )
        dropped = model(x)
        hook.remove()
    assert found.named == int(whole.argmax())
    assert found.whole == pytest.approx(float(whole[found.named]), rel=1e-5)
    assert found.draws == pytest.approx(dropped.softmax(1)[:, found.named].tolist(), rel=1e-5)
    assert found.elsewhere == int((dropped.argmax(1) != found.named).sum())
    assert found.mean_logit == pytest.approx(float(dropped[:, found.named].mean()), rel=1e-4, abs=1e-6)


def test_nothing_dropped_is_the_whole_network_and_a_wrong_share_is_refused() -> None:
    network = bare("mnist_cnn", "none")
    x = torch.randn(1, 1, 28, 28)
    found = redraw(network, x, 0.0, draws=3)
    assert found.draws == pytest.approx([found.whole] * 3, rel=1e-5)
    assert found.elsewhere == 0
    with pytest.raises(InputError, match="below 1"):
        redraw(network, x, 1.0)
