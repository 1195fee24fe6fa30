"""The folder `work/` with a reader's own copies of the notebooks, and JupyterLab on it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfhkit.assets import kit_folder
from tfhkit.errors import InputError
from tfhkit.media import atomic_path
from tfhkit.pipeline import places
from tfhkit.pipeline.front_end import INLINE
from tfhkit.pipeline.sources import read_notebook
from tfhkit.pipeline.trust import trust
from tfhkit.teach.display import MARK

FOLDER = places.COPIES


def prepare_copies(
    kit: str | Path | None = None, base: str | Path | None = None
) -> tuple[list[str], list[str]]:
    """Copy each stored notebook to `work/`, unless a copy is there; copies are never overwritten.

    Args:
        kit: the folder that holds `notebooks/`; None for the kit's own.
        base: the folder that gets `work/`; None for `kit`, or `places.base_dir` without one: a
            reader who is not in the kit's folder has the copies in their own.
    Returns:
        copied: names of the notebooks that were copied now. outdated: names of those whose copy was
        made from an earlier edition.
    Raises:
        InputError: the folder cannot be written.
    """
    folder, copied, outdated = Path(base or kit or places.base_dir()) / FOLDER, [], []
    source = Path(kit) / "notebooks" if kit else kit_folder("notebooks")
    for name in places.names_of(source):
        stored, copy = source / f"{name}.ipynb", folder / f"{name}.ipynb"
        if not copy.exists():
            try:
                folder.mkdir(exist_ok=True)
                with atomic_path(copy) as temporary:
                    shutil.copyfile(stored, temporary)
            except OSError as error:
                fault = f"cannot be written ({error.strerror or error})"
                remedy = "free its disk, check its rights, or start in a folder of your own"
                raise InputError(folder, fault, remedy) from None
            copied.append(name)
        elif _edition(copy) != _edition(stored):
            outdated.append(name)
    trust(folder / f"{name}.ipynb" for name in copied)
    return copied, outdated


def _edition(path: Path) -> Any:
    try:
        return read_notebook(path)["metadata"].get(MARK)
    except InputError:
        return None


def open_lab(options: Sequence[str] = (), say: Callable[[str], None] = print) -> int:
    """Open JupyterLab on the copies in `work/`; its root is the folder around, so runs can be seen.

    Args:
        options: further options of `jupyter lab`.
        say: called with each line for people.
    Returns:
        JupyterLab's exit code.
    """
    root = places.base_dir()
    copied, outdated = prepare_copies()
    if copied:
        say(f"{len(copied)} notebooks copied to {FOLDER}/; your changes and answers stay there")
    for name in outdated:
        say(f"{FOLDER}/{name}.ipynb was made from an earlier edition and stays as it is; to get "
            "the new one, rename yours and start again")  # fmt: skip
    first = f"{FOLDER}/{places.STEPS[0]}.ipynb"
    command = [sys.executable, "-m", "jupyterlab", *lab_options(root),
               f"--LabApp.default_url=/lab/tree/{first}", *options]  # fmt: skip
    return run_until_ended(command, root)


def run_until_ended(command: list[str], folder: Path) -> int:
    """Run a command that ends when this process is told to end: its exit code."""
    shown = {**os.environ, "MPLBACKEND": INLINE}  # figures in the notebooks, whatever is set
    with subprocess.Popen(command, cwd=folder, env=shown) as server:
        before = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            return server.wait()
        except KeyboardInterrupt:  # Ctrl-C goes to JupyterLab, too, which asks and ends by itself
            return 0
        finally:
            signal.signal(signal.SIGTERM, before)


def lab_options(root: str | Path) -> list[str]:
    """Options of `jupyter lab` that the kit's widgets and copies need."""
    return [
        f"--ServerApp.root_dir={root}",
        "--ServerApp.jpserver_extensions=tfhkit.teach.server=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--LabApp.app_settings_dir={Path(__file__).parent / 'static' / 'lab'}",  # no news
    ]
