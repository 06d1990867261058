"""A run as it happens: reloads, second people, lost servers, stops, kills, deletions, queues."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

EPOCH = re.compile(r"Accuracy after epoch (\d+): training .* validation")
QUIET_NETWORK = {"backbone": "squeezenet1_1", "weights": "none"}
Badge = Callable[[Page, str], Locator]
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def shared(server: Any, folder: Path, run_tools: Any) -> Iterator[Callable[[], Any]]:
    """Returns a run that is under way: the same one for several tests, another where a test has ended it."""
    runs: list[Any] = []

    def going() -> Any:
        if not runs or not runs[-1].exists or runs[-1].state != "running":
            runs.append(run_tools.start(server.runs, folder, name=f"Goes on {len(runs) + 1}"))
        run_tools.until(lambda: run_epochs(runs[-1]) >= 2, what="two epochs")
        return runs[-1]

    yield going
    for run in runs:
        run_tools.end(run)


def run_epochs(run: Any) -> int:
    return len(run.metrics()[0])


def epoch_shown(page: Page) -> int:
    """Returns the epoch that the page's line under the curve tells."""
    line = page.get_by_role("main").locator("p").filter(has_text=EPOCH).first
    expect(line).to_be_visible()
    found = EPOCH.search(line.inner_text())
    assert found
    return int(found[1])


def curve(page: Page) -> Locator:
    """Returns the lines of the accuracy curve."""
    return page.locator("svg.marks").first.locator(".mark-line path")


def has_a_curve(page: Page) -> None:
    expect(curve(page).first).to_have_attribute("d", re.compile("L"))  # a line has two points at least


def later_than(page: Page, epoch: int) -> None:
    """Waits until the page shows a later epoch, by itself."""
    expect(page.get_by_role("main").locator("p").filter(has_text=EPOCH).first).not_to_contain_text(f"epoch {epoch}:")
    assert epoch_shown(page) > epoch


def test_a_reload_keeps_the_run_and_its_curve(
    calm: Page, shared: Callable[[], Any], visit: Visit, badge: Badge
) -> None:
    run = shared()
    visit(calm, "train", run=run.id)
    expect(badge(calm, "Training")).to_be_visible()
    before = epoch_shown(calm)
    later_than(calm, before)
    has_a_curve(calm)
    calm.reload()
    expect(badge(calm, "Training")).to_be_visible()
    expect(calm.get_by_role("main")).to_contain_text(run.name)
    assert epoch_shown(calm) > before
    has_a_curve(calm)
    assert f"run={run.id}" in calm.url


def test_a_second_person_sees_it_too(
    new_calm: Callable[[], Page], shared: Callable[[], Any], visit: Visit, badge: Badge
) -> None:
    run = shared()
    first, second = visit(new_calm(), "train", run=run.id), visit(new_calm(), "runs")
    link = second.locator(".st-key-bl-one-run").get_by_role("link", name="Watch it")
    expect(second.locator(".st-key-bl-one-run")).to_contain_text(run.name)
    link.click()
    expect(second.get_by_role("heading", level=1, name="Train", exact=True)).to_be_visible()
    for page in (first, second):
        expect(badge(page, "Training")).to_be_visible()
        assert epoch_shown(page) > 0
    first.context.close()
    later_than(second, epoch_shown(second))


def test_stop_keeps_the_best_weights(
    calm: Page, shared: Callable[[], Any], visit: Visit, badge: Badge, fact: Callable[..., Locator], run_tools: Any
) -> None:
    run = shared()
    visit(calm, "train", run=run.id)
    calm.get_by_role("button", name="Stop, keep the best").click()
    expect(badge(calm, "Stopped")).to_be_visible()
    expect(calm.get_by_role("main")).to_contain_text("The best weights so far are kept and can be used.")
    expect(fact(calm, "Validation accuracy")).to_contain_text("%")
    expect(calm.get_by_role("link", name="Judge it")).to_be_visible()
    run_tools.until(lambda: run.state == "stopped", what="the state stopped")
    assert run.has_weights


def test_a_paused_run_goes_on_where_it_was(calm: Page, shared: Callable[[], Any], visit: Visit, badge: Badge) -> None:
    run = shared()
    visit(calm, "train", run=run.id)
    calm.get_by_role("button", name="Pause").click()
    expect(badge(calm, "Paused")).to_be_visible()
    expect(calm.get_by_role("heading", name="This run is paused")).to_be_visible()
    before = run_epochs(run)
    assert run.state == "paused"
    calm.reload()
    expect(badge(calm, "Paused")).to_be_visible()
    calm.get_by_role("button", name="Resume").click()
    expect(badge(calm, "Training")).to_be_visible()
    later_than(calm, before)
    rows = [row["epoch"] for row in run.metrics()[0]]
    assert rows == list(range(1, len(rows) + 1)), "no epoch is told twice or left out"


def test_a_change_is_asked_for_once_and_seen_to_take_effect(
    calm: Page, shared: Callable[[], Any], visit: Visit, badge: Badge, run_tools: Any
) -> None:
    run = shared()
    visit(calm, "train", run=run.id)
    expect(badge(calm, "Training")).to_be_visible()
    known = len(run.experiment.training.acts)
    calm.get_by_role("button", name="Change").click()
    calm.get_by_role("button", name="× 0.3").click()
    run_tools.until(lambda: len(run.experiment.training.acts) > known, what="the rate to change")
    own = calm.get_by_role("spinbutton", name="Times")
    own.fill("0.25")
    later_than(calm, epoch_shown(calm))  # the page renews itself under the hand that writes
    expect(own).to_have_value("0.25")
    own.press("Enter")
    calm.get_by_role("button", name="Change the rate").click()
    run_tools.until(lambda: len(run.experiment.training.acts) > known + 1, what="the rate to change again")
    later_than(calm, epoch_shown(calm))
    acts = run.experiment.training.acts[known:]
    assert [(act.kind, act.value) for act in acts] == [("rate", 0.3), ("rate", 0.25)]
    calm.keyboard.press("Escape")
    calm.get_by_role("main").get_by_text("Changes", exact=True).click()
    expect(calm.locator(".bl-changes")).to_contain_text("Learning rate × 0.25")


def test_the_charts_stay_while_they_grow(calm: Page, shared: Callable[[], Any], visit: Visit) -> None:
    run = shared()
    visit(calm, "train", run=run.id)
    expect(calm.locator("svg.marks")).to_have_count(4)
    calm.evaluate(
        """() => { window.gone = 0; setInterval(() => {
            if (document.querySelectorAll('svg.marks').length < 4) window.gone += 1; }, 20); }"""
    )
    epoch = epoch_shown(calm)
    later_than(calm, epoch)
    later_than(calm, epoch_shown(calm))
    assert calm.evaluate("window.gone") == 0


def test_the_time_scrubber_goes_back_through_the_epochs(calm: Page, trained: Any, visit: Visit, run_tools: Any) -> None:
    visit(calm, "train", run=trained.id)
    calm.get_by_role("main").get_by_text("Snapshots", exact=True).click()
    line = calm.get_by_role("main").locator("p").filter(has_text="the line stands at epoch")
    expect(line).to_contain_text("epoch 4")
    looks = calm.get_by_role("main").get_by_role("img", name=re.compile("the network says"))
    expect(looks.first).to_be_visible()

    def said() -> list[str | None]:
        return [picture.get_attribute("title") for picture in looks.all()]

    last = said()
    slider = calm.get_by_role("main").get_by_role("slider")
    slider.press("ArrowLeft")
    expect(line).to_contain_text("epoch 3")
    slider.press("Home")
    expect(line).to_contain_text("epoch 1")
    run_tools.until(lambda: said() not in ([], last), what="what it said after the first epoch")


def test_a_discarded_run_leaves_nothing(
    calm: Page, shared: Callable[[], Any], visit: Visit, badge: Badge, run_tools: Any
) -> None:
    run = shared()
    visit(calm, "train", run=run.id)
    expect(badge(calm, "Training")).to_be_visible()
    calm.get_by_role("button", name="Change").click()
    calm.get_by_role("button", name="Stop and discard").click()
    assert run.exists
    assert run.state == "running"
    calm.get_by_role("button", name="Discard for good").click()
    run_tools.until(lambda: not run.exists, what="the run to be gone")
    expect(calm.get_by_role("main")).to_contain_text("The run was discarded, as you asked.")


def test_a_killed_trainer_shows_as_interrupted_and_its_weights_serve(
    calm: Page, shared: Callable[[], Any], visit: Visit, badge: Badge
) -> None:
    run = shared()
    visit(calm, "train", run=run.id)
    expect(badge(calm, "Training")).to_be_visible()
    os.kill(run.status().pid, signal.SIGKILL)
    expect(badge(calm, "Interrupted")).to_be_visible()  # by itself: nobody touched the page
    expect(calm.get_by_role("heading", name="This run was interrupted")).to_be_visible()
    expect(calm.get_by_role("main")).to_contain_text("The best weights so far are kept and can be used.")
    visit(calm, "heatmaps", run=run.id)
    expect(calm.get_by_role("img", name=re.compile("Heatmap of the evidence for"))).to_be_visible()


def test_two_launches_at_once_train_one_after_the_other(
    new_calm: Callable[[], Page], server: Any, folder: Path, visit: Visit, badge: Badge, run_tools: Any
) -> None:
    known = {run.id: run_tools.end(run) for run in run_tools.listed(server.runs)}
    pages = [visit(new_calm(), "train", data=str(folder), **QUIET_NETWORK) for _ in range(2)]
    buttons = [page.get_by_role("button", name="Start training") for page in pages]
    for button in buttons:
        expect(button).to_be_enabled()
    for button in buttons:
        button.click()
    waiting = [page.get_by_role("main").get_by_text("Waiting for the device: 1 ahead") for page in pages]
    run_tools.until(lambda: any(text.is_visible() for text in waiting), what="a run that waits behind the other")
    for page in pages:
        expect(badge(page, "Finished")).to_be_visible(timeout=120_000)
    launched = sorted((run for run in run_tools.listed(server.runs) if run.id not in known), key=begun)
    assert len(launched) == 2
    assert launched[0].status().ended <= begun(launched[1])


def begun(run: Any) -> float:
    return float(run.status().begun)


def test_the_server_dies_and_comes_back_and_the_run_goes_on(
    calm: Page,
    cold_server: Callable[[], AbstractContextManager[Any]],
    visit: Visit,
    badge: Badge,
    draw_images: Callable[[Path], Path],
    run_tools: Any,
) -> None:
    with cold_server() as server:
        images = draw_images(server.data / "colours")
        visit(calm, "train", at=server, data=str(images), **QUIET_NETWORK)
        calm.get_by_role("radiogroup", name="Recipe").get_by_text("From scratch", exact=True).click()
        summary = calm.locator(".st-key-bl-summary")
        expect(summary).to_contain_text("epochs, everything")
        epochs = calm.get_by_role("spinbutton", name="Epochs")
        epochs.fill("1000")
        epochs.press("Enter")
        expect(summary).to_contain_text("1000 epochs, everything")
        calm.get_by_role("button", name="Start training").click()
        before = epoch_shown(calm)
        (run,) = run_tools.listed(server.runs)
        trainer = run.status().pid
        server.kill()
        run_tools.until(lambda: run_epochs(run) > before + 1, what="epochs while no server is there")
        server.start()
        later_than(calm, before)  # the page finds the server again by itself
        expect(badge(calm, "Training")).to_be_visible()
        calm.reload()
        assert epoch_shown(calm) > before
        has_a_curve(calm)
        assert run.status().pid == trainer


@pytest.mark.parametrize("name", ["train", "evaluate", "heatmaps"])
def test_a_run_deleted_in_another_tab_is_said_to_be_gone(
    name: str, new_calm: Callable[[], Page], trained: Any, copy_run: Callable[..., Any], server: Any, visit: Visit
) -> None:
    doomed = copy_run(trained, server.runs, f"doomed-{name}")
    first, second = visit(new_calm(), name, run=doomed.id), visit(new_calm(), "runs", run=doomed.id)
    expect(first.get_by_role("main")).to_contain_text("%")
    second.get_by_role("button", name="Delete").click()
    dialog = second.get_by_role("dialog")
    expect(dialog).to_contain_text(f"doomed-{name} with its weights, curves and predictions is removed for good.")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(dialog).to_have_count(0)
    assert not doomed.exists
    expect(second.locator(".st-key-bl-one-run")).not_to_contain_text(doomed.name)
    first.reload()
    expect(first.get_by_role("heading", name="This run is gone")).to_be_visible()
    expect(first.get_by_role("main")).to_contain_text("does not exist any more. Choose another one.")
    expect(first.get_by_role("link", name="See the runs there are")).to_be_visible()
