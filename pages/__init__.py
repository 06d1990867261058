"""The pages: a folder a question, each with ``page.py``; ``ui`` has what they share."""
