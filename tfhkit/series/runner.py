"""Run the series through papermill: in order, typed parameters, finished steps kept."""

import os
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from tfhkit import errors
from tfhkit.errors import InputError, ParameterError, TfhkitError
from tfhkit.media import sha256_of
from tfhkit.series import manifest as manifests
from tfhkit.series import places, sources
from tfhkit.series.context import KEYWORDS, resolve
from tfhkit.series.parameters import assign, own_parameters, parameters_of
from tfhkit.series.progress import Watch
from tfhkit.series.settings import settings_of


class StageError(TfhkitError):
    """A notebook stopped; the text is what it said, behind its name.

    Attributes:
        exit_code: 2 where the kit refused its input, 1 where something unforeseen happened.
        traceback: the notebook's own, for --debug.
    """

    def __init__(self, name, text, exit_code=2, traceback=""):
        self.exit_code, self.traceback = exit_code, traceback
        super().__init__(f"{name}: {text}")


def run_series(
    clip="sample",
    speech="sentence",
    out=None,
    profile="quick",
    seed=0,
    only=(),
    set_values=(),
    notebooks=None,
    say=print,
):
    """Run the notebooks in their order; a step whose inputs did not change is kept.

    Args:
        clip: a video file, or "sample". speech: a sound file, or "sentence".
        out: the run directory; None: `runs/sample`, or `runs/` and the clip's name.
        profile: "quick", "full" or "tiny". seed: of everything random.
        only: numbers or names of notebooks; empty for all. What they read from earlier ones
            is made by those first, where it is missing.
        set_values: "NAME=VALUE" or "05.NAME=VALUE" texts, or a dict (see `parameters.assign`).
        notebooks: their folder; None for the kit's.
        say: callable that gets one line per step.
    Returns:
        list of dicts, one per step: name, status ("run" or "kept"), seconds, manifest.
    Raises:
        ParameterError: an unknown profile, notebook or parameter, or a value of the wrong type.
        InputError: clip or speech is missing, or the run directory cannot be written.
        StageError: a notebook stopped. What was finished before stays.
    """
    settings_of(profile)
    folder = Path(notebooks or places.notebooks_dir()).resolve()
    content = {name: sources.read_notebook(folder / f"{name}.ipynb")
               for name in _chosen(folder, only)}  # fmt: skip
    own = {name: own_parameters(notebook, name) for name, notebook in content.items()}
    changed = assign(set_values, own)
    out = places.resolve_out(out or default_out(clip))
    clip, speech = str(clip), str(speech)
    files = {"clip": _named(clip, "clip"), "speech": _named(speech, "speech")}
    hashes = {what: _hash_once(what, files[what], out) for what in files}
    common = {**files, "out": str(out), "profile": profile, "seed": int(seed)}
    steps = []
    for name, notebook in content.items():
        values = {key: parameter.default for key, parameter in own[name].items()} | changed[name]
        if values.get("face_model_path"):
            values["face_model_path"] = places.resolve_model(values["face_model_path"])
        code = sources.source_hash(notebook)
        expected = manifests.fingerprint(name, profile, common["seed"], values, code)
        made = manifests.read(out / name)
        reason = manifests.why_stale(made, out, expected, hashes)
        began = time.perf_counter()
        if reason:
            execute(folder / f"{name}.ipynb", out, {**common, **values})
            made = manifests.read(out / name)
            if made is None:
                fault = "ended without step.finish(), so its result is not kept"
                raise StageError(name, fault, exit_code=1)
        seconds = round(time.perf_counter() - began, 1)
        say(f"{name:<26}" + (f"{seconds:7.1f} s" if reason else "unchanged, kept"))
        steps.append({"name": name, "status": "run" if reason else "kept",
                      "seconds": seconds, "manifest": made})  # fmt: skip
    return steps


def default_out(clip):
    """Run directory of a clip where none is named."""
    return "runs/sample" if clip == "sample" else f"runs/{Path(clip).stem}"


def _chosen(folder, only):
    names = places.names_of(folder)
    if not names:
        raise InputError(folder, "holds no notebooks", "'make notebooks' builds the series")
    chosen = []
    for text in only:
        found = [name for name in names if text in (name, name.split("_")[0])]
        if not found:
            raise ParameterError(f"--only {text}", "there is no such notebook",
                                 "choose of " + ", ".join(names))  # fmt: skip
        chosen += found
    return [name for name in names if name in chosen] if only else names


def _named(given, what):
    """A keyword as it is, a file as an absolute path: kernels have another current folder."""
    return given if given in KEYWORDS else str(places.resolve_input(given, what))


def _hash_once(what, given, out):
    return lru_cache(lambda: sha256_of(resolve(what, given, out)))


def execute(notebook, out, values):
    """Execute one notebook by papermill in a fresh kernel of this Python.

    Args:
        notebook: its path; the executed one goes to `out`/notebooks.
        out: the run directory (Path).
        values: dict of parameter name -> typed value.
    Raises:
        StageError: a cell raised, or the kernel died.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    target = out / places.EXECUTED / notebook.name
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, progress = tempfile.mkstemp(prefix="tfhkit-", suffix=".progress")
    os.close(handle)
    try:
        with _environment(notebook.parent, progress), Watch(progress, notebook.stem):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # papermill's and nbformat's own
                papermill.execute_notebook(
                    str(notebook),
                    str(target),
                    parameters=values,
                    kernel_name="python3",
                    language="python",
                    cwd=str(notebook.parent),
                    progress_bar=False,
                    extra_arguments=["--IPKernelApp.log_level=50"],
                )
    except PapermillExecutionError as error:
        ours = error.ename in _our_errors()
        text = error.evalue if ours else (
            f"stopped with {error.ename}: {error.evalue}; see {places.shown(target)}"
        )  # fmt: skip
        traceback = "\n".join(error.traceback)
        raise StageError(notebook.stem, text, 2 if ours else 1, traceback) from None
    except DeadKernelError:
        text = "its process died, most likely for want of memory; close other programs, or set " \
               "a smaller max_train_frames"  # fmt: skip
        raise StageError(notebook.stem, text, exit_code=1) from None


def _our_errors():
    names, open_classes = set(), [errors.TfhkitError]
    while open_classes:
        kind = open_classes.pop()
        names.add(kind.__name__)
        open_classes += kind.__subclasses__()
    return names


@contextmanager
def _environment(folder, progress):
    """Environment of the kernels: this Python's own, told where it is and that nobody watches."""
    old = dict(os.environ)
    kernels = str(Path(sys.prefix) / "share" / "jupyter")
    os.environ.update(
        TFHKIT_LIVE="0",
        TFHKIT_PROGRESS=progress,
        TFHKIT_NOTEBOOKS=str(folder),
        JUPYTER_PATH=os.pathsep.join([kernels, *filter(None, [old.get("JUPYTER_PATH")])]),
        PYTHONPATH=os.pathsep.join([str(places.kit_dir()), *filter(None, [old.get("PYTHONPATH")])]),
        PYDEVD_DISABLE_FILE_VALIDATION="1",
        JUPYTER_PLATFORM_DIRS="1",
        PLOTLY_RENDERER="plotly_mimetype",  # the default stores 4 MB of JavaScript in a notebook
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(old)


def describe(notebooks=None):
    """The notebooks and their parameters: dict of name -> list of dicts."""
    folder = Path(notebooks or places.notebooks_dir())
    found = {}
    for name in _chosen(folder, ()):
        known = parameters_of(sources.read_notebook(folder / f"{name}.ipynb"), name)
        found[name] = [vars(parameter) for parameter in known.values()]
    return found
