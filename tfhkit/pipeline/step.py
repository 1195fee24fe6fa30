"""A step of the series, as a notebook opens it: inputs, folder, settings, progress, manifest."""

import os
import random
import resource
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tfhkit.errors import InputError, ParameterError, TfhkitError
from tfhkit.evaluate.installation import versions
from tfhkit.media import Clip, open_clip, rounded, sha256_of, write_wav
from tfhkit.media.locks import check_free, hold_until_exit
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import places, sources
from tfhkit.pipeline.front_end import in_notebook, is_live, use_inline_figures
from tfhkit.pipeline.manifest import Manifest
from tfhkit.pipeline.owner import claim
from tfhkit.pipeline.parameters import Value, own_parameters, parameters_of
from tfhkit.pipeline.progress import report_progress
from tfhkit.pipeline.watch import followed
from tfhkit.profiles import check_seed, settings_of

SENTENCE = "sentence.wav"

Place = TypeVar("Place", Path, str, Path | str, str | None)


class Step:
    """One running notebook; made by `open_step`.

    Attributes:
        name: e.g. "03_lstm_training".
        out: the run directory.
        dir: this step's folder in the run directory.
        settings: the profile's numbers, and the recipe.
        seed: random seed.
        audio_track: number of the clip's sound track, from 1; 0 chooses.
        own: the notebook's own parameters, name -> value.
        progress: called as progress(done, total, text); to hand to functions of the kit.
    """

    def __init__(
        self,
        name: str,
        out: Path,
        common: Mapping[str, Any],
        own: Mapping[str, Value],
    ) -> None:
        self.name, self.out, self.own = name, out, dict(own)
        self.seed, self.audio_track = common["seed"], common["audio_track"]
        self.dir = out / name
        self.settings = settings_of(common["profile"], common["recipe"])
        self.progress = report_progress(name)
        self._given = {"clip": common["clip"], "speech": common["speech"]}
        self._resolved: dict[str, Path] = {}
        self._inputs: dict[str, str] = {}
        self._named: set[Path] = set()
        self._fingerprint = self._fingerprint_of(name, self.own)
        self._since, self._began = time.time(), time.perf_counter()

    @property
    def device(self) -> str:
        """Where the step works, such as "cuda": as `tfhkit run --device` or the profile says."""
        from tfhkit.device import DEVICE, choose_device

        return str(choose_device(os.environ.get(DEVICE) or self.settings.device))

    @property
    def clip_path(self) -> Path:
        """Path of the clip, now an input of this step; "sample" is fetched and verified."""
        return self._file("clip")

    def open_clip(self) -> Clip:
        """The clip with the chosen sound track."""
        return open_clip(self.clip_path, audio_track=self.audio_track or None)

    @property
    def speech_path(self) -> Path:
        """Path of the driving sound, now an input; espeak-ng speaks "sentence" once in a run."""
        return self._file("speech")

    def model_path(self, given: str) -> str | None:
        """Path of a face model's file or folder, as an input of this step; None for ""."""
        return self._noted(places.resolve_model(given))

    def coefficients_path(self, given: str) -> str | None:
        """Path of a tracker's file or folder of frames, as an input of this step; None for ""."""
        return self._noted(places.resolve_model(given, "file of coefficients"))

    def picture_path(self, given: str) -> Path | str:
        """A picture's path as an input of this step; "astronaut" stays as it is."""
        return self._noted(places.input_or_keyword(given, "picture", "astronaut"))

    def _noted(self, path: Place) -> Place:
        """The path; what lies there, if anything, becomes an input of this step."""
        mark = None if path is None else manifests.content_mark(Path(path))
        if mark:
            self._inputs[str(path)] = mark
        return path

    def _file(self, what: str) -> Path:
        if what not in self._resolved:
            again = self.name == places.STEPS[0]
            path = resolve(what, self._given[what], self.out, again)
            self._resolved[what], self._inputs[what] = path, sha256_of(path)
        return self._resolved[what]

    def path(self, file: str) -> Path:
        """Path to write an artefact of this step to; the step now counts as unfinished."""
        path = self.dir / file
        path.parent.mkdir(parents=True, exist_ok=True)
        manifests.invalidate(self.dir)
        self._named.add(path)
        return path

    def finished(self, file: str) -> Path | None:
        """Path of this step's own artefact, if a run with the same inputs and code finished it.

        Args:
            file: its name in the step's folder.
        Returns:
            The path, or None if the artefact has to be made.
        """
        made = manifests.read(self.dir)
        if manifests.why_stale(made, self.out, self._fingerprint, self._hashes()):
            return None
        path = self.dir / file
        self._named.add(path)  # it stays an output of this step
        return path if path.is_file() else None

    def input(self, earlier: str, file: str) -> Path:
        """Path of an earlier step's artefact; runs that notebook first if its result is stale.

        Args:
            earlier: the step's name, e.g. "01_3dmm_fitting".
            file: the artefact's name in its folder.
        Raises:
            ParameterError: `earlier` does not come before this step.
            InputError: that step does not write such a file.
            TfhkitError: the earlier notebook failed; the text is its error message.
        """
        if not earlier < self.name:
            fault = f"does not come before {self.name}"
            raise ParameterError(f"step {earlier!r}", fault, "read from earlier steps only")
        made = manifests.read(self.out / earlier)
        reason = self._why_stale(earlier, made)
        if reason:
            print(f"{earlier}: {reason}; running it now")
            self._run(earlier, made)
        path = self.out / earlier / file
        if not path.is_file():
            remedy = f"look into {places.shown(path.parent)} for what it does write"
            raise InputError(f"{earlier}/{file}", f"{earlier} does not write it", remedy)
        self._inputs[f"{earlier}/{file}"] = sha256_of(path)
        return path

    def _why_stale(self, earlier: str, made: Manifest | None) -> str | None:
        """Why an earlier step has to run; parameters that a student set for it are kept."""
        own = (made or {}).get("parameters", {}).get("own", {})
        return manifests.why_stale(
            made, self.out, self._fingerprint_of(earlier, own), self._hashes()
        )

    def _fingerprint_of(self, name: str, own: dict[str, Any]) -> str:
        code = sources.source_hash(_notebook(name))
        numbers = self.settings, self.seed, self.audio_track
        return manifests.fingerprint(name, *numbers, own, code)

    def _hashes(self) -> dict[str, Callable[[], str]]:
        """Functions that hash the present clip and speech."""
        return {what: partial(self._hash, what) for what in self._given}

    def _hash(self, what: str) -> str:
        return sha256_of(resolve(what, self._given[what], self.out))

    def _run(self, earlier: str, made: Manifest | None) -> None:
        """Run an earlier notebook in a process of its own, as `tfhkit run --only` does."""
        command = [sys.executable, "-m", "tfhkit.cli", "run", "--only", earlier, "--no-report"]
        command += ["--out", str(self.out), "--profile", self.settings.profile]
        command += ["--recipe", self.settings.recipe]
        command += ["--audio-track", str(self.audio_track)] if self.audio_track else []
        command += ["--seed", str(self.seed), "--notebooks", str(places.notebooks_dir())]
        for what, given in self._given.items():
            named = given if given in KEYWORDS else resolve(what, given, self.out)
            command += [f"--{what}", str(named)]
        known = own_parameters(_notebook(earlier), earlier)
        for name, value in (made or {}).get("parameters", {}).get("own", {}).items():
            command += ["--set", f"{earlier[:2]}.{name}={value}"] if name in known else []
        # not in the system's temporary folder, which may be full or missing
        state, line = self.out / f".{earlier}.{uuid.uuid4().hex[:8]}.progress", ""
        with (
            followed(state, self.progress),
            subprocess.Popen(
                [*command, "--progress", str(state)],
                cwd=places.kit_dir(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            ) as process,
        ):
            for line in process.stdout or ():
                print(line.rstrip())
        state.unlink(missing_ok=True)
        if process.returncode:
            raise TfhkitError(line.strip().removeprefix("tfhkit: ") or f"{earlier} failed")

    def finish(
        self, numbers: Mapping[str, Any] | None = None, backends: Mapping[str, str] | None = None
    ) -> None:
        """Write the manifest: the step is finished.

        Args:
            numbers: name -> number (or text, or list), for the report.
            backends: seam -> the backend that was used.
        """
        self.dir.mkdir(parents=True, exist_ok=True)
        outputs = manifests.outputs_of(self.dir, self.out, self._since, self._named)
        seconds = time.perf_counter() - self._began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        content = {
            "name": self.name,
            "fingerprint": self._fingerprint,
            "parameters": {
                **{what: str(given) for what, given in self._given.items()},
                "profile": self.settings.profile,
                "recipe": self.settings.recipe,
                "seed": self.seed,
                "audio_track": self.audio_track,
                "own": self.own,
            },
            "inputs": self._inputs,
            "outputs": outputs,
            "numbers": rounded(numbers or {}),
            "backends": rounded(backends or {}),
            "device": self.device,
            "seconds": round(seconds, 2),
            "peak_mb": round(peak / (2**20 if sys.platform == "darwin" else 2**10)),
            "versions": versions(),
        }
        manifests.write(self.dir, content)
        size = sum((self.out / name).stat().st_size for name in outputs) / 1e6
        print(f"{self.name} is finished: {len(outputs)} files, {size:.1f} MB")


KEYWORDS = ("sample", "sentence")


def open_step(name: str, values: Mapping[str, Any]) -> Step:
    """Open a step of the series; the first thing that a notebook does.

    Args:
        name: the notebook's name without suffix.
        values: the notebook's parameters by their names, usually its `globals()`; a parameter
            that is missing has the default of the parameters cell. All notebooks have clip (a
            video file, or "sample"), audio_track (number of its sound track, 0 chooses), speech (a
            sound file, or "sentence"), out (the run directory, see `places.base_dir` for a relative
            path), profile ("quick", "full", or "tiny" for tests), recipe (see `tfhkit.recipes`) and
            seed, which also seeds NumPy's and torch's global generators.
    Raises:
        ParameterError: an unknown profile, recipe or step.
        InputError: no such notebook or clip, or the run directory cannot be written, belongs to
            another clip, or is used by another process.
    """
    if not name[:2].isdigit():
        raise ParameterError(f"step {name!r}", "is not a notebook's name", "write e.g. 03_...")
    known = parameters_of(_notebook(name), name)
    given = {key: values.get(key, parameter.default) for key, parameter in known.items()}
    own = {key: value for key, value in given.items() if key not in places.COMMON}
    common = {key: given[key] for key in places.COMMON}
    settings_of(common["profile"], common["recipe"])
    check_seed(common["seed"])
    if in_notebook():
        use_inline_figures()
    place = places.resolve_out(common["out"])
    if is_live():  # it may stay open for hours
        check_free(place)
    else:
        hold_until_exit(place, f"notebook {name}")
    claim(place, resolve("clip", common["clip"], place))
    step = Step(name, place, common, own)
    random.seed(step.seed)
    import numpy as np
    import torch

    np.random.seed(step.seed)
    torch.manual_seed(step.seed)
    return step


def resolve(what: str, given: Path | str, out: Path, again: bool = False) -> Path:
    """The file behind a `clip` or `speech` parameter.

    Args:
        what: "clip" or "speech".
        given: a path, or "sample" / "sentence".
        out: the run directory, where the sentence is kept.
        again: speak the sentence even if it is there already.
    """
    if what == "clip" and given == "sample":
        from tfhkit.assets import fetch

        return Path(fetch("sample_clip"))
    if what == "speech" and given == "sentence":
        path = out / places.STEPS[0] / SENTENCE
        if again or not path.is_file():
            from tfhkit.virtual.voice import default_speech

            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, default_speech().audio)
        return path
    return places.resolve_input(given, what)


def _notebook(name: str) -> sources.Notebook:
    return sources.read_notebook(places.notebooks_dir() / f"{name}.ipynb")
