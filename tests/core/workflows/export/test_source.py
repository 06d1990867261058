"""Writing Python: literals, docstrings, templates, and what is left out."""

from __future__ import annotations

import ast

import jinja2
import pytest
from programs import HOSTILE

from core.workflows.export.pytorch.learning import prefixes
from core.workflows.export.pytorch.source import Code, docstring, literal, pruned, render


def test_the_fewest_prefixes_name_exactly_what_is_chosen() -> None:
    names = ["stem.w", "layer1.0.w", "layer1.0.b", "layer1.1.w", "layer10.w", "fc.w", "fc.b"]
    assert prefixes(names, names) == ["stem", "layer1", "layer10", "fc"]
    assert prefixes({"layer1.0.w", "layer1.0.b", "fc.b"}, names) == ["layer1.0", "fc.b"]
    assert prefixes((), names) == []


def test_literals() -> None:
    value = {"a": [1.0, "x y"], "b": Code("torch.optim.SGD"), "c": (1,), "d": None, "e": {}}
    assert literal(value) == '{"a": [1.0, "x y"], "b": torch.optim.SGD, "c": (1,), "d": None, "e": {}}'
    long = [f"a long class name, number {n}" for n in range(20)]
    assert literal(long).startswith('[\n    "a long class name, number 0",\n')
    assert ast.literal_eval(literal(long)) == long
    nested = [{"name": "x" * 60, "rows": long, "more": [tuple(long)]}, {"name": "y"}]
    assert ast.literal_eval(literal(nested)) == nested
    assert all(len(line) <= 100 for line in literal(nested).split("\n"))
    assert ast.literal_eval(literal(HOSTILE)) == HOSTILE
    assert [literal(text) for text in ("it's", 'a "b"', "a\n")] == ['"it\'s"', "'a \"b\"'", '"a\\n"']


def test_a_docstring_holds_whatever_is_said() -> None:
    words = [HOSTILE, 'ends in "', "\\", "a " * 100, "- " + "b " * 100, "    as it is " * 12]
    text = docstring("\n".join(words))
    found = ast.literal_eval(text)
    assert all(len(line) <= 110 for line in found.split("\n") if not line.startswith("    "))
    assert "7 * 7" in found
    assert "\n  b b" in found


def test_what_nothing_uses_is_left_out() -> None:
    text = (
        "import os\nimport sys as system\nfrom x import a, b as c\n\n\n@c\ndef used():\n    return helper()\n\n\n"
        "@a\ndef unused():\n    return os, helper()\n\n\ndef helper():\n    return 1\n\n\nclass Gone:\n    pass\n\n\n"
        "used()\n"
    )
    assert pruned(text) == (
        "from x import b as c\n\n\n@c\ndef used():\n    return helper()\n\n\ndef helper():\n    return 1\n\n\nused()\n"
    )


def test_a_value_that_misses_is_no_empty_text() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render({})
