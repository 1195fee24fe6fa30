"""Speech of voices that were made from recordings of people: flite's and festival's."""

import re
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.signal import resample_poly

from tfhkit.errors import InputError, MissingBackend, ParameterError
from tfhkit.virtual.phones import ipa_name
from tfhkit.virtual.voice import SILENCE, SR_HZ, Phoneme, Utterance

_USUAL_WPM = 165  # the rate at which a voice's own durations are kept
_OCTAVES = 0.4  # from the middle pitch to the highest
_NO_STRESS = 2  # where the program does not say it: between stressed and unstressed
_VOICES_DIR = Path("/usr/share/festival/voices")


@dataclass(frozen=True)
class RecordedVoice:
    """A voice made from one person's recordings.

    Args:
        name: "program:voice".
        language: code of the texts that it can read, see `tfhkit.virtual.texts`.
        pitch_hz: its own mean pitch; None where the program cannot change it.
        package: Debian package that has it.
        licence: of its sound.
    """

    name: str
    language: str
    pitch_hz: float | None
    package: str
    licence: str

    @property
    def program(self) -> str:
        return self.name.partition(":")[0]

    @property
    def voice(self) -> str:
        return self.name.partition(":")[2]


# All may be used, changed and sold without a condition on what was made with them.
VOICES = (
    RecordedVoice("flite:kal16", "en-us", 105.0, "flite", "CMU, as BSD"),
    RecordedVoice("flite:rms", "en-us", None, "flite", "CMU, as BSD"),
    RecordedVoice("flite:awb", "en-gb", 125.0, "flite", "CMU, as BSD"),
    RecordedVoice("flite:slt", "en-us", 170.0, "flite", "CMU, as BSD"),
    RecordedVoice("festival:ked_diphone", "en-us", 105.0, "festvox-kdlpc16k", "CSTR, as BSD"),
    RecordedVoice("festival:cmu_us_slt_arctic_hts", "en-us", None, "festvox-us-slt-hts", "BSD"),
)


def is_recorded(voice: str) -> bool:
    """Whether a voice's name is of the kind of `VOICES`, and not espeak-ng's."""
    return ":" in voice


def recorded_voice(name: str) -> RecordedVoice:
    """The voice of a name.

    Raises:
        ParameterError: there is none.
    """
    for voice in VOICES:
        if voice.name == name:
            return voice
    known = ", ".join(v.name for v in VOICES)
    raise ParameterError("voice", f"there is no voice {name!r}", f"try one of: {known}")


def language_of(voice: str) -> str:
    """Language code of any voice: a recorded one, or espeak-ng's "language[+variant]"."""
    return recorded_voice(voice).language if is_recorded(voice) else voice.partition("+")[0]


@lru_cache(maxsize=1)
def installed_voices() -> tuple[str, ...]:
    """Names of the voices that can speak on this machine."""
    programs = {name for name in ("flite", "festival") if shutil.which(name)}
    folders = {path.name for path in _VOICES_DIR.glob("*/*")}
    return tuple(
        v.name
        for v in VOICES
        if v.program in programs and (v.program == "flite" or v.voice in folders)
    )


def speak_recorded(
    texts: Sequence[str],
    name: str,
    rates_wpm: Sequence[int] = (),
    pitch: int = 50,
    pitch_range: int = 50,
) -> list[Utterance]:
    """Let a recorded voice say texts, each at its own rate.

    Args:
        texts: what to say, in the voice's language.
        name: one of `VOICES`.
        rates_wpm: words per minute of each text, about; none keeps the voice's own rate, and
            so does every hidden-Markov voice (its name ends with "hts").
        pitch: 0 (low) to 99 (high); 50 is the voice's own. Some voices cannot change it.
        pitch_range: 0 (monotonous) to 99; 50 is the voice's own.
    Returns:
        an Utterance for each text, without words.
    Raises:
        InputError: a text has no phonemes.
        ParameterError: no such voice.
        MissingBackend: the program or the voice is not installed.
    """
    voice = recorded_voice(name)
    if name not in installed_voices():
        remedy = f"apt-get install {voice.program} {voice.package}"
        raise MissingBackend("voice", name, remedy)
    stretches = [_USUAL_WPM / rate for rate in rates_wpm] or [1.0] * len(texts)
    say = _flite if voice.program == "flite" else _festival
    with tempfile.TemporaryDirectory() as folder:
        spoken = say(voice, texts, stretches, pitch, pitch_range, Path(folder))
        return [
            _utterance(text, name, *read_wave(path), marks)
            for text, (path, marks) in zip(texts, spoken)
        ]


Marks = list[tuple[str, float, int]]  # phone, end in s, stress


def _pitch(voice: RecordedVoice, pitch: int, pitch_range: int) -> tuple[float, float]:
    """Mean and standard deviation in Hz."""
    own_hz = voice.pitch_hz or 0.0
    return own_hz * 2 ** (_OCTAVES * (pitch - 50) / 50), 0.12 * own_hz * pitch_range / 50


def _flite(
    voice: RecordedVoice,
    texts: Sequence[str],
    stretches: Sequence[float],
    pitch: int,
    pitch_range: int,
    folder: Path,
) -> list[tuple[Path, Marks]]:
    spoken = []
    for k, (text, stretch) in enumerate(zip(texts, stretches)):
        path = folder / f"{k}.wav"
        command = ["flite", "-voice", voice.voice, "--setf", f"duration_stretch={stretch:.3f}"]
        if voice.pitch_hz is not None:
            mean, std = _pitch(voice, pitch, pitch_range)
            command += ["--setf", f"int_f0_target_mean={mean:.1f}"]
            command += ["--setf", f"int_f0_target_stddev={std:.1f}"]
        command += ["-psdur", "-t", text, "-o", str(path)]
        spoken.append((path, read_flite(_output(command))))
    return spoken


def _festival(
    voice: RecordedVoice,
    texts: Sequence[str],
    stretches: Sequence[float],
    pitch: int,
    pitch_range: int,
    folder: Path,
) -> list[tuple[Path, Marks]]:
    lines = [f"(voice_{voice.voice})"]
    if voice.pitch_hz is not None:
        mean, std = _pitch(voice, pitch, pitch_range)
        lines.append(
            f"(set! int_lr_params '((target_f0_mean {mean:.1f}) (target_f0_std {std:.1f})"
            " (model_f0_mean 170) (model_f0_std 34)))"
        )
    for k, (text, stretch) in enumerate(zip(texts, stretches)):
        quoted = text.replace("\\", " ").replace('"', " ")
        lines += [
            f"(Parameter.set 'Duration_Stretch {stretch:.3f})",
            f'(set! u (utt.synth (Utterance Text "{quoted}")))',
            f'(utt.save.wave u "{folder}/{k}.wav" \'riff)',
            '(format t "TEXT\\n")',
            '(mapcar (lambda (s) (format t "SEG %s %s %s\\n" (item.name s) (item.feat s \'end)'
            ' (item.feat s "R:SylStructure.parent.stress"))) (utt.relation.items u \'Segment))',
        ]
    script = folder / "say.scm"
    script.write_text("\n".join(lines), encoding="utf-8")
    parts = read_festival(_output(["festival", "-b", str(script)]))
    return [(folder / f"{k}.wav", marks) for k, marks in enumerate(parts)]


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise InputError(
            "voice", f"{command[0]} failed: {done.stderr.strip()[:200]}", "try another"
        )
    return done.stdout


def read_flite(printed: str) -> Marks:
    """Phones of what `flite -psdur` prints: "pau:0.174 m:0.261 ..."."""
    return [
        (phone, float(end), _NO_STRESS)
        for phone, end in re.findall(r"([\w#]+):(\d+\.\d+)", printed)
    ]


def read_festival(printed: str) -> list[Marks]:
    """Phones of each text, from the lines that the script in `_festival` prints."""
    texts: list[Marks] = []
    for line in printed.splitlines():
        if line == "TEXT":
            texts.append([])
        elif line.startswith("SEG ") and texts:
            _, phone, end, stress = line.split()
            texts[-1].append((phone, float(end), int(stress == "1")))
    return texts


def read_wave(path: Path) -> tuple[Float[np.ndarray, "N"], int]:
    """Mono 16-bit sound in [-1, 1], and its rate in Hz."""
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return pcm.astype(np.float64) / 32768, file.getframerate()


def _utterance(
    text: str, name: str, audio: Float[np.ndarray, "N"], sr_hz: int, marks: Marks
) -> Utterance:
    """Sound at 16 kHz with IPA names."""
    phonemes: list[Phoneme] = []
    start_s, last_s = 0.0, len(audio) / sr_hz
    for phone, end_s, stress in marks:
        end_s = min(end_s, last_s)
        symbol = ipa_name(phone)
        if end_s <= start_s:
            continue
        if symbol == SILENCE and phonemes and phonemes[-1].name == SILENCE:
            phonemes[-1] = Phoneme(SILENCE, phonemes[-1].start_s, end_s)
        else:
            phonemes.append(Phoneme(symbol, start_s, end_s, stress))
        start_s = end_s
    if all(p.name == SILENCE for p in phonemes):
        raise InputError("text", f"{text[:40]!r} has no phonemes for {name!r}", "give words")
    if last_s - start_s > 1e-3:
        phonemes.append(Phoneme(SILENCE, start_s, last_s))
    if sr_hz != SR_HZ:
        audio = resample_poly(audio, SR_HZ, sr_hz)
    ends = tuple(p.start_s for p in phonemes[1:] if p.name == SILENCE)
    return Utterance(audio.clip(-1, 1).astype(np.float32), tuple(phonemes), text, name, (), ends)
