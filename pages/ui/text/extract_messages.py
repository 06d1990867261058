"""Writes the template that translators start from: ``python -m pages.ui.text.extract_messages``.

Collected are the texts in ``_()``, ``N_()`` and ``_n()``, and the sentences of the core's user errors and remarks,
which the pages translate where they show them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from core import settings

PROJECT = settings.PROJECT
TEMPLATE = PROJECT / "assets" / "locales" / "backbone_lab.pot"
MARKERS = {"_", "N_", "_n"}
SENTENCES = {"InputError", "WeightsUnavailable", "RunMissing", "OutOfMemory", "Sentence"}
HEADER = (
    'msgid ""\nmsgstr ""\n"Project-Id-Version: Backbone Lab\\n"\n"MIME-Version: 1.0\\n"\n'
    '"Content-Type: text/plain; charset=UTF-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n'
)

Message = tuple[str, str | None]
"""A text, and its plural form where it has one."""


def messages(source: str) -> Iterator[Message]:
    """Yields the texts that a module marks for translation, in their order."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name not in MARKERS | SENTENCES:
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value:
            second = node.args[1] if name == "_n" and len(node.args) > 1 else None
            plural = second.value if isinstance(second, ast.Constant) and isinstance(second.value, str) else None
            yield first.value, plural


def collect() -> dict[Message, set[str]]:
    """Returns every text of the project with the files it stands in."""
    found: dict[Message, set[str]] = {}
    for folder in ("pages", "core"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            for message in messages(path.read_text(encoding="utf-8")):
                found.setdefault(message, set()).add(path.relative_to(PROJECT).as_posix())
    return found


def template() -> str:
    """Returns the whole template, sorted, so that it changes only where the texts do."""
    parts = [HEADER]
    for (text, plural), files in sorted(collect().items(), key=lambda item: (item[0][0], item[0][1] or "")):
        lines = [f"#: {file}" for file in sorted(files)]
        if "{" in text:
            lines.append("#, python-brace-format")
        lines.append(f"msgid {_quoted(text)}")
        if plural is None:
            lines.append('msgstr ""')
        else:
            lines += [f"msgid_plural {_quoted(plural)}", 'msgstr[0] ""', 'msgstr[1] ""']
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


if __name__ == "__main__":
    TEMPLATE.write_text(template(), encoding="utf-8")
