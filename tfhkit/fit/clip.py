"""From a clip's landmarks and frames to its 257 coefficients per frame (Sec. 3.1)."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from tfhkit.camera import CROP_PX, Camera, project, rotation_from_angles
from tfhkit.coefficients import N_COEFFICIENTS, Coefficients
from tfhkit.device import explain_full_memory
from tfhkit.errors import InputError, check_shape
from tfhkit.face import load_model
from tfhkit.face.model import MorphableModel
from tfhkit.fit.appearance import fit_appearance, spread_frames
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import (
    BundleSettings,
    frame_step,
    reproject,
    sigma_by_group,
    solve_bundle,
)
from tfhkit.fit.covered import covered_share
from tfhkit.fit.crop import Crop, clip_crop
from tfhkit.fit.eyes import fit_eyes
from tfhkit.fit.initialise import BundleState
from tfhkit.fit.mesh_places import mesh_places
from tfhkit.fit.photometric import (
    Observed,
    PhotometricSettings,
    landmark_noise,
    refine_all,
    refine_shared,
)
from tfhkit.fit.report import (
    INNER,
    fit_report,
    interocular_px,
    jitter_deg,
    landmark_errors,
    photometric_l1,
)
from tfhkit.landmarks import Landmarks
from tfhkit.landmarks.mesh_nets import N_MESH
from tfhkit.landmarks.smoothing import smooth_track
from tfhkit.media import Clip, atomic_path, frames_at, json_text
from tfhkit.media.arrays import npz_content
from tfhkit.media.clip import FrameSource
from tfhkit.progress import Progress

PHOTOMETRIC = PhotometricSettings()
POSE_SIGMA_S = 0.06  # nods of up to about 4 a second pass


@dataclass(frozen=True)
class Fit:
    """A fitted clip.

    Args:
        coefficients: Coefficients of T frames, NumPy float32; id, tex and light are the clip's.
        landmarks_px: (T, 68, 2) detected, in frame pixels.
        gap: (T,) bool, frames whose landmarks were bridged, or that were left out.
        times: (T,) seconds.
        crop: the clip's Crop.
        model_name: the morphable model that was fitted.
        report: numbers about the fit, see `fit_report`.
        model_path: where that model was read from; "" for the shipped one.
        sigma_deg: (T, 3) standard deviations of the angles: where the fit is unsure.
        covered: (V,) how far hair lies over each vertex, see `covered_share`; None: nowhere.
    """

    coefficients: Coefficients
    landmarks_px: Float[np.ndarray, "T 68 2"]
    gap: Bool[np.ndarray, "T"]
    times: Float[np.ndarray, "T"]
    crop: Crop
    model_name: str
    report: dict[str, Any] = field(default_factory=dict)
    model_path: str = ""
    sigma_deg: Float[np.ndarray, "T 3"] | None = None
    covered: Float[np.ndarray, "V"] | None = None

    def __len__(self) -> int:
        return len(self.times)

    def left_out(self) -> Bool[np.ndarray, "T"]:
        """The frames that show nothing that could be learned or shown again: dark, blurred ..."""
        mask = np.zeros(len(self), bool)
        for part in self.report.get("unusable", []):
            mask[part["first"] : part["stop"]] = True
        return mask

    def nearest_usable(self) -> Int[np.ndarray, "T"]:
        """For every frame the nearest one that is not left out; itself, as a rule."""
        shown, frames = np.flatnonzero(~self.left_out()), np.arange(len(self))
        after = np.clip(np.searchsorted(shown, frames), 0, len(shown) - 1)
        before = np.maximum(after - 1, 0)
        earlier = np.abs(shown[before] - frames) < np.abs(shown[after] - frames)
        return shown[np.where(earlier, before, after)]

    def load_model(self, subdivide: bool = True) -> MorphableModel:
        """The MorphableModel that was fitted; `subdivide` as in `tfhkit.face.load_model`.

        Raises:
            InputError: its file is no longer where it was.
        """
        return load_model(self.model_name, self.model_path or None, subdivide)

    def save(self, path: str | Path) -> None:
        """Write everything to one `.npz`."""
        extra = {"sigma_deg": self.sigma_deg, "covered": self.covered}
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                coefficients=self.coefficients.to_vector(),
                landmarks_px=self.landmarks_px.astype(np.float32),
                gap=self.gap,
                times=self.times,
                crop=np.array([self.crop.scale, self.crop.offset_x, self.crop.offset_y]),
                model_name=self.model_name,
                report=json_text(self.report),
                model_path=self.model_path,
                **{name: part for name, part in extra.items() if part is not None},  # type: ignore
            )

    @classmethod
    def load(cls, path: str | Path) -> "Fit":
        """Read what `save` wrote.

        Raises:
            InputError: the file is not one of a fit.
        """
        remedy = "make it with `tfhkit fit`"
        content = npz_content(path, "a fit", remedy)
        try:
            _check_content(content)
            return cls(
                Coefficients.from_vector(content["coefficients"]),
                content["landmarks_px"],
                content["gap"],
                content["times"],
                Crop(*map(float, content["crop"])),
                str(content["model_name"]),
                json.loads(str(content["report"])),
                str(content["model_path"]),
                content.get("sigma_deg"),
                content.get("covered"),
            )
        except (KeyError, ValueError) as error:
            raise InputError(path, f"is not a fit ({error})", remedy) from error


def _check_content(content):
    """Raise ValueError where a fit's arrays do not belong together or are not numbers."""
    n = content["times"].size
    if n == 0:
        raise ValueError("it has no frames")
    shapes = {"times": (n,), "coefficients": (n, N_COEFFICIENTS), "landmarks_px": (n, 68, 2)}
    for name, shape in (shapes | {"crop": (3,)}).items():
        check_shape(name, content[name], shape)
        if content[name].dtype.kind not in "fiu" or not np.isfinite(content[name]).all():
            raise ValueError(f"{name}: not all are finite numbers")
    check_shape("gap", content["gap"], (n,))
    if "sigma_deg" in content:
        check_shape("sigma_deg", content["sigma_deg"], (n, 3))
    if not isinstance(json.loads(str(content["report"])), dict):
        raise ValueError("its report is no table of names and values")


@explain_full_memory("fitting the face")
def fit_clip(
    clip: FrameSource,
    landmarks: Landmarks,
    model: MorphableModel | None = None,
    settings: BundleSettings | None = None,
    texture_frames: int = 24,
    photometric: PhotometricSettings | None = PHOTOMETRIC,
    crop: Crop | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Fit the morphable model to a clip: landmarks first, then the pixels.

    Args:
        clip: Clip.
        landmarks: Landmarks of its first T frames.
        model: MorphableModel; the open one on the CPU by default. The fit runs where it is.
        settings: BundleSettings.
        texture_frames: frames whose pixels decide identity, texture and light.
        photometric: PhotometricSettings; None stops after the landmarks (texture and light
            are fitted all the same).
        crop: Crop, where it is known; by default the clip's own.
        progress: called as progress(done, total, text).
    Returns:
        Fit; its report holds the numbers of `fit_report`, landmark_backend, photometric_l1 and,
        as they were before the pixels, photometric_l1_landmarks and jitter_deg_landmarks; also
        clip_sha256, where the clip is a file.
    Raises:
        InputError: landmarks that are not finite, lie on one point or outside of a given crop.
        ShapeError: landmarks that are not (T, 68, 2).
    """
    model = model or load_model()
    own = model.to("cpu")
    points = checked_points(clip, landmarks)
    times = clip.times[: len(points)]
    settings = settings or settings_for(times)
    crop = checked_crop(clip, points, own, crop)
    left_out = landmarks.left_out()
    (own_basis, seen), camera = _observed(landmarks, points, own, crop), Camera()
    basis, seen = own_basis.to(model.device), seen.to(model.device)
    state = solve_bundle(basis, seen.points_px, seen.confidence, camera, settings, progress)
    shown = np.flatnonzero(~left_out)
    chosen = shown[spread_frames(state.angles.cpu().numpy()[shown], texture_frames)]
    size_px = (photometric or PHOTOMETRIC).size_px
    crops = [crop.image(frame, size_px) for frame in read_frames(clip, chosen)]
    few, images = seen.at(chosen, crops), np.stack(crops)
    tex, light, _ = fit_appearance(model, state[chosen].coefficients(), images)
    state = replace(state, tex=tex.double(), light=light.double())
    before = {
        "photometric_l1_landmarks": photometric_l1(model, state[chosen].coefficients(), images),
        "jitter_deg_landmarks": jitter_deg(state.angles.cpu().numpy()),
    }
    if photometric:
        *_, (state, _) = refine_shared(
            model, basis, state, chosen, few, settings, photometric, progress
        )
        offset, sigma_px = landmark_noise(basis, state[chosen], few.points_px)
        settings = replace(settings, sigma_px=sigma_px)
        seen = replace(seen, points_px=seen.points_px - offset)
        frames = (crop.image(frame, size_px) for frame in clip.iter_frames(0, len(points)))
        state, sigma = refine_all(
            model, basis, state, seen, frames, settings, photometric, progress
        )
        state = calm_pose(state.to("cpu"), times)
    else:
        _, sigma = frame_step(basis, state, seen.points_px, seen.confidence, camera, settings)
    state, sigma = state.to("cpu"), sigma.cpu()
    state = bridge_motion(state, left_out, times)
    if landmarks.dense_px is not None:
        seen_eyes = crop.to_crop(landmarks.dense_px[:, N_MESH:].reshape(len(points), 2, -1, 2))
        state = fit_eyes(own, state, torch.as_tensor(seen_eyes), ~landmarks.gap, camera)
    fitted = state.coefficients().map(lambda part: part.contiguous().numpy())
    predicted = crop.to_frame(reproject(own_basis, state, camera)[:, :68].numpy())
    sigma_deg = np.degrees(sigma[:, :3].numpy()).astype(np.float32)
    report = fit_report(landmark_errors(points, predicted), fitted, landmarks.gap, times, sigma_deg)
    report |= before | {"landmark_sigma_px": sigma_by_group(settings.sigma_px)}
    report |= {"photometric_l1": photometric_l1(own, fitted[chosen], images)}
    report |= seen_faces(landmarks) | _mark_of(clip)
    seen_px = points.astype(np.float32), landmarks.gap
    covered = covered_share(own, fitted[chosen], images)
    return Fit(fitted, *seen_px, times, crop, model.name, report, model.path, sigma_deg, covered)


def _observed(landmarks, points, model, crop):
    """The model at its landmarks, and at points of the mesh if there is one; what was seen."""
    places, followed = None, points
    if landmarks.dense_px is not None:
        places = mesh_places(model)
        followed = np.concatenate([points, landmarks.dense_px[:, places.points]], 1)
    confidence = torch.as_tensor(np.where(landmarks.gap, 0.05, 1.0))
    left_out = torch.as_tensor(landmarks.left_out())
    seen = Observed(torch.as_tensor(crop.to_crop(followed)), confidence, left_out=left_out)
    return landmark_basis(model, places), seen


def seen_faces(landmarks: Landmarks) -> dict[str, Any]:
    """What the fit's report says of its landmarks."""
    return {
        "landmark_backend": landmarks.backend,
        "unusable": [asdict(part) for part in landmarks.unusable],
        "faces": len(landmarks.people),
        "why": landmarks.why,
    }


def _mark_of(clip):
    """What the fit's report says of a clip that is a file, not a stand-in for one."""
    return {"clip_sha256": clip.sha256} if isinstance(clip, Clip) else {}


def checked_points(clip: FrameSource, landmarks: Landmarks) -> Float[np.ndarray, "T 68 2"]:
    """The landmarks (T, 68, 2) in float64, refused where nothing can be fitted to them."""
    points = np.asarray(landmarks.points_px, np.float64)
    check_shape("landmarks.points_px", points, ("T", 68, 2))
    if not np.isfinite(points).all():
        frame = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise InputError(
            f"{clip.path}, frame {frame}", "has landmarks that are not numbers", "detect them again"
        )
    if landmarks.left_out().all():
        raise InputError(
            clip.path,
            f"none of its first {len(points)} frames can be used",
            "trim it to where the face is seen well",
        )
    if (interocular_px(points) < 1).any():
        frame = int(np.argmin(interocular_px(points)))
        raise InputError(
            f"{clip.path}, frame {frame}", "has both eyes on one point", "detect them again"
        )
    return points


def checked_crop(
    clip: FrameSource,
    points: Float[np.ndarray, "T 68 2"],
    model: MorphableModel,
    crop: Crop | None = None,
) -> Crop:
    """The crop given, or the clip's own; refused where most landmarks lie outside."""
    mean_px, _ = project(model.mean_shape[model.landmark_ids], Camera())
    crop = crop or clip_crop(points, mean_px.numpy().astype(np.float64))
    inside = np.abs(crop.to_crop(points[:, INNER]) - CROP_PX / 2) < CROP_PX / 2
    if inside.all(-1).mean() < 0.5:
        raise InputError(clip.path, f"has most landmarks outside of {crop}", "leave crop out")
    return crop


def calm_pose(
    state: BundleState, times: Float[np.ndarray, "T"], sigma_s: float = POSE_SIGMA_S
) -> BundleState:
    """Smooth each frame's pose in time; the expression, and so the lips, stay as they are.

    The pixels bring down a frame's slow error, but leave it a small one of its own.

    Args:
        state: BundleState. times: (T,) seconds. sigma_s: see `smooth_track`.
    Returns:
        BundleState.
    """
    angles, trans = (
        torch.from_numpy(smooth_track(part.numpy(), times, sigma_s))
        for part in (state.angles, state.trans)
    )
    return replace(state, rotation=rotation_from_angles(angles), trans=trans)


def bridge_motion(
    state: BundleState, left_out: Bool[np.ndarray, "T"], times: Float[np.ndarray, "T"]
) -> BundleState:
    """Pose and expression of frames that were left out, on straight lines between the others.

    So they stay within the range of what was seen; before the first and after the last frame that
    was seen, that frame's are held.
    """
    if not left_out.any():
        return state
    tracks = []
    for part in (state.angles, state.trans, state.exp):
        known = part.numpy()[~left_out]
        columns = [np.interp(times, times[~left_out], column) for column in known.T]
        tracks.append(torch.from_numpy(np.stack(columns, 1)))
    angles, trans, exp = tracks
    return replace(state, rotation=rotation_from_angles(angles), trans=trans, exp=exp)


def settings_for(times: Float[np.ndarray, "T"]) -> BundleSettings:
    """BundleSettings for the clip's frame rate: frames far apart are smoothed less."""
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    return BundleSettings(smooth_weight=0.5 * min(1.0, 0.04 / step_s) ** 2)


def read_frames(
    clip: FrameSource, indices: Iterable[int] | Int[np.ndarray, "n"]
) -> list[UInt8[np.ndarray, "H W 3"]]:
    """The frames at sorted indices, decoded in one pass."""
    return [frame for _, frame in frames_at(clip, indices)]
