"""Read and write video and audio with a true time base (PyAV)."""

from tfhkit.media.arrays import load_arrays, save_arrays
from tfhkit.media.clip import MIN_SECONDS, Clip, first_frames, frames_at, open_clip
from tfhkit.media.containers import ffmpeg_name
from tfhkit.media.files import atomic_path, check_writable, sha256_of
from tfhkit.media.pictures import jpeg_bytes, read_picture
from tfhkit.media.reader import FrameReader
from tfhkit.media.sound import SR_HZ, read_audio, write_wav
from tfhkit.media.stamps import Join
from tfhkit.media.texts import json_text, rounded, write_json, write_table
from tfhkit.media.tracks import SoundTrack
from tfhkit.media.writing import SYNTHETIC_COMMENT, draw_mark, video_metadata, write_video

__all__ = [
    "MIN_SECONDS",
    "SR_HZ",
    "SYNTHETIC_COMMENT",
    "Clip",
    "FrameReader",
    "Join",
    "SoundTrack",
    "atomic_path",
    "check_writable",
    "draw_mark",
    "ffmpeg_name",
    "first_frames",
    "frames_at",
    "jpeg_bytes",
    "json_text",
    "load_arrays",
    "open_clip",
    "read_audio",
    "read_picture",
    "rounded",
    "save_arrays",
    "sha256_of",
    "video_metadata",
    "write_json",
    "write_table",
    "write_video",
    "write_wav",
]
