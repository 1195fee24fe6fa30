"""Chromium for the browser tests: find it, or say in one line what is missing."""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--force-prefers-reduced-motion",
    "--use-fake-device-for-media-stream",  # a camera and a microphone; pages still have to ask
)


def find_chromium():
    """Path of the browser: TFHKIT_CHROMIUM, else the first of `NAMES` on the path, else None."""
    told = os.environ.get("TFHKIT_CHROMIUM")
    return told or next(filter(None, map(shutil.which, NAMES)), None)


def must_run():
    """Whether missing parts are a failure: in continuous integration, or on request."""
    return os.environ.get("CI") == "true" or os.environ.get("TFHKIT_BROWSER") == "require"


def give_up(missing):
    """Skip in one line, or fail where the browser tests must run."""
    (pytest.fail if must_run() else pytest.skip)(f"no browser tests: {missing}")


def launch(playwright):
    """A headless browser.

    Args:
        playwright: what `sync_playwright().start()` gives.
    """
    path = find_chromium()
    if path is None:
        give_up("Chromium is missing; install it, or name one with TFHKIT_CHROMIUM=PATH")
    from playwright.sync_api import Error

    try:
        return playwright.chromium.launch(executable_path=path, args=list(FLAGS))
    except Error as error:
        give_up(f"{path} does not start: {str(error).splitlines()[0]}")
