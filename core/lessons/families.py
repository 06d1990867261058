"""VGG and ResNet, layer by layer counted on shapes alone: parameters, multiply-adds, and where a total comes from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn

FAMILIES: dict[str, tuple[str, ...]] = {
    "VGG": ("vgg11", "vgg11-lrn", "vgg13", "vgg16-1x1", "vgg16", "vgg19"),
    "ResNet": ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
}
VGG_LETTERS = {"vgg11": "A", "vgg11-lrn": "A-LRN", "vgg13": "B", "vgg16-1x1": "C", "vgg16": "D", "vgg19": "E"}
"""VGG's configurations by the letters of its paper; torchvision has neither A-LRN nor C."""
_THIRD = (14, 21, 28)
"""Places of vgg16's convolutions that are the third of their stage: in C these are 1 x 1."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A network, counted.

    Attributes:
        name: One of :data:`FAMILIES`; torchvision's name but for two.
        stages: Convolutions at each size of the map, the largest first: side of the map -> how many.
        parameters: Number of parameters.
        macs: Multiply-adds of one image of 224 x 224, of convolutions and linear layers.
        macs_as_published: The same with the stride of a bottleneck in its first 1 x 1, as the paper has it; the same
            figure for other networks.
    """

    name: str
    stages: dict[int, int]
    parameters: int
    macs: int
    macs_as_published: int


def count(name: str) -> Counted:
    """Counts a network of :data:`FAMILIES`; nothing is downloaded, and no weight takes memory."""
    model = _built(name)
    stages, macs = _run(model)
    published = macs
    if name in ("resnet50", "resnet101", "resnet152"):
        for block in (module for module in model.modules() if type(module).__name__ == "Bottleneck"):
            first, middle = block.conv1, block.conv2
            assert isinstance(first, nn.Conv2d)
            assert isinstance(middle, nn.Conv2d)
            first.stride, middle.stride = middle.stride, first.stride
        published = _run(model)[1]
    return Counted(name, stages, sum(p.numel() for p in model.parameters()), macs, published)


def _built(name: str) -> nn.Module:
    """Returns torchvision's network on shapes alone; VGG's A-LRN is made from its A, and C from its D."""
    from torchvision.models import get_model

    with torch.device("meta"):
        model: nn.Module = get_model(name.partition("-")[0], weights=None).eval()
        layers = model.get_submodule("features") if name in VGG_LETTERS else None
        assert layers is None or isinstance(layers, nn.Sequential)
        if layers is not None and name == "vgg11-lrn":
            layers[1] = nn.Sequential(layers[1], nn.LocalResponseNorm(5))
        if layers is not None and name == "vgg16-1x1":
            for place in _THIRD:
                wide = layers[place]
                assert isinstance(wide, nn.Conv2d)
                layers[place] = nn.Conv2d(wide.in_channels, wide.out_channels, 1)
    return model


def _run(model: nn.Module) -> tuple[dict[int, int], int]:
    """Sends a picture's shape through; returns the convolutions by the side of their maps, and the multiply-adds."""
    stages: Counter[int] = Counter()
    total = 0

    def add(module: nn.Module, _given: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            each = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
            total += output.numel() * each
            stages[int(output.shape[-1])] += 1
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features

    hooks = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    try:
        with torch.no_grad():
            model(torch.empty(1, 3, 224, 224, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return dict(sorted(stages.items(), reverse=True)), total


@dataclass(frozen=True, slots=True)
class Explained:
    """ResNet18's number of parameters, from the notes' total to the right one.

    Attributes:
        noted: The notes' total.
        biases: Biases of convolutions that the notes count and that do not exist: a batch norm follows.
        norms: Scale and shift of the batch norms, which they leave out.
        shortcuts: Weights of the three 1 x 1 shortcuts, which they leave out.
        total: The right total.
    """

    noted: int
    biases: int
    norms: int
    shortcuts: int
    total: int


def explain_resnet18() -> Explained:
    """Finds what the notes' count of ResNet18 leaves out and has too much, from the network itself."""
    from torchvision.models import get_model

    with torch.device("meta"):
        model = get_model("resnet18", weights=None)
    convolutions = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    biases = sum(m.out_channels for name, m in convolutions.items() if "downsample" not in name)
    shortcuts = sum(m.weight.numel() for name, m in convolutions.items() if "downsample" in name)
    norms = sum(p.numel() for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters())
    total = sum(p.numel() for p in model.parameters())
    return Explained(total - norms - shortcuts + biases, biases, norms, shortcuts, total)
