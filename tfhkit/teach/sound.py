"""A sound to listen to in a notebook, small enough to be stored in it."""

import html
import io
from dataclasses import dataclass

import av
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tfhkit.errors import ParameterError, check_shape
from tfhkit.media import SR_HZ
from tfhkit.teach.display import data_url, show_html

BITS = 48_000  # bits a second; enough for speech


@dataclass(frozen=True)
class Sound:
    """A sound as a player with a name; a notebook shows it as HTML.

    Args:
        title: what is heard, for the caption and for screen readers.
        audio: mono in [-1, 1], 16 kHz. Louder sounds are scaled down.
    """

    title: str
    audio: Float[np.ndarray, "N"]

    def _repr_html_(self) -> str:
        title, url = html.escape(self.title), data_url(mp3_bytes(self.audio), "audio/mpeg")
        player = f'<audio controls preload="auto" aria-label="{title}" src="{url}"></audio>'
        style = "margin:4px 0;display:flex;gap:10px;align-items:center;flex-wrap:wrap"
        return f'<figure style="{style}">{player}<figcaption>{title}</figcaption></figure>'


def listen(audio: Float[np.ndarray, "N"], title: str) -> None:
    """Show a sound as a player; see `Sound`."""
    sound = Sound(title, audio)
    show_html(sound._repr_html_(), f"Sound: {title}")


def mp3_bytes(audio: ArrayLike) -> bytes:
    """A sound as an MP3 file, which every browser plays.

    Args:
        audio: (N,) samples at 16 kHz; N > 0.
    Raises:
        ShapeError: another shape. ParameterError: there is no sound, or it is not finite.
    """
    samples = np.asarray(audio, np.float32)
    check_shape("audio", samples, ("N",))
    if not len(samples) or not np.isfinite(samples).all():
        raise ParameterError("audio", "is empty or not finite", "give samples in [-1, 1]")
    samples = samples / max(1.0, float(np.abs(samples).max()))
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=SR_HZ, layout="mono")
        stream.bit_rate = BITS
        block = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        block.sample_rate = SR_HZ
        container.mux([packet for b in (block, None) for packet in stream.encode(b)])
    return file.getvalue()
