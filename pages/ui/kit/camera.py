"""What components that use the person's camera share: their words, and the part of their program that opens it."""

from __future__ import annotations

from pages.ui.text.i18n import N_

SCRIPT = "camera.js "
"""What stands before the name of a component's own program."""
LABELS = {
    "start": N_("Start the camera"),
    "stop": N_("Stop the camera"),
    "asking": N_("Allow the camera where the browser asks for it."),
    "insecure": N_(
        "This browser gives no camera to a page without https. Open the page by https, or on this machine by localhost."
    ),
    "denied": N_("The camera was denied. Allow it for this page in the browser's settings, then start it again."),
    "missing": N_("No camera was found. Connect one, or give pictures as files."),
    "busy": N_("The camera cannot be read: another program may be using it. Close that, then start it again."),
    "gone": N_("The camera is gone. Connect it, then start it again."),
    "other": N_("The camera could not be started. Give pictures as files instead."),
}
"""What is said of the camera, marked for translation."""
