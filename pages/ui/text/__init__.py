"""Words and numbers: translation, labels, formats."""
