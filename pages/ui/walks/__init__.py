"""Walks: a walk of stops over the real pages, each with a sentence and a click; a link opens one."""
