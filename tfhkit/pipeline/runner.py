"""Run the series through papermill: in order, typed parameters, finished steps kept."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError, ParameterError
from tfhkit.fit import Fit
from tfhkit.media import Clip, open_clip, sha256_of
from tfhkit.media.locks import hold, remove_leftovers
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import places, sources
from tfhkit.pipeline.advice import say_advice
from tfhkit.pipeline.course import Course
from tfhkit.pipeline.execution import StageError, execute, was_stopped
from tfhkit.pipeline.manifest import Manifest
from tfhkit.pipeline.owner import claim, disclaim_empty, owner_of
from tfhkit.pipeline.parameters import Parameter, Value, assign, own_parameters, parameters_of
from tfhkit.pipeline.step import KEYWORDS, resolve
from tfhkit.profiles import Settings, check_seed, settings_of


@dataclass(frozen=True)
class RunInputs:
    """The parameters that all notebooks of a run share.

    Args:
        clip: a video file, or "sample".
        speech: a sound file, or "sentence".
        out: the run directory; None for `runs/` and the clip's name, see `run_dir`.
        profile: "quick", "full" or "tiny".
        recipe: "ours", "paper" or "published", see `tfhkit.recipes`.
        seed: random seed.
        audio_track: number of the clip's sound track, from 1; 0 chooses.
    """

    clip: Path | str = "sample"
    speech: Path | str = "sentence"
    out: Path | str | None = None
    profile: str = "quick"
    recipe: str = "ours"
    seed: int = 0
    audio_track: int = 0

    def clip_file(self) -> Path:
        """The clip's file. Raises InputError if there is none."""
        return resolve("clip", self.clip, Path.cwd())

    def run_dir(self) -> Path:
        """Absolute path of the run directory, which need not exist.

        A default one that belongs to another clip gives way to one that has a part of the clip's
        hash in its name.

        Raises:
            InputError: there is no such clip.
        """
        if self.out:
            return (places.base_dir() / Path(self.out).expanduser()).resolve()
        named = "sample" if self.clip == "sample" else Path(self.clip).stem
        default, digest = places.base_dir() / "runs" / named, sha256_of(self.clip_file())
        owner = owner_of(default)
        free = named not in places.RESERVED and (owner is None or owner[1] == digest)
        return (default if free else default.with_name(f"{named}-{digest[:8]}")).resolve()


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
        ParameterError: an unknown profile, recipe, notebook or parameter, or a value of the
            wrong type.
        InputError: clip or speech is missing, or the run directory cannot be written, belongs to
            another clip, or is used by another process.
        StageError: a notebook stopped. The steps that were finished before are kept.
    """
    settings_of(inputs.profile, inputs.recipe)
    check_seed(inputs.seed)
    folder = Path(notebooks or places.notebooks_dir()).resolve()
    content = {
        name: sources.read_notebook(folder / f"{name}.ipynb") for name in _chosen(folder, only)
    }
    own = {name: own_parameters(notebook, name) for name, notebook in content.items()}
    changed = assign(set_values, own)
    run = _Run.of(inputs, folder, course or Course())
    values = {name: _values(own[name], changed[name]) for name in content}
    run.course.plan(content, inputs.profile)
    with hold(run.out, "tfhkit run"):
        claim(run.out, inputs.clip_file())
        remove_leftovers(run.out, run.hidden_files())
        try:
            return [_keep_or_execute(run, n, content[n], values[n], say) for n in content]
        finally:
            disclaim_empty(run.out)


@dataclass(frozen=True)
class _Run:
    """What the steps of a run share.

    Args:
        folder: of the notebooks.
        out: the run directory.
        files: "clip" and "speech" -> file or keyword.
        hashes: "clip" and "speech" -> function that gives the file's hash.
        settings: of the profile and the recipe.
        seed, audio_track: as in `RunInputs`.
        course: the run's `Course`.
    """

    folder: Path
    out: Path
    files: dict[str, str]
    hashes: dict[str, Callable[[], str]]
    settings: Settings
    seed: int
    audio_track: int
    course: Course

    @classmethod
    def of(cls, inputs: RunInputs, folder: Path, course: Course) -> "_Run":
        """The run of some inputs. Raises InputError if a file is missing."""
        files = {"clip": _named(inputs.clip, "clip"), "speech": _named(inputs.speech, "speech")}
        out = inputs.run_dir()
        hashes = {what: _hash_once(what, files[what], out) for what in files}
        numbers = int(inputs.seed), int(inputs.audio_track)
        settings = settings_of(inputs.profile, inputs.recipe)
        return cls(folder, out, files, hashes, settings, *numbers, course)

    def hidden_files(self) -> Iterator[Path]:
        """Files that are hidden, in the folders that a run writes to."""
        yield from self.out.glob(".*")
        yield from (self.out / places.EXECUTED).glob(".*")
        for step in self.out.glob("[0-9][0-9]_*"):
            yield from step.rglob(".*")

    def common(self) -> dict[str, Any]:
        """The parameters that all notebooks share."""
        numbers = {"seed": self.seed, "audio_track": self.audio_track}
        names = {"profile": self.settings.profile, "recipe": self.settings.recipe}
        return {**self.files, "out": str(self.out), **names, **numbers}

    def open_clip(self) -> Clip:
        """The run's clip."""
        path = resolve("clip", self.files["clip"], self.out)
        return open_clip(path, audio_track=self.audio_track or None)

    def why_stale(
        self, name: str, notebook: sources.Notebook, own: dict[str, Any], made: Manifest | None
    ) -> str | None:
        """Why a step has to run, or None."""
        code = sources.source_hash(notebook)
        numbers = self.seed, self.audio_track
        expected = manifests.fingerprint(name, self.settings, *numbers, own, code)
        return manifests.why_stale(made, self.out, expected, self.hashes)


def _keep_or_execute(
    run: _Run,
    name: str,
    notebook: sources.Notebook,
    own: dict[str, Any],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """One step of a run: its dict for `run_series`."""
    run.course.begin(name)
    made = manifests.read(run.out / name)
    reason = run.why_stale(name, notebook, own, made)
    if was_stopped(run.out, name):
        reason = reason or "it was stopped before its end"
    began = time.perf_counter()
    if reason:
        made = _execute(run.folder / f"{name}.ipynb", run.out, {**run.common(), **own}, run.course)
    seconds = round(time.perf_counter() - began, 1)
    run.course.end(name, ran=bool(reason))
    say(f"{name:<26}" + (f"{seconds:7.1f} s" if reason else "unchanged, kept"))
    fit = run.out / name / "fit.npz"
    if fit.is_file():
        say_advice(run.open_clip(), Fit.load(fit), say)
    status = "run" if reason else "kept"
    return {"name": name, "status": status, "seconds": seconds, "manifest": made}


def outdated_steps(
    inputs: RunInputs, notebooks: Path | str | None = None, others_than: Collection[str] = ()
) -> dict[str, str]:
    """Steps in a run directory whose results are not of these inputs: name -> reason.

    Args:
        inputs: the parameters that all notebooks share; `out` is given.
        notebooks: folder of the notebooks; None for the kit's.
        others_than: steps that are known to be up to date.
    """
    folder = Path(notebooks or places.notebooks_dir()).resolve()
    run = _Run.of(inputs, folder, Course())
    found: dict[str, str] = {}
    for step in sorted(run.out.glob("[0-9][0-9]_*")):
        made = None if step.name in others_than else manifests.read(step)
        if made is None:
            continue
        if not (folder / f"{step.name}.ipynb").is_file():
            found[step.name] = "another series"
            continue
        notebook = sources.read_notebook(folder / f"{step.name}.ipynb")
        reason = run.why_stale(step.name, notebook, made["parameters"]["own"], made)
        heard = made["inputs"].get("speech")
        if heard and heard != run.hashes["speech"]():
            reason = "another speech"
        if reason:
            found[step.name] = reason
    return found


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
