"""Networks of the project's own, how networks are built cheaply, and what is known of published families."""
