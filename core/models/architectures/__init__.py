"""Networks of the project's own, and what is known of published families."""
