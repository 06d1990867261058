"""The part of the program that reads, prepares and changes images."""

from __future__ import annotations

from collections.abc import Sequence

from core.data.images import margin
from core.specs import AugmentSpec, Preprocessing
from core.workflows.export.pytorch.network import Part
from core.workflows.export.pytorch.text import block, constant, joined


def write(prep: Preprocessing, augments: Sequence[AugmentSpec], *, exported: bool) -> Part:
    """Writes ``read_images()``, ``normalise()`` and, where images are changed, an ``augment`` function for each way.

    Args:
        prep: How the network wants its images.
        augments: The distinct ways to change them, each active; see :func:`name_of`.
        exported: Whether the images ship with the app and were exported as PNG files.
    """
    part = Part(
        imports={
            "import csv",
            "from concurrent.futures import ThreadPoolExecutor",
            "import numpy as np",
            "import torch",
            "from PIL import Image",
        }
    )
    side = "RESIZE" if augments else "CROP"
    settings = [f"RESIZE, CROP = {prep.resize}, {prep.crop}  # short side, and the square that the network sees"]
    plain = prep.mean == (0.0, 0.0, 0.0) and prep.std == (1.0, 1.0, 1.0)
    if not plain:
        settings.append(constant("MEAN", prep.mean))
        settings.append(constant("STD", prep.std))
    if augments:
        settings.append(f"MARGIN = {margin(prep)}  # of the crop in the square of RESIZE pixels that is kept")
    blocks = [
        "\n".join(settings),
        _open(part, exported=exported),
        _prepare(prep, canvas=bool(augments)),
        _read(side, exported=exported),
        _normalise(prep, plain=plain),
    ]
    if augments:
        blocks.append(_centre())
        blocks += _augments(augments, part)
    part.code = joined(*blocks)
    return part


def name_of(spec: AugmentSpec, augments: Sequence[AugmentSpec]) -> str:
    """Returns the name of the function that changes images in this way."""
    return "augment" if len(augments) == 1 else f"augment_{augments.index(spec) + 1}"


def _open(part: Part, *, exported: bool) -> str:
    if exported:
        return block(
            """
            def open_image(path):
                with Image.open(path) as image:
                    return image.convert("RGB")
            """
        )
    part.imports.add("from PIL import Image, ImageOps")
    part.imports.discard("from PIL import Image")
    return block(
        '''
        def open_image(path):
            """An image upright and in RGB: 16-bit greys scaled to 8, transparency laid on white."""
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):
                values = np.asarray(image).astype(np.int64)
                brightest = 65535 if image.mode != "I" or values.max() > 255 else 255
                image = Image.fromarray(((values * 255 + brightest // 2) // brightest).astype(np.uint8))
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return image.convert("RGB")
        '''
    )


def _prepare(prep: Preprocessing, *, canvas: bool) -> str:
    if canvas:
        place = "left, top = (min(max(round((n - CROP) / 2) - MARGIN, 0), n - RESIZE) for n in image.size)"
    else:
        place = "left, top = (round((n - CROP) / 2) for n in image.size)"
    return block(
        '''
        def prepare(image):
            """Resizes the short side and crops the centre@why@."""
            width, height = image.size
            long = int(RESIZE * max(width, height) / min(width, height))
            size = (RESIZE, long) if width <= height else (long, RESIZE)
            if image.size != size:
                image = image.resize(size, Image.Resampling.@way@)
            @place@
            return image.crop((left, top, left + @side@, top + @side@))
        ''',
        why=", with room around it for augmentation" if canvas else "",
        way=prep.interpolation.upper(),
        place=place,
        side="RESIZE" if canvas else "CROP",
    )


def _read(side: str, *, exported: bool) -> str:
    return block(
        '''
        def read_images(folder, split):
            """All images as bytes in memory, their labels, and which of them serve for what."""
            with split.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            pixels = np.empty((len(rows), @side@, @side@, 3), np.uint8)

            def read(place):
                pixels[place] = np.asarray(prepare(open_image(folder / @file@)))

            with ThreadPoolExecutor() as pool:
                list(pool.map(read, range(len(rows))))
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
            labels = torch.tensor([CLASSES.index(row["label"]) for row in rows])
            parts = {
                name: torch.tensor([place for place, row in enumerate(rows) if row["split"] == name], dtype=torch.long)
                for name in ("train", "val", "test")
            }
            return images, labels, parts
        ''',
        side=side,
        file="f\"{rows[place]['key']}.png\"" if exported else 'rows[place]["key"]',
    )


def _normalise(prep: Preprocessing, *, plain: bool) -> str:
    lines = ["pixels = pixels.float().div_(255)"]
    if not plain:
        lines += [
            "mean, std = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (MEAN, STD))",
            "pixels = pixels.sub_(mean).div_(std)",
        ]
    if prep.channels == 1:
        lines.append("pixels = pixels.mean(1, keepdim=True)")
    return block(
        '''
        def normalise(pixels):
            """Bytes, B x 3 x CROP x CROP, as the network wants them."""
            @lines@
            return pixels.contiguous(memory_format=torch.channels_last)
        ''',
        lines="\n".join(lines),
    )


def _centre() -> str:
    return block(
        '''
        def centre(pixels):
            """The square that the network sees of images that are not changed."""
            return pixels[..., MARGIN : MARGIN + CROP, MARGIN : MARGIN + CROP]
        '''
    )


def _augments(augments: Sequence[AugmentSpec], part: Part) -> list[str]:
    found: list[str] = []
    if any(spec.crop_scale < 1 for spec in augments):
        part.imports.add("import math")
    if any(spec.crop_scale < 1 and not spec.rotation for spec in augments):
        part.imports.add("from torch.nn import functional as F")
        found.append(_SLICED)
    if any(spec.rotation for spec in augments):
        part.imports.add("from torch.nn import functional as F")
        found.append(_RESAMPLED)
    if any(spec.color for spec in augments):
        found.append(_COLOURED)
    return [*found, *(_augment(spec, name_of(spec, augments)) for spec in augments)]


def _augment(spec: AugmentSpec, name: str) -> str:
    """Writes a function that draws a view of every image in the order in which the app draws it."""
    lines = []
    if spec.crop_scale < 1:
        lines += [
            f"root = uniform({spec.crop_scale}, 1).sqrt()",
            "stretch = torch.exp(uniform(-math.log(4 / 3) / 2, math.log(4 / 3) / 2))",
            "width, height = (root * stretch).clamp(max=1), (root / stretch).clamp(max=1)",
            "right, down = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)",
        ]
    elif spec.rotation:
        lines += [
            "width = height = torch.full((len(pixels),), CROP / RESIZE)",
            "right = down = torch.zeros(len(pixels))",
        ]
    if spec.rotation:
        lines.append(f"turn = torch.deg2rad(uniform(-{spec.rotation}, {spec.rotation}))")
    share = "0.5" if spec.flip else "0  # never, but drawn: chance goes on as in the run"
    lines.append(f"mirrored = uniform(0, 1) < {share}")
    if spec.rotation:
        lines.append("pixels = resampled(pixels, width, height, right, down, turn, mirrored)")
    else:
        lines.append(
            "pixels = sliced(pixels, width, height, right, down)"
            if spec.crop_scale < 1
            else "pixels = centre(pixels).clone()"
        )
        if spec.flip:
            lines.append("pixels[mirrored] = pixels[mirrored].flip(-1)")
    if spec.color:
        lines += [
            f"drawn = {1 - spec.color} + {2 * spec.color} * torch.rand(3, len(pixels), 1, 1, generator=chance)",
            "pixels = coloured(pixels, *drawn)",
        ]
    return block(
        '''
        def @name@(pixels, chance):
            """Changes images at random: bytes B x 3 x RESIZE x RESIZE to B x 3 x CROP x CROP."""

            def uniform(low, high):
                return low + (high - low) * torch.rand(len(pixels), generator=chance)

            @lines@
            return pixels
        ''',
        name=name,
        lines="\n".join(lines),
    )


_SLICED = block(
    '''
    def sliced(pixels, width, height, right, down):
        """Cuts each view out, to whole pixels, and resizes it, antialiased."""
        sides = torch.stack([width, height], 1).mul(RESIZE).round().clamp(1, RESIZE)
        middles = torch.stack([right, down], 1).add(1).mul(RESIZE / 2)
        starts = torch.minimum((middles - sides / 2).round().clamp(min=0), RESIZE - sides)
        views = [
            F.interpolate(pixels[row : row + 1, :, y : y + h, x : x + w], (CROP, CROP), mode="bilinear", antialias=True)
            for row, (x, y, w, h) in enumerate(torch.cat([starts, sides], 1).int().tolist())
        ]
        return torch.cat(views)
    '''
)
_RESAMPLED = block(
    '''
    def resampled(pixels, width, height, right, down, turn, mirrored):
        """Samples each image through one affine map; beyond the edge the picture is reflected."""
        mirror = torch.where(mirrored, -1.0, 1.0)
        cosine, sine = turn.cos(), turn.sin()
        rows = [
            torch.stack([mirror * width * cosine, -height * sine, right], 1),
            torch.stack([mirror * width * sine, height * cosine, down], 1),
        ]
        grid = F.affine_grid(torch.stack(rows, 1), [len(pixels), 3, CROP, CROP], align_corners=False)
        pixels = F.grid_sample(pixels.float().contiguous(), grid, padding_mode="reflection", align_corners=False)
        return pixels.round().clamp(0, 255).byte()
    '''
)
_COLOURED = block(
    '''
    def coloured(pixels, brightness, contrast, saturation):
        """Brightness, contrast about the mean grey, and saturation about each pixel's grey, by these factors."""
        grey = torch.tensor([0.299, 0.587, 0.114]).view(1, 1, 3)
        values = pixels.float().flatten(2)
        mean = brightness * (grey @ values.mean(2, keepdim=True))
        matrix = brightness * contrast * (saturation * torch.eye(3) + (1 - saturation) * grey.expand(1, 3, 3))
        values = torch.baddbmm((1 - contrast) * mean, matrix, values)
        return values.round().clamp(0, 255).byte().view(pixels.shape)
    '''
)
