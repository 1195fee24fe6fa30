"""Examination of a clip before it is used: facts, what stops the series, what costs quality."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError
from tfhkit.fit import fit_clip
from tfhkit.landmarks import detect, footage_facts
from tfhkit.media import open_clip
from tfhkit.progress import Progress

POSE_FRAMES = 300  # number of frames from which the range of the pose is taken


def examine_clip(
    path: str | Path, progress: Progress | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Facts on a clip, and what is wrong with it.

    Args:
        path: the video file.
        progress: called as progress(done, total, text).
    Returns:
        Facts as from `footage_facts`, with the ranges of the angles; problems, each with stage,
        fault, remedy and stops.
    Raises:
        InputError: there is no such file, or it is not a video at all.
    """
    problems, landmarks = [], None
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
    return facts, problems + advice(facts)


def _pose(clip, landmarks):
    """Ranges of the angles in degrees, from the first frames' landmarks."""
    first = dataclasses.replace(
        landmarks,
        points_px=landmarks.points_px[:POSE_FRAMES],
        score=landmarks.score[:POSE_FRAMES],
        gap=landmarks.gap[:POSE_FRAMES],
    )
    report = fit_clip(clip, first, texture_frames=2, photometric=None).report
    return {
        name: [round(v, 1) for v in report[name]] for name in ("yaw_deg", "pitch_deg", "roll_deg")
    }


def _problem(stage, fault, remedy, stops=False):
    return {"stage": stage, "fault": fault, "remedy": remedy, "stops": stops}


def advice(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Problems that do not stop the series but cost quality; entries as in `examine_clip`."""
    found: list[dict[str, Any]] = []

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
