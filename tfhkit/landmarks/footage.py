"""What the footage is like: cuts, leaps, duplicate frames, face size, sound."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, Real, UInt8

from tfhkit.landmarks.usable import blank_std
from tfhkit.media.clip import Clip

if TYPE_CHECKING:  # its own module imports this one
    from tfhkit.landmarks import Landmarks

THUMB = (48, 27)  # width, height
CUT_CHANGE = 14.0  # grey levels of 255 that a cut changes at least, on average
CUT_RATIO = 5.0  # ... and how many times more than its neighbours do
DUPLICATE = 0.02  # grey levels: below, two frames show the same
HOP_S, SILENT_DB, RANGE_DB = 0.02, -60.0, 35.0


def thumbnail(frame: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "27 48 3"]:
    """A thumbnail of a frame, for comparing frames cheaply."""
    return cv2.resize(frame, THUMB, interpolation=cv2.INTER_AREA)


def thumbnails(clip: Clip) -> UInt8[np.ndarray, "T 27 48 3"]:
    """The thumbnails of all frames of a clip."""
    thumbs = np.empty((len(clip), THUMB[1], THUMB[0], 3), np.uint8)
    for index, frame in enumerate(clip.iter_frames()):
        thumbs[index] = thumbnail(frame)
    return thumbs


def cuts_of(thumbs: Real[np.ndarray, "T h w 3"]) -> Int[np.ndarray, "n"]:
    """Hard cuts from thumbnails: a large change that stands alone and stays.

    A moving camera changes many frames in a row, a flash or some black frames change back, and
    another exposure shows the same things: none of them is a cut. Blank frames are passed over.
    """
    stds = np.array([thumb.std((0, 1)).max() for thumb in thumbs])
    shown = np.flatnonzero(stds >= blank_std(stds))
    change = _changes(thumbs[shown])
    cuts = []
    for i, size in enumerate(change):
        around = np.r_[change[max(0, i - 6) : i], change[i + 1 : i + 7]]
        usual = float(np.median(around)) if around.size else 0.0
        if size > CUT_CHANGE and size > CUT_RATIO * usual:
            before, after = thumbs[shown[max(0, i - 1)]], thumbs[shown[min(len(shown) - 1, i + 2)]]
            if _apart(before, after) > 0.6 * size and _apart_in_light(before, after) > 0.5 * size:
                cuts.append(int(shown[i + 1]))
    return np.array(cuts, np.int64)


def _changes(thumbs):
    """(T - 1,) mean change from each thumbnail to the next."""
    return np.array([_apart(a, b) for a, b in zip(thumbs[:-1], thumbs[1:])])


def _apart(a, b):
    """Mean difference of two thumbnails in grey levels."""
    return float(np.abs(a.astype(np.float32) - b.astype(np.float32)).mean())


def _apart_in_light(a, b):
    """The same where the first one is exposed like the second, as far as that can be.

    Two scenes that have nothing in common keep at least half of their difference.
    """
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    gain, offset = np.polyfit(x, y, 1)
    return _apart(gain * x + offset, y)


def duplicates_of(thumbs: Real[np.ndarray, "T h w 3"]) -> Bool[np.ndarray, "T"]:
    """(T,) bool: the frame repeats the one before."""
    return np.r_[False, _changes(thumbs) < DUPLICATE]


def jumps_of(
    points_px: Float[np.ndarray, "T 68 2"],
    known: Bool[np.ndarray, "T"],
    times: Float[np.ndarray, "T"],
) -> Int[np.ndarray, "n"]:
    """Frames at which the face leaps: a cut inside one setting.

    Args:
        points_px: (T, 68, 2).
        known: (T,) bool.
        times: (T,) seconds.
    Returns:
        (n,) int, the first frame after the leap.
    """
    index = np.flatnonzero(known)
    inner = points_px[index][:, 27:48]  # nose and eyes: no jaw, no lips
    side = np.ptp(points_px[index], axis=1).mean(-1)
    step = np.linalg.norm(np.diff(inner, axis=0), axis=-1).mean(-1) / side[1:]
    near = np.diff(times[index]) < 0.2
    usual = np.median(step) if step.size else 0.0
    return index[1:][(step > 0.3) & (step > 8 * usual) & near]


@dataclass(frozen=True, eq=False)
class SoundLevels:
    """Loudness of 20 ms pieces of a sound.

    Args:
        times: seconds of the pieces' middles. level_db: mean power, re full scale.
        floor_db: below it, a piece counts as silence. is_loud: whether it is above.
    """

    times: Float[np.ndarray, "P"]
    level_db: Float[np.ndarray, "P"]
    floor_db: float
    is_loud: Bool[np.ndarray, "P"]


def sound_levels(audio: Float[np.ndarray, "N"], sr_hz: int) -> SoundLevels:
    """Loudness over time; silence is 35 dB below the loud pieces, or below -60 dB."""
    hop = int(HOP_S * sr_hz)
    pieces = audio[: audio.size // hop * hop].reshape(-1, hop)
    power = np.einsum("ij,ij->i", pieces, pieces, dtype=np.float64) / hop
    level = 10 * np.log10(power + 1e-12) if len(pieces) else np.array([-120.0])
    floor = max(SILENT_DB, float(np.percentile(level, 95)) - RANGE_DB)
    times = (np.arange(len(level)) + 0.5) * hop / sr_hz
    return SoundLevels(times, level, floor, level >= floor)


def sound_facts(audio: Float[np.ndarray, "N"], sr_hz: int) -> dict[str, float]:
    """Level and silence of the sound.

    Returns:
        sound_peak_db, sound_rms_db (re full scale), silence_share (share of the pieces of
        `sound_levels` that are silent).
    """
    peak = float(np.abs(audio).max(initial=0))
    power = np.einsum("i,i->", audio, audio, dtype=np.float64) / max(audio.size, 1)
    return {
        "sound_peak_db": round(20 * float(np.log10(peak + 1e-6)), 1),
        "sound_rms_db": round(10 * float(np.log10(power + 1e-12)), 1),
        "silence_share": round(float((~sound_levels(audio, sr_hz).is_loud).mean()), 3),
    }


def footage_facts(clip: Clip, landmarks: "Landmarks | None" = None) -> dict[str, Any]:
    """Facts on a clip that can be had without fitting.

    Args:
        clip: Clip.
        landmarks: Landmarks of the main speaker, or None where none could be found.
    Returns:
        dict: frames, seconds, fps, fps_steady, width, height, colours (in words), jumps (frame
        numbers where the time stamps jump), duplicate_frames, cuts (frame numbers), sound facts,
        sound_track, picture_track; with landmarks also faces_per_frame, face_px (median distance
        ear to ear), face_share (of frames with the face found), bridged_frames, backend,
        unusable (ranges of frames that are left out: reason, first, stop, start_s, end_s),
        unusable_frames, exposure_steps (frame numbers), people (box, share, lip_motion, heard and
        chosen of each face) and why (this one was chosen).
    """
    thumbs = thumbnails(clip)
    steps = np.diff(clip.times)
    facts = {
        "frames": len(clip),
        "seconds": round(clip.duration_s, 3),
        "fps": round(clip.fps, 3),
        "fps_steady": bool(np.ptp(steps) < 0.5 * np.median(steps)),
        "width": clip.width,
        "height": clip.height,
        "colours": clip.coding.colours.name,
        "interlaced": clip.coding.woven,
        "jumps": [join.index for join in clip.coding.joins],
        "duplicate_frames": int(duplicates_of(thumbs).sum()),
        "cuts": cuts_of(thumbs).tolist(),
        **sound_facts(clip.audio, clip.sr_hz),
        "sound_track": asdict(clip.sound) if clip.sound else None,
        "picture_track": asdict(clip.pictures) if clip.pictures else None,
    }
    if landmarks is not None:
        width = np.linalg.norm(landmarks.points_px[:, 16] - landmarks.points_px[:, 0], axis=-1)
        facts |= {
            "faces_per_frame": round(float(landmarks.faces_per_frame), 2),
            "face_px": round(float(np.median(width)), 1),
            "face_share": round(float(1 - landmarks.gap.mean()), 3),
            "bridged_frames": int(landmarks.gap.sum()),
            "backend": landmarks.backend,
            "unusable": [asdict(part) for part in landmarks.unusable],
            "unusable_frames": int(landmarks.left_out().sum()),
            "exposure_steps": list(landmarks.exposure_steps),
            "people": [_seen(person) for person in landmarks.people],
            "faces": len(landmarks.people),
            "why": landmarks.why,
        }
    return facts


def _seen(person):
    """A FaceSeen as plain numbers."""
    return {
        "box": [round(float(v)) for v in person.box],
        "share": round(person.share, 3),
        "lip_motion": round(person.lip_motion, 4),
        "heard": None if np.isnan(person.heard) else round(person.heard, 2),
        "chosen": person.chosen,
    }
