"""What the verbs share: options, output, shorthands."""
