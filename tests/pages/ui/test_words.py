"""Every visible word goes through ``_()``, and nothing that gettext could not find."""

from __future__ import annotations

import ast
import gettext
import io
import re
from pathlib import Path

import pytest
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po

from core import settings
from core.errors import InputError
from pages.ui.text import i18n

PROJECT = settings.PROJECT
TEMPLATE = PROJECT / "assets" / "locales" / "backbone_lab.pot"
PAGES = sorted((PROJECT / "pages").rglob("*.py"))
SOURCES = [*PAGES, *sorted((PROJECT / "core").rglob("*.py"))]
MARKERS = {"_", "N_", "_n"}
SENTENCES = {"InputError", "WeightsUnavailable", "RunMissing", "OutOfMemory", "Sentence"}
VISIBLE = {
    "badge",
    "button",
    "camera_input",
    "caption",
    "checkbox",
    "choice",
    "dataframe",
    "dialog",
    "download",
    "download_button",
    "error",
    "expander",
    "file_uploader",
    "header",
    "image",
    "info",
    "link_button",
    "markdown",
    "metric",
    "multiselect",
    "number_input",
    "page_link",
    "pills",
    "plotly_chart",
    "popover",
    "progress",
    "radio",
    "segmented_control",
    "select_slider",
    "selectbox",
    "slider",
    "spinner",
    "status",
    "subheader",
    "success",
    "tabs",
    "text",
    "text_area",
    "text_input",
    "title",
    "toast",
    "toggle",
    "warning",
    "write",
    "html",
    "section",
    "note",
    "why",
    "empty",
    "broken",
    "busy",
    "Figure",
    "next_step",
    "TextColumn",
    "NumberColumn",
    "ProgressColumn",
    "LineChartColumn",
    "CheckboxColumn",
    "ImageColumn",
    "Tile",
}
SHOWN = {"label", "help", "placeholder", "alt", "text", "title", "caption", "body", "note", "kept", "action", "unit"}
TAG = re.compile(r"<[^>]*>")
SIGN = re.compile(r":material/\w+:|&\w+;|:\w+\[|https?://\S+")


def literal(node: ast.expr) -> str:
    """Returns the letters that an expression shows without translation; empty if there are none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    elif isinstance(node, ast.JoinedStr):
        text = "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
    elif isinstance(node, ast.BinOp):
        return literal(node.left) or literal(node.right)
    elif isinstance(node, ast.IfExp):
        return literal(node.body) or literal(node.orelse)
    else:
        return ""
    left = SIGN.sub("", TAG.sub("", text))
    return text if re.search(r"[A-Za-z]{2,}", left) else ""


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def untranslated(source: str) -> list[str]:
    """Returns the visible literals of a module that no translator would ever see."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or called(node) not in VISIBLE:
            continue
        if ast.unparse(node.func).startswith(("LOG.", "glossary.")):
            continue  # for whoever keeps the server, not on the screen; a term's key
        first = (
            []
            if called(node) in {"image", "dataframe", "plotly_chart", "Tile", "next_step", "empty"}
            else node.args[:1]
        )
        if called(node) == "empty" and len(node.args) > 1:
            first = node.args[:2]
        if called(node) == "next_step":
            first = node.args[1:2]
        if called(node) == "header" and isinstance(node.func, ast.Attribute) and node.func.attr == "header":
            first = []  # components.header takes a page's name
        shown = [*first, *(keyword.value for keyword in node.keywords if keyword.arg in SHOWN)]
        found += [f"line {node.lineno}: {text}" for text in map(literal, shown) if text]
    return found


def unfindable(source: str) -> list[str]:
    """Returns the texts that could not be extracted: f-strings, joined strings, choices, and all within an f-string."""
    nodes = list(ast.walk(ast.parse(source)))
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.args and called(node) in MARKERS | SENTENCES]
    within = {inner for node in nodes if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
    return [
        f"line {node.lineno}"
        for node in calls
        if isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
        or (isinstance(node.args[0], ast.IfExp) and literal(node.args[0]))
        or (isinstance(node.args[0], ast.Constant) and node in within)
    ]


def extracted(target: Path, *sources: str) -> str:
    """Returns the template that Babel makes of some folders; by default of those that the project display_names."""
    assert CommandLineInterface().run(["pybabel", "-q", "extract", "-o", str(target), *sources]) in (None, 0)
    return target.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(PROJECT).as_posix())
def test_visible_text_is_translated(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert untranslated(source) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(PROJECT).as_posix())
def test_marked_text_can_be_extracted(path: Path) -> None:
    assert unfindable(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        'st.button("Start")',
        'st.button(_("Start"), help="Begins")',
        'left.markdown(f"{n} images")',
        'st.html(f"<b>Total</b> {n}")',
        'components.note("One line" if short else "Two lines")',
        'Figure("Epochs", value)',
    ],
)
def test_the_check_finds_untranslated_text(source: str) -> None:
    assert untranslated(source)


@pytest.mark.parametrize(
    "source",
    [
        '_(f"{n} images")',
        '_("a" + name)',
        '_("Start" if n else "Stop")',
        'InputError(f"No {name}.")',
        """f"<b>{_('Total')}</b>" """,
    ],
)
def test_the_check_finds_text_that_gettext_cannot(source: str) -> None:
    assert unfindable(source)


def test_the_template_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    assert TEMPLATE.read_text(encoding="utf-8") == extracted(tmp_path / "new.pot"), "run: pybabel extract"


def test_the_template_holds_pages_plurals_and_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    sentences = "".join(f'{name}("{name} {{x}}.", x=1)\n' for name in SENTENCES)
    (tmp_path / "page.py").write_text(f'_("a")\nN_("b")\n_n("c", "d", n)\n{sentences}_(name)', encoding="utf-8")
    with io.StringIO(extracted(tmp_path / "new.pot", str(tmp_path))) as template:
        found = {message.id for message in read_po(template) if message.id}
    assert found == {"a", "b", ("c", "d"), *(f"{name} {{x}}." for name in SENTENCES)}


def test_no_percent_sign_is_taken_for_a_format() -> None:
    """Translations of such a text would be refused: "% of" is a format, "%o". A no-break space after the sign helps."""
    with TEMPLATE.open(encoding="utf-8") as file:
        assert [message.id for message in read_po(file) if message.python_format] == []


def test_errors_are_translated_with_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    class Backwards(gettext.NullTranslations):
        def gettext(self, message: str) -> str:
            return {"There is no class {name}.": "Class {name}? None."}[message]

    monkeypatch.setattr(i18n, "_translation", lambda _code: Backwards())
    assert i18n.translate_error(InputError("There is no class {name}.", name="cat")) == "Class cat? None."


def test_a_translation_that_names_unknown_values_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(gettext.NullTranslations):
        def gettext(self, _message: str) -> str:
            return "{nobody}"

    monkeypatch.setattr(i18n, "_translation", lambda _code: Wrong())
    assert i18n.translate_error(InputError("There is no class {name}.", name="cat")) == "There is no class cat."
