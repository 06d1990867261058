"""Autoencoders: sizes and counts of the notes, losses against torch, corruption, and a loss below PCA's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch.nn import functional as F

from core.errors import InputError
from core.specs import Piece
from core.training.autoencoder.corruption import corrupted
from core.training.autoencoder.designs import DESIGNS, read_pieces, sizes, write_pieces
from core.training.autoencoder.training import (
    LOSSES,
    Autoencoder,
    Recipe,
    common,
    give_back,
    loss_of,
    pca_mse,
    spoil,
    train,
)


def curves(count: int, side: int = 16, seed: int = 0) -> torch.Tensor:
    """Bright spots anywhere: two numbers say all of a picture, but no two straight directions do."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.rand(count, 2, generator=generator) * (side - 1)
    grid = torch.arange(side)
    down = (grid[None, :] - place[:, :1]).square()
    across = (grid[None, :] - place[:, 1:]).square()
    return torch.exp(-(down[:, :, None] + across[:, None, :]) / 12)[:, None]


@pytest.mark.parametrize(
    ("side", "wanted", "latents"), [(28, [28, 14, 7, 15, 31], 196), (91, [91, 45, 22, 45, 91], 4 * 22 * 22)]
)
def test_the_notes_network_runs_through_the_sizes_of_the_notes(side: int, wanted: list[int], latents: int) -> None:
    down, up = sizes(*DESIGNS["notes"].make(1, side, 0), 1, side)
    found = [side, *(step.shape[1] for step in (*down, *up) if step.piece.kind in ("max-pool", "transposed-conv"))]
    assert found == wanted
    assert sum(step.parameters for step in (*down, *up)) == 557
    assert int(np.prod(down[-1].shape)) == latents
    assert up[0].size_formula == f"({wanted[2]} - 1)*2 - 0 + 3 = {wanted[3]}"
    assert up[0].formula == "(3*3*4+1)*6 = 222"


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (1, 37)])
def test_pencil_and_torch_agree(name: str, channels: int, side: int) -> None:
    design = DESIGNS[name]
    pieces = design.make(channels, side, design.latents)
    down, up = sizes(*pieces, channels, side)
    model = Autoencoder(*pieces, channels, side)
    x = torch.rand(2, channels, side, side)
    assert model.encode(x).shape == (2, int(np.prod(down[-1].shape)))
    assert tuple(model(x).shape[1:]) == up[-1].shape
    assert sum(value.numel() for value in model.parameters()) == sum(step.parameters for step in (*down, *up))
    if design.latents:
        assert model.encode(x).shape[1] == design.latents


def test_the_encoder_s_layers_are_called_as_in_a_network_of_the_same_pieces() -> None:
    from core.models.architectures.layer_specs import construct

    encoder, decoder = DESIGNS["deep"].make(1, 28, 16)
    ours = Autoencoder(encoder, decoder, 1, 28).encoder.state_dict()
    theirs = construct(encoder, 1, 28, 10).state_dict()
    assert set(ours) == {name for name in theirs if not name.startswith("classifier")}
    assert all(theirs[name].shape == value.shape for name, value in ours.items())


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_what_they_are_called(loss: str) -> None:
    given, wanted = torch.rand(3, 1, 6, 6, dtype=torch.float64), torch.rand(3, 1, 6, 6, dtype=torch.float64)
    found = loss_of(loss, given, wanted)
    for row in range(3):
        difference = (given - wanted)[row]
        expected = {
            "mse": float(F.mse_loss(given[row], wanted[row])),
            "l1": float(F.l1_loss(given[row], wanted[row])),
            "mse-mean": float(F.mse_loss(given[row], wanted[row]) + difference.mean().abs()),
            "correlation": -float(np.corrcoef(given[row].flatten(), wanted[row].flatten())[0, 1]),
        }[loss]
        assert float(found[row]) == pytest.approx(expected, rel=1e-3 if loss == "correlation" else 1e-9)


def test_pictures_of_different_sides_are_compared_in_their_middle() -> None:
    given, wanted = common(torch.arange(31.0).expand(1, 1, 31, 31), torch.zeros(1, 1, 28, 28))
    assert given.shape == wanted.shape == (1, 1, 28, 28)
    assert given[0, 0, 0, 0] == 1.0
    small, large = common(torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 8, 8))
    assert small.shape == large.shape == (1, 1, 5, 5)


def test_noise_and_occlusion() -> None:
    pictures = torch.full((200, 1, 20, 20), 0.2)
    noisy = corrupted(pictures, "noise", 0.05, torch.Generator().manual_seed(0))
    assert float((noisy - pictures).std()) == pytest.approx(0.05, rel=0.05)
    hidden = corrupted(pictures, "occlusion", 0.5, torch.Generator().manual_seed(0))
    assert {int(count) for count in (hidden == 0.5).sum((1, 2, 3))} == {100}
    places = (hidden == 0.5).flatten(1).float().argmax(1).unique()
    assert len(places) > 20
    assert corrupted(pictures, "none", 0.5, torch.Generator()) is pictures
    whole = corrupted(pictures, "occlusion", 1.0, torch.Generator().manual_seed(0))
    assert bool((whole == 0.5).all())


def test_pca_of_equal_width_is_scikit_learn_s() -> None:
    pictures, held_out = curves(150), curves(40, seed=1)
    for width in (2, 7):
        pca = PCA(width, svd_solver="full").fit(pictures.flatten(1).numpy())
        again = pca.inverse_transform(pca.transform(held_out.flatten(1).numpy()))
        expected = float(((again - held_out.flatten(1).numpy()) ** 2).mean())
        assert pca_mse(pictures, held_out, held_out, width) == pytest.approx(expected, rel=1e-3)
    assert pca_mse(pictures, held_out, held_out, 150) is None


def test_what_is_learned_lies_below_pca_of_equal_width() -> None:
    pictures, held_out = curves(600), curves(120, seed=1)
    model = Autoencoder(*DESIGNS["plane"].make(1, 16, 2), 1, 16)
    rows = train(model, pictures, held_out, Recipe(epochs=40))
    limit = pca_mse(pictures, held_out, held_out, 2)
    assert limit is not None
    assert rows[-1].val_mse < 0.6 * limit
    assert [row.epoch for row in rows] == list(range(41))


@pytest.mark.parametrize(("kind", "strength"), [("noise", 0.3), ("occlusion", 0.3)])
def test_what_was_spoiled_is_mended_on_pictures_it_never_saw(kind: str, strength: float) -> None:
    pictures, held_out = curves(600), curves(120, seed=1)
    recipe = Recipe(corruption=kind, strength=strength, epochs=25)
    model = Autoencoder(*DESIGNS["deep"].make(1, 16, 16), 1, 16)
    rows = train(model, pictures, held_out, recipe)
    spoiled = spoil(held_out, recipe)
    left_alone = (spoiled - held_out).square().mean((1, 2, 3))
    mended = (give_back(model, spoiled) - held_out).square().mean((1, 2, 3))
    assert rows[-1].val_mse == pytest.approx(float(mended.mean()), rel=1e-4)
    assert float(mended.mean()) < 0.5 * float(left_alone.mean())
    assert float((mended < left_alone).float().mean()) > 0.9  # nearly every picture, not a few


def test_the_same_seed_learns_the_same() -> None:
    pictures = curves(64)
    made = []
    for _ in range(2):
        model = Autoencoder(*DESIGNS["notes"].make(1, 16, 0), 1, 16, seed=3)
        made.append(train(model, pictures, pictures, Recipe(epochs=2, corruption="occlusion")))
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        ((), "has an encoder and a decoder"),
        ((Piece("relu"),), "The decoder gives 4 x 7 x 7"),
        ((Piece("linear", size=7), Piece("unflatten", size=1)), "cannot lay 7 values out as 1 square maps"),
        ((Piece("transposed-conv", size=1, kernel=1, padding=9),), "leaves nothing"),
    ],
)
def test_decoders_that_cannot_be_are_refused(decoder: tuple[Piece, ...], said: str) -> None:
    encoder, _ = DESIGNS["notes"].make(1, 28, 0)
    with pytest.raises(InputError, match=said):
        sizes(encoder, decoder, 1, 28)


@pytest.mark.parametrize("name", DESIGNS)
def test_layers_in_a_link_are_read_back(name: str) -> None:
    halves = DESIGNS[name].make(3, 28, 5)
    assert read_pieces(write_pieces(*halves)) == halves
    odd = ((Piece("dropout", rate=0.25), Piece("leaky-relu", rate=0.01)), ())
    assert read_pieces(write_pieces(*odd)) == odd


@pytest.mark.parametrize(
    "text",
    [
        "",
        "relu",
        "relu/relu/relu",
        "cat/relu",
        "conv 3/relu",
        "conv 6 3 x 1/",
        "relu 1/",
        "conv 6 0 0 0/",
        "conv nan 3 1 1/",
    ],
)
def test_layers_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_pieces(text)
