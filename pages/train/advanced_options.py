"""The rare choices of a training, behind "More": each with what it does in a sentence."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.errors import InputError
from core.specs import BALANCES, LOSSES, METRICS, PRECISIONS, SAMPLERS, EarlyStopping, Loss, Mix, Phase, titles
from pages.train import seeds_and_folds
from pages.ui.kit import components, nav
from pages.ui.kit.form_fields import one, real, switch, whole
from pages.ui.session import choices
from pages.ui.session.train_form import TrainChoice
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _, translate_error

LOSS_ABOUT = {
    "cross-entropy": N_("Minus the logarithm of the probability that the right class got. The usual choice."),
    "focal": N_(
        "Cross-entropy in which images that are already right count little, for many easy ones among few hard."
    ),
    "l1": N_(
        "The mean distance between probabilities and the label. Where the network is surely wrong its slope vanishes, "
        "so it learns slowly: try it to see that."
    ),
    "mse-mean": N_(
        "Squared distance plus the distance of the means. Probabilities always have the same mean, so the second part "
        "is zero here: a loss must be able to change to teach anything."
    ),
    "correlation": N_(
        "Minus the correlation between probabilities and the label. It asks for the right shape and not for certainty, "
        "and lies between -1 and 1."
    ),
}
"""What each loss does; the last three are the course's own, for practice."""
PRECISION = {"auto": N_("Automatic"), "fp32": N_("32 bit"), "bf16": N_("16 bit (bf16)")}
BALANCE = {"none": N_("All count the same"), "balanced": N_("Rare classes count more")}


def draw(choice: TrainChoice) -> TrainChoice:
    """Draws the choices behind "More" and returns what they make of ``choice``."""
    with components.more("bl-train-more"):
        tabs = st.tabs(
            [_("Run"), _("Loss"), _("Mixed images"), _("Steps"), _("Stopping"), _("Machine")], key="bl-train-tabs"
        )
        for tab, part in zip(tabs, (_run, _loss, _mix, _steps, _stopping, _machine), strict=True):
            with tab:
                choice = part(choice)
    return choice


# --- the parts --------------------------------------------------------------------------------------------------------


def _run(choice: TrainChoice) -> TrainChoice:
    first, second = st.columns(2, vertical_alignment="bottom")
    seed = whole(
        first, _("Seed"), "bl-seed", choice.seed, 0, 2**31, _("Same seed, same head weights, order and augmentation.")
    )
    spec = choices.model()
    size = whole(
        second,
        _("Image size in px (0: the backbone's own)"),
        "bl-size",
        spec.image_size or 0,
        0,
        1024,
        _("Larger images show more detail and take longer: twice the side is four times the work."),
        step=32,
    )
    wanted = size if size >= 16 else None
    if wanted != spec.image_size:
        choices.set_model(replace(spec, image_size=wanted))
    return seeds_and_folds.draw(replace(choice, seed=seed))


def _loss(choice: TrainChoice) -> TrainChoice:
    loss = choice.loss
    first, second = st.columns(2, vertical_alignment="bottom")
    name = one(first, _("Loss"), "bl-loss", loss.name, LOSSES, display_names.loss, _("What the training makes small."))
    balance = one(
        second,
        _("Class weights"),
        "bl-balance",
        loss.balance,
        BALANCES,
        lambda b: _(BALANCE[b]),
        _(
            "With rare classes counting more, each weighs by the inverse of its share of the training images. The "
            "weighted losses are divided by the batch's images; torch's own loss divides by the sum of the weights, "
            "so the two have different values."
        ),
    )
    components.note(_(LOSS_ABOUT[name]))
    smoothing, gamma = loss.smoothing, loss.gamma
    first, second = st.columns(2, vertical_alignment="bottom")
    smoothing = real(
        first,
        _("Label smoothing"),
        "bl-smoothing",
        smoothing,
        0.0,
        0.9,
        0.05,
        _("This share of each label is spread over all classes, against overconfidence. 0.1 is usual, 0 is none."),
    )
    if name == "focal":
        gamma = real(
            second,
            _("Gamma"),
            "bl-gamma",
            gamma,
            0.0,
            10.0,
            0.5,
            _("The larger, the less easy images count; 0 makes it cross-entropy, 2 is what its authors use."),
        )
    return _sampler(replace(choice, loss=Loss(name, smoothing, gamma, balance)))


def _sampler(choice: TrainChoice) -> TrainChoice:
    """Draws which images an epoch shows, and whether the remedies against imbalance are compared."""
    first, second = st.columns(2, vertical_alignment="bottom")
    sampler = one(
        first,
        _("Sampler"),
        "bl-sampler",
        choice.sampler,
        SAMPLERS,
        lambda name: _(titles.SAMPLERS[name]),
        _("Which training images an epoch shows. Class weights change how much an image counts, a sampler how often."),
    )
    with second:
        remedies = switch(
            st,
            _("Compare remedies in three runs"),
            "bl-remedies",
            value=choice.remedies,
            help_=_(
                "For rare classes: one run without a remedy, one with class weights, one with the weighted sampler. "
                "Their series then shows the recall of the rarest class under each."
            ),
        )
    components.note(_(display_names.SAMPLED[sampler]))
    choice = replace(choice, sampler=sampler, remedies=remedies)
    if sampler != "shuffle" and choice.loss.balance == "balanced":
        components.note(_("This sampler shows all classes equally often, so the class weights are all 1."))
    return choice


def _mix(choice: TrainChoice) -> TrainChoice:
    first, second, third = st.columns(3, vertical_alignment="bottom")
    mixup = real(
        first,
        "MixUp",
        "bl-mixup",
        choice.mix.mixup,
        0.0,
        100.0,
        0.1,
        _("Two images are blended, and so are their labels. 0.2 blends little, 1 any shares; 0 is none."),
    )
    cutmix = real(
        second,
        "CutMix",
        "bl-cutmix",
        choice.mix.cutmix,
        0.0,
        100.0,
        0.1,
        _("A rectangle of one image is pasted into another; labels count by area. 1 is usual; 0 is none."),
    )
    views = whole(
        third,
        _("Augmented views kept"),
        "bl-views",
        choice.views,
        0,
        1000,
        _(
            "So many augmented views of each image are drawn once and used in turn: what frozen parts make of them is "
            "then computed once. 0 draws anew every time."
        ),
    )
    choice = replace(choice, mix=Mix(mixup, cutmix), views=views)
    try:
        choice.training((Phase("head", "head", 1),))
    except InputError as error:
        components.note(translate_error(error))
    if views and not choice.augment.active:
        components.note(_("Without augmentation all views of an image are the same, so this has no effect."))
    if choice.mix.active:
        components.note(_("Mixed images are new in every epoch, so features of frozen parts are not kept."))
    spec = choices.model()
    nav.link("anatomy", _("Dropout belongs to the head: set it there"), backbone=spec.backbone)
    return choice


def _steps(choice: TrainChoice) -> TrainChoice:
    first, second, third = st.columns(3, vertical_alignment="bottom")
    accumulate = whole(
        first,
        _("Gradient accumulation, batches a step"),
        "bl-accumulate",
        choice.accumulate,
        1,
        10_000,
        _("Gradients of so many batches are added before the weights move: a large batch in little memory."),
    )
    clip = real(
        second,
        _("Gradient clipping, longest norm"),
        "bl-clip",
        choice.clip or 0.0,
        0.0,
        1e6,
        0.5,
        _("A longer gradient is shortened to this norm, against leaps. 1 is usual, 0 is no limit."),
    )
    ema = real(
        third,
        _("EMA, average of the weights"),
        "bl-ema",
        choice.ema,
        0.0,
        0.9999,
        0.001,
        _(
            "A moving average of the weights is judged and kept; this share of it stays at each step. 0.99 suits short "
            "runs, 0.999 long ones, 0 is none."
        ),
    )
    return replace(choice, accumulate=accumulate, clip=clip or None, ema=ema)


def _stopping(choice: TrainChoice) -> TrainChoice:
    early = _early(choice.early)
    first, second = st.columns(2, vertical_alignment="bottom")
    best = one(
        first,
        _("Best epoch by"),
        "bl-best",
        choice.best,
        METRICS,
        display_names.metric,
        _("The weights of the epoch with the best value are the run's."),
    )
    kept = whole(
        second,
        _("Checkpoints kept, in MiB"),
        "bl-kept",
        choice.kept_mib,
        0,
        1_000_000,
        _(
            "Weights after other epochs, spread over the run, so that any picture can be sent through the network as "
            "it was then. As many are kept as fit; 0 keeps the best and the last only."
        ),
        step=128,
    )
    if best.startswith("train"):
        components.note(_("By the training images the last epochs nearly always win, also where they overfit."))
    return replace(choice, early=early, best=best, kept_mib=kept)


def _early(known: EarlyStopping | None) -> EarlyStopping | None:
    """Draws when a phase ends before its last epoch; ``None`` for never."""
    wanted = switch(
        st,
        _("Early stopping"),
        "bl-early",
        value=known is not None,
        help_=_("A phase ends before its last epoch once it no longer improves."),
    )
    if not wanted:
        return None
    before = known or EarlyStopping()
    first, second, third = st.columns(3, vertical_alignment="bottom")
    metric = one(
        first,
        _("Monitored figure"),
        "bl-early-metric",
        before.metric,
        METRICS,
        display_names.metric,
        _("What has to improve. Losses are better low, all else high."),
    )
    patience = whole(
        second,
        _("Patience in epochs"),
        "bl-early-patience",
        before.patience,
        1,
        1000,
        _("Epochs without improvement after which the phase ends."),
    )
    minimum = real(
        third,
        _("Minimum change (min delta)"),
        "bl-early-minimum",
        before.minimum,
        0.0,
        1000.0,
        0.001,
        _("A smaller change does not count as an improvement."),
    )
    if metric.startswith("train"):
        components.note(
            _(
                "This watches the training images, a slip of the notes too: they go on improving while "
                "the network learns them by heart, so it stops too late. Watch a validation figure."
            )
        )
    return EarlyStopping(metric, patience, minimum)


def _machine(choice: TrainChoice) -> TrainChoice:
    devices = _devices()
    first, second = st.columns(2, vertical_alignment="bottom")
    device = one(
        first,
        _("Device"),
        "bl-device",
        choice.device if choice.device in devices else "auto",
        devices,
        lambda d: _("Automatic") if d == "auto" else display_names.device(d),
        _("Automatic takes the first GPU, else the processor."),
    )
    together = 1
    gpus = len(devices) - 2
    if gpus > 1 and device == "auto":
        together = whole(
            st,
            _("GPUs that train together"),
            "bl-processes",
            min(choice.processes, gpus),
            1,
            gpus,
            _("Each takes its share of every batch, and they agree after every step. It pays with large batches."),
        )
    precision = one(
        second,
        _("Precision"),
        "bl-precision",
        choice.precision,
        PRECISIONS,
        lambda p: _(PRECISION[p]),
        _("Automatic times a few steps of each at the start and keeps the faster."),
    )
    choice = replace(choice, device=device, precision=precision, processes=together)
    return _guards(choice, gpu=len(devices) > 2 and device != "cpu")


def _guards(choice: TrainChoice, *, gpu: bool) -> TrainChoice:
    """Draws what the machine does beside the plain steps."""
    recover = switch(
        st,
        _("Recover when memory runs out"),
        "bl-recover",
        value=choice.recover,
        help_=_("A step that does not fit is computed in halves, and the run says so."),
    )
    deterministic = switch(
        st,
        _("Deterministic: repeat exactly"),
        "bl-deterministic",
        value=choice.deterministic,
        help_=_("Only algorithms that give the same bits every time. On a GPU some are slower."),
    )
    compiled = switch(
        st,
        _("torch.compile: translate the network first"),
        "bl-compile",
        value=choice.compile and gpu,
        disabled=not gpu,
        help_=_("Takes minutes at the start and makes each step faster; it pays in long runs."),
    )
    if not gpu:
        components.note(_("Translating pays on a GPU only, and none is used here."))
    return replace(choice, recover=recover, deterministic=deterministic, compile=compiled and gpu)


def _devices() -> tuple[str, ...]:
    import torch

    return ("auto", "cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count())))
