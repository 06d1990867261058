"""One short module a page: read the choices, call the core, draw."""
