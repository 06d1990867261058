"""What a training can be asked for beside its phases: each option does what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import CPU, HEAD, PLAN, PREP, close, epochs, experiment, plain, run, tiny, weights
from torch import nn

from core.errors import InputError
from core.models.network import Network, load_into
from core.specs import EarlyStopping, FreezePlan, Loss, Mix, Phase, Schedule
from core.training.checkpoints.checkpoint import Checkpointer
from core.training.features.batch_sources import Material
from core.training.loop.events import EpochEnd, Finished
from core.training.loop.trainer import Trainer
from core.training.loop.validation import Judgement

Make = Callable[..., Material]
ALL = FreezePlan("all")
PLAIN_SGD = Phase("a", "plan", 2, "sgd", lr=0.05, momentum=0.0)


@pytest.mark.parametrize("options", [{}, {"clip": 0.05}, {"ema": 0.5}, {"loss": Loss(balance="balanced")}])
def test_two_batches_of_four_make_the_step_of_one_of_eight(material: Make, options: dict[str, object]) -> None:
    images, whole, parts = material(), plain(), plain()
    told = run(whole, images, experiment(PLAIN_SGD, freeze=ALL, batch_size=8, **options))
    again = run(parts, images, experiment(PLAIN_SGD, freeze=ALL, batch_size=4, accumulate=2, **options))
    close(whole, parts)
    for one, other in zip(epochs(told), epochs(again), strict=True):
        assert (one.train_loss, one.val_loss) == pytest.approx((other.train_loss, other.val_loss), rel=1e-4)
    assert not torch.equal(whole.model[0].weight, plain().model[0].weight)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_what_is_left_over_counts_as_much_as_its_images(material: Make, batch: int) -> None:
    images, whole, parts = material(), plain(), plain()
    run(whole, images, experiment(PLAIN_SGD, freeze=ALL, batch_size=5 * batch))
    run(parts, images, experiment(PLAIN_SGD, freeze=ALL, batch_size=batch, accumulate=5))
    close(whole, parts)


def test_clipping_bounds_the_step(material: Make) -> None:
    lengths, images = [], material(images=4)
    for clip in (None, 0.01):
        network = plain()
        before = weights(network)
        phase = Phase("a", "plan", 1, "sgd", lr=0.5, momentum=0.0)
        run(network, images, experiment(phase, freeze=ALL, batch_size=32, clip=clip))
        moved = [(value - before[name]).flatten() for name, value in network.model.state_dict().items()]
        lengths.append(torch.cat(moved).norm().item())
    assert lengths[1] == pytest.approx(0.5 * 0.01, rel=1e-3)
    assert lengths[0] > 2 * lengths[1]


def judged_by_hand(network: Network, material: Material) -> float:
    """Returns the mean validation loss of the network's weights as they are."""
    with torch.no_grad():
        network.model.eval()
        images = torch.stack([material.store.batch([int(place)])[0] for place in material.val])
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PREP.mean, PREP.std))
        logits = network.model((images.float() / 255 - mean) / std)
        return nn.functional.cross_entropy(logits, material.store.labels[material.val]).item()


def test_the_average_is_what_is_judged_and_kept(material: Make, tmp_path: Path) -> None:
    images, network = material(), plain()
    phase = Phase("a", "plan", 4, lr=0.02)
    trainer = Trainer(network, images, experiment(phase, freeze=ALL, ema=0.95, best="val_loss"), CPU)
    keeper, told, best = Checkpointer(trainer, tmp_path), [], {}
    for event in trainer.run():
        if not isinstance(event, EpochEnd):
            continue
        with trainer.average_applied():
            averaged, average = judged_by_hand(network, images), weights(network)
        told.append((event.val_loss, averaged, judged_by_hand(network, images)))
        keeper.epoch_end(improved=event.improved)
        best = average if event.improved else best
    keeper.save()
    assert [said for said, _, _ in told] == pytest.approx([averaged for _, averaged, _ in told], rel=1e-5)
    assert any(abs(said - live) > 1e-3 for said, _, live in told)
    kept = plain()
    load_into(kept.model, tmp_path / "best.safetensors")
    assert all(torch.equal(value, best[name]) for name, value in kept.model.state_dict().items())
    load_into(kept.model, tmp_path / "last.safetensors")
    assert not torch.equal(kept.model[0].weight, average["0.weight"])


@pytest.mark.parametrize("mix", [Mix(mixup=0.3), Mix(cutmix=1.0), Mix(mixup=0.3, cutmix=1.0)])
@pytest.mark.parametrize("plan", [ALL, FreezePlan()])
def test_mixtures_are_learned_from(material: Make, mix: Mix, plan: FreezePlan) -> None:
    network = tiny()
    phase = Phase("a", "plan", 12, lr=0.02)
    events = run(network, material(), experiment(phase, freeze=plan, mix=mix))
    losses = [event.val_loss for event in epochs(events)]
    assert losses[-1] < losses[0]
    plainly = tiny()
    run(plainly, material(name="more"), experiment(phase, freeze=plan))
    assert not torch.equal(network.model[5].weight, plainly.model[5].weight)


@pytest.mark.parametrize("loss", [Loss("focal"), Loss("l1"), Loss("mse-mean"), Loss(smoothing=0.2, balance="balanced")])
def test_every_loss_learns_in_the_loop(material: Make, loss: Loss) -> None:
    events = run(tiny(), material(), experiment(Phase("a", "plan", 12, lr=0.01), freeze=ALL, loss=loss))
    assert epochs(events)[-1].val_accuracy == 1.0


def test_a_correlation_of_two_classes_is_refused_before_the_first_step(material: Make) -> None:
    with pytest.raises(InputError, match="at least 3 classes"):
        Trainer(tiny(), material(), experiment(HEAD, loss=Loss("correlation")), CPU)


# ---------------------------------------------------------------- early stopping, best, plateau


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_ends_a_phase_and_says_so(material: Make, patience: int) -> None:
    still = Phase("still", "head", 30, "sgd", lr=1e-9)
    events = run(
        tiny(), material(), experiment(still, PLAN, freeze=FreezePlan(1), early=EarlyStopping(patience=patience))
    )
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.early[0] == "still"
    assert not end.stopped
    assert sum(event.phase == "still" for event in epochs(events)) <= 2 * patience + 1
    assert [event.phase for event in epochs(events)].count("fine-tune") >= 1


def test_early_stopping_counts_as_it_should(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies = iter([0.9, 0.5, 0.6, 0.61, 0.605, 0.7, 0.7, 0.7, 0.7, 0.7])
    genuine = Judgement.result
    monkeypatch.setattr(Judgement, "result", lambda self: {**genuine(self), "val_accuracy": next(accuracies)})
    early = EarlyStopping("val_accuracy", patience=3, minimum=0.05)
    events = run(tiny(), material(), experiment(Phase("a", "head", 9, lr=0.01), early=early))
    # 0.9, before training, counts for nothing
    # 0.61 and 0.605 are no improvement by 0.05 upon 0.6; 0.7 is one; three more epochs are borne
    assert [event.val_accuracy for event in epochs(events)] == [0.5, 0.6, 0.61, 0.605, 0.7, 0.7, 0.7, 0.7]
    assert events[-1].early == ("a",)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("best", "wanted"), [("val_loss", 4), ("val_accuracy", 2), ("val_f1", 3), ("val_balanced_accuracy", 1)]
)
def test_best_by_any_metric(material: Make, monkeypatch: pytest.MonkeyPatch, best: str, wanted: int) -> None:
    rows = iter(
        {"val_loss": loss, "val_accuracy": accuracy, "val_f1": f1, "val_balanced_accuracy": balanced}
        for loss, accuracy, f1, balanced in [
            (0.1, 0.99, 0.99, 0.99),  # before training
            (0.9, 0.5, 0.3, 0.8),
            (0.8, 0.9, 0.4, 0.7),
            (0.7, 0.8, 0.9, 0.6),
            (0.2, 0.9, 0.5, 0.5),
            (0.3, 0.4, 0.4, 0.4),
        ]
    )
    monkeypatch.setattr(Judgement, "result", lambda _: next(rows))
    events = run(tiny(), material(), experiment(Phase("a", "head", 5), best=best))
    wanted = 4 if best == "val_accuracy" else wanted  # two epochs tie at 0.9; the lower loss decides
    assert events[-1].best_epoch == wanted  # type: ignore[union-attr]
    assert [event.improved for event in epochs(events)][wanted - 1]


def test_a_plateau_lowers_the_rate_while_it_runs(material: Make) -> None:
    schedule = Schedule("plateau", gamma=0.5, patience=0, metric="train_accuracy")
    phase = Phase("a", "head", 6, "sgd", lr=1e-9, schedule=schedule)
    rates = [event.lr for event in epochs(run(tiny(), material(), experiment(phase)))]
    assert rates[0] == 1e-9
    assert rates[-1] < 0.1 * rates[0]


# ---------------------------------------------------------------- memory, batches of one, numbers that are none
