"""Examination of a clip before it is used: facts, what stops the series, what costs quality."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfhkit.errors import InputError
from tfhkit.fit import Fit, fit_clip
from tfhkit.landmarks import Landmarks, detect, footage_facts
from tfhkit.media import Clip, first_frames, open_clip
from tfhkit.progress import Progress

_ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")
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


def examine_clip(path: str | Path, progress: Progress | None = None) -> Examination:
    """Facts on a clip, and what is wrong with it.

    Args:
        path: the video file.
        progress: called as progress(done, total, text).
    Raises:
        InputError: there is no such file, or it is not a video at all.
    """
    problems: list[Problem] = []
    landmarks = None
    try:
        clip = open_clip(path)
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
        facts |= _pose(clip, landmarks)
    return Examination(clip, landmarks, facts, problems + advice(facts))


def facts_of_fit(clip: Clip, fit: Fit) -> dict[str, Any]:
    """The facts of a clip that was fitted already, as from `examine_clip`."""
    score, backend = np.ones(len(fit), np.float32), fit.report.get("landmark_backend", "")
    first = first_frames(clip, len(fit))
    facts = footage_facts(first, Landmarks(fit.landmarks_px, score, fit.gap, backend))
    return facts | {name: fit.report[name] for name in _ANGLES if name in fit.report}


def advice_lines(problems: Sequence[Problem]) -> list[str]:
    """Problems as lines for people, those that stop the series first."""
    order = sorted(problems, key=lambda problem: not problem["stops"])
    return [
        f"{'stops' if p['stops'] else 'advice'}: {p['stage']}: {p['fault']}; {p['remedy']}"
        for p in order
    ]


def _pose(clip, landmarks):
    """Ranges of the angles in degrees, from the first frames' landmarks."""
    first = dataclasses.replace(
        landmarks,
        points_px=landmarks.points_px[:POSE_FRAMES],
        score=landmarks.score[:POSE_FRAMES],
        gap=landmarks.gap[:POSE_FRAMES],
    )
    report = fit_clip(clip, first, texture_frames=2, photometric=None).report
    return {name: [round(v, 1) for v in report[name]] for name in _ANGLES}


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
    silence, unseen = facts["silence_share"], 1 - facts.get("face_share", 1)
    say(
        motion,
        seconds < 8,
        f"{seconds:.1f} s are not much to learn a style from",
        "give 12 s or more",
    )
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
    if face_px is not None:
        say(gan, face_px < 100, f"the face is {face_px:.0f} px wide, so it will be soft",
            "100 px or more show teeth and eyes")  # fmt: skip
    return found
