"""Examination of a clip before it is used: facts, what stops the series, what costs quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfhkit.errors import InputError
from tfhkit.fit import Fit, fit_clip
from tfhkit.landmarks import Landmarks, detect, footage_facts
from tfhkit.landmarks.speaking import LIPS_LEAD_S, measure_lag, mouth_opening
from tfhkit.media import Clip, first_frames, open_clip
from tfhkit.progress import Progress

_ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")
MOST_RANGES = 3  # of frames that are left out, named one by one
LEAST_LAG_S = 0.08  # further from there, viewers notice (ITU-R BT.1359: 45 ms early, 125 ms late)
POSE_FRAMES = 300  # number of frames from which the range of the pose is taken


Problem = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Examination:
    """What is known of a clip before it is used.

    Args:
        clip: the clip.
        landmarks: of the face that would be learned; None where there is none to be found.
        facts: as from `footage_facts`, with the ranges of the angles.
        problems: each with stage, fault, remedy and stops (whether the series would stop).
    """

    clip: Clip
    landmarks: Landmarks | None
    facts: dict[str, Any]
    problems: list[Problem]

    @property
    def exit_code(self) -> int:
        """0: the clip is fine; 1: it can be used, with advice; 2: it is refused."""
        if any(problem["stops"] for problem in self.problems):
            return 2
        return 1 if self.problems else 0


def examine_clip(
    path: str | Path, progress: Progress | None = None, audio_track: int | None = None
) -> Examination:
    """Facts on a clip, and what is wrong with it.

    Args:
        path: the video file.
        progress: called as progress(done, total, text).
        audio_track: number of the sound track, from 1; None chooses.
    Raises:
        InputError: there is no such file, or it is not a video at all.
    """
    problems: list[Problem] = []
    landmarks = None
    try:
        clip = open_clip(path, audio_track=audio_track)
    except InputError as error:
        problems.append(_problem("media (notebook 00)", error.fault, error.remedy, True))
        clip = open_clip(path, min_seconds=0, need_sound=False)
    try:
        landmarks = detect(clip, progress=progress)
    except InputError as error:
        where = error.where.removeprefix(str(path)).strip(", ")
        fault = f"{where}: {error.fault}" if where else error.fault
        problems.append(_problem("landmarks (notebook 01)", fault, error.remedy, True))
    facts = footage_facts(clip, landmarks)
    if landmarks is not None:
        facts |= _pose(clip, landmarks) | lag_facts(clip, landmarks)
    return Examination(clip, landmarks, facts, problems + advice(facts))


def facts_of_fit(clip: Clip, fit: Fit) -> dict[str, Any]:
    """The facts of a clip that was fitted already, as from `examine_clip`."""
    score, backend = np.ones(len(fit), np.float32), fit.report.get("landmark_backend", "")
    first = first_frames(clip, len(fit))
    facts = footage_facts(first, Landmarks(fit.landmarks_px, score, fit.gap, backend))
    known = (*_ANGLES, "unusable", "faces", "why")
    return facts | {name: fit.report[name] for name in known if name in fit.report}


def advice_lines(problems: Sequence[Problem]) -> list[str]:
    """Problems as lines for people, those that stop the series first."""
    order = sorted(problems, key=lambda problem: not problem["stops"])
    return [
        f"{'stops' if p['stops'] else 'advice'}: {p['stage']}: {p['fault']}; {p['remedy']}"
        for p in order
    ]


def _pose(clip, landmarks):
    """Ranges of the angles in degrees, from the landmarks of the first usable frames."""
    seen = np.flatnonzero(~landmarks.gap)
    n_frames = int(seen[min(POSE_FRAMES, len(seen)) - 1]) + 1
    report = fit_clip(clip, landmarks.first(n_frames), texture_frames=2, photometric=None).report
    return {name: [round(v, 1) for v in report[name]] for name in _ANGLES}


def lag_facts(clip: Clip, seen: Landmarks | Fit) -> dict[str, Any]:
    """How late the sound is, where that is sure, and how well it predicts the lips (lip_r).

    Args:
        clip: the clip. seen: its landmarks, or the fit that has them.
    """
    points_px = seen.landmarks_px if isinstance(seen, Fit) else seen.points_px
    found = measure_lag(mouth_opening(points_px), clip.times, clip.audio, clip.sr_hz, seen.gap)
    return {
        "sound_lag_s": round(found.lag_s, 3) if found.sure else None,
        "sound_lag_interval_s": [round(found.low_s, 3), round(found.high_s, 3)],
        "lip_r": round(found.r, 2),
        "lip_r_interval": [round(found.r_low, 2), round(found.r_high, 2)],
        "lips_follow_sound": found.related,
        "sound_lag_curve": [
            {"sound_later_s": round(float(lag), 2), "r": round(float(r), 3) + 0.0}
            for lag, r in zip(found.lags_s, found.curve_r, strict=True)
        ],
    }


def _problem(stage, fault, remedy, stops=False):
    return {"stage": stage, "fault": fault, "remedy": remedy, "stops": stops}


def advice(facts: Mapping[str, Any]) -> list[Problem]:
    """Problems that do not stop the series but cost quality; entries as in `examine_clip`."""
    found: list[Problem] = []

    def say(stage, wrong, fault, remedy):
        if wrong:
            found.append(_problem(stage, fault, remedy))

    seconds, face_px = facts["seconds"], facts.get("face_px")
    duplicates = facts["duplicate_frames"] / facts["frames"]
    yaw = max(map(abs, facts.get("yaw_deg", [0])))
    motion, fit, gan = "03_lstm_training", "01_3dmm_fitting", "05_memory_gan"
    media = "media (notebook 00)"
    left_out = sum(part["stop"] - part["first"] for part in facts.get("unusable", []))
    silence = facts["silence_share"]
    unseen = 1 - facts.get("face_share", 1) - left_out / facts["frames"]
    colours, jumps = facts.get("colours", "SDR"), facts.get("jumps", [])
    track = facts.get("picture_track")
    if track and track["count"] > 1:
        chosen = f"picture track {track['names'][track['number'] - 1]} of {track['count']}"
        say(media, True, f"{chosen} is taken ({track['reason']})",
            "copy another one to a file of its own, e.g. ffmpeg -map")  # fmt: skip
    say(media, colours.startswith("HDR"), f"its colours are {colours}; they are tone-mapped to SDR",
        "see on the contact sheet that the face looks right")  # fmt: skip
    say(media, facts.get("interlaced", False),
        "it is interlaced: of each frame's two half pictures one is taken",
        "deinterlace it for finer ones, e.g. ffmpeg -i in -vf bwdif=mode=0 out.mp4")  # fmt: skip
    say(media, len(jumps) > 0, f"its time stamps jump at frames {jumps[:5]}, and are joined there",
        "see that nothing is missing, or trim it to one recording")  # fmt: skip
    say(motion, seconds < 8, f"{seconds:.1f} s are not much to learn a style from",
        "give 12 s or more")  # fmt: skip
    say(motion, silence > 0.6, f"{silence:.0%} of it is silent", "trim it to the speech")
    say(motion, facts["fps"] < 20, f"{facts['fps']:.1f} frames per second are not many",
        "25 or more show the motion of the lips")  # fmt: skip
    say(motion, duplicates > 0.1, f"{duplicates:.0%} of its frames are repeats of others",
        "use the recording from before its frame rate was changed")  # fmt: skip
    say(fit, len(facts["cuts"]) > 0, f"cuts at frames {facts['cuts'][:5]}", "trim it to one shot")
    say(fit, unseen > 0.02, f"the face is not visible in {unseen:.0%} of the frames",
        "nothing may pass in front of it")  # fmt: skip
    say("04_rendering", yaw > 40, f"the head turns by {yaw:.0f} degrees",
        "turns under 30 degrees are reproduced best")  # fmt: skip
    for part in facts.get("unusable", [])[:MOST_RANGES]:
        where = f"frames {part['first']} to {part['stop'] - 1}"
        when = f"({part['start_s']:.1f} to {part['end_s']:.1f} s)"
        say(fit, True, f"{where} {when} are {part['reason']} and left out", "trim them if you can")
    more = len(facts.get("unusable", [])) - MOST_RANGES
    say(fit, more > 0, f"{more} further ranges of frames are left out as well",
        "the contact sheet shows them (--report)")  # fmt: skip
    who = f"{facts.get('faces')} faces are in view, and {facts.get('why')} is learned"
    say(fit, facts.get("faces", 1) > 1, who, "see on the contact sheet that it is the right one")
    for fault, remedy in _sound_advice(facts):
        say(motion, True, fault, remedy)
    if face_px is not None:
        say(gan, face_px < 100, f"the face is {face_px:.0f} px wide, so it will be soft",
            "100 px or more show teeth and eyes")  # fmt: skip
    return found


def _sound_advice(facts):
    """What is to be said of the sound track, its channels and its lag: (fault, remedy)."""
    track, lag = facts.get("sound_track"), facts.get("sound_lag_s")
    if track and track["count"] > 1:
        chosen = f"sound track {track['names'][track['number'] - 1]} of {track['count']} is taken"
        yield f"{chosen} ({track['reason']})", "name another one with --audio-track"
    if track and track["mix"].startswith("channel"):
        yield f"{track['mix']} is taken, the others do not carry the voice", "check that it does"
    if not facts.get("lips_follow_sound", True):
        yield (f"its sound does not predict the lips (r = {facts['lip_r']:.2f}): music, noise, "
               "another person's voice, or too little speech",
               "give a clip in which this person alone is heard; from this one, the mouth is "
               "likely to move as the general mapping says")  # fmt: skip
    late = None if lag is None else lag - LIPS_LEAD_S
    if late is not None and abs(late) > LEAST_LAG_S:
        word = "later" if late > 0 else "earlier"
        yield (f"the sound is {abs(late):.2f} s {word} than the picture",
               "the training corrects it; a recording in step is better")  # fmt: skip
