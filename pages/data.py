"""placeholder"""

from pages.ui import components


def render() -> None:
    """Draws the page."""
    components.header("data")


if __name__ == "__main__":
    from pages.ui.shell import run

    run()
