"""The part of the program that says what learns, how fast and by which loss; ``loop`` trains."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.models import freeze
from core.models.network import Network
from core.specs import AugmentSpec, Experiment, FreezePlan, Loss, Mix, Phase
from core.training.optim.losses import LEAST_SPREAD
from core.training.optim.optimizers import _kind, stage_rates
from core.training.optim.schedules import END, LEAST_CHANGE, RISE, START
from core.workflows.export.pytorch import images
from core.workflows.export.pytorch.network import Part
from core.workflows.export.pytorch.text import Code, block, constant, joined, literal, prefixes


def phases(experiment: Experiment, shape: Network, augments: Sequence[AugmentSpec]) -> Part:
    """Writes what each phase does, and what changes where a person let stages join in."""
    anatomy, part = shape.anatomy, Part()
    rows, acts, thawed, stages = [], [], 0, set()
    for index, phase in enumerate(experiment.training.phases):
        plan = experiment.plan(phase)
        rows.append(_phase(experiment, phase, shape, freeze.thawed(anatomy, plan, thawed), augments, part))
        for act in experiment.training.acts:
            if act.phase != index:
                continue
            row: dict[str, Any] = {"phase": index, "step": act.step, "kind": act.kind, "value": act.value}
            if act.kind == "unfreeze":
                thawed += int(act.value)
                joined_in = _parts(phase, shape, freeze.thawed(anatomy, plan, thawed))
                row = {**row, "value": joined_in}
                stages |= set(joined_in["rates"])
            elif act.kind == "extend":
                row["value"] = int(act.value)
            acts.append(row)
    for row in rows:
        stages |= set(row["rates"])
    everything = [name for name, _ in shape.model.named_parameters()]
    members = {
        stage.name: prefixes(stage.parameter_names, everything) for stage in anatomy.stages if stage.name in stages
    }
    part.code = "\n\n".join(
        (
            "# Parameters by stage: a parameter belongs to a stage if its name begins with one of these words\n"
            + constant("STAGES", members),
            constant("PHASES", rows),
            "# What was changed while the run was at work, after so many steps of the whole run\n"
            + constant("ACTS", acts)
            if acts
            else "",
        )
    ).rstrip()
    return part


def _phase(
    experiment: Experiment, phase: Phase, shape: Network, plan: FreezePlan, augments: Sequence[AugmentSpec], part: Part
) -> dict[str, Any]:
    row: dict[str, Any] = {"name": phase.name, "epochs": phase.epochs, **_parts(phase, shape, plan)}
    row["optimizer"] = Code(_optimizer(phase, part))
    if _knows_decay(phase):
        row["weight_decay"] = phase.weight_decay
    schedule = phase.schedule
    if schedule.name != "constant" or schedule.warmup:
        used = {
            "cosine": ("floor",),
            "polynomial": ("floor", "power"),
            "step": ("every", "gamma"),
            "multi-step": ("milestones", "gamma"),
            "exponential": ("gamma",),
            "plateau": ("gamma", "patience", "metric"),
        }.get(schedule.name, ())
        row["schedule"] = {"name": schedule.name, **{key: getattr(schedule, key) for key in used}}
        if schedule.warmup:
            row["schedule"]["warmup"] = schedule.warmup
    augment = experiment.augmentation(phase)
    if augments:
        row["augment"] = Code(images.name_of(augment, augments)) if augment.active else None
    return row


def _parts(phase: Phase, shape: Network, plan: FreezePlan) -> dict[str, Any]:
    """Returns what learns under a plan, what is in train mode, and the rates of the stages."""
    model, anatomy = shape.model, shape.anatomy
    learning = freeze.learning(anatomy, plan)
    freeze.set_train_mode(model, anatomy, plan)
    modules = [name for name, _ in model.named_modules() if name]
    active = [name for name, module in model.named_modules() if name and module.training]
    model.eval()
    rates = stage_rates(phase, anatomy)
    return {
        "learns": prefixes(learning, [name for name, _ in model.named_parameters()]),
        "trains": prefixes(active, modules),
        "rates": {
            stage.name: rates[stage.name]
            for stage in reversed(anatomy.stages)
            if learning.intersection(stage.parameter_names)
        },
    }


def _knows_decay(phase: Phase) -> bool:
    return "weight_decay" in inspect.signature(_kind(phase.optimizer)).parameters


def _optimizer(phase: Phase, part: Part) -> str:
    kind, given = _kind(phase.optimizer).__name__, dict(phase.options)
    if kind == "SGD":
        given = {"momentum": phase.momentum, "nesterov": phase.nesterov} | given
    elif kind == "RMSprop":
        given = {"momentum": phase.momentum} | given
    given = {name: value for name, value in given.items() if value is not False}
    if not given:
        return f"torch.optim.{kind}"
    part.imports.add("from functools import partial")
    return f"partial(torch.optim.{kind}, {', '.join(f'{name}={literal(value)}' for name, value in given.items())})"


def choosing(experiment: Experiment) -> Part:
    """Writes what freezes the network and makes the optimizer."""
    decays = [_knows_decay(phase) for phase in experiment.training.phases]
    decay = ""
    if any(decays):
        decay = (
            'group["weight_decay"] = phase["weight_decay"] if matrices else 0.0'
            if all(decays)
            else 'if "weight_decay" in phase:\n    group["weight_decay"] = phase["weight_decay"] if matrices else 0.0'
        )
    code = block(
        '''
        def under(name, words):
            """Whether a parameter or module is, or lies in, one of the named parts."""
            return any(name == word or name.startswith(f"{word}.") for word in words)


        def freeze(model, phase):
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(under(name, phase["learns"]))


        def set_modes(model, phase):
            """Frozen parts rest: their BatchNorm keeps its statistics, their dropout drops nothing."""
            for name, module in model.named_modules():
                module.training = under(name, phase["trains"])


        def make_optimizer(model, phase):
            """Each stage has its rate; biases and scales of normalisations are not decayed."""
            groups = []
            for stage, rate in phase["rates"].items():
                for matrices in (True, False):
                    learning = [
                        parameter
                        for name, parameter in model.named_parameters()
                        if parameter.requires_grad and under(name, STAGES[stage]) and (parameter.ndim > 1) == matrices
                    ]
                    if learning:
                        group = {"params": learning, "lr": rate, "rate": rate}
                        @decay@
                        groups.append(group)
            return phase["optimizer"](groups, lr=phase["rates"]["head"])
        ''',
        decay=decay,
    )
    return Part(code)


def scheduling(experiment: Experiment) -> Part:
    """Writes the schedules that are used, if any."""
    schedules = [phase.schedule for phase in experiment.training.phases]
    names = {schedule.name for schedule in schedules}
    lines: list[str] = []
    warms = any(schedule.warmup for schedule in schedules)
    moving = names - {"constant", "plateau"}
    part = Part()
    if not moving and not warms:
        return part
    lines.append('schedule = phase.get("schedule", {"name": "constant"})')
    start = ""
    if warms:
        lines += [
            'warming = round(schedule.get("warmup", 0) * per_epoch)',
            "if step < warming:",
            "    return (step + 1) / (warming + 1)",
        ]
        start = " - warming"
    if moving & {"cosine", "polynomial", "one-cycle"}:
        whole = f"max(1, epochs * per_epoch{start})"
        lines.append(f"part = min(1.0, ({'step' + start}) / {whole})" if start else f"part = min(1.0, step / {whole})")
    if moving & {"cosine", "one-cycle"}:
        part.imports.add("import math")
    code = {
        "cosine": ['floor = schedule["floor"]', "return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * part))"],
        "polynomial": ['floor = schedule["floor"]', 'return floor + (1 - floor) * (1 - part) ** schedule["power"]'],
        "one-cycle": [
            f"low, high, share = ({START}, 1.0, part / {RISE}) if part < {RISE} else "
            f"(1.0, {END}, (part - {RISE}) / {1 - RISE})",
            "return high + (low - high) * 0.5 * (1 + math.cos(math.pi * share))",
        ],
        "exponential": [f'return schedule["gamma"] ** (({"step" + start}) / per_epoch)'],
        "step": ['return schedule["gamma"] ** (step // per_epoch // schedule["every"])'],
        "multi-step": [
            'passed = sum(step // per_epoch >= milestone for milestone in schedule["milestones"])',
            'return schedule["gamma"] ** passed',
        ],
    }
    for name, body in code.items():
        if name in moving:
            lines += [f'if schedule["name"] == "{name}":', *(f"    {line}" for line in body)]
    lines.append("return 1.0")
    part.code = block(
        '''
        def factor(phase, step, per_epoch, epochs):
            """What the rates of a phase are multiplied by at one of its steps."""
            @lines@
        ''',
        lines="\n".join(lines),
    )
    return part


def plateau() -> str:
    """Writes the state of a plateau schedule."""
    return block(
        '''
        class Plateau:
            """Drops the rate when the metric has not improved for more than some epochs."""

            def __init__(self):
                self.factor, self.best, self.waited = 1.0, math.inf, 0

            def epoch(self, schedule, values):
                value = low(schedule["metric"], values)
                if not math.isfinite(self.best) or value < self.best - @change@ * abs(self.best):
                    self.best, self.waited = value, 0
                    return
                self.waited += 1
                if self.waited > schedule["patience"]:
                    self.factor, self.waited = self.factor * schedule["gamma"], 0
        ''',
        change=LEAST_CHANGE,
    )


def loss(spec: Loss, mix: Mix) -> Part:
    """Writes ``losses()``, and ``plain_losses()`` for validation where that is another."""
    plain = replace(spec, smoothing=0.0, balance="none")
    part = Part(imports={"from torch.nn import functional as F"})
    blocks = [_loss("losses", "The loss of each image.", spec, mixed=mix.active)]
    if plain != spec or mix.active:
        text = "The same without what is done for training alone, so that recipes can be compared."
        blocks.append(_loss("plain_losses", text, plain, mixed=False))
    part.code = joined(*blocks)
    return part


def _loss(name: str, text: str, spec: Loss, *, mixed: bool) -> str:
    lines, weights = [], ""
    if spec.balance == "balanced":
        weights = " * (targets @ weights)" if mixed else " * weights[targets]"
    if spec.name == "cross-entropy":
        smoothing = f", label_smoothing={spec.smoothing}" if spec.smoothing else ""
        lines.append(f'return F.cross_entropy(logits, targets, reduction="none"{smoothing}){weights}')
    else:
        lines.append("shares = targets" if mixed else "shares = F.one_hot(targets, len(CLASSES)).float()")
        if spec.smoothing:
            lines.append(f"shares = shares * {1 - spec.smoothing} + {spec.smoothing} / len(CLASSES)")
        lines += _formula(spec, weights)
    return block(
        '''
        def @name@(logits, targets@more@):
            """@text@"""
            @lines@
        ''',
        name=name,
        more=", weights" if weights else "",
        text=text,
        lines="\n".join(lines),
    )


def _formula(spec: Loss, weights: str) -> list[str]:
    if spec.name == "focal":
        return [
            "logs = logits.log_softmax(1)",
            "doubt = (1 - logs.exp()).clamp(min=torch.finfo(logits.dtype).tiny)",
            f"return -(shares * doubt**{spec.gamma} * logs).sum(1){weights}",
        ]
    lines = ["probabilities = logits.softmax(1)"]
    if spec.name == "l1":
        return [*lines, f"return (probabilities - shares).abs().mean(1){weights}"]
    if spec.name == "mse-mean":
        return [
            *lines,
            "difference = probabilities - shares",
            f"return (difference.square().mean(1) + difference.mean(1).abs()){weights}",
        ]
    return [
        *lines,
        "centred = probabilities - probabilities.mean(1, keepdim=True)",
        "wanted = shares - shares.mean(1, keepdim=True)",
        f"spread = centred.square().sum(1).clamp(min={LEAST_SPREAD**2}).sqrt() * wanted.square().sum(1).sqrt()",
        f"return -(centred * wanted).sum(1) / spread{weights}",
    ]


def mixing(spec: Mix) -> Part:
    """Writes ``mix()``."""
    if not spec.active:
        return Part()
    both = spec.mixup > 0 and spec.cutmix > 0
    cuts, blends = spec.cutmix > 0, spec.mixup > 0
    lines = ["cut = chance.random() < 0.5"] if both else []
    strength = f"{spec.cutmix} if cut else {spec.mixup}" if both else str(spec.cutmix if cuts else spec.mixup)
    lines += [
        f"strength = {strength}",
        "share = float(chance.beta(strength, strength))",
        "partners = torch.from_numpy(chance.permutation(len(labels))).to(labels.device)",
    ]
    cutting = [
        "(height, width), side = inputs.shape[-2:], (1 - share) ** 0.5",
        "(top, bottom), (left, right) = span(height, side, chance), span(width, side, chance)",
        "mixed = inputs.clone()",
        "mixed[..., top:bottom, left:right] = inputs[partners][..., top:bottom, left:right]",
        "share = 1 - (bottom - top) * (right - left) / (height * width)",
    ]
    blending = ["mixed = torch.lerp(inputs[partners], inputs, share)"]
    if both:
        lines += ["if cut:", *(f"    {line}" for line in cutting), "else:", *(f"    {line}" for line in blending)]
    else:
        lines += cutting if cuts else blending
    span = block(
        '''
        def span(size, share, chance):
            """Where a stretch of ``share`` of the size begins and ends, as far as it lies within."""
            middle = chance.random() * size
            ends = np.clip([middle - share * size / 2, middle + share * size / 2], 0, size).round().astype(int)
            return int(ends[0]), int(ends[1])
        '''
    )
    names = " and ".join(name for name, used in (("MixUp", blends), ("CutMix", cuts)) if used)
    mix = block(
        '''
        def mix(inputs, labels, chance):
            """@names@: each image with another of its batch, and their labels in the same shares."""
            @lines@
            own = F.one_hot(labels, len(CLASSES)).float()
            return mixed, torch.lerp(own[partners], own, share)
        ''',
        names=names,
        lines="\n".join(lines),
    )
    return Part(joined(span if cuts else "", mix), {"import numpy as np", "from torch.nn import functional as F"})


def averaging(decay: float) -> Part:
    """Writes the moving average of the weights."""
    if not decay:
        return Part()
    code = block(
        '''
        class Average:
            """A moving average of what learns; early on it forgets faster, so that the untrained start is forgotten."""

            def __init__(self, model):
                self.steps, self.values = 0, {}
                self.follow(model)

            def follow(self, model):
                self.live = {name: p for name, p in model.named_parameters() if p.requires_grad}
                self.values = {name: self.values.get(name, p.detach().clone()) for name, p in self.live.items()}

            @torch.no_grad()
            def step(self):
                self.steps += 1
                decay = min(@decay@, (1 + self.steps) / (10 + self.steps))
                for name, value in self.values.items():
                    value.lerp_(self.live[name], 1 - decay)

            def swap(self):
                """Exchanges the weights and their average; called twice, nothing has changed."""
                for name, parameter in self.live.items():
                    parameter.data, self.values[name] = self.values[name], parameter.data
        ''',
        decay=decay,
    )
    return Part(code)
