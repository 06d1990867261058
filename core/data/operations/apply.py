"""Carries the operations of an augmentation out, each image by its own numbers.

Maps of the plane that follow one another are multiplied and cost one resampling. Other operations are torchvision's,
an image at a time: one of its calls on a batch would do the same to all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from core.data.operations.draws import Drawn, numbers, seed_of
from core.data.operations.policies import augmix, policy, sharpened
from core.data.operations.resampling import as_bytes, as_levels, by_image, flipped, grid_of, resampled
from core.specs import OPERATIONS, AugmentSpec, Operation

EACH = 4
"""Numbers that one operation takes: whether it is done, how strongly, and two more."""
_PLANE = ("flip", "vertical-flip", "rotation", "shift", "shear", "zoom")
_FLIPS = {"flip": -1, "vertical-flip": -2}
_SIGNED = ("rotation", "shear", "hue")


def count_of(spec: AugmentSpec) -> int:
    """Returns how many numbers an image takes for the operations."""
    return len(spec.operations) * (EACH + 1) if spec.operations else 0


def operate(images: Tensor, spec: AugmentSpec, rng: torch.Generator | Drawn) -> Tensor:
    """Returns changed copies of uint8 images ``B x 3 x H x W``."""
    count, device = len(images), images.device
    lots = numbers(rng, len(spec.operations), count, device)  # the smallest ones are picked
    chosen = lots.argsort(0).argsort(0) < (spec.pick or len(spec.operations))
    plane = _identity(count, device)
    moved = False
    for place, operation in enumerate(spec.operations):
        gate, strength, first, second = numbers(rng, EACH, count, device)
        done = chosen[place] & (gate < operation.probability)
        low, high = operation.strength
        value = low + (high - low) * strength
        if operation.name in _SIGNED:
            value = torch.where(second < 0.5, -value, value)
        if operation.name in _FLIPS and not moved:  # exact, and quicker than sampling
            images = flipped(images, done, _FLIPS[operation.name])
            continue
        if operation.name in _PLANE:
            step = _shift(low, high, first, second) if operation.name == "shift" else _plane(operation.name, value)
            plane = torch.where(done.view(-1, 1, 1), plane @ step, plane)
            moved = True
            continue
        if moved:
            images, plane, moved = _resampled(images, plane, spec.fill), _identity(count, device), False
        images = _each(images, operation, done, value, first, second)
    return _resampled(images, plane, spec.fill) if moved else images


def _identity(count: int, device: torch.device) -> Tensor:
    return torch.eye(3, device=device).expand(count, 3, 3)


def _plane(name: str, value: Tensor) -> Tensor:
    """Returns maps from places of the result to places of the image, both from -1 to 1, ``B x 3 x 3``."""
    matrix = torch.eye(3, device=value.device).repeat(len(value), 1, 1)
    if name == "flip":
        matrix[:, 0, 0] = -1.0
    elif name == "vertical-flip":
        matrix[:, 1, 1] = -1.0
    elif name == "rotation":
        turn = torch.deg2rad(value)
        matrix[:, 0, 0] = matrix[:, 1, 1] = turn.cos()
        matrix[:, 0, 1], matrix[:, 1, 0] = -turn.sin(), turn.sin()
    elif name == "shear":
        matrix[:, 0, 1] = torch.deg2rad(value).tan()
    else:
        matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / value
    return matrix


def _shift(low: float, high: float, first: Tensor, second: Tensor) -> Tensor:
    """Returns maps that move by ``low`` to ``high`` of the sides, either way, each side by itself."""
    matrix = torch.eye(3, device=first.device).repeat(len(first), 1, 1)
    for row, chance in enumerate((2 * first - 1, 2 * second - 1)):
        matrix[:, row, 2] = 2 * chance.sign() * (low + (high - low) * chance.abs())
    return matrix


def _resampled(images: Tensor, plane: Tensor, fill: str) -> Tensor:
    """Samples each image through its map, bilinearly; one that is not moved is left as it is."""
    identity, maps = torch.eye(3, device=plane.device)[:2], plane[:, :2]
    mode = {"reflect": "reflection", "edge": "border"}.get(fill, "zeros")
    white, side = 255.0 if fill == "white" else 0.0, images.shape[-1]

    def moved(some: Tensor, those: Tensor) -> Tensor:
        return resampled(some, those, side, mode, white)

    if images.device.type != "cpu":  # which rows they are, a GPU would have to be waited for
        still = (maps == identity).flatten(1).all(1)
        return torch.where(still.view(-1, 1, 1, 1), images, moved(images, maps))
    return by_image(lambda one, map_: one if torch.equal(map_[0], identity) else moved(one, map_), images, maps)


def _each(images: Tensor, operation: Operation, done: Tensor, value: Tensor, first: Tensor, second: Tensor) -> Tensor:
    change, drawn = _CHANGES[operation.name], torch.stack([value, first, second], 1).tolist()
    chosen = zip(images, done.tolist(), drawn, strict=True)
    return torch.stack([change(image, *own) if wanted else image for image, wanted, own in chosen])


Change = Callable[[Tensor, float, float, float], Tensor]


def _perspective(image: Tensor, value: float, first: float, second: float) -> Tensor:
    """Moves the corners inward; within a level of torchvision's, in half its time."""
    height, width = image.shape[-2:]
    generator = torch.Generator().manual_seed(seed_of(first, second))
    inward = (torch.rand(4, 2, generator=generator) * value / 2).tolist()
    corners = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
    signs = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    ends = [
        (round(x + sx * dx * width), round(y + sy * dy * height))
        for (x, y), (sx, sy), (dx, dy) in zip(corners, signs, inward, strict=True)
    ]
    map_ = _projection(ends, corners)
    right, down = (torch.arange(side, device=image.device) + 0.5 for side in (width, height))
    across, along, depth = (row[0] * right + (row[1] * down + row[2])[:, None] for row in map_)
    grid = torch.stack([across / depth * (2 / width) - 1, along / depth * (2 / height) - 1], -1)
    seen = F.grid_sample(as_levels(image[None]), grid[None], mode="bilinear", padding_mode="zeros", align_corners=False)
    return as_bytes(seen[0])


def _projection(places: list[tuple[int, int]], images: list[tuple[int, int]]) -> list[list[float]]:
    """Returns the map of the projective plane that takes four places to their images, ``3 x 3``."""
    rows, wanted = [], []
    for (x, y), (u, v) in zip(places, images, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    matrix = torch.tensor(rows, dtype=torch.float64)
    a, b, c, d, e, f, g, h = torch.linalg.lstsq(matrix, torch.tensor(wanted, dtype=torch.float64)).solution.tolist()
    return [[a, b, c], [d, e, f], [g, h, 1.0]]


def _hue(image: Tensor, value: float, _first: float, _second: float) -> Tensor:
    """Turns the hue by a share of the circle, in closed form: within a level of torchvision's, in 40 % of its time."""
    red, green, blue = pixels = as_levels(image, planes=True)
    high, low = pixels.amax(0), pixels.amin(0)
    spread = high - low
    unit = spread.clamp(min=1e-6)
    sector = torch.where(high == green, (blue - red) / unit + 2, (red - green) / unit + 4)
    sector = torch.where(high == red, (green - blue) / unit, sector).add_(6 * value)
    turned = []
    for start in (5, 3, 1):
        place = torch.remainder(sector + start, 6)
        turned.append(high - spread * torch.minimum(place, 4 - place).clamp_(0, 1))
    return as_bytes(torch.stack(turned))


def _elastic(image: Tensor, value: float, first: float, second: float) -> Tensor:
    """Moves places by smooth random steps of about a hundredth of ``value`` pixels (Simard et al. 2003)."""
    height, width = image.shape[-2:]
    generator = torch.Generator().manual_seed(seed_of(first, second))
    coarse = torch.rand(1, 2, max(2, height // 16 + 1), max(2, width // 16 + 1), generator=generator) * 2 - 1
    steps = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True).to(image.device)
    scale = torch.tensor([2 * value / (10 * width), 2 * value / (10 * height)], device=image.device)
    grid = grid_of(torch.eye(2, 3, device=image.device)[None], width) + steps.permute(0, 2, 3, 1) * scale
    sampled = F.grid_sample(
        as_levels(image[None]), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return as_bytes(sampled[0])


def _noise(image: Tensor, value: float, first: float, second: float) -> Tensor:
    generator = torch.Generator().manual_seed(seed_of(first, second))
    noise = torch.randn(image.shape, generator=generator).to(image.device)
    return as_bytes(image + 255 * value * noise)


def _erasing(image: Tensor, value: float, first: float, second: float) -> Tensor:
    """Covers a square of this share of the area with the image's mean (Zhong et al. 2020, arXiv:1708.04896)."""
    height, width = image.shape[-2:]
    tall, wide = (max(1, round(math.sqrt(value) * side)) for side in (height, width))
    top, left = round(first * (height - tall)), round(second * (width - wide))
    image = image.clone()
    image[:, top : top + tall, left : left + wide] = image.float().mean((1, 2), keepdim=True).round().to(torch.uint8)
    return image


def _functional(name: str, *, whole: bool = False, strength: bool = True) -> Change:
    def change(image: Tensor, value: float, _first: float, _second: float) -> Tensor:
        from torchvision.transforms.v2 import functional as V

        function = getattr(V, name)
        changed: Tensor = function(image, int(value) if whole else value) if strength else function(image)
        return changed

    return change


def _blur(image: Tensor, value: float, _first: float, _second: float) -> Tensor:
    """Blurs along one side and then the other, to three sigma, the edge reflected: a sixth of the time of a square."""
    reach = min(math.ceil(3 * value), min(image.shape[-2:]) - 1)
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    bell = torch.exp(-0.5 * (places / value) ** 2)
    weights: list[float] = (bell / bell.sum()).tolist()
    pixels = F.pad(as_levels(image[None], planes=True), (reach, reach, reach, reach), mode="reflect")[0]
    for axis in (-1, -2):
        length = pixels.shape[axis] - 2 * reach
        total = pixels.narrow(axis, reach, length) * weights[reach]
        for step in range(1, reach + 1):
            pair = pixels.narrow(axis, reach - step, length) + pixels.narrow(axis, reach + step, length)
            total.add_(pair, alpha=weights[reach + step])
        pixels = total
    return as_bytes(pixels)


def _gray(image: Tensor, _value: float, _first: float, _second: float) -> Tensor:
    from torchvision.transforms.v2 import functional as V

    return V.rgb_to_grayscale(image, num_output_channels=3)


_CHANGES: dict[str, Change] = {
    "perspective": _perspective,
    "elastic": _elastic,
    "brightness": _functional("adjust_brightness"),
    "contrast": _functional("adjust_contrast"),
    "saturation": _functional("adjust_saturation"),
    "hue": _hue,
    "gray": _gray,
    "blur": _blur,
    "sharpness": lambda image, value, *_: sharpened(image, value),
    "equalise": _functional("equalize", strength=False),
    "posterise": _functional("posterize", whole=True),
    "solarise": _functional("solarize"),
    "noise": _noise,
    "erasing": _erasing,
    "autoaugment": policy("AutoAugment"),
    "randaugment": policy("RandAugment"),
    "trivialaugment": policy("TrivialAugmentWide"),
    "augmix": augmix,
}
assert set(_CHANGES) | set(_PLANE) == set(OPERATIONS)
