"""One short clip made ready: its motion, and for the refiner a few of its frames (Sec. 3.3.1)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from tfhkit.background.images import Look, training_images
from tfhkit.errors import InputError, ParameterError
from tfhkit.face import load_model
from tfhkit.fit import Fit, fit_clip
from tfhkit.landmarks import detect
from tfhkit.landmarks.identity import identity_features
from tfhkit.media import open_clip
from tfhkit.media.clip import Clip, frames_at
from tfhkit.motion import MotionTrack, make_track
from tfhkit.render import choose_albedo_frame, detailed_albedo, eyes_open

STRETCH = 4  # frames in a row: two of them have whole windows
ALBEDO_PX = 224  # of the crop whose colours go onto the face
_MIN_SECONDS = 0.6  # `make_track` needs 16 frames at 25 Hz
_ENCODED = 4  # step between frames whose identity is computed
# frames for texture and light: motion needs neither, pictures do
_TEXTURE_FRAMES, _TEXTURE_FRAMES_PICTURES = 2, 8


@dataclass(frozen=True)
class ClipSettings:
    """What is kept of a clip.

    Args:
        landmarks: name of the backend, see `tfhkit.landmarks.detect`.
        pictures: frames for the refiner, in stretches of 4 in a row; 0 keeps the motion alone.
        size_px: side of their crops.
    Raises:
        ParameterError: a number that is too small or no multiple of 4.
    """

    landmarks: str = "mesh"
    pictures: int = 0
    size_px: int = 128

    def __post_init__(self) -> None:
        if self.pictures < 0 or self.pictures % STRETCH:
            fault = f"{self.pictures} frames do not make stretches of {STRETCH}"
            raise ParameterError("--pictures", fault, "give 4, 8, 12 ...")
        if self.size_px < 32:
            raise ParameterError("--picture-px", f"is {self.size_px}", "give 128 or more")


@dataclass(frozen=True, eq=False)
class ClipPictures:
    """Frames of one clip or of several for the training of a refiner, in time order.

    Args:
        renders: renderings with the clip's detailed albedo, over the frames' own backgrounds.
        reals: the frames.
        changed: above 0 where rendering or hole changed the frame.
        identity: unit identity features of the frames; zeros where none was found.
        landmarks_px: pixels of the crops.
        frames: increasing frame numbers, with gaps where windows must not reach across.
    """

    renders: UInt8[np.ndarray, "N S S 3"]
    reals: UInt8[np.ndarray, "N S S 3"]
    changed: UInt8[np.ndarray, "N S S"]
    identity: Float[np.ndarray, "N D"]
    landmarks_px: Float[np.ndarray, "N 68 2"]
    frames: Int[np.ndarray, "N"]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class PreparedClip:
    """What the trainings read of a clip.

    Args:
        track: sound and motion.
        pictures: frames for the refiner; None where they were not asked for.
    """

    track: MotionTrack
    pictures: ClipPictures | None = None


def prepare_clip(path: Path, settings: ClipSettings) -> PreparedClip:
    """Decode a clip, find its landmarks and fit the open model to them (no pixels).

    The motion is the same with pictures and without.

    Args:
        path: a clip of one face with its sound, 0.64 s or longer.
        settings: what is kept.
    Raises:
        InputError: the clip cannot be used. ParameterError, AssetError, MissingBackend: the call
            or the installation is at fault.
    """
    clip, model = open_clip(path, _MIN_SECONDS), load_model()
    n_frames = _TEXTURE_FRAMES_PICTURES if settings.pictures else _TEXTURE_FRAMES
    points = detect(clip, settings.landmarks)
    fit = fit_clip(clip, points, model, photometric=None, texture_frames=n_frames)
    c = fit.coefficients
    track = make_track(clip.audio, fit.times, c.exp, c.pose, fit.gap, path.stem, c.id[0])
    return PreparedClip(track, _pictures(clip, fit, settings) if settings.pictures else None)


def _pictures(clip: Clip, fit: Fit, settings: ClipSettings) -> ClipPictures:
    """Renderings with the detailed albedo of the frame that is best for it, and what was filmed."""
    model, size_px = load_model(), settings.size_px
    shown = ~(fit.gap | fit.left_out())
    frames = stretches(len(fit), settings.pictures // STRETCH)
    frames = frames[shown[frames]]
    if len(frames) < 2:
        fault = "its face is hidden in the frames of its pictures"
        raise InputError(clip.path, fault, "leave the clip out")
    best = choose_albedo_frame(fit.coefficients, eyes_open(fit.landmarks_px) & shown)
    ((_, picture),) = frames_at(clip, [best])
    crop = fit.crop.image(picture, ALBEDO_PX)
    look = Look(detailed_albedo(model, fit.coefficients[best : best + 1], crop))
    coarse = training_images(clip, fit, model, size_px, frames, look)
    assert coarse.real is not None, "`training_images` gives it"
    points = fit.crop.to_crop(fit.landmarks_px[frames]) * size_px / 224
    points = points.astype(np.float32)
    found = identity_features(coarse.real, points, "dlib", every=_ENCODED)
    changed = (coarse.changed > 0).astype(np.uint8)
    return ClipPictures(coarse.render, coarse.real, changed, found.features, points, frames)


def stretches(n_frames: int, count: int) -> Int[np.ndarray, "N"]:
    """Numbers of `count` times 4 frames in a row, spread evenly; fewer in a clip that is short."""
    starts = np.linspace(0, max(0, n_frames - STRETCH), count + 2)[1:-1].round().astype(np.int64)
    numbers = np.unique(starts[:, None] + np.arange(STRETCH))
    return numbers[numbers < n_frames]
