"""Corruptions: held against the published formulae as numpy, scipy, scikit-image and Pillow carry them out."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from skimage import color, filters

from core.data.corruptions import blur, files, noise, places, weather
from core.data.corruptions.levels import magnified
from core.data.corruptions.table import CORRUPTIONS, STRENGTHS, corrupted
from core.errors import InputError

SIDE = 224
Grid = np.ndarray


def photo(side: int = SIDE, seed: int = 0) -> torch.Tensor:
    """A picture with edges, slopes and texture."""
    rng = np.random.default_rng(seed)
    slopes = [ndimage.gaussian_filter(rng.standard_normal((side, side)), side / 8, mode="nearest") for _ in range(3)]
    fine = ndimage.gaussian_filter(rng.standard_normal((3, side, side)), (0, 3, 3))
    pixels = 0.5 + 0.2 * np.stack([slope / (np.abs(slope).max() + 1e-9) for slope in slopes]) + 0.6 * fine
    pixels[:, side // 4 : side // 2, side // 3 : side // 2] = rng.random((3, 1, 1))
    return torch.from_numpy((pixels.clip(0, 1) * 255).round().astype(np.uint8))


def plain(image: torch.Tensor) -> Grid:
    """H x W x 3 from 0 to 1, as the published programs have it."""
    return image.permute(1, 2, 0).numpy() / 255.0


def back(pixels: Grid) -> torch.Tensor:
    return torch.from_numpy((pixels.clip(0, 1) * 255).round().astype(np.uint8)).permute(2, 0, 1)


def alike(found: torch.Tensor, expected: torch.Tensor, halves: float = 1e-3) -> None:
    """Equal but for the rounding of values half-way between two levels, at most so many of them."""
    apart = (found.int() - expected.int()).abs()
    assert int(apart.max()) <= 1
    assert float((apart > 0).float().mean()) < halves


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_noise_is_as_published(strength: int) -> None:
    image, place = photo(), strength - 1
    x = image.numpy() / 255.0
    spread = CORRUPTIONS["gaussian-noise"].steps[place]
    expected = x + rng().standard_normal(x.shape) * spread
    assert torch.equal(noise.gaussian(image, spread, rng()), back(expected.transpose(1, 2, 0)))
    photons = CORRUPTIONS["shot-noise"].steps[place]
    expected = rng().poisson(x * photons) / photons
    assert torch.equal(noise.shot(image, photons, rng()), back(expected.transpose(1, 2, 0)))


@pytest.mark.parametrize("strength", STRENGTHS)
def test_impulses_hit_their_share_and_nothing_else(strength: int) -> None:
    image, share = photo(), CORRUPTIONS["impulse-noise"].steps[strength - 1]
    spoilt = noise.impulse(image, share, rng())
    hit = spoilt != image
    count = image.numel()
    assert abs(float(hit.float().mean()) - share) < 4 * math.sqrt(share * (1 - share) / count) + 1e-3
    assert set(spoilt[hit].unique().tolist()) == {0, 255}
    assert abs(float((spoilt[hit] == 255).float().mean()) - 0.5) < 0.05


@pytest.mark.parametrize("sigma", CORRUPTIONS["gaussian-blur"].steps)
def test_a_bell_blurs_as_scikit_image_does(sigma: float) -> None:
    image = photo()
    expected = filters.gaussian(plain(image), sigma=sigma, channel_axis=-1)
    alike(blur.gaussian(image, sigma, rng()), back(expected))


@pytest.mark.parametrize(("radius", "softness"), CORRUPTIONS["defocus-blur"].steps)
def test_a_disk_blurs_as_published(radius: float, softness: float) -> None:
    reach, half = (8, 1) if radius <= 8 else (radius, 2)
    away = np.arange(-reach, reach + 1)
    x, y = np.meshgrid(away, away)
    disk = np.array(x**2 + y**2 <= radius**2, dtype=float)
    disk /= disk.sum()
    bell = np.exp(-0.5 * (np.arange(-half, half + 1) / softness) ** 2)
    bell /= bell.sum()
    disk = ndimage.correlate(disk, np.outer(bell, bell), mode="mirror")
    assert np.allclose(blur.disk(radius, softness).numpy(), disk, atol=1e-12)
    image = photo()
    planes = [ndimage.correlate(plain(image)[..., place], disk, mode="mirror") for place in range(3)]
    alike(blur.defocus(image, (radius, softness), rng()), back(np.stack(planes, -1)))


@pytest.mark.parametrize("zooms", CORRUPTIONS["zoom-blur"].steps)
def test_a_zoom_blurs_as_published(zooms: tuple[float, float]) -> None:
    def clipped(pixels: Grid, factor: float) -> Grid:
        kept = math.ceil(SIDE / factor)
        top = (SIDE - kept) // 2
        grown = ndimage.zoom(pixels[top : top + kept, top : top + kept], (factor, factor, 1), order=1, mode="nearest")
        trim = (grown.shape[0] - SIDE) // 2
        return grown[trim : trim + SIDE, trim : trim + SIDE]

    image = photo()
    x = plain(image)
    factors = np.arange(1, *zooms)
    expected = (x + sum(clipped(x, factor) for factor in factors)) / (len(factors) + 1)
    alike(blur.zoom(image, zooms, rng()), back(expected))


def test_nothing_is_magnified_by_one() -> None:
    planes = torch.rand(3, 33, 33, dtype=torch.float64)
    assert torch.allclose(magnified(planes, 1.0), planes)


def test_motion_is_an_average_along_a_line() -> None:
    dot = torch.zeros(1, 41, 41, dtype=torch.float64)
    dot[0, 20, 20] = 1.0
    spread = blur.moved(dot, 10, 3, 0.0)[0]
    assert spread.sum() == pytest.approx(1.0)
    assert (spread.sum(1) > 0).nonzero().flatten().tolist() == [20]  # a horizontal line
    weights = np.exp(-0.5 * (np.arange(21) / 3) ** 2)
    assert np.allclose(spread[20, :21].flip(0).numpy(), weights / weights.sum())
    down = blur.moved(dot, 10, 3, 90.0)[0]
    assert torch.allclose(down, spread.T)


@pytest.mark.parametrize("step", CORRUPTIONS["fog"].steps)
def test_fog_is_as_published(step: tuple[float, float]) -> None:
    image = photo()
    thick, decay = step
    clouds = weather.plasma(rng(), 256, decay)
    assert (clouds.min(), clouds.max()) == (0, 1)
    x = plain(image)
    expected = (x + thick * clouds[:SIDE, :SIDE, None]) * x.max() / (x.max() + thick)
    assert torch.equal(weather.fog(image, step, rng()), back(expected))


def test_clouds_are_the_published_ones() -> None:
    """The diamond-square algorithm, written out point by point."""
    side, decay = 8, 2.0
    chance, field = rng(), np.zeros((side, side))
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        for offset_y, offset_x in ((half, half), (0, half), (half, 0)):
            ys, xs = range(offset_y, side, step), range(offset_x, side, step)
            lots = chance.uniform(-wobble, wobble, (len(ys), len(xs)))
            corners = [(-half, -half), (-half, half), (half, -half), (half, half)]
            sides = [(-half, 0), (half, 0), (0, -half), (0, half)]
            around = corners if offset_y and offset_x else sides
            for row, y in enumerate(ys):
                for column, x in enumerate(xs):
                    near = [field[(y + dy) % side, (x + dx) % side] for dy, dx in around]
                    field[y, x] = sum(near) / 4 + wobble * lots[row, column]
        step, wobble = half, wobble / decay
    field -= field.min()
    assert np.allclose(weather.plasma(rng(), side, decay), field / field.max())


@pytest.mark.parametrize("more", CORRUPTIONS["brightness"].steps)
def test_brightness_adds_to_the_value(more: float) -> None:
    image = photo()
    image[:, 0, 0] = 0  # black has no hue to keep
    space = color.rgb2hsv(plain(image))
    space[..., 2] = (space[..., 2] + more).clip(0, 1)
    alike(weather.brightness(image, more, rng()), back(color.hsv2rgb(space)), halves=0.05)  # 25.5 levels more


@pytest.mark.parametrize("kept", CORRUPTIONS["contrast"].steps)
def test_contrast_is_drawn_towards_the_mean(kept: float) -> None:
    image = photo()
    x = plain(image)
    means = x.mean((0, 1), keepdims=True)
    alike(weather.contrast(image, kept, rng()), back((x - means) * kept + means))


@pytest.mark.parametrize("strength", STRENGTHS)
def test_files_lose_what_pillow_makes_them_lose(strength: int) -> None:
    image = photo()
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    small = int(SIDE * CORRUPTIONS["pixelate"].steps[strength - 1])
    boxes = picture.resize((small, small), Image.Resampling.BOX).resize((SIDE, SIDE), Image.Resampling.BOX)
    found = files.pixelate(image, CORRUPTIONS["pixelate"].steps[strength - 1], rng())
    assert np.array_equal(found.permute(1, 2, 0).numpy(), np.asarray(boxes))
    file = io.BytesIO()
    quality = CORRUPTIONS["jpeg"].steps[strength - 1]
    picture.save(file, "JPEG", quality=quality)
    found = files.jpeg(image, quality, rng())
    assert np.array_equal(found.permute(1, 2, 0).numpy(), np.asarray(Image.open(file)))


def test_places_move_by_what_they_say() -> None:
    image = torch.full((3, 101, 101), 20, dtype=torch.uint8)
    image[:, 50, 90] = 255

    def lightest(picture: torch.Tensor) -> tuple[int, int]:
        return divmod(int(picture[0].argmax()), 101)

    y, x = lightest(places.rotation(image, 30.0, rng()))
    assert math.degrees(math.atan2(abs(y - 50), x - 50)) == pytest.approx(30, abs=1)
    y, x = lightest(places.shift(image, 0.08, rng()))
    assert math.hypot(y - 50, x - 90) == pytest.approx(0.08 * 101, abs=1)
    image = photo(100)
    covered = places.occlusion(image, 0.25, rng())
    hidden = (covered != image).any(0)
    assert int(hidden.sum()) == pytest.approx(2500, abs=30)
    rows, columns = hidden.nonzero().T
    assert (int(rows.max() - rows.min()), int(columns.max() - columns.min())) == (49, 49)
    assert torch.equal(covered[:, ~hidden], image[:, ~hidden])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_higher_strength_changes_more(name: str) -> None:
    pictures = [photo(seed=seed) for seed in range(3)]

    def apart(strength: int) -> float:
        spoilt = torch.stack([corrupted(picture, name, strength, str(n)) for n, picture in enumerate(pictures)])
        if name == "fog":  # what is left to be seen, however light the whole is
            pairs = zip(spoilt, pictures, strict=True)
            return 1 - float(np.mean([np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in pairs]))
        return float(spoilt.float().sub(torch.stack(pictures).float()).abs().mean())

    steps = [apart(strength) for strength in STRENGTHS]
    assert steps[0] > 0
    assert steps == sorted(steps)
    assert len(set(steps)) == len(steps)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("side", [1, 8, 28, 97, 256])
def test_pictures_of_any_size_are_spoilt_the_same_each_time(name: str, side: int) -> None:
    image = photo(side) if side > 4 else torch.full((3, side, side), 90, dtype=torch.uint8)
    before = image.clone()
    for strength in (1, 5):
        spoilt = corrupted(image, name, strength, "a/1.png")
        assert (spoilt.shape, spoilt.dtype) == (image.shape, torch.uint8)
        assert torch.equal(spoilt, corrupted(image, name, strength, "a/1.png"))
    assert torch.equal(image, before)


def test_a_black_picture_stays_a_picture() -> None:
    black = torch.zeros(3, 32, 32, dtype=torch.uint8)
    for name in CORRUPTIONS:
        assert corrupted(black, name, 5).shape == black.shape


def test_chance_is_a_pictures_own() -> None:
    image = photo(64)
    assert not torch.equal(corrupted(image, "fog", 3, "a"), corrupted(image, "fog", 3, "b"))


@pytest.mark.parametrize("call", [lambda: corrupted(photo(8), "frost", 1), lambda: corrupted(photo(8), "fog", 6)])
def test_what_is_not_there_is_refused_in_words(call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match="Choose"):
        call()
