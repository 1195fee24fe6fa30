"""A JupyterLab server for the browser tests, with settings and state of its own."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tfhkit.pipeline.places import kit_dir
from tfhkit.teach.lab import lab_options

SETTINGS = {
    # all cells are in the page at once, so that tests find them
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "docmanager-extension/plugin": {"autosave": False},
}


class LabServer:
    """JupyterLab on 127.0.0.1 with settings and state of its own; `stop` ends it.

    Attributes:
        root: Path of the folder that it serves. url: its address. token: the key to it.
    """

    def __init__(self, folder, environment=None):
        self.root, self._state = Path(folder) / "root", Path(folder) / "state"
        self.root.mkdir(parents=True)
        self.token, port = secrets.token_hex(16), _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._write_settings()
        self._log = open(Path(folder) / "server.log", "w+", encoding="utf-8")
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": port,
            "ServerApp.port_retries": 0,
            "IdentityProvider.token": self.token,
            "ServerApp.open_browser": False,
            "ServerApp.terminals_enabled": False,
            "LabApp.expose_app_in_browser": True,
            "LabApp.extension_manager": "readonly",
            "LabApp.news_url": None,
        }
        command = [sys.executable, "-m", "jupyterlab", "--allow-root", *lab_options(self.root)]
        command += [f"--{name}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            command,
            cwd=self.root,
            env=self._environment(environment or {}),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _write_settings(self):
        for name, values in SETTINGS.items():
            file = self._state / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))

    def _environment(self, more):
        """The server's environment, which its kernels inherit: nothing of the user's own."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TFHKIT_", "JUPYTER"))}
        state = self._state
        return kept | {
            "JUPYTER_CONFIG_DIR": str(state / "config"),
            "JUPYTER_DATA_DIR": str(state / "data"),
            "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "IPYTHONDIR": str(state / "ipython"),
            "PYTHONPATH": str(kit_dir()),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "TFHKIT_NOTEBOOKS": str(kit_dir() / "notebooks"),
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": "1",
            **more,
        }

    def _wait(self, patience_s=120):
        until = time.monotonic() + patience_s
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.ask("api/status")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"JupyterLab does not start: {self.log()[-2000:]}")

    def ask(self, path, method="GET"):
        """Answer of the server's REST interface, as JSON; None where it is empty."""
        request = urllib.request.Request(f"{self.url}/{path}", method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def log(self):
        """What the server has said."""
        return Path(self._log.name).read_text(encoding="utf-8")

    def stop(self):
        """End the server and its kernels."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
