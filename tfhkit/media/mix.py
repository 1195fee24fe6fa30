"""Which channel of a sound carries the speech, from the levels of its 20 ms pieces.

The mean of all channels cancels where one is the negative of another, and buries the speech where
one holds nothing but noise. Speech is told from noise and hum by its pauses: loud pieces stand
out from the quiet ones.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

PIECE_S = 0.02
VOICE_HZ = (
    300.0,
    3400.0,
)  # a telephone's band carries speech; hum, wind and hiss lie mostly outside
QUIET_PERCENT = 10  # even in fluent speech a tenth of the pieces are pauses and closures
STANDS_OUT = 4.0  # in power. Constant noise in this band reaches 2, pieces of speech 100 and more
LEAST_S = 0.3  # of such pieces; a click or a knock is shorter
DIGITAL_SILENCE = 1e-9  # power (-90 dB): less than the last bit of 16
FAINT = 1e-7  # power (-70 dB) of those pieces: what a codec leaves in an empty channel is less
# More distance from the pauses than this is not asked of the mean: rooms and echoes fill pauses,
# and what noise is left lies below the quiet parts of speech.
ENOUGH_DB = 20.0
SAME_DB = 3.0  # distances closer than that are equal: it is what two microphones differ by
# The mean of two channels of which one is silent is 6.02 dB lower and the same speech. Where it is
# lower still, channels cancel each other, or many of them are empty.
LOWER_DB = 6.5
RINGING = 1.2  # of a step: how far a filter's answer to it goes


@dataclass(frozen=True)
class Levels:
    """The speech in one signal.

    Args:
        level_db: mean power of the pieces that stand out, over all pieces; dB of full scale.
        distance_db: how far these pieces stand above the quiet ones; 0 where none do.
    """

    level_db: float
    distance_db: float


class PieceMeter:
    """Collects the power of 20 ms pieces in the voice band; flat memory.

    Args:
        n_channels: number of channels. rate_hz: sampling rate.
    """

    def __init__(self, n_channels: int, rate_hz: int) -> None:
        self.n_channels, self.rate_hz = n_channels, rate_hz
        self.peaks = np.zeros(n_channels + 1)
        self._piece = max(8, round(PIECE_S * rate_hz))
        self._window = np.hanning(self._piece + 2)[1:-1].astype(np.float32)
        hz = np.fft.rfftfreq(self._piece, 1 / rate_hz)
        self._band = slice(*np.searchsorted(hz, VOICE_HZ))
        self._waiting: list[np.ndarray] = []
        self._n_waiting = 0
        self._power: list[np.ndarray] = []

    def add(self, block: Float[np.ndarray, "C n"]) -> None:
        """Measure the next samples, in [-1, 1]."""
        self._waiting.append(block)
        self._n_waiting += block.shape[1]
        if self._n_waiting >= 50 * self._piece:
            self._measure()

    def power(self) -> Float[np.ndarray, "P C1"]:
        """Mean squares of the pieces in the band, for each channel and, last, for their mean."""
        self._measure()
        return np.concatenate([np.zeros((0, self.n_channels + 1), np.float32), *self._power])

    def _measure(self):
        if not self._n_waiting:
            return
        block = np.concatenate(self._waiting, axis=1)
        block = np.concatenate([block, block.mean(axis=0, keepdims=True)])
        self.peaks = np.maximum(self.peaks, np.abs(block).max(axis=1))
        n = block.shape[1] // self._piece
        pieces = block[:, : n * self._piece].reshape(len(block), n, self._piece)
        spectrum = np.abs(np.fft.rfft(pieces * self._window)[..., self._band])
        scale = 2 / (self._piece * (self._window**2).sum())
        self._power.append(((spectrum**2).sum(-1) * scale).T.astype(np.float32))
        rest = block[:-1, n * self._piece :]
        self._waiting, self._n_waiting = [rest], rest.shape[1]


def swing(audio: Float[np.ndarray, "N"], rate_hz: int) -> float:
    """The loudest sample, apart from a constant offset, as a muted microphone may have one.

    The offset is taken from each 20 ms piece, and so are the steps where it begins and ends.

    Args:
        audio: samples. rate_hz: sampling rate.
    """
    piece = max(8, round(PIECE_S * rate_hz))
    n = len(audio) // piece
    if n < 2:
        return float(np.abs(audio - audio.mean()).max()) if len(audio) else 0.0
    pieces = audio[: n * piece].reshape(n, piece)
    offset = pieces.mean(axis=1)
    loudest = np.maximum(pieces.max(axis=1) - offset, offset - pieces.min(axis=1))
    around = np.pad(offset, 1)  # what lies beyond the ends is silence
    return float((loudest - RINGING * np.abs(around[2:] - around[:-2])).max())


def speech_levels(power: Float[np.ndarray, "P"]) -> Levels:
    """Level and distance of the pieces that stand out from the quiet ones.

    Args:
        power: mean squares of the pieces of one signal.
    """
    sounding = power[power > DIGITAL_SILENCE]
    if not len(sounding):
        return Levels(-np.inf, 0.0)
    quiet = float(np.percentile(sounding, QUIET_PERCENT))
    loud = power[power > STANDS_OUT * quiet]
    if len(loud) < min(LEAST_S / PIECE_S, len(power) / 4) or loud.mean() < FAINT:
        return Levels(-np.inf, 0.0)
    level = 10 * np.log10(float(loud.sum()) / len(power))
    # gated pauses count as quiet here, not above: noise that stops at times is no speech
    pauses = max(float(np.percentile(power, QUIET_PERCENT)), DIGITAL_SILENCE)
    return Levels(level, 10 * np.log10(float(loud.mean()) / pauses))


def has_speech(power: Float[np.ndarray, "P C1"]) -> bool:
    """Whether a channel, or the mean, has pieces that stand out as those of speech do."""
    return any(speech_levels(column).distance_db > 0 for column in power.T)


def choose_channel(power: Float[np.ndarray, "P C1"]) -> int | None:
    """The channel to take, or None for the mean of all.

    The mean is taken where it carries the speech as well as the best channel. Where nothing
    stands out (a tone, noise), the same question is put to the bare levels.

    Args:
        power: of the pieces, for each channel and, last, for their mean.
    """
    if power.shape[1] == 2 or not len(power):
        return None
    found = [speech_levels(column) for column in power.T]
    level = np.array([one.level_db for one in found])
    whole = np.array([one.distance_db for one in found])
    distance = np.minimum(whole, ENOUGH_DB)
    if not distance[:-1].any():
        level = 10 * np.log10(power.mean(axis=0) + 1e-20)
        distance = np.zeros(len(level))
    clear = distance[:-1] >= distance[:-1].max() - SAME_DB
    loud = clear & (level[:-1] >= level[:-1][clear].max() - SAME_DB)
    best = int(np.argmax(np.where(loud, whole[:-1] + level[:-1], -np.inf)))
    as_clear = distance[-1] >= distance[best] - SAME_DB
    return None if as_clear and level[-1] >= level[best] - LOWER_DB else best
