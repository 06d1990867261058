"""What things are called on the screen."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.settings import PROJECT
from pages.ui.text import display_names


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/data/cats/", "cats"),
        ("/data/n\\o", "n\\o"),
        ("n\\o", "n\\o"),
        ("C:\\data\\cats\\", "cats"),
        ("\\\\server\\share\\pets\\cats", "cats"),
        ("/", "/"),
    ],
)
def test_a_folder_or_file_is_called_by_its_last_part(path: str, shown: str) -> None:
    assert display_names.data(path) == shown
    assert display_names.weights(f"file:{path}") == f"weights from {shown}"


def test_an_embedded_set_has_a_title() -> None:
    assert display_names.data("shapes?size=64") == display_names.data("shapes") == "Shapes"


def test_a_backbone_is_called_as_in_the_catalogue_which_is_not_loaded_for_it() -> None:
    code = (
        "import sys; from pages.ui.text import display_names as names; found = names.backbone('squeezenet1_1'); "
        "assert 'torch' not in sys.modules; print(found)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert said.stdout.strip().splitlines()[-1] == "SqueezeNet 1.1"
    from core.models.catalog.catalog import BACKBONES

    assert {name: display_names.backbone(name) for name in BACKBONES} == {n: row.title for n, row in BACKBONES.items()}


@pytest.mark.parametrize(("name", "called"), [("cpu", "CPU"), ("cuda", "GPU"), ("cuda:1", "GPU 1"), ("mps", "GPU")])
def test_devices_are_called_by_what_they_are(name: str, called: str) -> None:
    assert display_names.device(name) == called
