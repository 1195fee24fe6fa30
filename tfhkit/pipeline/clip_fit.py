"""A clip's fit for the commands: read from a file, or made."""

from pathlib import Path

from tfhkit.device import Device
from tfhkit.errors import ParameterError
from tfhkit.fit import Fit
from tfhkit.media import Clip, first_frames, open_clip
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
        ParameterError: the file's fit has another length.
        InputError: the file is not a fit, or the clip shows no face.
    """
    wanted = first_frames(clip, frames)
    if file is None:
        return fit_person(wanted, settings_of("quick"), progress, device)
    made = Fit.load(file)
    if len(made) not in (len(clip), len(wanted)):
        fault = f"has {len(made)} frames, the clip {len(clip)}"
        raise ParameterError(f"--fit {file}", fault, "give the fit of the whole clip")
    return made
