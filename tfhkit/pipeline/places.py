"""Paths: the kit's folder, its notebooks, and what a relative path counts from."""

import os
from pathlib import Path

from tfhkit.assets import clone_dir, kit_folder
from tfhkit.errors import InputError

STEPS = (
    "00_start_here",
    "01_3dmm_fitting",
    "02_mfcc_pose_correlation",
    "03_lstm_training",
    "04_rendering",
    "05_memory_gan",
    "06_hs_metric",
    "07_your_own_clip",
)
EXECUTED = "notebooks"  # folder of a run directory for the executed notebooks
COPIES = "work"  # folder of a reader's own copies of the notebooks
RESERVED = ("uploads",)  # folders of runs/ that are not runs
# every notebook's parameters
COMMON = ("clip", "audio_track", "speech", "out", "profile", "recipe", "seed")


def kit_dir() -> Path:
    """The clone, with `tfhkit/`, `notebooks/` and `assets/`; the current folder if the package
    was installed from a wheel."""
    return clone_dir() or Path.cwd()


def notebooks_dir() -> Path:
    """The notebooks' folder: the one that the runner names, the current one if it holds the
    series (a reader's copies in `work/`), else the kit's own."""
    named, here = os.environ.get("TFHKIT_NOTEBOOKS"), Path.cwd()
    if named:
        return Path(named)
    return here if _holds_series(here) else kit_folder("notebooks")


def base_dir() -> Path:
    """The folder that relative paths start from: the kit's for all that runs inside it (so that a
    notebook in `notebooks/` and `make run` at the top mean the same), else the current folder,
    or the one around it where the current one is a reader's `work/`."""
    here = Path.cwd().resolve()
    if here.is_relative_to(kit_dir()):
        return kit_dir()
    return here.parent if here.name == COPIES and _holds_series(here) else here


def _holds_series(folder: Path) -> bool:
    return all((folder / f"{name}.ipynb").is_file() for name in STEPS)


def resolve_input(path: Path | str, what: str) -> Path:
    """Absolute path of a file that the user named: from the current folder, else from `base_dir`.

    Args:
        path: the path as given.
        what: "clip", "speech" or "picture", for the message.
    Raises:
        InputError: there is no such file.
    """
    if not str(path):
        raise InputError(what, "its name is empty", "name a file")
    given = Path(path).expanduser()
    for candidate in (Path.cwd() / given, base_dir() / given):
        if candidate.is_file():
            return candidate.resolve()
    if (base_dir() / given).is_dir():
        raise InputError(path, f"this {what} is a folder", "name a file in it")
    raise InputError(path, f"there is no such {what} file", "check the path")


def input_or_keyword(path: str, what: str, keyword: str) -> Path | str:
    """A file as by `resolve_input`, or the keyword itself, which stands for something built in.

    Raises:
        InputError: there is no such file.
    """
    return keyword if path == keyword else resolve_input(path, what)


def resolve_model(path: str, what: str = "face model") -> str | None:
    """Absolute path of a face model's file or folder, found as by `resolve_input`; None for "".

    Args:
        path: the file or folder. what: what it is, for the message.
    Raises:
        InputError: there is no such file or folder.
    """
    if not path:
        return None
    given = Path(path).expanduser()
    for candidate in (Path.cwd() / given, base_dir() / given):
        if candidate.exists():
            return str(candidate.resolve())
    raise InputError(path, f"there is no such {what}", "check the path")


def resolve_out(out: Path | str) -> Path:
    """Absolute path of the run directory, which is created and tested for writing.

    Raises:
        InputError: it cannot be written.
    """
    path = base_dir() / Path(out).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        fault = f"this run directory cannot be written ({error.strerror or error})"
        raise InputError(out, fault, "choose another one with OUT= or --out") from None
    return path.resolve()


def names_of(folder: Path | str) -> list[str]:
    """Names of the series' notebooks in a folder, in their order."""
    return sorted(path.stem for path in Path(folder).glob("[0-9][0-9]_*.ipynb"))


def shown(path: Path | str) -> str:
    """A path as text for people: relative to the current or the kit's folder, if inside it."""
    path = Path(path)
    for base in (Path.cwd(), kit_dir()):
        if path.is_relative_to(base):
            return str(path.relative_to(base))
    return str(path)
