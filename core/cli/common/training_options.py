"""The words of ``train``: what can be set of a training. Loads nothing heavy."""

from __future__ import annotations

import argparse

from core import specs
from core.cli.common.data_options import add_revision

_COMMON = ("help", "json", "quiet", "runs_dir")


def add_settings(train: argparse.ArgumentParser) -> None:
    """Adds the settings of a training.

    Those that were not given are left out of the parsed arguments, so that they differ from those that were;
    :func:`complete` fills them in.
    """
    _add_what(train.add_argument_group("what"))
    _add_how(train.add_argument_group("how"))
    _add_optimizer(train.add_argument_group("optimizer and schedule, of every phase"))
    _add_loop(train.add_argument_group("loss, mixing and the loop"))
    split = train.add_argument_group("split, where the data bring none")
    split.add_argument("--val-share", type=float, default=0.2, metavar="SHARE")
    split.add_argument("--test-share", type=float, default=0.0, metavar="SHARE")
    split.add_argument("--val-of", choices=("all", "rest"), default="all", help="what --val-share is a share of")
    split.add_argument(
        "--group-by",
        default="",
        metavar="HOW",
        help="folder, stem, near, exif, column:NAME or pattern:REGEX stays together",
    )
    split.add_argument("--images-per-class", type=int, metavar="N", help="only so many of each class")
    split.add_argument("--class-share", type=float, default=1.0, metavar="SHARE", help="only this share of each class")
    split.add_argument(
        "--class-cap", nargs="+", action="extend", default=[], metavar="CLASS=N", help="only so many of one class"
    )
    defaults = {}
    for action in train._actions:
        if action.dest not in _COMMON:
            defaults[action.dest] = action.default
            action.default = argparse.SUPPRESS
    train.set_defaults(settings=defaults)
    source = train.add_argument_group("instead of all these").add_mutually_exclusive_group()
    source.add_argument(
        "--experiment",
        metavar="FILE",
        help="repeat the run of this experiment.json; --name, --device and --seed may differ",
    )
    source.add_argument(
        "--recipe", metavar="ID", help="a training of the notes on --data: python -m core recipes; --epochs may differ"
    )
    train.add_argument(
        "--within", action="append", metavar="DIR", help="refuse images outside this folder (repeatable)"
    )


def complete(arguments: argparse.Namespace) -> argparse.Namespace:
    """Returns the arguments with every setting, given or not."""
    return argparse.Namespace(**{**arguments.settings, **vars(arguments)})


def given(arguments: argparse.Namespace, *allowed: str) -> list[str]:
    """Returns the words of the settings that were given, but for the allowed ones."""
    known = vars(arguments)
    return [f"--{name.replace('_', '-')}" for name in arguments.settings if name in known and name not in allowed]


def whole_numbers(text: str) -> tuple[int, ...]:
    """Reads a list of whole numbers, such as ``10,20``.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers, such as 10,20") from error


def _add_what(what: argparse._ArgumentGroup) -> None:
    what.add_argument("--data", metavar="PATH|NAME")
    what.add_argument("--backbone", metavar="NAME")
    what.add_argument(
        "--weights",
        metavar="WEIGHTS",
        help="default, none, the name of an entry (IMAGENET1K_V1), run:ID or file:PATH; by default as the preset says",
    )
    what.add_argument("--init", choices=specs.INITS, default="own", help="how random weights are drawn")
    what.add_argument("--init-bias", type=float, default=0.0, metavar="X", help="biases of random weights")
    what.add_argument("--channels", type=int, choices=(1, 3), help="1 for gray images; by default the backbone's own")
    what.add_argument("--design", metavar="FILE", help="with --backbone own: a JSON list of pieces")
    what.add_argument(
        "--head",
        default="linear",
        metavar="HEAD",
        help="linear, hidden layers (256 or 512,128), pooling before them (flatten:4096, average:linear)",
    )
    what.add_argument("--dropout", type=float, default=0.0, metavar="P", help="in the new head, before its last layer")
    what.add_argument("--image-size", type=int, metavar="N", help="side of the network's input in pixels")
    what.add_argument("--fit", choices=specs.FITS, default="crop", help="how a picture becomes a square")
    what.add_argument(
        "--normalise",
        choices=specs.NORMALISATIONS,
        default="weights",
        help="as the weights want it, ImageNet's, measured on these images, 0..1, or -1..1",
    )
    add_revision(what)
    what.add_argument("--classes", metavar="A,B", help="only these classes, in this order")
    what.add_argument("--name", default="", help="the run's name")


def _add_how(how: argparse._ArgumentGroup) -> None:
    how.add_argument("--preset", choices=specs.PRESETS, help="by default what --freeze asks for, else linear-probe")
    how.add_argument(
        "--freeze",
        metavar="PLAN",
        help="what learns beside the head: linear-probe, last-block, last-stages=K, norm-bias, all, or names of parts "
        "(stage5,layer3.1); -NAME for a part that stays frozen (all,-stage1)",
    )
    how.add_argument("--norm", choices=specs.NORM_MODES, default="eval", help="BatchNorm of frozen parts")
    how.add_argument("--gradual", metavar="PLAN", help="parts and the epoch from which each learns: stage5@3,stage4@6")
    how.add_argument("--unfreeze-stages", type=_stages, metavar="K", help='last stages that learn, or "all"')
    how.add_argument("--epochs", type=int, metavar="N")
    how.add_argument("--lr", type=float, metavar="X", help="learning rate of the head")
    how.add_argument("--backbone-factor", type=float, metavar="X", help="rate of the last stage, times the head's")
    how.add_argument(
        "--stage-decay", type=float, default=1.0, metavar="X", help="rate of a stage, times the next one's"
    )
    how.add_argument(
        "--stage-rate", action="append", default=[], metavar="STAGE=X", help="a stage's rate, times the head's"
    )
    how.add_argument("--batch-size", "--batch", type=_batch, default=32, metavar="N|auto")
    how.add_argument(
        "--augment",
        default="none",
        metavar="PRESET|FILE.json",
        help=f"{', '.join(specs.AUGMENT_PRESETS)}, or a file with the changes",
    )
    how.add_argument("--seed", type=int, default=0, metavar="S")
    how.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    how.add_argument("--precision", choices=specs.PRECISIONS, default="auto")
    how.add_argument(
        "--processes", type=int, default=1, metavar="N", help="train in N processes together, one a GPU (torchrun)"
    )


def _add_optimizer(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--optimizer", metavar="NAME", help=f"{', '.join(specs.OPTIMIZERS)}, or any class of torch.optim, such as NAdam"
    )
    group.add_argument("--momentum", type=float, metavar="M", help="of sgd and rmsprop; 0.9 by default")
    group.add_argument("--nesterov", action="store_true", help="look ahead before each step (sgd)")
    group.add_argument("--weight-decay", type=float, metavar="X", help="by default as the preset says")
    group.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="another setting of the optimizer: eps=1e-7"
    )
    group.add_argument("--schedule", choices=specs.SCHEDULES, help="by default as the preset says")
    group.add_argument("--warmup", type=float, metavar="E", help="epochs in which the rate first rises")
    group.add_argument("--every", type=int, metavar="E", help="of step: epochs between two drops")
    group.add_argument(
        "--milestones", type=whole_numbers, metavar="E,E", help="of multi-step: epochs after which it drops"
    )
    group.add_argument("--gamma", type=float, metavar="G", help="of step, multi-step, exponential, plateau: the factor")
    group.add_argument("--power", type=float, metavar="P", help="of polynomial")
    group.add_argument(
        "--floor", type=float, metavar="SHARE", help="of cosine and polynomial: share of the rate at the end"
    )
    group.add_argument("--patience", type=int, metavar="N", help="of plateau: epochs without improvement that it bears")
    group.add_argument("--watch", choices=specs.METRICS, metavar="METRIC", help="of plateau: val_loss by default")


def _add_loop(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--loss", choices=specs.LOSSES, default="cross-entropy")
    group.add_argument("--smoothing", type=float, default=0.0, metavar="S", help="label smoothing, 0 to 0.9")
    group.add_argument("--focal-gamma", type=float, default=2.0, metavar="G", help="of the focal loss")
    group.add_argument("--balance", action="store_true", help="weigh classes by the inverse of their share")
    group.add_argument(
        "--sampler",
        choices=specs.SAMPLERS,
        default="shuffle",
        help="which images an epoch shows: each once (default), or all classes equally often: weighted draws as many "
        "with replacement, oversample repeats rare ones up to the largest class, undersample takes of each as many as "
        "the rarest has",
    )
    group.add_argument("--mixup", type=float, default=0.0, metavar="A", help="parameter of MixUp; 0 for none")
    group.add_argument("--cutmix", type=float, default=0.0, metavar="A", help="parameter of CutMix; 0 for none")
    group.add_argument("--clip", type=float, metavar="N", help="largest norm of the gradients")
    group.add_argument("--accumulate", type=int, default=1, metavar="K", help="batches to one optimizer step")
    group.add_argument("--ema", type=float, default=0.0, metavar="D", help="decay of averaged weights; 0 for none")
    group.add_argument(
        "--kept-mib",
        type=int,
        default=512,
        metavar="N",
        help="disk space for the weights after single epochs, in MiB (default 512); 0 keeps the best and last only",
    )
    group.add_argument(
        "--early",
        metavar="METRIC:PATIENCE[:MIN]",
        help="end a phase that no longer improves: val_loss:5 or val_f1:3:0.01",
    )
    group.add_argument(
        "--best",
        choices=specs.METRICS,
        default="val_accuracy",
        metavar="METRIC",
        help="by what the best epoch is chosen",
    )
    group.add_argument(
        "--views", type=int, default=0, metavar="K", help="augmented views of an image, drawn once; 0 for ever new ones"
    )
    group.add_argument("--deterministic", action="store_true", help="only algorithms that repeat exactly")
    group.add_argument("--compile", action="store_true", help="torch.compile, on a GPU")
    group.add_argument(
        "--no-recover", action="store_true", help="fail where the memory is too small, instead of halving"
    )


def _stages(text: str) -> int | str:
    return text if text == "all" else _whole(text, '"all"')


def _batch(text: str) -> int | str:
    return text if text == "auto" else _whole(text, '"auto"')


def _whole(text: str, other: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number nor {other}") from error
