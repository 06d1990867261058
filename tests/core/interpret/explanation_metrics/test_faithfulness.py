"""Faithfulness: curves by brute force, ROAD's filling by a sparse solver, infidelity by captum, and what all of it says
of a network whose evidence is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from scipy import sparse
from scipy.ndimage import gaussian_filter
from scipy.sparse.linalg import spsolve
from torch import Tensor, nn

from core.errors import InputError
from core.interpret.explanation_metrics import faithfulness
from core.interpret.explanation_metrics.baselines import random_maps
from core.interpret.explanation_metrics.faithfulness import METRICS, Settings, infidelity, measure, ranked
from core.interpret.explanation_metrics.imputation import blurred, filling, imputed
from core.interpret.explanation_metrics.sensitivity import distance_by_chance, sensitivity
from core.models.anatomy.examine import examine
from core.models.network import Network
from core.specs import Preprocessing

SIZE = 32
QUICK = Settings(steps=5, windows=12, road=(0.3, 0.6), batch=4)


class Looker(nn.Module):
    """Says the first class where the middle of the picture is bright, and nothing else matters."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Conv2d(3, 3, 1, groups=3, bias=False)
        self.head = nn.Linear(3, 2)
        with torch.no_grad():
            self.scale.weight.fill_(1.0)
            self.head.weight.copy_(torch.tensor([[1.0, 1, 1], [-1, -1, -1]]))
            self.head.bias.fill_(0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.scale(x)[:, :, 8:24, 8:24].mean((2, 3)))


@pytest.fixture
def looker() -> Network:
    model = Looker().eval()
    return Network(
        model, examine(model, num_classes=2, image_size=SIZE), Preprocessing(SIZE, SIZE), ("a", "b"), "looker"
    )


@pytest.fixture
def bright() -> Tensor:
    noise = 0.1 * torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return noise + 1.2 * torch.from_numpy(middle()) - 0.4


def middle() -> np.ndarray:
    heat = np.zeros((SIZE, SIZE), np.float32)
    heat[8:24, 8:24] = 1
    return gaussian_filter(heat, 2)


def chances(network: Network, images: Tensor, target: int = 0) -> np.ndarray:
    return network.model(images).double().softmax(1)[:, target].detach().numpy()


def test_curves_are_those_of_brute_force(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    heat = gaussian_filter(np.random.default_rng(0).standard_normal((SIZE, SIZE)), 3).astype(np.float32)
    (found,) = measure(network, image, [heat], 2, QUICK)
    order = np.argsort(-heat, axis=None, kind="stable")
    blur = blurred(image, SIZE / 20)
    for step, share in enumerate(np.linspace(0, 1, 6)):
        gone = np.zeros(heat.size, bool)
        gone[order[: round(share * heat.size)]] = True
        mask = torch.from_numpy(gone.reshape(heat.shape))
        left = torch.where(mask, torch.zeros_like(image), image)
        shown = torch.where(mask, image, blur)
        assert found.deletion.probabilities[step] == pytest.approx(chances(network, left, 2)[0], abs=1e-6)
        assert found.insertion.probabilities[step] == pytest.approx(chances(network, shown, 2)[0], abs=1e-6)
    y = found.deletion.probabilities
    assert found.deletion.auc == pytest.approx(np.mean((y[1:] + y[:-1]) / 2))
    faded = torch.from_numpy(heat.clip(0) / heat.max()) * image
    whole, less = chances(network, image, 2)[0], chances(network, faded, 2)[0]
    assert found.drop == pytest.approx(max(0, whole - less) / whole, abs=1e-6)
    assert found.increase == (less > whole)


def test_where_the_evidence_is_known_the_true_map_beats_random_ones_and_the_reversed_one_loses(
    looker: Network, bright: Tensor
) -> None:
    true = middle()
    maps = [true, 1 - true, *random_maps(true, 6)]
    look = Settings(steps=8, windows=48, batch=8, insertion_fill="mean")
    found = measure(looker, bright, maps, 0, look)
    for name in ("deletion", "insertion", "road", "infidelity"):
        row = METRICS[name]
        sign = 1 if row.higher else -1
        own, reverse, *others = [sign * row.value(scores) for scores in found]
        assert own > max(others), name
        assert reverse < np.mean(others), name
    assert found[0].drop < found[1].drop


def test_ranks_put_the_strongest_first_and_ties_towards_stronger_ones() -> None:
    heat = np.zeros((8, 8))
    heat[5, 5] = 2
    heat[5, 4] = 1
    ranks = ranked(heat)
    assert (ranks[5, 5], ranks[5, 4]) == (0, 1)
    assert sorted(ranks.ravel()) == list(range(64))
    assert ranks[4, 5] < ranks[0, 0]


@pytest.mark.parametrize("sigma", [1.0, 4.0])
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_imputation_solves_the_sparse_system(sigma: float, share: float) -> None:
    x = blurred(torch.randn(1, 2, 40, 40, generator=torch.Generator().manual_seed(2)), 2.0)
    heat = gaussian_filter(np.random.default_rng(1).standard_normal((40, 40)), sigma)
    known = heat > np.quantile(heat, share)
    found = imputed(x, torch.from_numpy(known)[None, None], noise=0)[0]
    wanted = exact(x[0].numpy(), known)
    assert np.array_equal(found[:, known], x[0][:, known])
    assert np.abs(found.numpy() - wanted).mean() < 0.05 * float(x.std())


def exact(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Solves for the missing pixels: each is the weighted mean of its neighbours."""
    missing = {tuple(place): row for row, place in enumerate(np.argwhere(~known))}
    matrix = sparse.lil_matrix((len(missing), len(missing)))
    right = np.zeros((len(missing), len(x)))
    for (y, column), row in missing.items():
        for dy, dx in ((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)):
            place, weight = (y + dy, column + dx), (1 / 6 if 0 in (dy, dx) else 1 / 12)
            if not (0 <= place[0] < known.shape[0] and 0 <= place[1] < known.shape[1]):
                continue
            matrix[row, row] += weight
            if place in missing:
                matrix[row, missing[place]] -= weight
            else:
                right[row] += weight * x[:, place[0], place[1]]
    solved = spsolve(matrix.tocsc(), right)
    filled = x.copy()
    for (y, column), row in missing.items():
        filled[:, y, column] = solved[row]
    return filled


def test_noise_comes_from_its_seed_and_falls_on_missing_pixels_only() -> None:
    x, known = torch.ones(1, 3, 9, 9), torch.rand(2, 1, 9, 9, generator=torch.Generator().manual_seed(0)) > 0.5
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again = imputed(x, known, noise=0.1), imputed(x, known, noise=0.1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert torch.equal(first[known.expand(-1, 3, -1, -1)], torch.ones(int(known.sum()) * 3))
    assert not torch.equal(first, imputed(x, known, noise=0.1, seed=1))
    assert torch.isfinite(imputed(x, torch.zeros(1, 1, 9, 9, dtype=torch.bool))).all()


def test_blur_is_scipys_and_fillings_are_known() -> None:
    x = torch.randn(1, 2, 30, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = gaussian_filter(x[0].numpy(), (0, 2.5, 2.5), mode="mirror", radius=(0, 8, 8))
    assert np.allclose(blurred(x, 2.5)[0], wanted, atol=1e-12)
    assert float(filling(x, "mean").abs().sum()) == 0
    assert blurred(torch.ones(1, 1, 1, 1), 4.0).shape == (1, 1, 1, 1)
    with pytest.raises(InputError, match="no filling"):
        filling(x, "black")


def test_infidelity_is_captums(looker: Network, bright: Tensor) -> None:
    """Captum draws the perturbations; where they are our windows and the scale is free, the figures agree."""
    heat = middle()
    windows = faithfulness._windows(64, (SIZE, SIZE), 0)
    taken = torch.from_numpy(windows).float()[:, None].expand(-1, 3, -1, -1)
    turn = iter(range(64))

    def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
        chosen = taken[[next(turn) for _ in range(len(inputs))]]
        return chosen, inputs * (1 - chosen)

    wanted = captum_infidelity(
        lambda x: looker.model(x).softmax(1)[:, 0],
        perturb,
        bright,
        torch.from_numpy(heat).expand(1, 3, -1, -1),
        n_perturb_samples=64,
        max_examples_per_batch=1,
        normalize=True,
    )
    falls = chances(looker, bright)[0] - chances(looker, bright * (1 - taken))
    assert infidelity(heat, windows, falls) == pytest.approx(float(wanted), rel=1e-3)


def test_infidelity_never_turns_a_map_round_and_does_not_tie() -> None:
    windows = faithfulness._windows(20, (SIZE, SIZE), 0)
    falls = windows.reshape(20, -1) @ middle().ravel()
    assert infidelity(middle(), windows, falls) == pytest.approx(0, abs=1e-9)
    assert infidelity(-middle(), windows, falls) == pytest.approx(4 * float(np.mean(falls**2)))
    slanted = middle() * np.linspace(1, 2, SIZE)
    wrong = [infidelity(-heat, windows, falls) for heat in (middle(), slanted)]
    assert min(wrong) > float(np.mean(falls**2))
    assert wrong[0] != pytest.approx(wrong[1], rel=1e-3)
    assert infidelity(np.zeros((SIZE, SIZE)), windows, falls) == pytest.approx(float(np.mean(falls**2)))


def test_sensitivity_of_a_map_that_is_linear_in_the_picture() -> None:
    prep = Preprocessing(8, 8, std=(0.5, 0.25, 0.2))
    x = torch.ones(1, 3, 8, 8)
    seen: list[Tensor] = []

    def explainer(changed: Tensor) -> np.ndarray:
        seen.append(changed - x)
        return changed[0, 1].numpy()

    found = sensitivity(explainer, x, x[0, 1].numpy(), prep, radius=0.02, draws=5)
    lengths = [float(np.linalg.norm(change[0, 1])) / 8 for change in seen]
    assert found == pytest.approx(max(lengths), rel=1e-5)
    for channel, std in enumerate(prep.std):
        largest = max(float(change[0, channel].abs().max()) for change in seen)
        assert 0.9 * 0.02 / std < largest <= 0.02 / std
    assert sensitivity(lambda _: np.ones((8, 8)), x, np.ones((8, 8)), prep) == 0
    assert np.isnan(sensitivity(explainer, x, np.zeros((8, 8)), prep))
    assert distance_by_chance([np.ones((4, 4))]) != distance_by_chance([np.ones((4, 4))])
    assert distance_by_chance([np.eye(2), 1 - np.eye(2)]) == pytest.approx(np.sqrt(2))


def test_progress_counts_every_image_and_what_it_raises_leaves_nothing_behind(
    tiny: Callable[..., Network], image: Tensor
) -> None:
    network, told = tiny(), []
    heat = np.random.default_rng(0).random((SIZE, SIZE))
    network.model.train()
    measure(network, image, [heat, heat], 0, QUICK, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (QUICK.images(2), QUICK.images(2))
    assert [done for done, _ in told] == sorted(done for done, _ in told)

    class Enough(Exception):
        pass

    def stop(done: int, _total: int) -> None:
        if done > 8:
            raise Enough

    with pytest.raises(Enough):
        measure(network, image, [heat], 0, QUICK, progress=stop)
    assert network.model.training
    assert not any(module._forward_hooks for module in network.model.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.model.parameters())


def test_the_batch_size_changes_nothing(tiny: Callable[..., Network], image: Tensor) -> None:
    heat = gaussian_filter(np.random.default_rng(0).standard_normal((SIZE, SIZE)), 3)
    small, large = (measure(tiny(), image, [heat], 1, Settings(steps=5, windows=8, batch=b))[0] for b in (1, 64))
    for row in METRICS.values():
        assert row.value(small) == pytest.approx(row.value(large), abs=1e-6)


def test_what_cannot_be_measured_is_said(tiny: Callable[..., Network], image: Tensor) -> None:
    network, heat = tiny(), np.ones((SIZE, SIZE))
    for wrong in ({"steps": 1}, {"windows": 1}, {"road": ()}, {"road": (1.5,)}):
        with pytest.raises(InputError):
            Settings(**wrong)
    with pytest.raises(InputError, match="The map has 8x8 pixels"):
        measure(network, image, [np.ones((8, 8))], 0, QUICK)
    with pytest.raises(InputError, match="One normalised image"):
        measure(network, image.expand(2, -1, -1, -1), [heat], 0, QUICK)
    with pytest.raises(InputError, match="no numbers"):
        measure(network, image * float("nan"), [heat], 0, QUICK)
