"""The command line: ``python -m core VERB``, the same core without a browser.

Human output by default. With ``--json`` the last line on stdout is one JSON object and progress goes to stderr.
Exit 0 on success, 2 for bad input (one line on stderr), 1 for failure.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Sequence

from core.cli.common.output import Output
from core.cli.parser import build_parser
from core.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb.

    Args:
        argv: The words after ``python -m core``; by default those of this process.

    Returns:
        The exit status: 0, 1 or 2.
    """
    arguments = build_parser().parse_args(argv)
    output = Output(as_json=arguments.json, quiet=arguments.quiet)
    module, function = arguments.verb
    try:
        with contextlib.redirect_stdout(sys.stderr):  # libraries that print must not spoil the result
            return int(getattr(importlib.import_module(module), function)(arguments, output) or 0)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001 (the last line of defence of a program: one sentence, then status 1)
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
