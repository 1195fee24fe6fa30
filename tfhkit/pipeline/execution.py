"""Execute one notebook by papermill, in a headless kernel."""

import os
import sys
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfhkit import errors
from tfhkit.errors import TfhkitError
from tfhkit.media.files import disk_fault
from tfhkit.pipeline import places
from tfhkit.pipeline.course import Course
from tfhkit.pipeline.front_end import INLINE
from tfhkit.pipeline.sources import EXERCISE_TAGS
from tfhkit.pipeline.watch import Watch

_PACKAGE = str(Path(errors.__file__).resolve().parents[1])  # kernels import this tfhkit
MAY_RAISE = "raises-exception"  # the tag with which an execution continues after an error


class StageError(TfhkitError):
    """A notebook stopped; the text is its name and its error message.

    Attributes:
        exit_code: 2 where the kit refused its input, 1 where something unexpected happened.
        traceback: the notebook's own, for --debug.
    """

    def __init__(self, name: str, text: str, exit_code: int = 2, traceback: str = "") -> None:
        self.exit_code, self.traceback = exit_code, traceback
        super().__init__(f"{name}: {text}")


def execute(notebook: Path, out: Path, values: dict[str, Any], course: Course) -> None:
    """Execute one notebook by papermill in a fresh kernel of this Python.

    A wrong answer to an exercise stays in the executed notebook and stops nothing.

    Args:
        notebook: its path; the executed one goes to `out`/notebooks when it is done.
        out: the run directory.
        values: parameter name -> typed value.
        course: the run's `Course`.
    Raises:
        StageError: a cell raised, the kernel died, or the disk is full.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    target = out / places.EXECUTED / notebook.name
    written = _unfinished(out, notebook.stem)
    # not in the system's temporary folder, which may be full or missing
    progress = out / f".{notebook.stem}.{uuid.uuid4().hex[:8]}.progress"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_with_tags(notebook, written)
        watch = Watch(progress, notebook.stem, course)
        with _environment(notebook.parent, str(progress)), watch:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # papermill's and nbformat's own
                papermill.execute_notebook(
                    str(written),
                    str(written),
                    parameters=values,
                    kernel_name="python3",
                    language="python",
                    cwd=str(notebook.parent),
                    progress_bar=False,
                    extra_arguments=["--IPKernelApp.log_level=50"],
                )
    except PapermillExecutionError as error:
        if not _only_exercises_failed(written):
            os.replace(written, target)
            raise _stopped(notebook.stem, target, error) from None
    except OSError as error:
        reason = disk_fault(error)
        if reason is None:
            raise
        fault = f"{places.shown(out)} cannot be written ({reason})"
        remedy = "free some space, or choose another disk, and run it again"
        raise StageError(notebook.stem, f"{fault}; {remedy}") from error
    except DeadKernelError:
        text = "its process died, most likely for lack of memory; close other programs, or set " \
               "a smaller max_train_frames"  # fmt: skip
        raise StageError(notebook.stem, text, exit_code=1) from None
    os.replace(written, target)


def was_stopped(out: Path, name: str) -> bool:
    """Whether the process that executed a notebook was ended before the notebook's end."""
    return _unfinished(out, name).is_file()


def _unfinished(out: Path, name: str) -> Path:
    """Where a notebook is written while it is executed."""
    return out / places.EXECUTED / f".{name}.unfinished.ipynb"


def _stopped(name: str, target: Path, error: Any) -> StageError:
    """The error of a notebook in which a cell raised (papermill's error)."""
    ours = error.ename in _our_errors()
    text = error.evalue if ours else (
        f"stopped with {error.ename}: {error.evalue}; see {places.shown(target)}"
    )  # fmt: skip
    return StageError(name, text, 2 if ours else 1, "\n".join(error.traceback))


def _write_with_tags(notebook: Path, target: Path) -> None:
    """Write a notebook where it will be executed, with exercises tagged as cells that may raise."""
    import nbformat

    content = nbformat.read(notebook, as_version=4)
    for cell in content.cells:
        tags = cell.metadata.get("tags", [])
        if set(tags) & set(EXERCISE_TAGS):
            cell.metadata["tags"] = [*tags, MAY_RAISE]
    nbformat.write(content, target)


def _only_exercises_failed(target: Path) -> bool:
    """Whether a notebook ran to its end; if so, papermill's remarks on errors are removed."""
    import nbformat
    from papermill.execute import remove_error_markers

    content = remove_error_markers(nbformat.read(target, as_version=4))
    for cell in content.cells:
        failed = any(output.output_type == "error" for output in cell.get("outputs", ()))
        if failed and MAY_RAISE not in cell.metadata.get("tags", ()):
            return False
    nbformat.write(content, target)
    return True


def _our_errors() -> set[str]:
    names: set[str] = set()
    open_classes: list[type[TfhkitError]] = [TfhkitError]
    while open_classes:
        kind = open_classes.pop()
        names.add(kind.__name__)
        open_classes += kind.__subclasses__()
    return names


@contextmanager
def _environment(folder: Path, progress: str) -> Iterator[None]:
    """Set the environment of the kernels: this Python and this package, without a front end."""
    old = dict(os.environ)
    kernels = str(Path(sys.prefix) / "share" / "jupyter")
    os.environ.update(
        TFHKIT_LIVE="0",
        TFHKIT_PROGRESS=progress,
        TFHKIT_NOTEBOOKS=str(folder),
        JUPYTER_PATH=os.pathsep.join([kernels, *filter(None, [old.get("JUPYTER_PATH")])]),
        PYTHONPATH=os.pathsep.join([_PACKAGE, *filter(None, [old.get("PYTHONPATH")])]),
        MPLBACKEND=INLINE,  # figures belong into the notebook, whatever the caller has set
        PYDEVD_DISABLE_FILE_VALIDATION="1",
        JUPYTER_PLATFORM_DIRS="1",
        PLOTLY_RENDERER="plotly_mimetype",  # the default stores 4 MB of JavaScript in a notebook
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(old)
