"""Attention weights: which token looks at which, in every layer of a Vision Transformer.

Networks do not hand these weights out: torchvision asks its attention for none, timm uses a fused kernel that never
makes them. They are worked out again from the queries and keys of what enters each attention, and kept only where what
follows from them is what the attention itself gave.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.interpret.op_trace import some_picture
from core.interpret.probe import Probe, model_of

if TYPE_CHECKING:
    from core.models.network import Network

_AGREES = 1e-3  # of the output's largest value: what rounding may change at least, more in short floats
_READABLE: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()
_GUARD = threading.Lock()


def attention_layers(network: Network) -> tuple[str, ...]:
    """Returns the names of the layers whose attention over the whole picture can be worked out, in order.

    Attention inside windows (Swin, MaxViT) is none over the whole picture, so such networks have no such layers.
    """
    if network.anatomy.layout != "tokens":
        return ()
    return tuple(name for name, module in model_of(network).named_modules() if _reader(module) is not None)


def readable(network: Network) -> bool:
    """Whether all of these layers' attention is what can be worked out, by one forward pass the first time.

    It is not where heads are mixed, or queries and keys are turned by their place.
    """
    model = model_of(network)
    with _GUARD:
        known = _READABLE.get(model)
    if known is None:
        known = len(attention_weights(network, some_picture(network))) == len(attention_layers(network))
        with _GUARD:
            _READABLE[model] = known
    return known


def attention_weights(network: Network, x: Tensor) -> dict[str, Tensor]:
    """Works out who looks at whom in every attention layer, in one forward pass.

    Args:
        network: The network.
        x: Normalised images, BxCxHxW.

    Returns:
        Name of the layer -> weights, BxHxNxN for H heads and N tokens (the class token, if any, comes first; patches
        follow row by row), each row summing to 1, float32 on the network's device; in the network's order. Empty for
        networks whose attention does not look at the whole picture.
    """
    with Probe(network) as probe, recorded(probe.model, attention_layers(network)) as found:
        probe(x)
    return dict(found)


def spread(weights: Tensor) -> tuple[float, float]:
    """Returns over how many patches a head looks as if it looked at them alike, and what goes to the strongest.

    Args:
        weights: What goes to each patch, of any shape, not negative.

    Returns:
        The exp of the Shannon entropy of the shares, from 1 to the number of patches, and the largest share.
    """
    shares = weights.flatten().double() / weights.double().sum().clamp_min(1e-12)
    return float(torch.special.entr(shares).sum().exp()), float(shares.max())


@contextmanager
def recorded(model: nn.Module, names: tuple[str, ...], *, graph: bool = False) -> Iterator[dict[str, Tensor]]:
    """Collects attention weights while a network runs inside a :class:`~core.interpret.probe.Probe`.

    Args:
        model: The module that runs.
        names: Layers, as :func:`attention_layers` gives them.
        graph: Whether what the layers give out is computed from the very weights that are kept, so that gradients
            with respect to these can be asked for; the first of them begins autograd's graph.

    Yields:
        Name -> weights, BxHxNxN, filled by every forward pass.
    """
    found: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for name in names:
            module = model.get_submodule(name)
            handle = module.register_forward_hook(_hook(name, found, graph), with_kwargs=True)
            stack.callback(handle.remove)
        yield found


def _hook(name: str, found: dict[str, Tensor], graph: bool) -> Callable[..., Any]:
    def work_out(
        module: nn.Module, given: tuple[Any, ...], named: dict[str, Any], output: Tensor | tuple[Any, ...]
    ) -> Tensor | tuple[Any, ...] | None:
        read = _reader(module)
        true = output[0] if isinstance(output, tuple) else output
        made = read(module, given, named) if read is not None else None
        if made is None:
            return None
        weights, values, project = made
        if graph and not weights.requires_grad:
            weights = weights.detach().requires_grad_()
        again = project(weights @ values)
        if again.shape != true.shape or not _agree(again, true):
            return None
        found[name] = weights
        if not graph:
            return None
        return (again, *output[1:]) if isinstance(output, tuple) else again

    return work_out


def _agree(again: Tensor, true: Tensor) -> bool:
    again, true = again.detach(), true.detach()
    allowed = max(_AGREES, 8 * torch.finfo(true.dtype).eps)
    return bool((again - true).abs().amax() <= allowed * true.abs().amax().clamp_min(1e-12))


Made = tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]


def _reader(module: nn.Module) -> Callable[[Any, tuple[Any, ...], dict[str, Any]], Made | None] | None:
    if isinstance(module, nn.MultiheadAttention):
        return _of_multihead
    parts = ("qkv", "proj", "num_heads", "scale")
    return _of_joint if all(hasattr(module, part) for part in parts) else None


def _of_multihead(module: nn.MultiheadAttention, given: tuple[Any, ...], named: dict[str, Any]) -> Made | None:
    """Reads torch's own attention: BxNxD queries, keys and values."""
    query, key, value = (*given, *(named[part] for part in ("query", "key", "value")[len(given) :]))[:3]
    if query.ndim != 3 or module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
        return None
    if not module.batch_first:
        query, key, value = (part.transpose(0, 1) for part in (query, key, value))
    wide = module.embed_dim
    biases = module.in_proj_bias.split(wide) if module.in_proj_bias is not None else (None,) * 3
    sources = zip((query, key, value), module.in_proj_weight.split(wide), biases, strict=True)
    q, k, v = (_heads(F.linear(source, weight, bias), module.num_heads) for source, weight, bias in sources)
    weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).float().softmax(-1).to(q.dtype)

    def project(mixed: Tensor) -> Tensor:
        out = F.linear(mixed.transpose(1, 2).flatten(2), module.out_proj.weight, module.out_proj.bias)
        return out if module.batch_first else out.transpose(0, 1)

    return weights, v, project


def _of_joint(
    module: Any,  # noqa: ANN401 - any module with these parts
    given: tuple[Any, ...],
    _named: dict[str, Any],
) -> Made | None:
    """Reads attention with one layer for queries, keys and values, as timm's Vision Transformers have it."""
    x = given[0]
    if not isinstance(x, Tensor) or x.ndim != 3:
        return None
    tokens = x.shape[1]
    joint = module.qkv(x).reshape(x.shape[0], tokens, 3, module.num_heads, -1).permute(2, 0, 3, 1, 4)
    q, k, v = joint.unbind(0)
    q, k = (getattr(module, part, nn.Identity())(value) for part, value in (("q_norm", q), ("k_norm", k)))
    weights = (q @ k.transpose(-2, -1) * module.scale).float().softmax(-1).to(q.dtype)

    def project(mixed: Tensor) -> Tensor:
        out = mixed.transpose(1, 2).reshape(x.shape[0], tokens, -1)
        norm = getattr(module, "norm", None)
        return torch.as_tensor(module.proj(norm(out) if norm is not None else out))

    return weights, v, project


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)
