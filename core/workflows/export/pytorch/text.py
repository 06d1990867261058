"""Small tools for writing programs: blocks of code with places to fill in, and Python's literals."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from textwrap import dedent, indent
from typing import Any

WIDTH = 110


def block(text: str, /, **places: object) -> str:
    """Returns code without its common indentation; ``@name@`` is replaced by the place's text.

    A place alone on its line takes several lines, each as far to the right; the line goes where the text is empty.
    """
    lines: list[str] = []
    for line in dedent(text).strip("\n").split("\n"):
        name = line.strip().strip("@")
        if line.strip() == f"@{name}@" and name in places:
            rows = str(places[name])
            if rows:
                lines += indent(rows, line[: len(line) - len(line.lstrip())]).split("\n")
            continue
        for place, filling in places.items():
            line = line.replace(f"@{place}@", str(filling))
        lines.append(line)
    return "\n".join(lines)


def joined(*blocks: str) -> str:
    """Joins the definitions of a module, two empty lines between each."""
    return "\n\n\n".join(text for text in blocks if text)


class Code(str):
    """A piece of code that is written as it is within a literal."""


def literal(value: Any, taken: int = 0) -> str:
    """Writes a value as Python does; what does not fit into a line goes over several, with a comma after each row.

    Args:
        value: Strings, numbers, :class:`Code`, and lists, tuples and dictionaries of them.
        taken: Characters of the line that are used already.
    """
    flat = _flat(value)
    if taken + len(flat) <= WIDTH or not isinstance(value, list | tuple | dict):
        return flat
    opening, closing = ("[", "]") if isinstance(value, list) else ("(", ")") if isinstance(value, tuple) else ("{", "}")
    if isinstance(value, dict):
        rows = [f"{_flat(key)}: {literal(item, 6 + len(_flat(key)))}" for key, item in value.items()]
    elif all(isinstance(item, list | tuple | dict) for item in value):
        rows = [literal(item, 5) for item in value]
    else:
        rows = [row[:-1] for row in textwrap.wrap(" ".join(f"{_glued(item)}," for item in value), WIDTH - 10)]
        rows = [row.replace(_GLUE, " ") for row in rows]
    return "\n".join([opening, *(indent(row, "    ") + "," for row in rows), closing])


_GLUE = "\N{NO-BREAK SPACE}"


def _glued(value: Any) -> str:
    return _flat(value).replace(" ", _GLUE)


def _flat(value: Any) -> str:
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, float):
        return repr(float(f"{value:.12g}"))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flat(key)}: {_flat(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_flat, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


def constant(name: str, value: Any) -> str:
    """Writes an assignment."""
    return f"{name} = {literal(value, len(name) + 3)}"


def prefixes(chosen: Iterable[str], everything: Sequence[str]) -> list[str]:
    """Returns the fewest dotted prefixes under which exactly the chosen names lie.

    Args:
        chosen: Names.
        everything: All names there are, in order.
    """
    wanted = set(chosen)
    others = [name for name in everything if name not in wanted]
    inside = {other[:place] for other in others for place in _ends(other)}
    found: list[str] = []
    taken: set[str] = set()
    for name in everything:
        if name not in wanted or any(name[:place] in taken for place in _ends(name)):
            continue
        shortest = next((name[:place] for place in _ends(name) if name[:place] not in inside), name)
        found.append(shortest)
        taken.add(shortest)
    return found


def _ends(name: str) -> list[int]:
    """Returns the lengths of a dotted name's prefixes, its own last."""
    return [place for place, sign in enumerate(name) if sign == "."] + [len(name)]
