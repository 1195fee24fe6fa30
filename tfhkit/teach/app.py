"""`tfhkit app`: the panel of `studio` on a page of its own, served on this machine only."""

import logging
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

from tfhkit.errors import InputError
from tfhkit.pipeline import jobs, places
from tfhkit.pipeline.front_end import INLINE
from tfhkit.teach.run_files import run_handlers

PORT = 8866
EXTENSIONS = (
    "@voila-dashboards/widgets-manager8",
    "@jupyter-widgets/jupyterlab-manager",
    "anywidget",
)
HOST = "127.0.0.1"
REFUSAL = (
    '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">'
    "<title>no key</title><p>This page needs its key: open the whole address that "
    "<code>tfhkit app</code> printed, with what follows the question mark.</p></html>"
)
PAGE = Path(__file__).with_name("page.ipynb")
TEMPLATES = Path(__file__).parent / "static" / "page"


def open_page(
    port: int | None = None, browser: bool = True, say: Callable[[str], None] = print
) -> None:
    """Serve the page until Ctrl-C, only to those who have its address with the token.

    Args:
        port: port of the page; None takes 8866, or the next free one.
        browser: whether to open the page in the browser.
        say: called with the line that gives the address.
    Raises:
        InputError: the port is taken, or `runs/` cannot be written.
    """
    places.resolve_out(jobs.runs_dir())
    port = _free_port(port)
    token = secrets.token_urlsafe(24)
    os.environ.update(
        TFHKIT_LIVE="1",
        MPLBACKEND=INLINE,
        TFHKIT_PAGE="1",
        JUPYTER_PATH=_paths(os.environ.get("JUPYTER_PATH")),
        PYDEVD_DISABLE_FILE_VALIDATION="1",
        JUPYTER_PLATFORM_DIRS="1",
    )
    address = f"http://{HOST}:{port}/?token={token}"

    def ready():
        say(f"the page is at {address}  (Ctrl-C ends it; a run that it started continues)")
        if browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    logging.getLogger("tornado.access").setLevel(logging.ERROR)  # no line for each refusal
    _server_class(ready).launch_instance(_options(port), token=token)


def _paths(others: str | None) -> str:
    kernels = Path(sys.prefix) / "share" / "jupyter"
    return os.pathsep.join(map(str, filter(None, [TEMPLATES, kernels, others])))


def _options(port: int) -> list[str]:
    """Voila's options. The token is not among them: other users can read a command line."""
    return [
        str(PAGE),
        f"--Voila.ip={HOST}",
        f"--Voila.port={port}",
        "--Voila.port_retries=0",
        "--Voila.log_level=40",
        "--VoilaConfiguration.template=tfhkit",
        # JupyterLab's other extensions need a later JupyterLab than the one inside Voila
        *(f"--VoilaConfiguration.extension_allowlist={name}" for name in EXTENSIONS),
        "--VoilaConfiguration.show_tracebacks=True",
    ]


def _server_class(ready):
    from tornado.web import RequestHandler
    from voila.app import Voila

    class Refusal(RequestHandler):
        """The answer to those who lack the token."""

        def get(self):
            self.set_status(403)
            self.finish(REFUSAL)

    class Server(Voila):
        """Voila that also serves the run directories; everything needs the token."""

        def init_handlers(self):
            return [(r"/login", Refusal), *run_handlers("/"), *super().init_handlers()]

        def launch_browser(self):  # called when it listens
            ready()

    return Server


def _free_port(wanted: int | None) -> int:
    """The wanted port, or the first free one from 8866 on.

    Raises:
        InputError: the wanted port is taken.
    """
    for port in [wanted] if wanted else range(PORT, PORT + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
    fault = "is taken" if wanted else "and the next 49 are taken"
    raise InputError(f"port {wanted or PORT}", fault, "name another one with --port")
