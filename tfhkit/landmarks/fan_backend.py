"""face-alignment: the S3FD face detector and the 2DFAN-4 heat-map landmarks, weights verified."""

import contextlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.assets import ASSETS, fetch, path_of, present
from tfhkit.errors import AssetError, MissingBackend

WEAK = -0.4
WEIGHTS = ("fan_landmarks", "fan_detector")


def available() -> bool:
    """True where the package and both weight files are there (hashes are checked on opening)."""
    return bool(importlib.util.find_spec("face_alignment")) and all(map(present, WEIGHTS))


class FanFaces:
    """Faces and their points with face-alignment 1.5.

    Args:
        images: ignored; the detector is scale-free.
        device: "cpu", "cuda", or None: the GPU where there is one.
    Raises:
        MissingBackend: the package or its weights are absent and cannot be fetched.
        AssetError: weights with another hash than the expected one.
    """

    name = "face-alignment"

    def __init__(
        self, images: Sequence[UInt8[np.ndarray, "H W 3"]] | None = None, device: str | None = None
    ) -> None:
        if importlib.util.find_spec("face_alignment") is None:
            raise MissingBackend("landmarks", self.name, "pip install face-alignment")
        paths = {name: _weights(name) for name in WEIGHTS}
        self._fan = _open(paths, device)

    def slow(self, width_px: int) -> bool:
        """Whether a search of a whole frame of that width takes seconds: not on a GPU."""
        return False

    def upside_down(self, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> bool:
        """Whether the faces of some pictures stand on their heads: not asked here."""
        return False

    def find(
        self, image: UInt8[np.ndarray, "H W 3"]
    ) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n"]]:
        """Boxes (n, 4) px and margins (n,): the detector's probability less one half."""
        found = np.array(self._fan.face_detector.detect_from_image(image.copy()))
        found = found.reshape(-1, 5).astype(np.float64)
        return found[:, :4], found[:, 4] - 0.5

    def points(
        self, image: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]
    ) -> Float[np.ndarray, "68 2"]:
        """The 68 points (68, 2) float64 px in one box; pixel centres at +0.5."""
        found = self._fan.get_landmarks_from_image(image, detected_faces=[box])
        # the package maps cell k of its heat map to k + 0.5: that is the kit's convention already
        return np.asarray(found[0], np.float64)


def _weights(name):
    """Path of a verified weight file; MissingBackend where it cannot be had."""
    if path_of(name).is_file():
        return fetch(name)  # a wrong hash is an AssetError of its own
    try:
        return fetch(name)
    except AssetError as error:
        if "SHA-256" in error.fault:
            raise
        remedy = f"{ASSETS[name].filename} {error.fault}: {error.remedy}, or use dlib"
        raise MissingBackend("landmarks", FanFaces.name, remedy) from error


def _open(paths, device):
    """Build the package's networks from the verified files, never from its own downloads."""
    import torch
    from face_alignment import FaceAlignment, LandmarksType, api

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    expected = ASSETS["fan_landmarks"].filename
    if Path(api.models_urls.get("2DFAN-4", "")).name != expected:
        remedy = f"its version does not use {expected}: pip install face-alignment==1.5.0"
        raise MissingBackend("landmarks", FanFaces.name, remedy)
    with _loads_from(api, paths["fan_landmarks"]):
        return FaceAlignment(
            LandmarksType.TWO_D,
            device=device,
            compile=False,
            face_detector_kwargs={"path_to_detector": str(paths["fan_detector"])},
        )


@contextlib.contextmanager
def _loads_from(api, path):
    """Let the package's loader give our verified file for the one URL it asks for."""
    original = api.load_file_from_url
    api.load_file_from_url = lambda url: str(path)
    try:
        yield
    finally:
        api.load_file_from_url = original
