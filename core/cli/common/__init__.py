"""What several verbs share: options, output, shorthands."""
