"""Files that come from a browser: joined, examined, refused or kept in `runs/uploads/`."""

import os
import re
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import av

from tfhkit.errors import InputError
from tfhkit.media import atomic_path, ffmpeg_name, jpeg_bytes, read_audio
from tfhkit.media.colour import colours_of
from tfhkit.media.containers import picture_tracks
from tfhkit.media.reader import Coding, display_size, picture
from tfhkit.pipeline.jobs import runs_dir

MAX_MB, MAX_SECONDS = 500, 600
SPARE_MB = 200  # of the disk that an upload must leave free
OLD_S = 24 * 3600  # the parts of an upload that broke off so long ago are deleted
# formats of single recordings; playlists, which name other files, are not among them
FORMATS = frozenset("mov matroska webm avi mpeg mpegts flv ogg wav mp3 flac aac asf aiff caf "
                    "w64 amr 3gp mp4 m4a".split())  # fmt: skip
POSTER_PX = 160
_TRANSLATED = {"clip": "video", "voice": "sound"}


def uploads_dir() -> Path:
    """The folder where uploads and recordings lie."""
    return runs_dir() / "uploads"


class Upload:
    """An upload in progress: its parts are written to a hidden file, which `finish` renames.

    Args:
        name: name of the file in the browser; only its letters and digits are used.
        size: bytes of the whole file.
    Raises:
        InputError: it is empty, too large for the kit or the disk, or cannot be written.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size, self.received = Path(str(name)).name or "file", int(size), 0
        if self.size <= 0:
            raise InputError(self.name, "is empty", "choose another file")
        if self.size > MAX_MB * 1e6:
            fault = f"has {self.size / 1e6:.0f} MB, at most {MAX_MB} MB are taken"
            raise InputError(self.name, fault, "cut it, or save it at a lower quality")
        folder, tag = uploads_dir(), uuid.uuid4().hex[:8]
        words = re.sub(r"[^a-z0-9]+", "-", Path(self.name).stem.lower()).strip("-")[:40]
        suffix = re.sub(r"[^a-z0-9]", "", Path(self.name).suffix.lower())[:5] or "bin"
        self.path = folder / f"{words.strip('-') or 'upload'}-{tag}.{suffix}"
        self._part = folder / f".{tag}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _throw_away_old(folder)
            free_mb = shutil.disk_usage(folder).free / 1e6
            if self.size / 1e6 + SPARE_MB > free_mb:
                fault = f"does not fit: the disk has {free_mb:.0f} MB left"
                raise InputError(self.name, fault, "free some space and try again")
            self._file = open(self._part, "xb")
        except OSError as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: OSError) -> InputError:
        fault = f"cannot be written to {uploads_dir()} ({error.strerror or error})"
        return InputError(self.name, fault, "free some space, or check the folder's rights")

    def add(self, offset: int, data: bytes) -> int:
        """Write the next part.

        Args:
            offset: place of its first byte in the file.
            data: the part.
        Returns:
            Bytes received so far.
        Raises:
            InputError: it does not continue what came before, or the disk is full.
        """
        if offset != self.received or offset + len(data) > self.size:
            self.cancel()
            raise InputError(
                self.name, "arrived in pieces that do not fit together", "upload it again"
            )
        try:
            self._file.write(data)
        except OSError as error:
            self.cancel()
            raise self._unwritten(error) from None
        self.received += len(data)
        return self.received

    def finish(self) -> Path:
        """Give the complete file its name; returns its path.

        Raises:
            InputError: parts are missing, or the disk is full.
        """
        if self.received != self.size:
            self.cancel()
            fault = f"broke off: {self.received} of {self.size} bytes came"
            raise InputError(self.name, fault, "upload it again")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._part, self.path)
        except OSError as error:
            self.cancel()
            raise self._unwritten(error) from None
        return self.path

    def cancel(self) -> None:
        """Delete what was received."""
        try:
            self._file.close()
        except OSError:  # its buffer does not fit on the disk
            pass
        self._part.unlink(missing_ok=True)


def _throw_away_old(folder):
    for path in folder.glob(".*.part"):
        if time.time() - path.stat().st_mtime > OLD_S:
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Seen:
    """What `look_into` found in a file.

    Args:
        seconds: its length.
        words: facts for people.
        poster: its first frame as a JPEG file, or None.
        measured: whether its header gives its length (recordings of browsers leave it out).
    """

    seconds: float
    words: str
    poster: bytes | None
    measured: bool


def look_into(path: str | Path, kind: str, name: str | None = None) -> Seen:
    """Check by its content that a file is a clip or a voice.

    Args:
        path: the file.
        kind: "clip" (pictures with sound) or "voice" (sound).
        name: what it is called in messages; None takes the path.
    Raises:
        InputError: it is not a recording, lacks pictures or sound, or is too long.
    """
    name = str(name or path)
    another = f"choose a {_TRANSLATED[kind]} file, e.g. .mp4{' or .wav' * (kind == 'voice')}"
    try:
        with av.open(ffmpeg_name(path)) as container:
            if not FORMATS & set(container.format.name.split(",")):
                fault = f"is no {_TRANSLATED[kind]} (its format is {container.format.name})"
                raise InputError(name, fault, another)
            videos, sounds = picture_tracks(container), container.streams.audio
            if kind == "clip" and not videos:
                raise InputError(name, "has no pictures", another)
            if not sounds:
                raise InputError(name, "has no sound", another)
            poster, words = None, []
            if kind == "clip":
                poster, words = _first_frame(container, videos[0], name)
            measured = bool(container.duration)
            seconds = container.duration / av.time_base if container.duration else None
        if seconds is None:
            seconds = _end_of(path)
    except (av.error.FFmpegError, StopIteration, OSError) as error:
        said = getattr(error, "strerror", None) or "it contains no frame"
        raise InputError(name, f"is no {_TRANSLATED[kind]} ({said})", another) from None
    if seconds > MAX_SECONDS:
        fault = f"is {seconds / 60:.1f} minutes long, at most {MAX_SECONDS / 60:.0f} are taken"
        raise InputError(name, fault, "cut out the part that matters; 12 to 60 s work well")
    if kind == "voice":
        try:
            read_audio(path)
        except InputError as error:
            raise InputError(name, error.fault, error.remedy) from None
    return Seen(seconds, ", ".join([f"{seconds:.1f} s", *words]), poster, measured)


def _first_frame(container, stream, name):
    """The first frame as a small JPEG, and its size in words."""
    frame = next(container.decode(stream))
    height, width = display_size(frame, stream)
    small_height = min(POSTER_PX, height)
    coding = Coding(colours=colours_of(name, stream.codec_context))
    small = picture(frame, height, width, coding)
    step = max(1, height // small_height)
    return jpeg_bytes(small[::step, ::step]), [f"{width} x {height}"]


def _end_of(path):
    """Seconds up to the end of the last packet, for files whose header does not say."""
    end = 0.0
    with av.open(ffmpeg_name(path)) as container:
        for packet in container.demux():
            if packet.pts is not None:
                last = packet.pts + (packet.duration or 0)
                end = max(end, float(last * packet.time_base))
    return end


def with_length(path: str | Path) -> Path:
    """Give a browser's recording, whose header has no length, a header with its length.

    Its packets are copied into a Matroska file; nothing is encoded again.

    Args:
        path: the file; the new one replaces it.
    Returns:
        Path of the new file, in the same folder.
    """
    path = Path(path)
    with atomic_path(path.with_suffix(".mkv")) as temporary:
        with av.open(ffmpeg_name(path)) as source, av.open(ffmpeg_name(temporary), "w") as target:
            tracks = [*picture_tracks(source)[:1], *source.streams.audio[:1]]
            copies = {track.index: target.add_stream_from_template(track) for track in tracks}
            for packet in source.demux(tracks):
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    target.mux(packet)
    if path.suffix != ".mkv":
        path.unlink()
    return path.with_suffix(".mkv")
