"""A clip's fit for the commands: read from a file, or made."""

from pathlib import Path

from tfhkit.errors import ParameterError


def open_frames(path, frames=None):
    """A clip by its path or "sample", sound or none: its first N frames frames, None for all.

    Raises:
        ParameterError: fewer than 10 are asked for. InputError: no such clip.
    """
    from tfhkit.media import first_frames, open_clip
    from tfhkit.pipeline.step import resolve

    if frames is not None and frames < 10:
        raise ParameterError("--frames", f"{frames} are too few", "take 10 or more")
    clip = open_clip(resolve("clip", str(path), Path.cwd()), need_sound=False)
    return first_frames(clip, frames)


def fit_for(clip, file=None, frames=None, progress=None):
    """The Fit of a clip.

    Args:
        clip: Clip, whole.
        file: a Fit (.npz, of `tfhkit fit -o`); None fits the clip.
        frames: only the clip's first N are wanted: no more are fitted, and a file that holds
            just these will do, too.
        progress: called as progress(done, total, text).
    Returns:
        Fit of the wanted frames, or of the whole clip.
    Raises:
        ParameterError: the file's fit has another length.
        InputError: no fit, or no face in the clip.
    """
    from tfhkit.fit import Fit, fit_clip
    from tfhkit.landmarks import detect
    from tfhkit.media import first_frames

    wanted = first_frames(clip, frames)
    if file is None:
        return fit_clip(wanted, detect(wanted, progress=progress), progress=progress)
    made = Fit.load(file)
    if len(made) not in (len(clip), len(wanted)):
        fault = f"has {len(made)} frames, the clip {len(clip)}"
        raise ParameterError(f"--fit {file}", fault, "give the fit of the whole clip")
    return made
