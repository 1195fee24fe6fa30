"""Run the series through papermill: in order, typed parameters, finished steps kept."""

import time
from functools import lru_cache
from pathlib import Path

from tfhkit.errors import InputError, ParameterError
from tfhkit.media import sha256_of
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import places, sources
from tfhkit.pipeline.course import Course
from tfhkit.pipeline.execution import StageError, execute
from tfhkit.pipeline.parameters import assign, own_parameters, parameters_of
from tfhkit.pipeline.step import KEYWORDS, resolve
from tfhkit.profiles import settings_of


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
    course=None,
):
    """Run the notebooks in their order; a step whose inputs did not change is kept.

    Args:
        clip: a video file, or "sample". speech: a sound file, or "sentence".
        out: the run directory; None: `runs/sample`, or `runs/` and the clip's name.
        profile: "quick", "full" or "tiny". seed: random seed.
        only: numbers or names of notebooks; empty for all. What they read from earlier ones
            is made by those first, where it is missing.
        set_values: "NAME=VALUE" or "05.NAME=VALUE" texts, or a dict (see `parameters.assign`).
        notebooks: their folder; None for the kit's.
        say: callable that gets one line per step.
        course: a `Course` that is told how far the run is, or None.
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
    steps, course = [], course or Course()
    course.plan(content, profile)
    for name, notebook in content.items():
        course.begin(name)
        values = {key: parameter.default for key, parameter in own[name].items()} | changed[name]
        if values.get("face_model_path"):
            values["face_model_path"] = places.resolve_model(values["face_model_path"])
        code = sources.source_hash(notebook)
        expected = manifests.fingerprint(name, profile, common["seed"], values, code)
        made = manifests.read(out / name)
        reason = manifests.why_stale(made, out, expected, hashes)
        began = time.perf_counter()
        if reason:
            execute(folder / f"{name}.ipynb", out, {**common, **values}, course)
            made = manifests.read(out / name)
            if made is None:
                fault = "ended without step.finish(), so its result is not kept"
                raise StageError(name, fault, exit_code=1)
        seconds = round(time.perf_counter() - began, 1)
        course.end(name, ran=bool(reason))
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
        raise InputError(folder, "contains no notebooks", "'make notebooks' builds the series")
    chosen = []
    for text in only:
        found = [name for name in names if text in (name, name.split("_")[0])]
        if not found:
            raise ParameterError(f"--only {text}", "there is no such notebook",
                                 "choose one of " + ", ".join(names))  # fmt: skip
        chosen += found
    return [name for name in names if name in chosen] if only else names


def _named(given, what):
    """A keyword as it is, a file as an absolute path: kernels have another current folder."""
    return given if given in KEYWORDS else str(places.resolve_input(given, what))


def _hash_once(what, given, out):
    return lru_cache(lambda: sha256_of(resolve(what, given, out)))


def describe(notebooks=None):
    """The notebooks and their parameters: dict of name -> list of dicts."""
    folder = Path(notebooks or places.notebooks_dir())
    found = {}
    for name in _chosen(folder, ()):
        known = parameters_of(sources.read_notebook(folder / f"{name}.ipynb"), name)
        found[name] = [vars(parameter) for parameter in known.values()]
    return found
