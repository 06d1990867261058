"""Where a training's time goes, and what it takes of its machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.runs.status import LIVE, RunStatus
from pages.ui.kit import components
from pages.ui.kit.components import Figure
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.runs.store import Run

PARTS = (
    ("data", N_("Images"), "frozen", N_("{share} of the time goes into waiting for images and preparing them.")),
    ("forward", N_("Forward"), "accent", N_("{share} of the time goes into forward passes.")),
    ("backward", N_("Backward"), "train", N_("{share} of the time goes into backward passes and the optimizer.")),
    ("val", N_("Validation"), "val", N_("{share} of the time goes into validation.")),
    ("other", N_("Other"), "test", N_("{share} of the time goes into preparing the phase and writing it down.")),
)
"""Parts of an epoch: column, name, tone, and what is said of the largest."""
RECENT = 5
"""Epochs over which times are added up."""


def draw(run: Run, status: RunStatus) -> None:
    """Draws the parts of an epoch's time as a bar with words, and the machine's figures where it tells them."""
    parts = shares(run)
    if parts:
        components.bar(
            [(_(title), parts[name], tone) for name, title, tone, _words in PARTS],
            label=_("Where the time of an epoch goes"),
        )
        components.note(_sentence(parts, status))
    else:
        components.note(_("Where the time goes is known after the first epoch."))
    components.metrics(_speed(run, status), compact=True)
    if status.state in LIVE and status.pid:
        found = _machine(status)
        if found:
            components.metrics(found, compact=True)


def shares(run: Run) -> dict[str, float]:
    """Returns the share of each part in the last epochs' time; nothing where it was not measured."""
    book = caches.journal(run)
    whole = book.recent("seconds", RECENT)
    parts = {name: book.recent(f"{name}_seconds", RECENT) for name, *_rest in PARTS[:-1]}
    if whole <= 0 or not any(parts.values()):
        return {}
    parts["other"] = max(0.0, whole - sum(parts.values()))
    whole = sum(parts.values())
    return {name: spent / whole for name, spent in parts.items()}


def _sentence(parts: dict[str, float], status: RunStatus) -> str:
    largest = max(parts, key=lambda name: parts[name])
    words = next(words for name, _title, _tone, words in PARTS if name == largest)
    text = _(words).format(share=number_format.percent(parts[largest], 0))
    if status.cached:
        text += " " + _("The frozen part was computed once, so its passes take no time any more.")
    return text


def _speed(run: Run, status: RunStatus) -> list[Figure]:
    book = caches.journal(run)
    epochs = min(RECENT, len(book.epochs))
    found = [
        Figure(_("Speed"), number_format.rate(status.images_per_second), _("images/s")),
        Figure(
            _("An epoch"),
            number_format.duration(book.recent("seconds", RECENT) / epochs if epochs else None),
            _("mean of the last {n}").format(n=epochs) if epochs else "",
        ),
    ]
    if status.state in LIVE:
        found.append(Figure(_("Left"), number_format.duration(status.eta_seconds)))
    batch, parts = status.batch_size, status.parts
    if batch:
        cut = _("computed in {n} parts").format(n=parts) if parts > 1 else ""
        found.append(Figure(_("Batch"), number_format.exact(batch), cut or _("images a step")))
    if status.precision:
        found.append(Figure(_("Number format"), status.precision))
    return found


def _machine(status: RunStatus) -> list[Figure]:
    """Returns what the system and the driver tell of this moment; nothing where they tell nothing."""
    now = caches.usage(status.pid or 0, status.device)
    found = []
    if now.cores is not None and now.all_cores:
        found.append(
            Figure(
                _("Processor"),
                _("{n} cores").format(n=f"{now.cores:.1f}"),
                _("of {n}").format(n=now.all_cores),
                _("How many cores the training keeps busy."),
            )
        )
    if now.memory is not None:
        free = _("{size} free").format(size=number_format.size(now.memory_free))
        found.append(
            Figure(_("Memory"), number_format.size(now.memory), free, _("Main memory that the training holds."))
        )
    if now.temperature is not None:
        found.append(Figure(_("Processor's temperature"), f"{now.temperature:.0f} °C"))
    if now.gpu_busy is not None:
        found.append(
            Figure(
                _("GPU"),
                number_format.percent(now.gpu_busy, 0),
                str(now.gpu or ""),
                _("Share of the last moments in which the GPU computed."),
            )
        )
    if now.gpu_memory is not None:
        found.append(
            Figure(
                _("GPU memory"),
                number_format.size(now.gpu_memory),
                _("of {n}").format(n=number_format.size(now.gpu_memory_total)),
            )
        )
    if now.gpu_temperature is not None:
        watts = _("{n} W").format(n=f"{now.gpu_power:.0f}") if now.gpu_power is not None else ""
        found.append(Figure(_("GPU's temperature"), f"{now.gpu_temperature:.0f} °C", watts))
    return found
