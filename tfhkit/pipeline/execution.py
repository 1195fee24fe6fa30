"""Execute one notebook by papermill, in a headless kernel."""

import os
import sys
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

from tfhkit import errors
from tfhkit.errors import TfhkitError
from tfhkit.pipeline import places
from tfhkit.pipeline.sources import EXERCISE_TAGS
from tfhkit.pipeline.watch import Watch

_PACKAGE = str(Path(errors.__file__).resolve().parents[1])  # kernels import this tfhkit
MAY_RAISE = "raises-exception"  # the tag with which an execution continues after an error


class StageError(TfhkitError):
    """A notebook stopped; the text is its name and what it said.

    Attributes:
        exit_code: 2 where the kit refused its input, 1 where something unexpected happened.
        traceback: the notebook's own, for --debug.
    """

    def __init__(self, name, text, exit_code=2, traceback=""):
        self.exit_code, self.traceback = exit_code, traceback
        super().__init__(f"{name}: {text}")


def execute(notebook, out, values, course):
    """Execute one notebook by papermill in a fresh kernel of this Python.

    A wrong answer to an exercise stays in the executed notebook and stops nothing.

    Args:
        notebook: its path; the executed one goes to `out`/notebooks.
        out: the run directory (Path).
        values: dict of parameter name -> typed value.
        course: the run's `Course`.
    Raises:
        StageError: a cell raised, or the kernel died.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    target = out / places.EXECUTED / notebook.name
    target.parent.mkdir(parents=True, exist_ok=True)
    _write_with_tags(notebook, target)
    handle, progress = tempfile.mkstemp(prefix="tfhkit-", suffix=".progress")
    os.close(handle)
    try:
        watch = Watch(progress, notebook.stem, course)
        with _environment(notebook.parent, progress), watch:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # papermill's and nbformat's own
                papermill.execute_notebook(
                    str(target),
                    str(target),
                    parameters=values,
                    kernel_name="python3",
                    language="python",
                    cwd=str(notebook.parent),
                    progress_bar=False,
                    extra_arguments=["--IPKernelApp.log_level=50"],
                )
    except PapermillExecutionError as error:
        if _only_exercises_failed(target):
            return
        ours = error.ename in _our_errors()
        text = error.evalue if ours else (
            f"stopped with {error.ename}: {error.evalue}; see {places.shown(target)}"
        )  # fmt: skip
        traceback = "\n".join(error.traceback)
        raise StageError(notebook.stem, text, 2 if ours else 1, traceback) from None
    except DeadKernelError:
        text = "its process died, most likely for lack of memory; close other programs, or set " \
               "a smaller max_train_frames"  # fmt: skip
        raise StageError(notebook.stem, text, exit_code=1) from None


def _write_with_tags(notebook, target):
    """Write a notebook where it will be executed, with exercises tagged as cells that may raise."""
    import nbformat

    content = nbformat.read(notebook, as_version=4)
    for cell in content.cells:
        tags = cell.metadata.get("tags", [])
        if set(tags) & set(EXERCISE_TAGS):
            cell.metadata["tags"] = [*tags, MAY_RAISE]
    nbformat.write(content, target)


def _only_exercises_failed(target):
    """Whether a notebook ran to its end; papermill's remarks on errors are then taken out."""
    import nbformat
    from papermill.execute import remove_error_markers

    content = remove_error_markers(nbformat.read(target, as_version=4))
    for cell in content.cells:
        failed = any(output.output_type == "error" for output in cell.get("outputs", ()))
        if failed and MAY_RAISE not in cell.metadata.get("tags", ()):
            return False
    nbformat.write(content, target)
    return True


def _our_errors():
    names, open_classes = set(), [errors.TfhkitError]
    while open_classes:
        kind = open_classes.pop()
        names.add(kind.__name__)
        open_classes += kind.__subclasses__()
    return names


@contextmanager
def _environment(folder, progress):
    """Environment of the kernels: this Python's own, told where it is and that it is headless."""
    old = dict(os.environ)
    kernels = str(Path(sys.prefix) / "share" / "jupyter")
    os.environ.update(
        TFHKIT_LIVE="0",
        TFHKIT_PROGRESS=progress,
        TFHKIT_NOTEBOOKS=str(folder),
        JUPYTER_PATH=os.pathsep.join([kernels, *filter(None, [old.get("JUPYTER_PATH")])]),
        PYTHONPATH=os.pathsep.join([_PACKAGE, *filter(None, [old.get("PYTHONPATH")])]),
        PYDEVD_DISABLE_FILE_VALIDATION="1",
        JUPYTER_PLATFORM_DIRS="1",
        PLOTLY_RENDERER="plotly_mimetype",  # the default stores 4 MB of JavaScript in a notebook
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(old)
