"""The part of the program that trains: the epochs of each phase, their judgement, and the best of them."""

from __future__ import annotations

import re

from core.specs import Experiment, TrainingSpec
from core.workflows.export.pytorch.network import Part
from core.workflows.export.pytorch.text import block, joined


def write(experiment: Experiment, *, augmented: bool, precision: str) -> Part:
    """Writes ``judge()``, ``train()`` and ``main()``."""
    spec = experiment.training
    part = Part(imports={"import argparse", "import math", "from pathlib import Path", "import torch"})
    blocks = [_judge(spec, augmented=augmented, precision=precision), _low(spec)]
    if spec.acts:
        blocks.append(_carry_over(spec))
    blocks.append(_train(experiment, augmented=augmented, precision=precision))
    blocks.append(_main(spec, part))
    part.code = joined(*blocks)
    return part


def _judge(spec: TrainingSpec, *, augmented: bool, precision: str) -> str:
    used = {spec.best, *(phase.schedule.metric for phase in spec.phases), spec.early.metric if spec.early else ""}
    plain = "plain_losses" if (spec.loss.smoothing or spec.loss.balance != "none" or spec.mix.active) else "losses"
    pixels = "images[part]"
    lines = ['values = {"val_loss": total / len(answers), "val_accuracy": float((answers == truth).double().mean())}']
    if "val_balanced_accuracy" in used or "val_f1" in used:
        lines += [
            "count = len(CLASSES)",
            "own, answered = truth.bincount(minlength=count), answers.bincount(minlength=count)",
            "hits = truth[answers == truth].bincount(minlength=count).double()",
        ]
    if "val_balanced_accuracy" in used:
        lines.append('values["val_balanced_accuracy"] = float((hits / own)[own > 0].mean())')
    if "val_f1" in used:
        lines.append('values["val_f1"] = float((2 * hits / (own + answered))[own + answered > 0].mean())')
    return block(
        '''
        @torch.no_grad()
        def judge(model, images, labels, positions, device):
            """Loss and accuracy on images that are not learned from."""
            model.eval()
            total, found = 0.0, []
            for part in positions.split(BATCH):
                @forward@
                total += float(@losses@(logits, labels[part].to(device)).double().sum())
                found.append(logits.argmax(1).cpu())
            answers, truth = torch.cat(found), labels[positions]
            @values@
            return values
        ''',
        forward=_forward(f"normalise({'centre(' + pixels + ')' if augmented else pixels}.to(device))", precision),
        losses=plain,
        values="\n".join(lines),
    )


def _forward(inputs: str, precision: str) -> str:
    if precision == "bf16":
        return f"with torch.autocast(device.type, dtype=torch.bfloat16):\n    logits = model({inputs}).float()"
    return f"logits = model({inputs})"


def _low(spec: TrainingSpec) -> str:
    """Writes the comparison of metrics, and the plateau that needs it."""
    from core.workflows.export.pytorch.learning import plateau

    watches = any(phase.schedule.name == "plateau" for phase in spec.phases)
    low = block(
        '''
        def low(metric, values):
            """A metric's value such that lower is better."""
            return values[metric] if metric.endswith("loss") else -values[metric]
        '''
    )
    return joined(low, plateau() if watches else "")


def _carry_over(spec: TrainingSpec) -> str:
    """Writes how an act takes effect."""
    kinds = {act.kind for act in spec.acts}
    lines = []
    if "rate" in kinds:
        lines += ['if act["kind"] == "rate":', '    now["rate"] *= act["value"]']
    if "extend" in kinds:
        lines += ['if act["kind"] == "extend":', '    now["epochs"] += act["value"]']
    if "unfreeze" in kinds:
        lines += [
            'if act["kind"] == "unfreeze":',
            '    now["phase"] = {**now["phase"], **act["value"]}',
            '    freeze(model, now["phase"])',
            '    before, now["optimizer"] = now["optimizer"].state, make_optimizer(model, now["phase"])',
            '    for group in now["optimizer"].param_groups:',
            '        for parameter in group["params"]:',
            "            if parameter in before:",
            '                now["optimizer"].state[parameter] = before[parameter]',
            '    set_modes(model, now["phase"])',
        ]
        if spec.ema:
            lines.append('    now["average"].follow(model)')
    return block(
        '''
        def repeat_acts(model, now, acts):
            """Lets what a person changed take effect where it did in the run."""
            while acts and (acts[0]["phase"], acts[0]["step"]) <= (now["index"], now["step"]):
                act = acts.pop(0)
                @lines@
        ''',
        lines="\n".join(lines),
    )


def _train(experiment: Experiment, *, augmented: bool, precision: str) -> str:
    spec = experiment.training
    scheduled = any(
        phase.schedule.name not in ("constant", "plateau") or phase.schedule.warmup for phase in spec.phases
    )
    watches = any(phase.schedule.name == "plateau" for phase in spec.phases)
    factors = [
        name
        for name, used in (
            ('factor(now["phase"], now["done"], per_epoch, now["epochs"])', scheduled),
            ('now["plateau"].factor', watches),
            ('now["rate"]', any(act.kind == "rate" for act in spec.acts)),
        )
        if used
    ]
    start = ['"index": index', '"phase": phase', '"epochs": phase["epochs"]', '"done": 0', '"step": steps']
    if watches:
        start.append('"plateau": Plateau()')
    if any(act.kind == "rate" for act in spec.acts):
        start.append('"rate": 1.0')
    prepare = ["freeze(model, phase)", 'now["optimizer"] = make_optimizer(model, phase)']
    if spec.ema:
        prepare.append('now["average"] = Average(model)')
    step = _step(spec, augmented=augmented, precision=precision, factors=factors)
    code = block(
        '''
        def train(model, images, labels, parts, device):
            """Trains in place; returns the best epoch's weights."""
            torch.manual_seed(SEED)
            model.to(device, memory_format=torch.channels_last)
            shuffling = torch.Generator().manual_seed(SEED)
            @chances@
            learned = parts["train"]
            count = len(learned) - (len(learned) > 1 and len(learned) % @left@ == 1)  # BatchNorm wants two
            @weights@
            @scheduled@
            @acts@
            best, kept, epoch, steps = None, None, 0, 0
            for index, phase in enumerate(PHASES):
                now = {@start@}
                @prepare@
                @early@
                passed = 0
                while passed < now["epochs"]:
                    order = learned[torch.randperm(len(learned), generator=shuffling)][:count]
                    set_modes(model, now["phase"])
                    total, right = 0.0, 0
                    for group in order.split(@group@):
                        @step@
                        now["done"] += 1
                        now["step"] += 1
                        @repeat@
                    @swap@
                    values = judge(model, images, labels, parts["val"], device)
                    values |= {"train_loss": total / count, "train_accuracy": right / count}
                    epoch, passed = epoch + 1, passed + 1
                    score = (low("@best@", values), values["val_loss"])
                    if math.isfinite(score[0]) and (best is None or score < best[0]):
                        best = score, epoch
                        kept = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
                    @swap@
                    @plateau@
                    print(
                        f"epoch {epoch} ({phase['name']}): training loss {values['train_loss']:.6f}, "
                        f"accuracy {values['train_accuracy']:.4f}; validation loss {values['val_loss']:.6f}, "
                        f"accuracy {values['val_accuracy']:.4f}; rate {now['optimizer'].param_groups[0]['lr']:.3g}",
                        flush=True,
                    )
                    @repeat@
                    @stop@
                steps = now["step"]
            print(f"best epoch {best[1]}")
            return kept
        ''',
        chances=_chances(spec, augmented=augmented),
        group="BATCH * ACCUMULATE" if spec.accumulate > 1 else "BATCH",
        left="(BATCH * ACCUMULATE)" if spec.accumulate > 1 else "BATCH",
        weights=_weights(spec),
        scheduled=_per_epoch(spec) if scheduled else "",
        acts="acts = list(ACTS)" if spec.acts else "",
        start=", ".join(start),
        prepare="\n".join(prepare),
        early="least, waited = math.inf, 0" if spec.early else "",
        step=step,
        repeat="repeat_acts(model, now, acts)" if spec.acts else "",
        swap='now["average"].swap()' if spec.ema else "",
        best=spec.best,
        plateau=_plateau(watches),
        stop=_stop(spec),
    )
    return code if spec.acts else _without_acts(code)


def _without_acts(code: str) -> str:
    """Turns the record of what a person may change into plain variables, where nobody changed anything."""
    gone = ('now["step"] += 1', 'steps = now["step"]', 'optimizer = now["optimizer"]', "passed = 0")
    lines = [line for line in code.split("\n") if line.strip() not in gone]
    text = "\n".join(lines)
    start = re.search(r"^( +)now = \{.*\}$", text, re.MULTILINE)
    assert start is not None
    begun = ["done = 0"] if "factor(" in text else []
    begun += ["plateau = Plateau()"] if "Plateau()" in start[0] else []
    text = text.replace(f"{start[0]}\n", "".join(f"{start[1]}{line}\n" for line in begun))
    text = text.replace("best, kept, epoch, steps = None, None, 0, 0", "best, kept, epoch = None, None, 0")
    text = text.replace("for index, phase in enumerate(PHASES):", "for phase in PHASES:")
    text = text.replace('while passed < now["epochs"]:', 'for _ in range(phase["epochs"]):')
    text = text.replace("epoch, passed = epoch + 1, passed + 1", "epoch += 1")
    text = text.replace('now["epochs"]', 'phase["epochs"]')
    if not begun or begun[0] != "done = 0":
        text = "\n".join(line for line in text.split("\n") if line.strip() != 'now["done"] += 1')
    return re.sub(r"now\[[\"'](\w+)[\"']\]", r"\1", text)


def _per_epoch(spec: TrainingSpec) -> str:
    return f"per_epoch = -(-count // {'(BATCH * ACCUMULATE)' if spec.accumulate > 1 else 'BATCH'})"


def _chances(spec: TrainingSpec, *, augmented: bool) -> str:
    lines = []
    if augmented:
        lines.append("changing = torch.Generator().manual_seed(SEED)")
    if spec.mix.active:
        lines.append("mixing = np.random.default_rng(SEED)")
    return "\n".join(lines)


def _weights(spec: TrainingSpec) -> str:
    if spec.loss.balance != "balanced":
        return ""
    return block(
        """
        found = labels[learned].bincount(minlength=len(CLASSES))
        weights = (found.sum() / ((found > 0).sum() * found.clamp(min=1).float())).to(device)
        """
    )


def _plateau(watches: bool) -> str:
    if not watches:
        return ""
    return 'if phase.get("schedule", {}).get("name") == "plateau":\n    now["plateau"].epoch(phase["schedule"], values)'


def _stop(spec: TrainingSpec) -> str:
    early = spec.early
    if early is None:
        return ""
    return block(
        """
        value = low("@metric@", values)
        least, waited = (value, 0) if value < least - @minimum@ else (least, waited + 1)
        if waited >= @patience@:
            break
        """,
        metric=early.metric,
        minimum=early.minimum,
        patience=early.patience,
    )


def _step(spec: TrainingSpec, *, augmented: bool, precision: str, factors: list[str]) -> str:
    """Writes one optimizer step."""
    lines = ['optimizer = now["optimizer"]', "optimizer.zero_grad(set_to_none=True)"]
    if factors:
        lines += ["for row in optimizer.param_groups:", f'    row["lr"] = row["rate"] * {" * ".join(factors)}']
    pieces = "group"
    body = ["pixels = images[part].contiguous(memory_format=torch.channels_last)"]
    if augmented:
        change = 'now["phase"]["augment"]'
        body.append(f"pixels = {change}(pixels, changing) if {change} else centre(pixels)")
    body.append("inputs, truth = normalise(pixels.to(device)), labels[part].to(device)")
    targets = "truth"
    if spec.mix.active:
        body.append("inputs, targets = mix(inputs, truth, mixing)")
        targets = "targets"
    body.append(_forward("inputs", precision))
    more = ", weights" if spec.loss.balance == "balanced" else ""
    body += [f"loss = losses(logits, {targets}{more}).sum()", "(loss / len(group)).backward()"]
    body += ["total += float(loss.detach())", "right += int((logits.argmax(1) == truth).sum())"]
    if spec.accumulate > 1:
        lines.append("for part in group.tensor_split(-(-len(group) // BATCH)):")
        lines += [f"    {line}" for text in body for line in text.split("\n")]
    else:
        lines += [text.replace("[part]", f"[{pieces}]") for text in body]
    if spec.clip is not None:
        lines += [
            'learning = [p for row in optimizer.param_groups for p in row["params"]]',
            f"torch.nn.utils.clip_grad_norm_(learning, {spec.clip})",
        ]
    lines.append("optimizer.step()")
    if spec.ema:
        lines.append('now["average"].step()')
    return "\n".join(lines)


def _main(spec: TrainingSpec, part: Part) -> str:
    device = 'torch.device("cuda" if torch.cuda.is_available() else "cpu")'
    if spec.device != "auto":
        device = f'torch.device("{spec.device}")'
    exact = ""
    if spec.deterministic:
        part.imports.add("import os")
        exact = (
            'os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")\n'
            "torch.use_deterministic_algorithms(True, warn_only=True)"
        )
    return block(
        """
        def main():
            here = Path(__file__).resolve()
            words = argparse.ArgumentParser(description="Trains the network again.")
            words.add_argument("--data", type=Path, required=True, help="folder of the images")
            words.add_argument("--split", type=Path, default=here.with_name("split.csv"), help="images and their parts")
            words.add_argument("--out", type=Path, default=here.with_name("best.pt"), help="where the weights go")
            given = words.parse_args()
            @exact@
            device = @device@
            images, labels, parts = read_images(given.data, given.split)
            print(", ".join(f"{len(positions)} {name}" for name, positions in parts.items()), "images")
            model = build()
            kept = train(model, images, labels, parts, device)
            torch.save(kept, given.out)
            model.load_state_dict(kept)
            for name in ("val", "test"):
                if len(parts[name]):
                    found = judge(model, images, labels, parts[name], device)
                    print(f"{name}: accuracy {found['val_accuracy']:.4f}, loss {found['val_loss']:.6f}")
            print(f"weights: {given.out}")


        if __name__ == "__main__":
            main()
        """,
        exact=exact,
        device=device,
    )
