"""The identity seam: face crops to unit identity features, by ArcFace or dlib's descriptor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from tfhkit.assets import fetch
from tfhkit.errors import InputError, MissingBackend, ParameterError, check_shape
from tfhkit.media.arrays import npz_content
from tfhkit.media.files import atomic_path
from tfhkit.progress import Progress

# (S, S, 3) uint8 crop and its (68, 2) landmarks to a feature, not normalised
Encode = Callable[[np.ndarray, np.ndarray], Sequence[float] | Float[np.ndarray, "D"]]

# eye centres, nose tip, mouth corners in the 112 px picture that ArcFace was trained on
ARCFACE_POINTS_PX = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)


@dataclass(frozen=True)
class Encoder:
    """Facts of an identity encoder.

    Args:
        name: "arcface" or "dlib".
        dim: length of its features.
        match: features of two frames with a higher cosine count as the same entry of the
            memory. 0.98 for ArcFace in the published code. dlib's descriptors differ far
            less: frames of one person have a median cosine of about 0.98 to 0.99, those of
            two people often above 0.8.
        same_person: two features with a higher cosine are taken for the same person.
    """

    name: str
    dim: int
    match: float
    same_person: float


ENCODERS = {
    "arcface": Encoder("arcface", 512, 0.98, 0.4),
    "dlib": Encoder("dlib", 128, 0.99, 0.91),
}


@dataclass(frozen=True)
class IdentityFeatures:
    """What `identity_features` returns.

    Args:
        features: unit vectors; zeros where there is no face.
        found: frames with a face.
        encoder: what made the features.
    """

    features: Float[np.ndarray, "T D"]
    found: Bool[np.ndarray, "T"]
    encoder: Encoder

    @property
    def n_skipped(self) -> int:
        """Number of frames without a face."""
        return int((~self.found).sum())

    def of(self, frames: Int[np.ndarray, "N"]) -> "IdentityFeatures":
        """Those of some frames."""
        return replace(self, features=self.features[frames], found=self.found[frames])

    def save(self, path: str | Path) -> None:
        """Write them to an `.npz`."""
        with atomic_path(path) as temporary:
            np.savez(
                temporary, features=self.features, found=self.found, encoder=self.encoder.name
            )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path, n_frames: int) -> "IdentityFeatures":
        """Read what `save` wrote.

        Args:
            path: `.npz` file. n_frames: of the clip.
        Raises:
            InputError: no such file, it holds something else, or belongs to another clip.
        """
        kept = npz_content(path, "a file of identity features", "make it again")
        encoder = ENCODERS.get(str(kept.get("encoder")))
        features, found = (kept.get(name, np.zeros(0)) for name in ("features", "found"))
        if encoder is None or features.shape != (len(found), encoder.dim):
            raise InputError(path, "holds no identity features", "make it again")
        if len(found) != n_frames:
            fault = f"is of a clip of {len(found)} frames, this one has {n_frames}"
            raise InputError(path, fault, "give the file of this clip")
        return cls(features, found, encoder)


def identity_features(
    images: Shaped[np.ndarray, "_ _ _ _"],
    landmarks_px: Float[np.ndarray, "_ _ _"],
    backend: str = "auto",
    weights: str | Path | None = None,
    every: int = 1,
    progress: Progress | None = None,
) -> IdentityFeatures:
    """Identity features of face crops.

    Args:
        images: (T, S, S, 3) uint8 RGB crops.
        landmarks_px: (T, 68, 2) in pixels of the crops; NaN in a frame without a face.
        backend: "arcface", "dlib" or "auto" (ArcFace where `weights` is given, else dlib).
        weights: an ArcFace ONNX file (112 x 112 RGB in, 512 out).
        every: step between encoded frames, counted in frames with a face; the features between
            them are interpolated. dlib's net takes 60 ms a frame; at 25 fps the features of
            frames 0.1 s apart differ by less than 1 % of their length.
        progress: called as progress(done, total, text).
    Raises:
        MissingBackend: the backend was asked for and lacks its weights.
        InputError: no frame shows a face; pictures are not uint8; the file is not an ArcFace
            model.
        ParameterError: `every`, or an unknown backend.
    """
    check_shape("images", images, ("T", "S", "S", 3))
    check_shape("landmarks_px", landmarks_px, (len(images), 68, 2))
    if images.dtype != np.uint8:
        raise InputError("images", f"are {images.dtype}", "give uint8 from 0 to 255")
    if every < 1:
        raise ParameterError("every", f"{every}", "give 1 or more")
    encoder, encode = open_encoder(backend, weights)
    found = np.isfinite(landmarks_px).all((1, 2))
    features = np.zeros((len(images), encoder.dim), np.float32)
    shown = np.flatnonzero(found)
    if not len(shown):
        raise InputError("identity", "no frame shows a face", "give frames with landmarks")
    chosen = np.union1d(shown[::every], shown[-1:])
    encoded = np.zeros((len(chosen), encoder.dim), np.float32)
    for k, i in enumerate(chosen):
        encoded[k] = encode(images[i], landmarks_px[i])
        encoded[k] /= max(np.linalg.norm(encoded[k]), 1e-9)
        if progress:
            progress(k + 1, len(chosen), f"identity features ({encoder.name})")
    place = np.interp(shown, chosen, np.arange(len(chosen)))
    low = np.minimum(place.astype(int), len(chosen) - 1)
    high = np.minimum(low + 1, len(chosen) - 1)
    share = (place - low)[:, None]
    mixed = (1 - share) * encoded[low] + share * encoded[high]
    features[shown] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return IdentityFeatures(features, found, encoder)


def open_encoder(
    backend: str = "auto", weights: str | Path | None = None
) -> tuple[Encoder, Encode]:
    """An encoder and its function; arguments as in `identity_features`."""
    if backend == "auto":
        backend = "arcface" if weights is not None else "dlib"
    if backend == "arcface":
        return ENCODERS["arcface"], _open_arcface(weights)
    if backend == "dlib":
        return ENCODERS["dlib"], _open_dlib()
    raise ParameterError("identity", f"unknown backend {backend!r}", "use arcface, dlib or auto")


def _open_arcface(weights: str | Path | None) -> Encode:
    if weights is None or not Path(weights).is_file():
        raise MissingBackend(
            "identity",
            "arcface",
            f"give the path of an ArcFace ONNX file (got {weights}), or choose 'dlib'",
        )
    import cv2

    try:
        net = cv2.dnn.readNetFromONNX(str(weights))
    except cv2.error as error:
        raise InputError(weights, "cannot be read as ONNX", "give an ArcFace .onnx") from error

    def encode(image, points):
        blob = (align_arcface(image, points).astype(np.float32) - 127.5) / 127.5
        net.setInput(np.ascontiguousarray(blob.transpose(2, 0, 1)[None]))
        try:
            feature = net.forward().ravel()
        except cv2.error as error:
            fault = "does not take a 112 x 112 picture"
            raise InputError(weights, fault, "give an ArcFace model") from error
        if feature.size != ENCODERS["arcface"].dim:
            raise InputError(
                weights,
                f"gives {feature.size} numbers, expected 512",
                "give an ArcFace model with 112 x 112 input",
            )
        return feature

    return encode


def align_arcface(
    image: UInt8[np.ndarray, "S S 3"], points: Float[np.ndarray, "68 2"]
) -> UInt8[np.ndarray, "112 112 3"]:
    """The picture that ArcFace expects, by a similarity from five points.

    Args:
        image: RGB crop.
        points: landmarks in pixels of the crop.
    """
    import cv2

    five = np.stack(
        [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    ).astype(np.float64)
    target = ARCFACE_POINTS_PX.astype(np.float64)
    a, b = five - five.mean(0), target - target.mean(0)
    scale = (a**2).sum()
    cos = (a * b).sum() / scale
    sin = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / scale
    linear = np.array([[cos, -sin], [sin, cos]])
    # pixel centres lie at +0.5 here and at integers in OpenCV
    shift = target.mean(0) - linear @ (five.mean(0) - 0.5) - 0.5
    return cv2.warpAffine(
        image,
        np.hstack([linear, shift[:, None]]),
        (112, 112),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


@lru_cache(maxsize=1)
def _open_dlib() -> Encode:
    try:
        import dlib
    except ImportError as error:
        raise MissingBackend("identity", "dlib", "install dlib-bin") from error
    net = dlib.face_recognition_model_v1(str(fetch("dlib_descriptor")))

    def encode(image, points):
        corners = [dlib.point(round(float(x - 0.5)), round(float(y - 0.5))) for x, y in points]
        (left, top), (right, bottom) = np.floor(points.min(0)), np.ceil(points.max(0))
        box = dlib.rectangle(int(left), int(top), int(right), int(bottom))
        shape = dlib.full_object_detection(box, corners)
        return net.compute_face_descriptor(np.ascontiguousarray(image), shape)

    return encode
