"""What things are called on the screen."""

from __future__ import annotations

import pytest

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
