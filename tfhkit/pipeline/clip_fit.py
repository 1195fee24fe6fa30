"""A clip's fit for the commands: read from a file, or made."""

from pathlib import Path

import numpy as np

from tfhkit.coefficients import check_frames, read_mat
from tfhkit.device import Device
from tfhkit.errors import ParameterError
from tfhkit.fit import Fit, Tracked, read_tracked
from tfhkit.media import Clip, first_frames, open_clip
from tfhkit.metrics.tracks import PoseTrack
from tfhkit.pipeline.places import resolve_model
from tfhkit.pipeline.step import resolve
from tfhkit.profiles import settings_of
from tfhkit.progress import Progress
from tfhkit.talk import fit_person


def open_frames(
    path: Path | str, frames: int | None = None, audio_track: int | None = None
) -> Clip:
    """Open the first frames of a clip; it need not have sound.

    Args:
        path: a video file, or "sample".
        frames: number of frames; None for all.
        audio_track: number of the sound track, from 1; None chooses.

    Raises:
        ParameterError: fewer than 10 are asked for.
        InputError: no such clip.
    """
    if frames is not None and frames < 10:
        raise ParameterError("--frames", f"{frames} are too few", "take 10 or more")
    found = resolve("clip", str(path), Path.cwd())
    clip = open_clip(found, need_sound=False, audio_track=audio_track)
    return first_frames(clip, frames)


def open_tracked(
    clip: Path | str,
    coefficients: Path | str,
    model: str | None = None,
    model_path: str = "",
    audio_track: int | None = None,
) -> Tracked:
    """A clip with another tracker's coefficients, to learn a person from.

    Args:
        clip: a video file, or "sample".
        coefficients: a `.mat`, or a folder of one per frame, see `tfhkit.coefficients.read_mat`.
        model: face model that they belong to; None for "bfm09", that of Deep3D and R-Net.
        model_path: its file or folder.
        audio_track: number of the clip's sound track, from 1; None chooses.
    Raises:
        InputError: as `read_tracked`, or no such file.
    """
    opened = open_clip(resolve("clip", str(clip), Path.cwd()), audio_track=audio_track)
    file, path = _tracker_file(coefficients), resolve_model(model_path)
    return read_tracked(opened, file, model or "bfm09", path)


def track_for(clip: Clip, file: Path | str, frames: int | None = None) -> PoseTrack:
    """The head pose of a clip by another tracker; its face model is not needed.

    Args:
        clip: the whole clip.
        file: its coefficients, see `tfhkit.coefficients.read_mat`.
        frames: only the clip's first N are wanted; a file that holds just these is accepted too.
    Returns:
        PoseTrack of the wanted frames, at the clip's own times.
    Raises:
        InputError: the file cannot be used, or has another number of frames.
    """
    found, times = read_mat(_tracker_file(file)), first_frames(clip, frames).times
    if len(found) != len(times):
        check_frames(file, found, len(clip))
    return PoseTrack(str(file), found.angles[: len(times)].astype(np.float64), times)


def _tracker_file(given):
    """Absolute path of a tracker's file, or of its folder."""
    found = resolve_model(str(given), "file of coefficients")
    if found is None:
        raise ParameterError("--coefficients", "is empty", "name a file")
    return found


def fit_for(
    clip: Clip,
    file: Path | str | None = None,
    frames: int | None = None,
    progress: Progress | None = None,
    device: Device = "cpu",
) -> Fit:
    """The fit of a clip.

    Args:
        clip: the whole clip.
        file: a fit written by `tfhkit fit -o` (.npz); None fits the clip.
        frames: only the clip's first N are wanted: no more are fitted, and a file that holds
            just these is accepted as well.
        progress: called as progress(done, total, text). device: where it is fitted.
    Returns:
        The fit of the wanted frames, or of the whole clip.
    Raises:
        ParameterError: the file's fit is of another clip.
        InputError: the file is not a fit, or the clip shows no face.
    """
    wanted = first_frames(clip, frames)
    if file is None:
        return fit_person(wanted, settings_of("quick"), progress, device)
    made = Fit.load(file)
    if len(made) not in (len(clip), len(wanted)):
        fault = f"has {len(made)} frames, the clip {len(clip)}"
        raise ParameterError(f"--fit {file}", fault, "give the fit of the whole clip")
    apart_s = np.abs(made.times - clip.times[: len(made)]).max()
    if apart_s > 0.5 / clip.fps or made.report.get("clip_sha256", clip.sha256) != clip.sha256:
        raise ParameterError(f"--fit {file}", "is of another clip", "give the fit of this clip")
    return made
