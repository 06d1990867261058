"""Backbone Lab's window: ``streamlit run streamlit_app.py``. Everything it shows lives under ``pages``."""

from pages.ui.shell.app import run

run()
