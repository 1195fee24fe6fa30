"""A virtual speaker: who it is, and its known motion when it says a text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from tfhkit.coefficients import Coefficients
from tfhkit.errors import ParameterError, check_shape
from tfhkit.face import MorphableModel, load_model
from tfhkit.virtual.breath import breath_track, breathe, breaths, pause_track
from tfhkit.virtual.prosody import prosody
from tfhkit.virtual.recorded import is_recorded, speak_recorded
from tfhkit.virtual.style import HeadMotion, PersonalStyle, head_motion, random_style
from tfhkit.virtual.texts import LANGUAGES
from tfhkit.virtual.upper_face import upper_actions
from tfhkit.virtual.visemes import ACTIONS, mouth_actions, personal_visemes
from tfhkit.virtual.voice import Phoneme, Utterance, join, rescale, speak

# Languages and variants of random speakers, English more often; no robots, no whispers.
_LANGUAGES = ("en-us", "en-us", "en-us", "en-gb", "en-gb") + LANGUAGES[2:]
_VARIANTS = (
    "f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 max Michael Andy Alex Lee linda steph paul Gene"
    " adam belinda victor klatt2"
).split()
_LEAD_S, _TAIL_S = 0.25, 0.4  # silence around what is said
_BREATH = 23  # part of the seed of the breaths that are seen and heard


@dataclass(frozen=True)
class VirtualSpeaker:
    """A person that does not exist.

    Args:
        name: for files and tables.
        id, tex: 80 coefficients of identity and texture, in standard deviations.
        light: 27 coefficients of the light, see `tfhkit.coefficients`.
        voice, rate_wpm, pitch, pitch_range: see `speak`, and `speak_recorded` for recorded voices.
        tract: length of the vocal tract relative to the voice's own; above 1 sounds larger.
        style: how the person moves.
        seed: random seed of what the speaker says and does.
    """

    # sizes are checked by __post_init__, in words
    name: str
    id: Float[np.ndarray, "_"]
    tex: Float[np.ndarray, "_"]
    light: Float[np.ndarray, "_"]
    voice: str = "en-us"
    rate_wpm: int = 165
    pitch: int = 50
    pitch_range: int = 50
    tract: float = 1.0
    style: PersonalStyle = field(default_factory=PersonalStyle)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, size in (("id", 80), ("tex", 80), ("light", 27)):
            check_shape(f"VirtualSpeaker.{name}", getattr(self, name), (size,))

    def say(self, text: str | Sequence[str]) -> Utterance:
        """Say a text, or several sentences with short pauses between them."""
        texts = [text] if isinstance(text, str) else list(text)
        rng = np.random.default_rng((self.seed, len(texts), 7))
        slower = [self.rate_wpm * rng.uniform(0.92, 1.08) * self.tract for _ in texts]
        rates = [int(np.clip(rate, 80, 400)) for rate in slower]
        how = self.pitch, self.pitch_range
        if is_recorded(self.voice):
            said = speak_recorded(texts, self.voice, rates, *how)
        else:
            said = [speak(text, self.voice, rate, *how) for text, rate in zip(texts, rates)]
        spoken = [rescale(utterance, self.tract) for utterance in said]
        gaps_s = [_LEAD_S, *rng.uniform(0.15, 0.9, len(texts) - 1), _TAIL_S]
        utterance = join(spoken, gaps_s)
        events = breaths(utterance.phonemes, self.style, (self.seed, _BREATH))
        return replace(utterance, audio=breathe(utterance.audio, events, (self.seed, _BREATH, 1)))


@dataclass(frozen=True)
class Performance:
    """What a virtual speaker did, at frame times.

    Args:
        audio: sound at 16 kHz, sample 0 at time 0.
        times: seconds.
        coefficients: of the T frames, NumPy arrays.
        phonemes: what is said in `audio`.
        actions: facial actions, in the order of `visemes.ACTIONS`.
        truth: arrays pose_from_sound and pose_own (T, 6), pose_rest (6,), sound_share (3,), see
            `HeadMotion`; blinks_s (K,), starts of the blinks.
        utterance: the whole utterance.
    """

    audio: Float[np.ndarray, "N"]
    times: Float[np.ndarray, "T"]
    coefficients: Coefficients
    phonemes: tuple[Phoneme, ...]
    actions: Float[np.ndarray, "T 52"]
    truth: dict[str, Float[np.ndarray, "..."]]
    utterance: Utterance

    def __len__(self) -> int:
        return len(self.times)


def random_speaker(
    model: MorphableModel | None = None, seed: int = 0, language: str | None = None
) -> VirtualSpeaker:
    """A speaker drawn at random, the same for the same seed.

    Args:
        model: model that the speaker is for; any with unit-variance coefficients.
        seed: random seed.
        language: language code of the voice; None draws one.
    """
    rng = np.random.default_rng((seed, 11))
    if language is None:
        language = _LANGUAGES[rng.integers(len(_LANGUAGES))]
    variant = _VARIANTS[rng.integers(len(_VARIANTS))]
    return VirtualSpeaker(
        name=f"virtual_{seed:03d}",
        id=rng.normal(0, 0.8, 80).astype(np.float32),
        tex=rng.normal(0, 0.65, 80).astype(np.float32),
        light=_random_light(rng),
        voice=f"{language}+{variant}",
        rate_wpm=int(rng.uniform(140, 190)),
        pitch=int(rng.uniform(30, 70)),
        pitch_range=int(rng.uniform(40, 80)),
        tract=float(rng.uniform(0.88, 1.14)),
        style=random_style((seed, 13)),
        seed=seed,
    )


def move(
    utterance: Utterance, style: PersonalStyle, times: Float[np.ndarray, "T"], seed: int
) -> tuple[Float[np.ndarray, "T 52"], HeadMotion, Float[np.ndarray, "K"]]:
    """All motion of a person who says an utterance; needs no face model.

    Args:
        utterance: what is said.
        style: how the person moves.
        times: seconds.
        seed: random seed.
    Returns:
        actions: float32 in [0, 1], in the order of ACTIONS.
        head: the head's motion at `times`.
        blinks_s: starts of the blinks.
    """
    sound = prosody(utterance.audio, utterance.sr_hz)
    head = head_motion(utterance, style, times, (seed, 3), sound)
    events = breaths(utterance.phonemes, style, (seed, _BREATH))

    def idle(grid: Float[np.ndarray, "G"]) -> Float[np.ndarray, "G"]:
        waiting = style.pause_open * pause_track(utterance.phonemes, grid)
        return np.maximum(np.maximum(style.parted, waiting), breath_track(events, grid))

    def pose_at(grid: Float[np.ndarray, "G"]) -> Float[np.ndarray, "G 6"]:
        return head_motion(utterance, style, grid, (seed, 3), sound).pose

    visemes = personal_visemes(style.viseme_spread, style.viseme_seed)
    mouth = mouth_actions(utterance, times, style.articulation, sound, idle, visemes)
    for i, name in enumerate(ACTIONS):
        if name.startswith("mouth") and name.endswith(("Left", "Right")) and len(name) > 10:
            mouth[:, i] *= 1 + (0.25 if name.endswith("Left") else -0.25) * style.asymmetry
    upper, blinks_s = upper_actions(utterance, style, times, (seed, 5), pose_at, sound)
    return np.clip(mouth + upper, 0, 1).astype(np.float32), head, blinks_s


def action_matrix(model: MorphableModel) -> Float[np.ndarray, "52 64"]:
    """Expression coefficients of each action, rows in the order of ACTIONS.

    Raises:
        ParameterError: the model lacks one of the actions.
    """
    missing = [name for name in ACTIONS if name not in model.action_names]
    if missing:
        raise ParameterError(
            f"model {model.name!r}", f"has no facial action {missing[0]!r}", "use the model 'open'"
        )
    rows = [model.action_names.index(name) for name in ACTIONS]
    return model.actions[rows].cpu().numpy().astype(np.float32)


def perform(
    speaker: VirtualSpeaker,
    text: str | Sequence[str],
    fps: float = 25.0,
    times: Float[np.ndarray, "T"] | None = None,
    model: MorphableModel | None = None,
) -> Performance:
    """Let a virtual speaker say a text.

    Args:
        speaker: who speaks.
        text: a text, or several sentences.
        fps: frames a second; not used where `times` is given.
        times: of the frames, s; None: from 0 to the end of the sound.
        model: model with facial actions; None loads the open model.
    Raises:
        InputError: the text has no phonemes.
        ParameterError: no such voice.
        ShapeError: `times` is not one-dimensional.
    """
    model = model or load_model()
    utterance = speaker.say(text)
    if times is None:
        times = np.arange(int(utterance.duration_s * fps)) / fps
    times = check_shape("times", np.asarray(times, np.float64), ("T",))
    actions, head, blinks_s = move(utterance, speaker.style, times, speaker.seed)
    n_frames = len(times)

    def still(row: Float[np.ndarray, "C"]) -> Float[np.ndarray, "T C"]:
        return np.repeat(np.asarray(row, np.float32)[None], n_frames, 0)

    coefficients = Coefficients(
        id=still(speaker.id),
        exp=actions @ action_matrix(model),
        tex=still(speaker.tex),
        angles=head.pose[:, :3],
        light=still(speaker.light),
        trans=head.pose[:, 3:],
    )
    truth = {
        "pose_from_sound": head.from_sound,
        "pose_own": head.own,
        "pose_rest": head.rest,
        "sound_share": head.share,
        "blinks_s": blinks_s.astype(np.float32),
    }
    return Performance(
        utterance.audio, times, coefficients, utterance.phonemes, actions, truth, utterance
    )


def describe(speaker: VirtualSpeaker) -> dict[str, Any]:
    """A speaker as a dict that JSON can hold, without its coefficients."""
    content = asdict(speaker)
    for name in ("id", "tex", "light"):
        del content[name]
    return content


def _random_light(rng: np.random.Generator) -> Float[np.ndarray, "27"]:
    """Light from the front and above, a bit from one side, slightly coloured."""
    bands = np.zeros((3, 9))
    bands[:, 0] = rng.uniform(-0.05, 0.2)
    bands[:, 1] = -rng.uniform(0.0, 0.2)  # from above
    bands[:, 2] = rng.uniform(0.05, 0.25)  # from the camera
    bands[:, 3] = -rng.normal(0, 0.12)  # from a side
    bands *= 1 + rng.normal(0, 0.03, (3, 1))
    bands[:, 0] += rng.normal(0, 0.02, 3)
    return bands.reshape(27).astype(np.float32)
