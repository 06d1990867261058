"""The address ``/gan`` on a server that has drawn nothing yet: it looks for pages among these files."""

from pages.ui.shell.app import run

run()
