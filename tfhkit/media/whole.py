"""Whether a sound file is whole: what its header promises against what is there."""

import struct
from pathlib import Path

import av

from tfhkit.errors import InputError
from tfhkit.media.containers import open_container
from tfhkit.media.scan import REMEDY, too_short, truncated

# Formats whose header counts the length; for others FFmpeg guesses it from the bit rate, or takes
# it from the last packet.
COUNTED = {"matroska", "webm", "mov", "mp4", "flac", "aiff", "au"}
ENDLESS = 0x7FFF0000  # bytes of a chunk: programs that write to a pipe promise that or more
PAGE = 65_536  # bytes of an Ogg page, at most
FIRST_FRAME = 1024  # bytes, of which the first frame of an MP3 is a part


def refuse_truncated_sound(path: Path, index: int) -> None:
    """Compare a sound track's packets with what the file's header promises.

    Args:
        path: the file. index: of the track among the sound tracks, from 0.
    Raises:
        InputError: it is certain that sound is missing.
    """
    with open_container(path, "sound file") as container:
        stream, name = container.streams.audio[index], container.format.name
        (whole_s, file_s), (own_s, read_s) = _lengths(container, stream)
        promised = own_s * (stream.bit_rate or 0) / 8
        n_samples, rate = stream.frames, stream.rate
    lengths = []
    if name in _SHARES and (share := _SHARES[name](path)) < 1:
        lengths = [(read_s / share, read_s)]
    elif name == "caf":
        lengths = [(n_samples / rate, read_s)]
    elif _is_counted(path, name) and promised < 0.99 * ENDLESS:  # by a rounded bit rate
        lengths = [(whole_s, file_s)] + [(own_s, read_s)] * bool(own_s)
    if name == "ogg" and _ends_within_a_page(path):
        fault = f"is truncated: it ends within a page of data, after {read_s:.1f} s"
        raise InputError(path, fault, REMEDY)
    if lengths:
        claimed_s, read_s = min(lengths, key=lambda pair: pair[0] - pair[1])
        if too_short(claimed_s, read_s):
            raise truncated(path, claimed_s, read_s)


def _lengths(container, stream):
    """Seconds by the header and seconds read: of the file, and of the track (0: not known).

    FFmpeg takes the file's length for that of a track that begins late, so neither is sure alone.
    """
    starts_s, own_end_s, file_end_s = [], 0.0, 0.0
    for packet in container.demux():
        at = packet.dts if packet.pts is None else packet.pts
        if packet.size and at is not None:
            end_s = float((at + (packet.duration or 0)) * packet.time_base)
            file_end_s = max(file_end_s, end_s)
            if packet.stream.index == stream.index:
                starts_s.append(float(at * packet.time_base))
                own_end_s = max(own_end_s, end_s)
    start_s = min(starts_s, default=0.0)
    whole_s = (container.duration or 0) / av.time_base
    own_s = float((stream.duration or 0) * stream.time_base)
    return (whole_s, file_end_s - min(0.0, start_s)), (own_s, own_end_s - start_s)


def _is_counted(path, name):
    """Whether FFmpeg's length of the file is one that its header counts."""
    if name == "wav":
        return _begin(path, 4) == b"RF64"
    return bool(COUNTED & set(name.split(","))) or (name == "mp3" and _has_xing(path))


def _begin(path, size, at=0):
    with path.open("rb") as file:
        file.seek(at)
        return file.read(size)


def _has_xing(path):
    """Whether an MP3's first frame holds the number of its frames."""
    head, at = _begin(path, 10), 0
    if head[:3] == b"ID3" and len(head) == 10:
        at = 10 + sum(byte << 7 * place for place, byte in enumerate(reversed(head[6:])))
    frame = _begin(path, FIRST_FRAME, at)
    found = max(frame.find(b"Xing"), frame.find(b"Info"))
    return 0 < found < len(frame) - 8 and bool(frame[found + 7] & 1)


def _share_of_wav(path):
    """How much of the samples that a WAV file's header promises is there; 1 if that is unsure."""
    length = path.stat().st_size
    with path.open("rb") as file:
        name, size = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or not length < size + 8 < ENDLESS:
            return 1.0
        file.seek(12)
        while name != b"data":
            header = file.read(8)
            if len(header) < 8:
                return 1.0
            name, size = struct.unpack("<4sI", header)
            begin = file.tell()
            file.seek(size + size % 2, 1)
    return (length - begin) / size if length - begin < size < ENDLESS else 1.0


def _share_of_avi(path):
    """How much of an AVI is there; the first of several parts says nothing of the others."""
    size = struct.unpack("<4xI", _begin(path, 8))[0] + 8
    return path.stat().st_size / size if size < ENDLESS else 1.0


def _share_of_w64(path):
    """How much of a Wave64 file is there."""
    size = struct.unpack("<16xQ", _begin(path, 24))[0]
    return path.stat().st_size / size if 0 < size < 1 << 60 else 1.0


_SHARES = {"wav": _share_of_wav, "avi": _share_of_avi, "w64": _share_of_w64}


def _ends_within_a_page(path):
    """Whether the last page of an Ogg file is longer than what is left of the file."""
    length = path.stat().st_size
    tail = _begin(path, PAGE, max(0, length - PAGE))
    page = tail[tail.rfind(b"OggS") :] if b"OggS" in tail else b""
    sizes = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return bool(page) and len(page) < 27 + len(sizes) + sum(sizes)
