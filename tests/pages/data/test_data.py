"""Data: sources, splits, samples, and what is wrong with the images."""

from __future__ import annotations

from core.specs import DataSpec


def test_a_built_in_set_is_shown(open_page, words) -> None:
    app = open_page("data", data="shapes")
    assert not app.exception
    assert "Images of each class" in words(app)
    assert "80 validation, 80 test" in words(app)


def test_shares_change_the_split(open_page, words) -> None:
    app = open_page("data", session={"bl.data": DataSpec("textures")})
    assert "bring their own split" in words(app)
    app = open_page("data", data="shapes")
    app.slider(key="bl-test-share").set_value(0).run()
    assert not app.exception
    assert app.session_state["bl.data"].test_share == 0
    assert "80 validation" in words(app)


def test_a_folder_with_a_damaged_file_names_it(open_page, words, image_folder) -> None:
    root = image_folder("بطيخ و توت", classes=("أحمر", "blue"))
    (root / "blue" / "broken.png").write_bytes(b"not a picture")
    app = open_page("data", session={"bl.data": DataSpec(str(root))})
    assert not app.exception
    assert "Files that cannot be read (1)" in words(app)


def test_a_folder_outside_the_roots_is_refused(open_page, words, tmp_path) -> None:
    (tmp_path / "elsewhere" / "a").mkdir(parents=True)
    app = open_page("data", session={"bl.data": DataSpec(str(tmp_path / "elsewhere"))})
    assert not app.exception
    app.segmented_control(key="bl-data-kind").set_value("folder").run()
    assert not app.exception
    assert "elsewhere lies outside the folders that may be read here" in words(app)
    assert "Images of each class" not in words(app)


def test_without_folders_the_page_says_where_to_put_them(open_page, words) -> None:
    app = open_page("data")
    app.segmented_control(key="bl-data-kind").set_value("folder").run()
    assert "No image folders here" in words(app)
