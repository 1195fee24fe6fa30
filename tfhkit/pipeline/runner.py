"""Run the series through papermill: in order, typed parameters, finished steps kept."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError, ParameterError
from tfhkit.media import sha256_of
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import places, sources
from tfhkit.pipeline.course import Course
from tfhkit.pipeline.execution import StageError, execute
from tfhkit.pipeline.manifest import Manifest
from tfhkit.pipeline.parameters import Parameter, Value, assign, own_parameters, parameters_of
from tfhkit.pipeline.step import KEYWORDS, resolve
from tfhkit.profiles import settings_of


@dataclass(frozen=True)
class RunInputs:
    """The parameters that all notebooks of a run share.

    Args:
        clip: a video file, or "sample".
        speech: a sound file, or "sentence".
        out: the run directory; None for `runs/sample`, or `runs/` and the clip's name.
        profile: "quick", "full" or "tiny".
        seed: random seed.
    """

    clip: Path | str = "sample"
    speech: Path | str = "sentence"
    out: Path | str | None = None
    profile: str = "quick"
    seed: int = 0

    def resolve_out(self) -> Path:
        """Absolute path of the run directory, which is created.

        Raises:
            InputError: it cannot be written.
        """
        named = "sample" if self.clip == "sample" else Path(self.clip).stem
        return places.resolve_out(self.out or f"runs/{named}")


def run_series(
    inputs: RunInputs,
    only: Collection[str] = (),
    set_values: Iterable[str] | Mapping[str, Value] = (),
    notebooks: Path | str | None = None,
    say: Callable[[str], None] = print,
    course: Course | None = None,
) -> list[dict[str, Any]]:
    """Run the notebooks in their order; a step whose inputs did not change is kept.

    Args:
        inputs: the parameters that all notebooks share.
        only: numbers or names of notebooks; empty for all. Results of earlier notebooks that
            they read are made first, if they are missing.
        set_values: "NAME=VALUE" or "05.NAME=VALUE" texts, or a dict (see `parameters.assign`).
        notebooks: folder of the notebooks; None for the kit's.
        say: called with one line per step.
        course: keeps the progress of the run; None for a new one without a file.
    Returns:
        one dict per step: name, status ("run" or "kept"), seconds, manifest.
    Raises:
        ParameterError: an unknown profile, notebook or parameter, or a value of the wrong type.
        InputError: clip or speech is missing, or the run directory cannot be written.
        StageError: a notebook stopped. The steps that were finished before are kept.
    """
    settings_of(inputs.profile)
    folder = Path(notebooks or places.notebooks_dir()).resolve()
    content = {
        name: sources.read_notebook(folder / f"{name}.ipynb") for name in _chosen(folder, only)
    }
    own = {name: own_parameters(notebook, name) for name, notebook in content.items()}
    changed = assign(set_values, own)
    out = inputs.resolve_out()
    files = {"clip": _named(inputs.clip, "clip"), "speech": _named(inputs.speech, "speech")}
    hashes = {what: _hash_once(what, files[what], out) for what in files}
    profile, seed = inputs.profile, int(inputs.seed)
    common = {**files, "out": str(out), "profile": profile, "seed": seed}
    steps, course = [], course or Course()
    course.plan(content, profile)
    for name, notebook in content.items():
        course.begin(name)
        values = _values(own[name], changed[name])
        code = sources.source_hash(notebook)
        expected = manifests.fingerprint(name, profile, seed, values, code)
        made = manifests.read(out / name)
        reason = manifests.why_stale(made, out, expected, hashes)
        began = time.perf_counter()
        if reason:
            made = _execute(folder / f"{name}.ipynb", out, {**common, **values}, course)
        seconds = round(time.perf_counter() - began, 1)
        course.end(name, ran=bool(reason))
        say(f"{name:<26}" + (f"{seconds:7.1f} s" if reason else "unchanged, kept"))
        status = "run" if reason else "kept"
        steps.append({"name": name, "status": status, "seconds": seconds, "manifest": made})
    return steps


def _values(own: dict[str, Parameter], changed: dict[str, Value]) -> dict[str, Any]:
    """A notebook's own parameters: defaults and changes, with the face model's full path."""
    values: dict[str, Any] = {key: parameter.default for key, parameter in own.items()} | changed
    if values.get("face_model_path"):
        values["face_model_path"] = places.resolve_model(values["face_model_path"])
    return values


def _execute(notebook: Path, out: Path, values: dict[str, Any], course: Course) -> Manifest:
    """Execute a notebook: the manifest that its step wrote."""
    execute(notebook, out, values, course)
    made = manifests.read(out / notebook.stem)
    if made is None:
        fault = "ended without step.finish(), so its result is not kept"
        raise StageError(notebook.stem, fault, exit_code=1)
    return made


def _chosen(folder: Path, only: Collection[str]) -> list[str]:
    names = places.names_of(folder)
    if not names:
        raise InputError(folder, "contains no notebooks", "'make notebooks' builds the series")
    chosen: list[str] = []
    for text in only:
        found = [name for name in names if text in (name, name.split("_")[0])]
        if not found:
            raise ParameterError(f"--only {text}", "there is no such notebook",
                                 "choose one of " + ", ".join(names))  # fmt: skip
        chosen += found
    return [name for name in names if name in chosen] if only else names


def _named(given: Path | str, what: str) -> str:
    """A keyword as it is, a file as an absolute path: kernels have another current folder."""
    return str(given if str(given) in KEYWORDS else places.resolve_input(given, what))


def _hash_once(what: str, given: str, out: Path) -> Callable[[], str]:
    return cache(lambda: sha256_of(resolve(what, given, out)))


def describe(notebooks: Path | str | None = None) -> dict[str, list[dict[str, Any]]]:
    """The notebooks by their names, each with its parameters (see `Parameter`)."""
    folder = Path(notebooks or places.notebooks_dir())
    found = {}
    for name in _chosen(folder, ()):
        known = parameters_of(sources.read_notebook(folder / f"{name}.ipynb"), name)
        found[name] = [vars(parameter) for parameter in known.values()]
    return found
