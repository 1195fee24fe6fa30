"""From a clip's landmarks and frames to its 257 coefficients per frame (Sec. 3.1)."""

import json
from dataclasses import dataclass, field
from zipfile import BadZipFile

import numpy as np
import torch

from tfhkit.camera import Camera, project
from tfhkit.coefficients import Coefficients
from tfhkit.errors import InputError, check_shape
from tfhkit.face import load_model
from tfhkit.fit.appearance import fit_appearance, spread_frames
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import BundleSettings, reproject, solve_bundle
from tfhkit.fit.crop import Crop, clip_crop
from tfhkit.media import atomic_path, frames_at

MOUTH = slice(48, 68)
INNER = slice(17, 68)
_OUTER_EYE_CORNERS = (36, 45)


@dataclass(frozen=True)
class Fit:
    """A fitted clip.

    Args:
        coefficients: Coefficients of T frames, NumPy float32; id, tex and light are the clip's.
        landmarks_px: (T, 68, 2) detected, in frame pixels.
        gap: (T,) bool, frames whose landmarks were bridged.
        times: (T,) seconds.
        crop: the clip's Crop.
        model_name: the morphable model that was fitted.
        report: numbers about the fit, see `fit_report`.
        model_path: where that model was read from; "" for the shipped one.
    """

    coefficients: Coefficients
    landmarks_px: np.ndarray
    gap: np.ndarray
    times: np.ndarray
    crop: Crop
    model_name: str
    report: dict = field(default_factory=dict)
    model_path: str = ""

    def __len__(self):
        return len(self.times)

    def load_model(self, subdivide=True):
        """The MorphableModel that was fitted; `subdivide` as of `tfhkit.face.load_model`.

        Raises:
            InputError: its file is no longer where it was.
        """
        return load_model(self.model_name, self.model_path or None, subdivide)

    def save(self, path):
        """Write everything to one `.npz`."""
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                coefficients=self.coefficients.to_vector(),
                landmarks_px=self.landmarks_px.astype(np.float32),
                gap=self.gap,
                times=self.times,
                crop=np.array([self.crop.scale, self.crop.offset_x, self.crop.offset_y]),
                model_name=self.model_name,
                report=json.dumps(self.report),
                model_path=self.model_path,
            )

    @classmethod
    def load(cls, path):
        """Read what `save` wrote.

        Raises:
            InputError: the file is not one of a fit.
        """
        try:
            with open(path, "rb") as file, np.load(file) as content:
                return cls(
                    Coefficients.from_vector(content["coefficients"]),
                    content["landmarks_px"],
                    content["gap"],
                    content["times"],
                    Crop(*map(float, content["crop"])),
                    str(content["model_name"]),
                    json.loads(str(content["report"])),
                    str(content["model_path"]) if "model_path" in content else "",
                )
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise InputError(path, f"is no fit ({error})", "make it with `tfhkit fit`") from error


def interocular_px(landmarks_px):
    """(T,) distance of the outer eye corners."""
    left, right = _OUTER_EYE_CORNERS
    return np.linalg.norm(landmarks_px[:, left] - landmarks_px[:, right], axis=-1)


def fit_clip(
    clip, landmarks, model=None, settings=None, texture_frames=12, crop=None, progress=None
):
    """Fit the morphable model to a clip.

    Args:
        clip: Clip.
        landmarks: Landmarks of its first T frames.
        model: MorphableModel; the open one by default.
        settings: BundleSettings.
        texture_frames: frames whose pixels decide texture and light.
        crop: Crop, where it is known; by default the clip's own.
        progress: called as progress(done, total, text).
    Returns:
        Fit.
    Raises:
        InputError: landmarks that are not finite.
        ShapeError: landmarks that are not (T, 68, 2).
    """
    model = model or load_model()
    points = np.asarray(landmarks.points_px, np.float64)
    check_shape("landmarks.points_px", points, ("T", 68, 2))
    if not np.isfinite(points).all():
        frame = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise InputError(
            f"{clip.path}, frame {frame}", "has landmarks that are not numbers", "detect them again"
        )
    times = clip.times[: len(points)]
    camera = Camera()
    settings = settings or settings_for(times)
    mean_px, _ = project(model.mean_shape[model.landmark_ids], camera)
    crop = crop or clip_crop(points, mean_px.numpy().astype(np.float64))
    confidence = np.where(landmarks.gap, 0.05, 1.0)
    points_crop = torch.as_tensor(crop.to_crop(points))
    basis = landmark_basis(model)
    state = solve_bundle(basis, points_crop, confidence, camera, settings, progress)
    motion = Coefficients(
        state.id.float().expand(len(points), -1),
        state.exp.float(),
        torch.zeros(len(points), 80),
        state.angles.float(),
        torch.zeros(len(points), 27),
        state.trans.float(),
    )
    chosen = spread_frames(state.angles.numpy(), texture_frames)
    images = np.stack([crop.image(frame) for frame in read_frames(clip, chosen)])
    tex, light, colour_error = fit_appearance(model, motion[torch.as_tensor(chosen)], images)
    fitted = Coefficients(
        motion.id,
        motion.exp,
        tex.expand(len(points), -1),
        motion.angles,
        light.expand(len(points), -1),
        motion.trans,
    ).map(lambda part: part.contiguous().numpy())
    predicted = crop.to_frame(reproject(basis, state, camera).numpy())
    report = fit_report(points, predicted, fitted, landmarks.gap, times)
    report["photometric_l1"] = colour_error
    report["landmark_backend"] = landmarks.backend
    return Fit(
        fitted,
        points.astype(np.float32),
        landmarks.gap,
        times,
        crop,
        model.name,
        report,
        model.path,
    )


def settings_for(times):
    """BundleSettings for the clip's frame rate: frames far apart are smoothed less."""
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    return BundleSettings(smooth_weight=0.5 * min(1.0, 0.04 / step_s) ** 2)


def read_frames(clip, indices):
    """The frames at sorted indices, decoded in one pass."""
    return [frame for _, frame in frames_at(clip, indices)]


def fit_report(landmarks_px, predicted_px, coefficients, gap, times):
    """Numbers that say how good a fit is.

    Args:
        landmarks_px, predicted_px: (T, 68, 2) frame pixels.
        coefficients: Coefficients of T frames.
        gap: (T,) bool.
        times: (T,) seconds.
    Returns:
        dict: frames, nme_inner_pct and nme_mouth_pct (mean distance over the distance of the outer
        eye corners, bridged frames left out), the ranges of yaw, pitch, roll in degrees, rms of
        the identity and expression coefficients, worst_frames, jitter_deg (median absolute second
        difference of the angles).
    """
    distance = np.linalg.norm(landmarks_px - predicted_px, axis=-1)
    error = 100 * distance / interocular_px(landmarks_px)[:, None]
    kept = ~gap
    degrees = np.degrees(coefficients.angles)
    inner = error[:, INNER].mean(1)
    second = np.abs(np.diff(degrees, n=2, axis=0)) if len(degrees) > 2 else np.zeros((1, 3))
    return {
        "frames": len(landmarks_px),
        "duration_s": float(times[-1] - times[0]),
        "bridged_frames": int(gap.sum()),
        "nme_inner_pct": float(inner[kept].mean()),
        "nme_mouth_pct": float(error[kept, MOUTH].mean()),
        "worst_frames": [int(i) for i in np.argsort(-inner * kept)[:5]],
        **{
            f"{name}_deg": [float(degrees[:, axis].min()), float(degrees[:, axis].max())]
            for axis, name in enumerate(("pitch", "yaw", "roll"))
        },
        "id_rms": float(np.sqrt((coefficients.id[0] ** 2).mean())),
        "exp_rms": float(np.sqrt((coefficients.exp**2).mean())),
        "jitter_deg": float(np.median(second)),
    }
