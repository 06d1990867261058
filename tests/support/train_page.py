"""The Train page in its tests: sessions to open it with, and its button."""

from __future__ import annotations

from core.specs import DataSpec, FreezePlan, Phase
from pages.ui.session.train_form import TrainChoice

SHAPES = {"bl.data": DataSpec("shapes?per_class=10&size=32", test_share=0.2)}
PHASES = (Phase("head", "head", 3), Phase("last", "plan", 5, lr=1e-4, freeze=FreezePlan(1)))
OWN = {**SHAPES, "bl.train": TrainChoice(preset="custom", phases=PHASES)}


def launch(app) -> None:
    app.button(key="bl-launch").click().run()
    assert not app.exception


def can_launch(app) -> bool:
    return any(button.key == "bl-launch" for button in app.button)
