"""Follow faces over the frames and choose the main speaker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Real, UInt8

from tfhkit.errors import InputError
from tfhkit.landmarks.boxes import box_distance
from tfhkit.landmarks.speaking import r_sigma

STRONG = 0.0  # detector margin that may begin a new track
REACH = 0.6  # a face's centre moves less than this share of its side between two frames ...
REACH_PER_S = 0.6  # ... and may have moved further where it was not seen for a while
ALIKE = 1.3  # two faces are of about equal size where their sides differ by less
TOUCH = 0.8  # centres nearer than this share of the side: the faces overlap
OTHER_PERSON = 0.6  # distance of dlib's descriptors of two people
MIN_SHARE = 0.6  # of the frames in which the speaker must be found
STILL = 0.006  # lips that move less, as a share of the face's height, are those of a photo
# Of 14 pieces of 8 s of seven real clips, with each other's faces as the larger one, this finds
# the speaker in 86 % of the pairs, and never leaves a speaker who is the larger one.
HEARD_SIGMAS, BETTER_SIGMAS = 2.2, 0.7  # of a correlation over the clip: that high, and better by
SEEN_SHARE = 0.2  # of the frames: a face that is seen more briefly is a passer-by, or an error
SAME_FACE = 0.4  # boxes nearer than this, in sides, are on the same face


@dataclass(frozen=True)
class Face:
    """One face in one frame.

    Args:
        box: (4,) x0, y0, x1, y1 px.
        margin: of the detector; above 0 it is a face.
        points: px, the 68 first, or None where they were not asked for.
        portrait: (128,) descriptor, or None.
        look: brightness, contrast and sharpness, see `face_look`, or None.
    """

    box: Real[np.ndarray, "4"]
    margin: float
    points: Float[np.ndarray, "points 2"] | None = None
    portrait: Float[np.ndarray, "128"] | None = None
    look: Float[np.ndarray, "3"] | None = None

    @property
    def side_px(self) -> float:
        return float(self.box[2] - self.box[0])


@runtime_checkable
class FaceFinder(Protocol):
    """A landmarks backend that is open."""

    name: str

    def slow(self, width_px: int) -> bool:
        """Whether a search of a whole frame of that width takes seconds."""
        ...

    def upside_down(self, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> bool:
        """Whether the faces of some pictures stand on their heads."""
        ...

    def find(
        self, image: UInt8[np.ndarray, "H W 3"]
    ) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n"]]:
        """Boxes and margins of the faces of a picture."""
        ...

    def points(
        self, image: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]
    ) -> Float[np.ndarray, "points 2"]:
        """The points in one box: the 68 iBUG points, then those that the backend has besides."""
        ...


@dataclass
class Track:
    """One person's face over time."""

    frames: list[int] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)

    def add(self, frame: int, face: Face) -> None:
        self.frames.append(frame)
        self.faces.append(face)

    @property
    def side_px(self) -> float:
        return float(np.median([face.side_px for face in self.faces]))

    @property
    def lip_motion(self) -> float:
        """How much the lips open and close, relative to the face's height."""
        points = np.array([face.points for face in self.faces if face.points is not None])
        if not len(points):
            return 0.0
        opening = np.linalg.norm(points[:, 62] - points[:, 66], axis=-1)
        return float(np.std(opening / np.ptp(points[:, :68, 1], axis=1)))


def track_faces(found: Sequence[Sequence[Face]], times: Float[np.ndarray, "T"]) -> list[Track]:
    """Join the faces of all frames to tracks.

    Args:
        found: per frame a list of Face; weak ones only continue tracks.
        times: (T,) seconds.
    Returns:
        list of Track, in order of appearance.
    """
    tracks: list[Track] = []
    for frame, faces in enumerate(found):
        pairs = []
        for i, face in enumerate(faces):
            for j, track in enumerate(tracks):
                gap_s = times[frame] - times[track.frames[-1]]
                far = box_distance(face.box, track.faces[-1].box)
                if far < REACH + min(1.0, REACH_PER_S * gap_s):
                    pairs.append((far, i, j))
        used_faces, used_tracks = set(), set()
        for _, i, j in sorted(pairs):
            if i not in used_faces and j not in used_tracks:
                tracks[j].add(frame, faces[i])
                used_faces.add(i)
                used_tracks.add(j)
        for i, face in enumerate(faces):
            if i not in used_faces and face.margin >= STRONG:
                tracks.append(Track([frame], [face]))
    return tracks


def without_doubles(
    boxes: Real[np.ndarray, "n 4"], margins: Sequence[float] | Float[np.ndarray, "n"]
) -> list[Face]:
    """Faces of one frame from the detector's boxes; of boxes on the same face the strongest."""
    faces: list[Face] = []
    for i in np.argsort(-np.asarray(margins)):
        if all(box_distance(boxes[i], face.box) > SAME_FACE for face in faces):
            faces.append(Face(boxes[i], float(margins[i])))
    return faces


def joined(
    parts: Sequence[tuple[Float[np.ndarray, "_ 4"], Float[np.ndarray, "_"]]],
) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n"]]:
    """Boxes and margins of several searches of one picture, each face once.

    Args:
        parts: what each search found; strong boxes of an earlier one go before those of a later.
    """
    boxes, margins = (np.concatenate(both) for both in zip(*parts))
    kept: list[int] = []
    for i in np.argsort(margins <= STRONG, kind="stable"):
        if all(box_distance(boxes[i], boxes[k]) > SAME_FACE for k in kept):
            kept.append(int(i))
    return boxes[kept], margins[kept]


def main_track(
    tracks: list[Track],
    n_frames: int,
    path: str | Path,
    heard: Sequence[float] | None = None,
    seconds: float = 0.0,
) -> Track:
    """Choose the speaker: a face that moves its lips, and with the sound; then the largest.

    A still face (a photo, a poster) is chosen only where no face moves. Among those that move, the
    one whose lips follow the sound is chosen where the sound tells them apart for certain. Else it
    is the largest and longest track, and among equals the one whose lips move most.

    Args:
        tracks: list of Track.
        n_frames: of the clip.
        path: for messages.
        heard: how well the sound explains each track's lips, see `speech_agreement`.
        seconds: length of the clip: how certain a correlation is.
    Returns:
        Track.
    Raises:
        InputError: no face; a face in too few frames; an equal face that crosses it.
    """
    if not tracks:
        raise InputError(
            path,
            f"no face was found in any of its {n_frames} frames",
            "give a clip of one person who looks towards the camera, face at least 40 px wide",
        )
    pool = [track for track in tracks if _is_candidate(track, n_frames)]
    if any(track.lip_motion > STILL for track in pool):
        # a face that is seen too briefly to tell is no photo, and is refused below if it is chosen
        pool = [t for t in tracks if t.lip_motion > STILL or not _is_candidate(t, n_frames)]
    else:
        pool = tracks
    best = _largest(pool)
    if heard is not None:
        score = {id(track): r for track, r in zip(tracks, heard)}
        top = max(pool, key=lambda track: score[id(track)] * _is_candidate(track, n_frames))
        sigma = r_sigma(seconds)
        better = score[id(top)] - score[id(best)] > BETTER_SIGMAS * sigma
        if better and score[id(top)] > HEARD_SIGMAS * sigma:
            best = top
    share = len(best.frames) / n_frames
    _refuse_swap(best, tracks, n_frames, path)
    if share < MIN_SHARE:
        raise InputError(
            path,
            f"a face was found in {share:.0%} of the {n_frames} frames only, "
            f"{MIN_SHARE:.0%} are needed",
            "trim the clip to where the speaker's face is seen from the front",
        )
    return best


@dataclass(frozen=True)
class FaceSeen:
    """One of the faces that the speaker was chosen from.

    Args:
        box: (4,) median x0, y0, x1, y1 px.
        share: of the frames in which it was found.
        lip_motion: see `Track`.
        heard: how well the sound explains its lips; NaN where that was not needed.
        chosen: whether it is the speaker.
    """

    box: Float[np.ndarray, "4"]
    share: float
    lip_motion: float
    heard: float
    chosen: bool


def faces_seen(
    tracks: list[Track], best: Track, n_frames: int, heard: Sequence[float] | None = None
) -> tuple[tuple[FaceSeen, ...], str]:
    """The faces of a clip, largest first, and in a few words why `best` is the speaker.

    Args: as for `main_track`. Faces in less than a fifth of the frames are left out.
    """
    seen, others = [], []
    for i, track in enumerate(tracks):
        if track is best or len(track.frames) >= SEEN_SHARE * n_frames:
            box = np.median([face.box for face in track.faces], axis=0).astype(np.float64)
            r = float("nan") if heard is None else float(heard[i])
            share, chosen = len(track.frames) / n_frames, track is best
            seen.append(FaceSeen(box, share, track.lip_motion, r, chosen))
            if not chosen:
                others.append(track)
    seen.sort(key=lambda face: face.box[0] - face.box[2])
    largest = all(track.side_px < best.side_px for track in others)
    if not others:
        why = "the only face"
    elif best.lip_motion > STILL and all(track.lip_motion <= STILL for track in others):
        why = "the only face whose lips move"
    elif heard is not None and not largest:
        why = "the face whose lips move with the sound"
    else:
        why = "the largest face" if largest else "of faces of about one size, its lips move most"
    return tuple(seen), why


def _is_candidate(track, n_frames):
    """Whether the face is there, and its lips are seen, for long enough to be the speaker's."""
    with_points = sum(face.points is not None for face in track.faces)
    return with_points >= 0.5 * MIN_SHARE * n_frames and len(track.frames) >= MIN_SHARE * n_frames


def _largest(tracks):
    """The largest and longest track; of equals the one whose lips move most."""
    weights = [len(track.frames) * track.side_px**2 for track in tracks]
    best = tracks[int(np.argmax(weights))]
    equals = [
        t
        for t in tracks
        if t.side_px * ALIKE > best.side_px and len(t.frames) > 0.8 * len(best.frames)
    ]
    return max(equals, key=lambda track: track.lip_motion) if len(equals) > 1 else best


def _refuse_swap(best, tracks, n_frames, path):
    """Raise where another face of about equal size overlaps the speaker's."""
    ours = dict(zip(best.frames, best.faces))
    for other in tracks:
        ratio = other.side_px / best.side_px
        # pieces of the speaker's own track are never seen together with it
        together = len(ours.keys() & set(other.frames))
        if other is best or not 1 / ALIKE < ratio < ALIKE or together < max(3, 0.1 * n_frames):
            continue
        for frame, face in zip(other.frames, other.faces):
            near = min(range(frame - 1, frame + 2), key=lambda f: (f not in ours, abs(f - frame)))
            if near in ours and box_distance(face.box, ours[near].box) < TOUCH:
                raise InputError(
                    f"{path}, frame {frame}",
                    "two faces of about equal size cross or swap, so who speaks is not certain",
                    "crop or trim the clip to one person, or blank out the other",
                )


def refuse_other_person(
    track: Track, times: Float[np.ndarray, "T"], path: str | Path, n_faces: int
) -> None:
    """Raise where the followed face becomes another person's.

    Args:
        track: Track, with portraits in some frames.
        times: (T,) seconds of all frames.
        path: for messages.
        n_faces: number of faces in view, for the message.
    """
    seen = [(k, f.portrait) for k, f in zip(track.frames, track.faces) if f.portrait is not None]
    frames, descriptors = [k for k, _ in seen], np.array([p for _, p in seen]).reshape(-1, 128)
    n = len(descriptors)
    gaps = np.linalg.norm(descriptors[:, None] - descriptors[None], axis=-1)
    splits = []  # (how clear, first portrait of the second person)
    for split in range(2, n - 1):
        across = np.median(gaps[:split, split:])
        within = max(_median_pair(gaps[:split, :split]), _median_pair(gaps[split:, split:]))
        if across > OTHER_PERSON and across > 1.5 * within:
            splits.append((across / within, split))
    if splits:
        split = max(splits)[1]
        fault = "two faces swap places" if n_faces > 1 else "the face is another person's"
        raise InputError(
            f"{path}, {times[frames[split - 1]]:.1f} to {times[frames[split]]:.1f} s",
            f"{fault}, so who speaks is not certain",
            "crop or trim the clip to one person",
        )


def _median_pair(block):
    """Median distance of different members."""
    return float(np.median(block[np.triu_indices(len(block), 1)]))
