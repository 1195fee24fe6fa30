"""Run directories as web pages, for those who may use the server: reports with their videos.

JupyterLab shows files of its own in a sandbox, in which a page may not even load a video that
lies next to it. Here a report may show what lies in `runs/`, but cannot speak to the server.
"""

from typing import TYPE_CHECKING, Any

from tfhkit.pipeline.jobs import runs_dir

if TYPE_CHECKING:  # takes a second to import
    from jupyter_server.serverapp import ServerApp

ADDRESS = "tfhkit/runs"  # below the server's own address
SETTING = "tfhkitRuns"  # entry of JupyterLab's page that names the folder of the runs
POLICY = (
    "default-src 'none'; img-src 'self' data:; media-src 'self' data: blob:; "
    "style-src 'unsafe-inline'; font-src data:; script-src 'unsafe-inline'; connect-src 'none'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


def run_handlers(base_url: str) -> list[tuple[Any, ...]]:
    """Handlers of these addresses, for tornado.

    Args:
        base_url: the server's, such as "/".
    """
    from jupyter_server.base.handlers import AuthenticatedFileHandler
    from jupyter_server.utils import url_path_join

    class RunFiles(AuthenticatedFileHandler):
        """Files of the run directories."""

        @property
        def content_security_policy(self):
            return POLICY

    address = url_path_join(base_url, ADDRESS, "(.*)")
    return [(address, RunFiles, {"path": str(runs_dir())})]


def add_run_files(app: "ServerApp") -> None:
    """Add these addresses to a Jupyter server."""
    app.web_app.add_handlers(".*$", run_handlers(app.base_url))
    app.web_app.settings.setdefault("page_config_data", {})[SETTING] = str(runs_dir())
