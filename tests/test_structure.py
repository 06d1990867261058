"""The layout holds: small folders, small modules, no circle of imports, pages independent of one another."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import networkx as nx
import pytest

PROJECT = Path(__file__).resolve().parent.parent
MAX_MODULES = 15
MAX_LINES = 400
# Longer than they may be; each is to be split, and this list to be emptied.
TOO_LONG: set[str] = set()


def modules(*roots: str) -> Iterator[Path]:
    """Yields the project's Python files under some of its folders."""
    for root in roots:
        yield from sorted((PROJECT / root).rglob("*.py"))


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("core", "pages", cache_dir=None)


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Returns groups of modules that import one another, whether at the top or inside functions."""
    edges = [(module, other) for module in graph.modules for other in graph.find_modules_directly_imported_by(module)]
    return [sorted(group) for group in nx.strongly_connected_components(nx.DiGraph(edges)) if len(group) > 1]


def pages() -> set[str]:
    return {path.parent.name for path in (PROJECT / "pages").glob("*/page.py")}


def test_no_folder_holds_more_modules_than_one_reads_at_a_glance() -> None:
    folders: dict[Path, int] = {}
    for path in modules("core", "pages", "tests"):
        address = path.parent == PROJECT / "pages" and path.name.startswith("_")  # of a page: one call, nothing to read
        if path.name != "__init__.py" and not address:
            folders[path.parent] = folders.get(path.parent, 0) + 1
    assert len(folders) > 50
    assert {str(folder.relative_to(PROJECT)): n for folder, n in folders.items() if n > MAX_MODULES} == {}


def test_the_formatter_lays_out_every_line() -> None:
    mark = "# fmt: " + "skip"
    files = modules("core", "pages", "tests", "benchmarks")
    assert [path for path in files if mark in path.read_text(encoding="utf-8")] == []


def test_no_module_is_longer_than_one_holds_in_mind() -> None:
    lines = {
        path.relative_to(PROJECT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules("core", "pages", "tests", "benchmarks", "examples")
    }
    assert len(lines) > 400
    long = {path for path, count in lines.items() if count > MAX_LINES}
    assert long - TOO_LONG == set()
    assert TOO_LONG - long == set(), "short enough now: take it off the list"


def test_no_modules_import_one_another_in_a_circle(graph: grimp.ImportGraph) -> None:
    assert len(graph.modules) > 300
    assert circles(graph) == []
    broken = copy.deepcopy(graph)
    broken.add_import(importer="core.errors", imported="core.cli.parser")
    assert circles(broken), "a circle that was made is found"


def test_pages_share_only_what_stands_in_pages_ui(graph: grimp.ImportGraph) -> None:
    found = {
        (module, other)
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
        for page in pages()
        if f"{other}.".startswith(f"pages.{page}.") and not f"{module}.".startswith(f"pages.{page}.")
    }
    assert found == set()


def test_the_contracts_name_every_page() -> None:
    config = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["name"]: contract for contract in config["tool"]["importlinter"]["contracts"]}
    named = {f"pages.{page}" for page in pages()}
    assert len(named) > 10
    assert set(contracts["a page imports pages/ui and core, never another page"]["modules"]) == named
    assert set(contracts["what pages share knows no page"]["forbidden_modules"]) == named


def test_every_folder_says_what_it_is_for() -> None:
    silent = []
    for folder in {path.parent for path in modules("core", "pages")}:
        init = folder / "__init__.py"
        if not init.exists() or not init.read_text(encoding="utf-8").startswith('"""'):
            silent.append(str(folder.relative_to(PROJECT)))
    assert sorted(silent) == []


def test_what_runs_before_a_commit_is_what_the_test_command_runs() -> None:
    script = (PROJECT / "tests" / "run").read_text(encoding="utf-8").splitlines()
    linters = [line.partition(" &")[0] for line in script if line.startswith(("ruff", "mypy", "lint-imports"))]
    hooks = (PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert len(linters) == 4
    assert re.findall(r"entry: (.+)", hooks) == linters


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "benchmarks/RESULTS.md"])
def test_files_that_are_named_are_there(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w./-])((?:core|pages|tests|benchmarks|assets|examples)/[\w./*-]*)", text))
    modules = re.findall(r"python -m ((?:benchmarks|examples)\.\w+)", text)
    named |= {module.replace(".", "/") + ".py" for module in modules if not module.endswith(".NAME")}
    assert named
    assert sorted(path for path in named if not list(PROJECT.glob(path.rstrip("./")))) == []
