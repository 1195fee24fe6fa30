"""The sound tracks of a file: what each holds, and which one is taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from jaxtyping import Float, Shaped

from tfhkit.errors import InputError
from tfhkit.media.containers import open_container
from tfhkit.media.mix import PieceMeter, choose_channel, has_speech
from tfhkit.media.stamps import BACK_S, Span

LEAST_RATE_HZ = 4000  # less holds no speech
MOST_PEAK = 4.0  # of full scale: decoders and loud recordings stay below, 16-bit numbers do not
SILENT_PEAK = 1e-3  # -60 dB of full scale: below any recording of a voice
INT_SCALE = {"u1": 128.0, "i2": 32768.0, "i4": 2147483648.0, "i8": 9223372036854775808.0}
HEAD = 65_536  # bytes of a WAV file, in which its format is told
ASKED = "asked for"
Flag = av.stream.Disposition
ASIDE = Flag.comment | Flag.karaoke | Flag.visual_impaired  # not what the speaker is heard on


@dataclass(frozen=True)
class SoundTrack:
    """Which sound of a file was taken, and how its channels were mixed.

    Args:
        number: of the track, from 1. count: number of sound tracks.
        names: of all tracks, such as "1 (eng, default)".
        n_channels: its channels.
        mix: "mono", "mean of 2 channels", or "channel 2 of 2 (FR)" (as far as the file names them).
        reason: why this track: "the only one", "default", "first", "asked for", or why those
            before it were left.
    """

    number: int
    count: int
    names: tuple[str, ...]
    n_channels: int
    mix: str
    reason: str

    @property
    def asked(self) -> bool:
        """Whether the track was asked for by its number."""
        return self.reason == ASKED

    def __str__(self) -> str:
        return (
            f"sound track {self.names[self.number - 1]} of {self.count}, {self.reason}: {self.mix}"
        )


@dataclass(frozen=True)
class Survey:
    """What a first pass over a sound track found.

    Args:
        index: of the track among the sound tracks, from 0.
        channel: the channel to take for each number of channels that blocks have (most tracks
            have one); None: the mean.
        peak: loudest sample of that mix.
        speech: whether pieces stand out as those of speech do.
        spans: stretches without a jump of the stamps.
        n_channels: of its first block, 0 where it is empty. layout: their names.
    """

    index: int
    channel: dict[int, int | None]
    peak: float
    speech: bool
    spans: list[Span]
    n_channels: int
    layout: tuple[str, ...]


def channels_of(frame: av.AudioFrame) -> Float[np.ndarray, "C n"]:
    """The samples of one decoded block, float32 in [-1, 1]."""
    block = _planar(frame)
    kind = block.dtype.str[1:]
    samples = block.astype(np.float32)
    if kind == "u1":
        samples -= 128.0
    return samples / np.float32(INT_SCALE.get(kind, 1.0))


def _planar(frame: av.AudioFrame) -> Shaped[np.ndarray, "C n"]:
    block = frame.to_ndarray()
    if not frame.format.is_planar:
        block = block.reshape(-1, len(frame.layout.channels)).T
    return block


def survey(path: Path, index: int) -> Survey:
    """Listen to a sound track once; flat memory.

    Args:
        path: the file. index: of the track among the sound tracks, from 0.
    Raises:
        InputError: it cannot be decoded, some of its samples are no numbers or far above full
            scale, or its sampling rate is too low for speech.
    """
    meters: dict[tuple[int, int], PieceMeter] = {}
    spans: list[Span] = []
    layout: tuple[str, ...] = ()
    end_s, read_s, n_broken, broken_s = None, 0.0, 0, 0.0
    with open_container(path, "sound file") as container:
        for frame in decoded_sound(container, container.streams.audio[index], path):
            _refuse_low_rate(path, frame.sample_rate)
            block = channels_of(frame)
            layout = layout or tuple(channel.name for channel in frame.layout.channels)
            key = len(block), frame.sample_rate
            broken = ~np.isfinite(block).all(axis=0)
            if broken.any() and not n_broken:
                broken_s = read_s + int(broken.argmax()) / frame.sample_rate
            n_broken += int(broken.sum())
            read_s += frame.samples / frame.sample_rate
            if not n_broken:
                meters.setdefault(key, PieceMeter(*key)).add(block)
            start_s = float(frame.time) if frame.time is not None else end_s or 0.0
            if end_s is None or abs(start_s - end_s) > BACK_S:
                spans.append(Span(start_s, start_s))
            end_s = start_s + frame.samples / frame.sample_rate
            spans[-1] = Span(spans[-1].start_s, end_s)
    if n_broken:
        which = f"{n_broken}, the first at {broken_s:.3f} s"
        fault = f"samples of its sound are NaN or infinite ({which})"
        raise InputError(path, fault, "repair the recording, or export its sound again")
    channel, peak, speech = {}, 0.0, False
    for n_channels in {n for n, _ in meters}:
        alike = [meter for (n, _), meter in meters.items() if n == n_channels]
        power = np.concatenate([meter.power() for meter in alike])
        if len(layout) == n_channels and "LFE" in layout:  # effects below 120 Hz, never speech
            power[:, layout.index("LFE")] = 0
        taken = channel[n_channels] = choose_channel(power)
        peak = max(peak, *(float(m.peaks[-1 if taken is None else taken]) for m in alike))
        speech |= has_speech(power)
    if peak > MOST_PEAK:
        fault = f"samples of its sound reach {peak:.3g}, where 1 is full scale"
        remedy = "scale them to [-1, 1] (16-bit numbers: divide by 32768), and export it again"
        raise InputError(path, fault, remedy)
    return Survey(index, channel, peak, speech, spans, len(layout), layout)


def _refuse_low_rate(path, rate_hz):
    if rate_hz < LEAST_RATE_HZ:
        fault = f"its sound has {rate_hz} samples per second, too few for speech"
        raise InputError(path, fault, "give a recording with 8000 or more")


def decoded_sound(
    container: InputContainer, stream: AudioStream, path: Path
) -> Iterator[av.AudioFrame]:
    """The decoded blocks of a sound track; InputError where they end in a fault."""
    done_s = 0.0
    try:
        for frame in _blocks(container, stream, path):
            yield frame
            done_s += frame.samples / frame.sample_rate
    except av.error.FFmpegError as error:
        raise InputError(
            path,
            f"its sound cannot be decoded after {done_s:.2f} s ({error.strerror})",
            "the file is broken or truncated; copy or export it again",
        ) from error


def _blocks(container, stream, path):
    """Decoded blocks; FFmpeg takes whole numbers of 24 bits in 32 for floats of Cool Edit."""
    if stream.codec_context.name != "pcm_f24le" or not _has_whole_numbers(path):
        yield from container.decode(stream)
        return
    decoder = av.CodecContext.create("pcm_s32le", "r")
    decoder.sample_rate, decoder.layout = stream.rate, stream.layout
    for packet in container.demux(stream):
        yield from decoder.decode(packet)


def _has_whole_numbers(path):
    """Whether a WAV file's extended format (WAVE_FORMAT_EXTENSIBLE) is that of plain PCM."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    form = head[head.find(b"fmt ") + 8 :]
    return form[:2] == b"\xfe\xff" and form[24:26] == b"\x01\0"


def choose_track(path: Path, wanted: int | None = None) -> tuple[Survey, SoundTrack]:
    """The sound track to take: the default one, else the first.

    A track that is silent or broken gives way to the next, and one without speech to one with
    speech.

    Args:
        path: a file with sound.
        wanted: number of the track, from 1; None chooses.
    Raises:
        InputError: no such track, or none that is whole.
    """
    with open_container(path, "sound file") as container:
        streams = list(container.streams.audio)
        names = tuple(_name(number, stream) for number, stream in enumerate(streams, 1))
        order = sorted(range(len(streams)), key=lambda index: _rank(streams[index]))
        default = bool(streams[order[0]].disposition & Flag.default)
    if wanted is not None:
        if not 1 <= wanted <= len(names):
            fault = f"has {len(names)} sound track{'s' * (len(names) > 1)}, number {wanted} was"
            raise InputError(path, f"{fault} asked for", f"choose one of {', '.join(names)}")
        return _described(survey(path, wanted - 1), names, ASKED)
    if len(names) == 1:
        return _described(survey(path, 0), names, "the only one")
    found, faults, left = [], [], []
    for index in order:
        try:
            found.append(survey(path, index))
        except InputError as error:
            faults.append(error)
            left.append(f"{index + 1} is broken")
            continue
        if found[-1].speech and found[-1].peak >= SILENT_PEAK:
            break
        silent = found[-1].peak < SILENT_PEAK
        left.append(f"{index + 1} {'is silent' if silent else 'has no speech'}")
    if not found:
        raise faults[0]
    best = max(found, key=lambda one: (one.peak >= SILENT_PEAK, one.speech))
    reason = "default" if default else "first"
    if best.index != order[0]:
        reason = "; ".join(text for text in left if text.split()[0] != str(best.index + 1))
    return _described(best, names, reason)


def _name(number, stream):
    """Such as "2 (deu, Kommentar, default)"."""
    about = {key.lower(): text for key, text in stream.metadata.items()}
    title = about.get("title") or about.get("handler_name", "")
    parts = [about.get("language", ""), "" if title == "SoundHandler" else title]
    parts += ["default"] if stream.disposition & Flag.default else []
    said = ", ".join(part for part in parts if part and part != "und")
    return f"{number} ({said})" if said else str(number)


def _rank(stream):
    """Sorts the default track first and what is no main sound last."""
    return not stream.disposition & Flag.default, bool(stream.disposition & ASIDE)


def _described(found, names, reason):
    n = found.n_channels
    taken = found.channel.get(n)
    mix = "mono" if n == 1 else f"mean of {n} channels"
    if taken is not None:
        place = found.layout[taken]
        mix = f"channel {taken + 1} of {n}" + f" ({place})" * (place != "NONE")
    return found, SoundTrack(found.index + 1, len(names), names, n, mix, reason)
