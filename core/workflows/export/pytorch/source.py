"""Writing Python: templates, values as literals, and no import that is not used."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent, wrap
from typing import Any

from jinja2.ext import Extension

from core.text_templates import templates

_WHOLE: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}  # so that names stay in one piece


class Code(str):
    """A piece of code that is written as it is within a literal."""


def literal(value: object, room: int = 100) -> str:
    """Writes a value as a formatter of Python lays it out; nothing in a string can end the string.

    Args:
        value: Strings, numbers, :class:`Code`, and lists, tuples and dictionaries of them.
        room: Characters of a line; what is longer goes over several, an item each.
    """
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, str):
        text = repr(value)  # escapes whatever is not printable
        return text if '"' in value else f'"{text[1:-1]}"'
    if not isinstance(value, list | tuple | dict):
        return repr(value)
    pairs = value.items() if isinstance(value, dict) else (("", item) for item in value)
    rows = [(f"{literal(key)}: " if isinstance(value, dict) else "", item) for key, item in pairs]
    left, right = ("(", ")") if isinstance(value, tuple) else ("[", "]") if isinstance(value, list) else ("{", "}")
    flat = ", ".join(key + literal(item, sys.maxsize) for key, item in rows)
    flat = f"{left}{flat}{',' if isinstance(value, tuple) and len(value) == 1 else ''}{right}"
    if len(flat) <= room:
        return flat
    lines = [indent(f"{key}{literal(item, room - 5 - len(key))},\n", "    ") for key, item in rows]
    return f"{left}\n{''.join(lines)}{right}"


def docstring(text: str) -> str:
    """Returns a text as a docstring: no line too long, and nothing in it that would end it or be an escape."""
    safe = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)
    lines = []
    for line in safe.replace("\\", "/").replace('"', "'").split("\n"):
        wrapped = wrap(line, 110, subsequent_indent="  " * line.startswith("- "), **_WHOLE)
        lines += wrapped if wrapped and not line.startswith(" ") else [line]
    return '"""' + "\n".join(lines).strip() + '\n"""'


class LineConditions(Extension):
    """A line that ends in ``#? CONDITION`` is written if that holds, so that most of a template reads as a program."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        """Turns the lines into Jinja's own statements."""
        return re.sub(r"^(.+)  #\? (.+)\n", r"{% if \2 %}\1\n{% endif +%}", source, flags=re.MULTILINE)


def render(context: Mapping[str, Any]) -> str:
    """Fills the templates with values, and leaves out what nothing in the program uses.

    Raises:
        jinja2.UndefinedError: A template names a value that is not there.
    """
    environment = templates(Path(__file__).with_name("templates"))
    environment.add_extension(LineConditions)
    environment.filters["literal"] = literal
    head, body = (environment.get_template(name).render(context) for name in ("head.txt.j2", "program.py.j2"))
    return pruned(f"{docstring(head)}\n\n{body}")


def pruned(program: str) -> str:
    """Takes out the imports, functions and classes that a program does not use, directly or through others."""
    tree, lines = ast.parse(program), program.split("\n")
    definitions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    used: set[str] = set()
    new = [node for node in tree.body if node not in definitions.values()]
    while new:
        names = {node.id for root in new for node in ast.walk(root) if isinstance(node, ast.Name)} - used
        used |= names
        new = [definitions[name] for name in names & definitions.keys()]
    for node in reversed(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [name for name in node.names if (name.asname or name.name) in used]
            lines[node.lineno - 1 : node.end_lineno] = [ast.unparse(node)] if node.names else []
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name not in used:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            del lines[first - 3 : node.end_lineno]  # with the two empty lines before it
    return "\n".join(lines)
