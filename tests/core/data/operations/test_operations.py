"""Operations of augmentation: what each does, and that chance is an image's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as V

from core.data.augment import Augmenter
from core.data.operations import apply
from core.data.operations.apply import operate
from core.data.operations.draws import drawn
from core.errors import InputError
from core.specs import AUGMENT_PRESETS, OPERATIONS, AugmentSpec, Experiment, Operation, from_record
from tests.core.data.test_augment import canvases

SIDE = 72


def changed(batch: torch.Tensor, *operations: Operation, epoch: int = 0, **values: object) -> torch.Tensor:
    spec = AugmentSpec(operations=operations, **values)  # type: ignore[arg-type]
    augmenter = Augmenter(spec, SIDE)
    return augmenter(batch, drawn(3, epoch, np.arange(len(batch)), augmenter.numbers))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_changes_copies_by_the_numbers_of_each_image(name: str) -> None:
    batch = canvases(6)
    before = batch.clone()
    first = changed(batch, Operation(name))
    assert torch.equal(batch, before)
    assert (first.shape, first.dtype) == (batch.shape, torch.uint8)
    assert torch.equal(first, changed(batch, Operation(name)))
    assert torch.equal(changed(batch, Operation(name, 0.0)), batch)
    if name not in (
        "autoaugment",
        "randaugment",
        "trivialaugment",
        "augmix",
        "solarise",
        "sharpness",
    ):  # may do nothing
        assert all((one != other).any() for one, other in zip(first, batch, strict=True))
    if OPERATIONS[name].unit or "aug" in name:
        assert not torch.equal(first, changed(batch, Operation(name), epoch=1))


@pytest.mark.parametrize("preset", AUGMENT_PRESETS)
def test_an_image_is_changed_alike_in_whatever_batch_it_comes(preset: str) -> None:
    batch = canvases(8)
    augmenter = Augmenter(AugmentSpec.preset(preset), 64)
    order = np.array([5, 0, 7, 2])
    whole = augmenter(batch, drawn(1, 4, np.arange(8), augmenter.numbers))
    some = augmenter(batch[order], drawn(1, 4, order, augmenter.numbers))
    assert torch.equal(some, whole[order])


def test_the_generator_that_others_draw_from_is_left_alone() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    changed(canvases(4), Operation("randaugment"), Operation("augmix"))
    assert torch.equal(torch.rand(3), wanted)


def test_maps_of_the_plane_do_what_they_are_called() -> None:
    batch = canvases(3)
    assert torch.equal(changed(batch, Operation("flip")), batch.flip(-1))
    assert torch.equal(changed(batch, Operation("vertical-flip")), batch.flip(-2))
    assert torch.equal(changed(batch, Operation("flip"), Operation("flip")), batch)
    enlarged = changed(batch, Operation("zoom", low=2.0, high=2.0)).float()
    middle = torch.nn.functional.interpolate(batch[..., 18:54, 18:54].float(), size=(72, 72), mode="bilinear")
    assert (enlarged - middle)[..., 4:-4, 4:-4].abs().max() <= 1
    framed = changed(batch, Operation("zoom", low=0.5, high=0.5), fill="white")
    assert (framed[..., :16, :] == 255).all()
    turned = changed(batch, Operation("rotation", low=30.0, high=30.0), fill="black").float()
    references = [V.rotate(batch, angle, interpolation=V.InterpolationMode.BILINEAR).float() for angle in (30, -30)]
    for row in range(3):
        assert min((turned[row] - other[row]).abs().mean() for other in references) < 1.0


def test_a_shift_stays_within_its_share() -> None:
    batch = torch.zeros(64, 3, 72, 72, dtype=torch.uint8)
    batch[:, :, 30:42, 30:42] = 255
    places = [row[0].nonzero().float().mean(0) for row in changed(batch, Operation("shift", high=0.1))]
    offsets = (torch.stack(places) - 35.5).abs()
    assert 5.0 < offsets.max() <= 7.2 + 0.5
    assert offsets.mean() > 2


def test_strengths_that_are_fixed_equal_torchvision() -> None:
    batch = canvases(4)
    for name, value, reference in (
        ("brightness", 1.3, V.adjust_brightness),
        ("contrast", 0.6, V.adjust_contrast),
        ("saturation", 1.8, V.adjust_saturation),
        ("sharpness", 2.0, V.adjust_sharpness),
        ("solarise", 100.0, V.solarize),
    ):
        ours = changed(batch, Operation(name, low=value, high=value))
        theirs = torch.stack([reference(image, value) for image in batch])
        assert (ours.int() - theirs.int()).abs().max() <= 1, name
    for sigma in (0.5, 2.0, 5.0):
        ours = changed(batch, Operation("blur", low=sigma, high=sigma))
        side = 2 * int(np.ceil(3 * sigma)) + 1
        assert (ours.int() - V.gaussian_blur(batch, [side, side], [sigma, sigma]).int()).abs().max() <= 1
    ours = changed(batch, Operation("posterise", low=3.0, high=3.0))
    assert torch.equal(ours, V.posterize(batch, 3))


def test_one_of_three_by_lot() -> None:
    batch = canvases(1).expand(300, -1, -1, -1)
    operations = (Operation("flip"), Operation("vertical-flip"), Operation("equalise"))
    found = changed(batch, *operations, pick=1)
    options = [changed(batch[:1], one)[0] for one in operations]
    shares = [float((found == option).flatten(1).all(1).float().mean()) for option in options]
    assert abs(sum(shares) - 1) < 1e-6
    assert min(shares) > 0.23


def test_the_four_changes_come_first_and_the_rest_on_top() -> None:
    batch = canvases(5)
    spec = AugmentSpec(flip=True, crop_scale=0.5)
    both = AugmentSpec(flip=True, crop_scale=0.5, operations=(Operation("equalise"),))
    chance = [torch.Generator().manual_seed(1) for _ in range(2)]
    first = Augmenter(spec, 64)(batch, chance[0])
    assert torch.equal(Augmenter(both, 64)(batch, chance[1]), torch.stack([V.equalize(image) for image in first]))


def test_numbers_are_even_and_differ_by_seed_epoch_and_image() -> None:
    rows = drawn(0, 0, np.arange(4000), 5).take(5)
    assert abs(float(rows.mean()) - 0.5) < 0.01
    assert 0 < float(rows.min()) < float(rows.max()) < 1
    histogram = torch.histc(rows, 10, 0, 1) / rows.numel()
    assert (histogram - 0.1).abs().max() < 0.01
    assert torch.corrcoef(rows).fill_diagonal_(0).abs().max() < 0.06
    assert not torch.equal(rows, drawn(1, 0, np.arange(4000), 5).take(5))
    assert not torch.equal(rows, drawn(0, 1, np.arange(4000), 5).take(5))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"operations": [{"name": "twist"}]}, "operation is twist. Choose one of"),
        ({"operations": [{"name": "shear", "high": 90}]}, "high of shear is 90"),
        ({"operations": [{"name": "zoom", "low": 2.0, "high": 1.0}]}, "The lower strength comes first"),
        ({"operations": [{"name": "flip", "high": 1.0}]}, "has no strength"),
        ({"operations": [{"name": "flip", "probability": 2}]}, "probability is 2"),
        ({"operations": "flip"}, "must be a list of operations"),
        ({"operations": [{"name": "flip"}], "pick": 2}, "pick is 2"),
        ({"fill": "pink"}, "fill is pink"),
        ({"shear": 3}, "unknown key shear"),
    ],
)
def test_what_cannot_be_is_refused_in_words(record: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_record(AugmentSpec, "augment", record)


def test_an_experiment_keeps_its_operations() -> None:
    from tests.core.test_specs_learning import FULL

    for preset in AUGMENT_PRESETS:
        import dataclasses

        kept = dataclasses.replace(FULL, augment=AugmentSpec.preset(preset))
        assert Experiment.from_json(kept.to_json()) == kept


def test_operate_without_moving_gives_the_same_pixels() -> None:
    batch = canvases(2)
    spec = AugmentSpec(operations=(Operation("rotation", low=0.0, high=0.0),))
    assert torch.equal(operate(batch, spec, drawn(0, 0, np.arange(2), 9)), batch)


@pytest.mark.parametrize("value", [-0.4, -0.1, 0.0, 0.07, 0.5])
def test_hue_is_within_a_level_of_torchvisions(value: float) -> None:
    image = canvases(1)[0]
    image[:, :4, :4] = 90  # gray has no hue
    assert (apply._hue(image, value, 0, 0).int() - V.adjust_hue(image, value).int()).abs().max() <= 1


@pytest.mark.parametrize("seed", range(4))
def test_perspective_is_within_a_level_of_torchvisions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[list[int]]] = []
    real = apply._projection
    monkeypatch.setattr(
        apply,
        "_projection",
        lambda ends, corners: (asked.append([list(map(list, ends)), corners]), real(ends, corners))[1],
    )
    image = canvases(seed + 1)[seed]
    found = apply._perspective(image, 0.4, seed / 7, 0.3)
    ((ends, corners),) = asked
    wanted = V.perspective(image, [list(corner) for corner in corners], ends)
    assert (found.int() - wanted.int()).abs().max() <= 1
    assert (found != image).any()
