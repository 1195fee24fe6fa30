"""Small media files as people have them, made with PyAV; their pictures and sounds are known."""

from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

SIZE = (64, 96)  # height, width
RATE = 16_000


def speech(seconds, rate=RATE, seed=0, level=0.2):
    """Noise in syllables of 180 ms with pauses between: what levels show of a voice."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    syllable = (np.arange(n) / rate * 4 % 1 < 0.7) & (np.arange(n) / rate % 3 < 2.4)
    shape = np.convolve(syllable, np.hanning(rate // 25), "same") / (rate / 50)
    return (level * shape * rng.normal(0, 0.5, n)).clip(-1, 1).astype(np.float32)


def noise(seconds, rate=RATE, level=0.05, seed=1):
    n = round(seconds * rate)
    return np.random.default_rng(seed).normal(0, level, n).clip(-1, 1).astype(np.float32)


def hum(seconds, rate=RATE, level=0.3, hz=50):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


@dataclass
class Track:
    """Samples (C, N) of a sound track, seconds at which it starts, and what the file says of it."""

    samples: np.ndarray
    start_s: float = 0.0
    layout: str = "mono"
    rate: int = RATE
    codec: str = "pcm_s16le"
    default: bool = False
    about: dict = field(default_factory=dict)


def add_sound(out, track):
    stream = out.add_stream(track.codec, rate=track.rate, layout=track.layout)
    stream.metadata.update(track.about)
    stream.disposition = av.stream.Disposition.default if track.default else 0
    return stream


def sound_frames(track):
    """Blocks of 0.1 s with their stamps."""
    samples = np.atleast_2d(track.samples)
    step = track.rate // 10
    for at in range(0, samples.shape[1], step):
        block = np.ascontiguousarray(samples[:, at : at + step], np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=track.layout)
        frame.sample_rate, frame.time_base = track.rate, Fraction(1, track.rate)
        frame.pts = round(track.start_s * track.rate) + at
        yield frame


def write_file(
    path,
    frames,
    tracks=(),
    fps=25,
    video_start_s=0.0,
    codec="libx264",
    pix_fmt="yuv420p",
    set_up=None,
):
    """Pictures and sound tracks in the container that the name says.

    `set_up(stream)` changes the picture stream before anything is encoded.
    """
    with av.open(str(path), "w") as out:
        options = {"libx264": {"g": "12", "crf": "12", "bf": "0"}, "ffv1": {}}.get(codec, {})
        video = out.add_stream(codec, rate=Fraction(fps), options=options)
        first = frames[0]
        array = isinstance(first, np.ndarray)
        video.height, video.width = first.shape[:2] if array else (first.height, first.width)
        video.pix_fmt = pix_fmt
        if set_up:
            set_up(video)
        sounds = [add_sound(out, track) for track in tracks]
        blocks = [list(sound_frames(track)) for track in tracks]
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24") if array else image
            frame.pts, frame.time_base = index + round(video_start_s * fps), 1 / Fraction(fps)
            out.mux(video.encode(frame))
            end_s = video_start_s + (index + 1) / float(fps)
            for stream, waiting in zip(sounds, blocks):
                while waiting and waiting[0].time < end_s:
                    out.mux(stream.encode(waiting.pop(0)))
        for stream, waiting in zip(sounds, blocks):
            for frame in waiting:
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
        out.mux(video.encode())
    return path


def grey_frames(n, size=SIZE):
    """Frames that brighten slowly."""
    values = np.linspace(40, 200, n).astype(np.uint8)
    return np.broadcast_to(values[:, None, None, None], (n, *size, 3)).copy()


def likeness(one, other):
    """Correlation of two sounds at no lag."""
    n = min(len(one), len(other))
    return float(np.corrcoef(one[:n], other[:n])[0, 1])
