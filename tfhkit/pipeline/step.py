"""What a notebook opens: its inputs, its folder, its settings, its progress, its manifest."""

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tfhkit.errors import InputError, ParameterError, TfhkitError
from tfhkit.evaluate.installation import versions
from tfhkit.media import rounded, sha256_of, write_wav
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import places, sources
from tfhkit.pipeline.parameters import own_parameters, parameters_of
from tfhkit.pipeline.progress import report_progress
from tfhkit.pipeline.watch import followed
from tfhkit.profiles import settings_of

SENTENCE = "sentence.wav"


class Step:
    """One notebook at work; made by `open_step`.

    Attributes:
        name: e.g. "03_lstm_training".
        out: Path of the run directory; `dir`: this step's folder in it.
        settings: the profile's numbers (`tfhkit.profiles.Settings`).
        seed, own: as given. device: "cuda" or "cpu", by the profile and the machine.
        clip_path, speech_path: the resolved files; asking for one makes it an input.
        progress: callable (done, total, text) to hand to functions of the kit.
    """

    def __init__(self, name, clip, speech, out, profile, seed, own):
        self.name, self.out, self.seed, self.own = name, out, seed, dict(own)
        self.dir = out / name
        self.settings = settings_of(profile)
        self.progress = report_progress(name)
        self._given = {"clip": clip, "speech": speech}
        self._resolved, self._inputs, self._named = {}, {}, set()
        self._fingerprint = _fingerprint(name, profile, seed, self.own)
        self._since, self._began = time.time(), time.perf_counter()

    @property
    def device(self):
        """The name "cuda" where the profile asks for it and it is there, else "cpu"."""
        import torch

        wanted = self.settings.device == "auto" and torch.cuda.is_available()
        return "cuda" if wanted else "cpu"

    @property
    def clip_path(self):
        """Path of the clip; "sample" is fetched and verified."""
        return self._file("clip")

    @property
    def speech_path(self):
        """Path of the driving sound; "sentence" is spoken by espeak-ng, once per run."""
        return self._file("speech")

    def model_path(self, given):
        """Path of a face model's file or folder, as an input of this step; None for ""."""
        return self._noted(places.resolve_model(given))

    def picture_path(self, given):
        """A picture's path as an input of this step; "astronaut" stays as it is."""
        return self._noted(places.resolve_input(given, "picture", "astronaut"))

    def _noted(self, path):
        """The path, as an input of this step where something lies there."""
        mark = path and manifests.content_mark(Path(path))
        if mark:
            self._inputs[str(path)] = mark
        return path

    def _file(self, what):
        if what not in self._resolved:
            again = self.name == places.STEPS[0]
            path = resolve(what, self._given[what], self.out, again)
            self._resolved[what], self._inputs[what] = path, sha256_of(path)
        return self._resolved[what]

    def path(self, file):
        """Path to write an artefact of this step; from the first call on the step is unfinished."""
        path = self.dir / file
        path.parent.mkdir(parents=True, exist_ok=True)
        manifests.invalidate(self.dir)
        self._named.add(path)
        return path

    def finished(self, file):
        """Path of this step's own artefact, if a run with the same inputs and code finished it.

        Args:
            file: its name in the step's folder.
        Returns:
            Path, or None: it has to be made.
        """
        made = manifests.read(self.dir)
        if manifests.why_stale(made, self.out, self._fingerprint, self._hashes()):
            return None
        path = self.dir / file
        self._named.add(path)  # it stays an output of this step
        return path if path.is_file() else None

    def input(self, earlier, file):
        """Path of an earlier step's artefact; runs that notebook first where it has to be.

        Args:
            earlier: the step's name, e.g. "01_3dmm_fitting".
            file: the artefact's name in its folder.
        Raises:
            ParameterError: `earlier` does not come before this step.
            InputError: that step does not write such a file.
            TfhkitError: the earlier notebook failed, in its words.
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

    def _why_stale(self, earlier, made):
        """Why an earlier step has to run; the student's own parameters for it are respected."""
        own = (made or {}).get("parameters", {}).get("own", {})
        expected = _fingerprint(earlier, self.settings.profile, self.seed, own)
        return manifests.why_stale(made, self.out, expected, self._hashes())

    def _hashes(self):
        """Functions that hash the clip and the speech of now."""
        return {
            what: (lambda what=what: sha256_of(resolve(what, self._given[what], self.out)))
            for what in self._given
        }

    def _run(self, earlier, made):
        """Run an earlier notebook in a process of its own, as `tfhkit run --only` does."""
        command = [sys.executable, "-m", "tfhkit.cli", "run", "--only", earlier, "--no-report"]
        command += ["--out", self.out, "--profile", self.settings.profile, "--seed", self.seed]
        command += ["--notebooks", places.notebooks_dir()]
        for what, given in self._given.items():
            command += [f"--{what}", given if given in KEYWORDS else resolve(what, given, self.out)]
        known = own_parameters(_notebook(earlier), earlier)
        for name, value in (made or {}).get("parameters", {}).get("own", {}).items():
            command += ["--set", f"{earlier[:2]}.{name}={value}"] if name in known else []
        with tempfile.TemporaryDirectory() as folder:
            state, line = Path(folder) / "progress", ""
            command = [str(part) for part in [*command, "--progress", state]]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            with followed(state, self.progress):
                with subprocess.Popen(command, cwd=places.kit_dir(), **pipes) as process:
                    for line in process.stdout:
                        print(line.rstrip())
        if process.returncode:
            raise TfhkitError(line.strip().removeprefix("tfhkit: ") or f"{earlier} failed")

    def finish(self, numbers=None, backends=None):
        """Write the manifest: the step is finished.

        Args:
            numbers: dict of name -> number (or text, or list), for the report.
            backends: dict of seam -> the backend that was used.
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
                "seed": self.seed,
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


def open_step(name, values):
    """Open a step of the series; the first thing that a notebook does.

    Args:
        name: the notebook's name without suffix.
        values: dict that holds the values of the notebook's parameters by their names, above all
            its `globals()`; what is missing has the default of its cell of parameters. All
            notebooks have clip (a video file, or "sample"), speech (a sound file, or "sentence"),
            out (the run directory; a relative path counts from the kit's folder for everything
            that runs inside it, else from the current folder), profile ("quick", "full", or
            "tiny" for tests) and seed, which seeds NumPy's and torch's global generators, too.
    Returns:
        Step.
    Raises:
        ParameterError: an unknown profile or step.
        InputError: no such notebook, or the run directory cannot be written.
    """
    if not name[:2].isdigit():
        raise ParameterError(f"step {name!r}", "is not a notebook's name", "write e.g. 03_...")
    known = parameters_of(_notebook(name), name)
    given = {key: values.get(key, parameter.default) for key, parameter in known.items()}
    own = {key: value for key, value in given.items() if key not in places.COMMON}
    clip, speech, out, profile, seed = (given[key] for key in places.COMMON)
    settings_of(profile)
    step = Step(name, clip, speech, places.resolve_out(out), profile, seed, own)
    random.seed(seed)
    import numpy as np
    import torch

    np.random.seed(seed)
    torch.manual_seed(seed)
    return step


def resolve(what, given, out, again=False):
    """The file behind a `clip` or `speech` parameter.

    Args:
        what: "clip" or "speech".
        given: a path, or "sample" / "sentence".
        out: the run directory, where the sentence is kept.
        again: speak the sentence even if it lies there.
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


def _notebook(name):
    return sources.read_notebook(places.notebooks_dir() / f"{name}.ipynb")


def _fingerprint(name, profile, seed, own):
    code = sources.source_hash(_notebook(name))
    return manifests.fingerprint(name, profile, seed, own, code)
