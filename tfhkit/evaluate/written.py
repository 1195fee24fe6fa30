"""Scores of a written video against the real one: what a viewer sees, not what was predicted."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from tfhkit.camera import CROP_PX
from tfhkit.device import choose_device
from tfhkit.face import MorphableModel
from tfhkit.fit import Fit, fit_clip
from tfhkit.landmarks import Landmarks, detect
from tfhkit.landmarks.identity import align_arcface
from tfhkit.media import SR_HZ, Clip, frames_at, open_clip
from tfhkit.metrics import (
    FaceMotion,
    FaceTrack,
    HeadPoseReport,
    HsSettings,
    NaturalnessReport,
    face_motion,
    head_pose_report,
    hs,
    lmd_aligned,
    naturalness,
    perceptual_aligned,
    perceptual_available,
)
from tfhkit.metrics.baselines import COMPANIONS
from tfhkit.metrics.naturalness import DrawSettings
from tfhkit.person import Motion, Person, refuse_unseen
from tfhkit.profiles import Settings
from tfhkit.progress import Progress
from tfhkit.refine import RunOptions
from tfhkit.refine.paste import full_frames, write_talking_head
from tfhkit.stats import AlignedDistance
from tfhkit.talk import drive, learn_mapping, learn_refiner, refined_parts

# THEval's leaderboard: closeness of means over thousands of videos
PUBLISHED = {
    "SadTalker": {"lips": 0.83, "head": 0.29, "brows": 0.61, "silence": 0.68, "sync": 0.98},
    "Hallo2": {"lips": 0.99, "head": 0.24, "brows": 0.85, "silence": 0.96, "sync": 0.95},
    "LivePortrait (video-driven)": {
        "lips": 0.99, "head": 0.75, "brows": 1.00, "silence": 0.93, "sync": 1.00,
    },
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Seen:
    """What is found in a video, by the same steps for a real and a written one.

    Args:
        clip: Clip. landmarks: Landmarks, with the face mesh. fit: Fit.
    """

    clip: Clip
    landmarks: Landmarks
    fit: Fit

    @property
    def motion(self) -> FaceMotion:
        """What the face does in every frame that has one."""
        return face_motion(FaceTrack.of(self.landmarks, self.clip.times, self.clip.audio))

    @property
    def points_px(self) -> Float[np.ndarray, "T 68 2"]:
        """The landmarks; NaN where there is no face."""
        return np.where(self.landmarks.gap[:, None, None], np.nan, self.landmarks.points_px)


@dataclass(frozen=True)
class WrittenScores:
    """A written video, compared with the held-out part whose sound it speaks.

    Args:
        naturalness: NaturalnessReport.
        lmd_mouth: AlignedDistance of the mouth's landmarks, in units of the eyes' distance.
        perceptual: AlignedDistance of the aligned faces; None where EfficientNet-Lite1 is missing.
        pose_written: HeadPoseReport of the head poses that are found in the two videos.
        pose_commanded: HeadPoseReport of the poses that were rendered, before they were a video.
        hs_repeated: HS of the real part's poses, found twice: in that part alone and in the whole
            clip. No written video can be expected to score higher.
    """

    naturalness: NaturalnessReport
    lmd_mouth: AlignedDistance
    perceptual: AlignedDistance | None
    pose_written: HeadPoseReport
    pose_commanded: HeadPoseReport
    hs_repeated: float

    def summary(self) -> dict[str, Any]:
        """The numbers in one dict; only `naturalness` is nested."""
        look = self.perceptual
        written, commanded = self.pose_written, self.pose_commanded
        return {
            "naturalness": self.naturalness.summary(),
            "lmd_mouth_written": self.lmd_mouth.frame_wise,
            "lmd_mouth_aligned": self.lmd_mouth.aligned,
            "mouth_later_s": self.lmd_mouth.later_s,
            "perceptual_written": look and look.frame_wise,
            "perceptual_aligned": look and look.aligned,
            "hs_written": written.score.hs,
            "hs_written_interval": list(written.interval),
            **{f"{name}_written": written.rows[0][name] for name in COMPANIONS},
            "hs_commanded": commanded.score.hs,
            "hs_commanded_interval": list(commanded.interval),
            **{f"{name}_commanded": commanded.rows[0][name] for name in COMPANIONS},
            "hs_repeated": self.hs_repeated,
        }


def learn_from_fit(
    clip: Clip,
    fit: Fit,
    settings: Settings,
    seed: int = 0,
    device: str | torch.device = "auto",
    progress: Progress | None = None,
) -> Person:
    """Learn a person whose clip is fitted already.

    Args:
        clip: Clip. fit: of the whole clip. settings: of the profile and the recipe.
        seed: random seed.
        device: where the person lives, see `choose_device`.
        progress: called as progress(done, total, text).
    Raises:
        InputError: hardly a frame that is learned from, or held out, can be used.
    """
    parts, place = settings.split(len(fit)), choose_device(device)
    person = Person(clip, fit, None, None, settings, *parts, device=place)
    refuse_unseen(person)
    mapping = learn_mapping(person, None, seed, progress=progress)
    person = replace(person, mapping=mapping)
    run = RunOptions(place, progress=progress)
    return replace(person, refiner=learn_refiner(person, seed, run))


def score_written(
    person: Person,
    path: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> WrittenScores:
    """Write the video of a person's held-out sound, look at it as at any video, and compare.

    Landmarks and head poses are found anew in both videos with the same steps.

    Args:
        person: Person, learned.
        path: the `.mp4` to write; None writes a temporary one.
        seed: of what is drawn, and of the intervals.
        progress: called as progress(done, total, text).
    Returns:
        WrittenScores.
    Raises:
        MissingBackend: the landmark backend mesh is missing. InputError: no face is found in the
            written video.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(path) if path else Path(folder) / "written.mp4"
        motion = write_held_out(person, place, seed, progress)
        how = person.model, person.settings.texture_frames, progress
        generated = look_at(open_clip(place, min_seconds=0, need_sound=False), *how)
        real = look_at(part_of(person.clip, person.held), *how)
        return compare(person, real, generated, motion, seed)


def write_held_out(
    person: Person, path: str | Path, seed: int | None = 0, progress: Progress | None = None
) -> Motion:
    """The person says what is heard in the held-out part, at the frame times of that part.

    The visible mark is left out, since it would cover pixels that are compared; the metadata says
    "synthetic".

    Args:
        person: Person. path: the `.mp4` to write.
        seed: of what is drawn, see `drive`; None for the mean.
        progress: called as progress(done, total, text).
    Returns:
        the Motion that was rendered.
    """
    real = part_of(person.clip, person.held)
    motion = drive(person, real.audio, real.times, seed=seed)
    frames = full_frames(person.clip, person.fit.crop, refined_parts(person, motion))
    how = False, person.settings.video_crf, progress
    write_talking_head(path, frames, motion.times, real.audio, *how)
    return motion


def part_of(clip: Clip, frames: slice) -> Clip:
    """Some frames of a Clip with their sound; its times begin at 0."""
    times = clip.times[frames]
    heard = slice(round(times[0] * SR_HZ), round((times[-1] + 1 / clip.fps) * SR_HZ))
    pts = None if clip.pts is None else clip.pts[frames]
    return replace(clip, times=times - times[0], pts=pts, audio=clip.audio[heard])


def look_at(
    clip: Clip, model: MorphableModel, texture_frames: int = 24, progress: Progress | None = None
) -> Seen:
    """Landmarks with the face mesh, and the fit, of a video.

    Args:
        clip: Clip. model: MorphableModel to fit. texture_frames: as in `fit_clip`.
        progress: called as progress(done, total, text).
    """
    landmarks = detect(clip, "mesh", progress)
    fit = fit_clip(clip, landmarks, model, texture_frames=texture_frames, progress=progress)
    return Seen(clip, landmarks, fit)


def compare(
    person: Person, real: Seen, generated: Seen, motion: Motion, seed: int = 0
) -> WrittenScores:
    """All scores of a written video.

    Args:
        person: Person. real, generated: see `look_at`. motion: what was rendered.
        seed: of the intervals.
    """
    first_rad = person.fit.coefficients.angles[person.held].astype(np.float64)
    real_rad, generated_rad = (
        s.fit.coefficients.angles.astype(np.float64) for s in (real, generated)
    )
    times, made_times, settings = real.clip.times, generated.clip.times, HsSettings(seed=seed)
    return WrittenScores(
        naturalness(real.motion, generated.motion, settings=DrawSettings(seed=seed)),
        lmd_aligned(real.points_px, generated.points_px, times, made_times),
        _perceptual(real, generated, person.device) if perceptual_available() else None,
        head_pose_report(real_rad, generated_rad, times, made_times, settings=settings),
        head_pose_report(
            first_rad, motion.pose[:, :3].astype(np.float64), times, motion.times, settings=settings
        ),
        hs(first_rad, real_rad),
    )


def _perceptual(real, generated, device):
    """Perceptual distance of the two videos' faces, each aligned by its own landmarks."""
    return perceptual_aligned(
        aligned_faces(real),
        aligned_faces(generated),
        real.clip.times[~real.landmarks.gap],
        generated.clip.times[~generated.landmarks.gap],
        device=device,
    )


def aligned_faces(seen: Seen) -> UInt8[np.ndarray, "T 112 112 3"]:
    """Faces of all frames that have one, with eyes, nose and mouth at the same places."""
    crop = seen.fit.crop
    points = crop.to_crop(seen.landmarks.points_px)
    return np.stack([
        align_arcface(crop.image(frame, CROP_PX), points[index])
        for index, frame in frames_at(seen.clip, np.flatnonzero(~seen.landmarks.gap))
    ])  # fmt: skip
