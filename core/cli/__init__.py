"""The command line: ``python -m core VERB``, the same core without a browser.

Human output by default. With ``--json`` the last line on stdout is one JSON object and progress goes to stderr.
Exit 0 on success, 2 for bad input (one line on stderr), 1 for failure.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from core.cli.common.data_options import joined_verb
from core.cli.common.output import Output
from core.cli.parser import build_parser
from core.errors import InputError, StorageError, storage_error


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb.

    Args:
        argv: The words after ``python -m core``; by default those of this process.

    Returns:
        The exit status: 0, 1 or 2.
    """
    arguments = build_parser().parse_args(joined_verb(sys.argv[1:] if argv is None else argv))
    output = Output(as_json=arguments.json, quiet=arguments.quiet)
    module, function = arguments.verb
    _name_the_source(getattr(arguments, "data", None) or getattr(arguments, "source", None))
    try:
        with contextlib.redirect_stdout(sys.stderr):  # libraries that print must not spoil the result
            return int(getattr(importlib.import_module(module), function)(arguments, output) or 0)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, StorageError) else 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001 (the last line of defence of a program: one sentence, then status 1)
        print(f"error: {storage_error(error) or f'{type(error).__name__}: {error}'}", file=sys.stderr)
        return 1


def _name_the_source(source: object) -> None:
    """Says which images are meant where a built-in set and a folder have the same name."""
    if not isinstance(source, str) or not source.isidentifier() or not Path(source).is_dir():
        return
    from core.data.embedded import EMBEDDED

    if source in EMBEDDED:
        note = f"note: {source} is the built-in set; write ./{source} for the folder of that name"
        print(note, file=sys.stderr)
