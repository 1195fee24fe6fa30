"""A clip's person for the commands: learned into a directory, or resumed there."""

from pathlib import Path

from tfhkit.assets import cache_dir
from tfhkit.device import choose_device
from tfhkit.fit import Fit, Tracked
from tfhkit.media import Clip, open_clip
from tfhkit.motion.general import FILE
from tfhkit.person import Person
from tfhkit.pipeline.advice import say_advice, to_stderr
from tfhkit.pipeline.step import resolve
from tfhkit.profiles import settings_of
from tfhkit.progress import Progress
from tfhkit.talk import learn
from tfhkit.virtual.pretrain.mapping import load_or_train


def learn_into(
    folder: Path | str,
    clip: Path | str | Tracked,
    profile: str = "quick",
    recipe: str = "ours",
    seed: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
    audio_track: int | None = None,
) -> Person:
    """Learn the person in a clip, or resume; see `tfhkit.talk.learn`.

    General weights that do not come with the kit are trained first, and kept in the cache.

    Args:
        folder: the person's directory.
        clip: a video file, "sample", or Tracked.
        profile: "quick", "full" or "tiny".
        recipe: "ours", "paper" or "published".
        seed: random seed.
        device: where all stages run, see `choose_device`; None for the profile's.
        progress: called as progress(done, total, text).
        audio_track: number of the clip's sound track, from 1; None chooses. Tracked has chosen.
    """
    settings = settings_of(profile, recipe)
    place = choose_device(device or settings.device)  # a wrong one is refused before all else
    # so is a bad clip, before the hours of a general training
    opened: Clip | Tracked
    if isinstance(clip, Tracked):
        opened = clip
    else:
        opened = open_clip(resolve("clip", clip, Path.cwd()), audio_track=audio_track)
    if settings.motion_size != "small":
        kept = cache_dir() / FILE.format(settings.motion_size)
        load_or_train(settings.motion_size, kept, settings, 0, place, progress)

    def advise(clip: Clip, fit: Fit) -> None:
        say_advice(clip, fit, to_stderr)

    return learn(opened, profile, folder, seed, recipe, str(place), progress, advise)
