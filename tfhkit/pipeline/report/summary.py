"""The summary of a run: about ten lines on what was made and how good it is, with baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfhkit.pipeline.manifest import Manifest
from tfhkit.pipeline.report.labels import Label
from tfhkit.pipeline.report.tables import value_text
from tfhkit.pipeline.report.verdicts import (
    BETTER,
    MISSING,
    OPEN,
    PLAIN,
    StepNumbers,
    compared_text,
    worst,
)

GIVEN = {
    "sample": "the sample clip of a White House address",
    "sentence": "the default sentence in a voice of espeak-ng",
}
PROFILES = {
    "tiny": "Profile tiny has toy sizes: it shows that everything runs, not how good it gets.",
    "quick": "Profile quick has small nets and pictures of 128 px; full needs a GPU.",
    "full": "Profile full has the sizes of the paper.",
}


@dataclass(frozen=True)
class Line:
    """One line of the summary.

    Args:
        topic: two or three words.
        text: a few sentences.
        verdict: BETTER, WORSE, LEVEL, OPEN or MISSING; PLAIN if nothing is compared.
    """

    topic: str
    text: str
    verdict: str = PLAIN


def summarise(found: Mapping[str, Manifest], videos: Sequence[str] = ()) -> list[Line]:
    """The lines of the summary.

    Args:
        found: step name -> manifest, for the steps that are finished.
        videos: names of the run's videos, relative to the run directory.
    """
    numbers = {name: content["numbers"] for name, content in found.items()}
    return [
        _made(found, numbers),
        _fit(StepNumbers(numbers, "01_3dmm_fitting")),
        _refined(StepNumbers(numbers, "05_memory_gan")),
        _driven(StepNumbers(numbers, "06_hs_metric")),
        _lips(StepNumbers(numbers, "03_lstm_training")),
        _head(StepNumbers(numbers, "06_hs_metric")),
        _flicker(StepNumbers(numbers, "05_memory_gan")),
        _sound_and_pose(StepNumbers(numbers, "02_mfcc_pose_correlation")),
        _look_at(videos),
        _how(found),
    ]


def _missing(topic: str, step: StepNumbers) -> Line:
    text = f"Notebook {step.step[:2]} is not finished in this run, or did not give this number."
    return Line(topic, text, MISSING)


def _made(found: Mapping[str, Manifest], numbers: Mapping[str, dict[str, Any]]) -> Line:
    if not found:
        return Line("Made", "Nothing yet: no notebook of this run is finished.", MISSING)
    given = next(iter(found.values()))["parameters"]
    clip, speech = (
        GIVEN.get(str(given.get(what)), Path(str(given.get(what))).name)
        for what in ("clip", "speech")
    )
    start = StepNumbers(numbers, "00_start_here")
    if start["frames"] is not None and start["seconds"] is not None:
        clip += f" ({start.text('seconds')}, {start.text('frames')} frames)"
    if "05_memory_gan" not in numbers:
        text = f"No video yet, for notebook 05 is not finished. The clip is {clip}, the voice "
        return Line("Made", f"{text}{speech}.", MISSING)
    text = f"A video in which the person of {clip} says {speech}. And the clip's last quarter, "
    text += "which nothing was trained on, synthesised from its own sound and compared with what "
    return Line("Made", text + "was filmed.")


def _fit(step: StepNumbers) -> Line:
    if step["nme_inner_pct"] is None:
        return _missing("Face model", step)
    text = f"The fitted face misses the inner landmarks by {step.text('nme_inner_pct')}"
    if step["jitter_deg"] is not None:
        text += f"; the head's pose jitters by {step.text('jitter_deg')} a frame"
    return Line("Face model", f"{text}. Everything that follows depends on it.")


def _refined(step: StepNumbers) -> Line:
    """Refinement alone: the pose is the true one."""
    parts, verdicts = [], []
    for what, name, gain, nearest in (
        ("PSNR", "psnr_db", "psnr_gain_db", "psnr_nearest_db"),
        ("SSIM", "ssim", "ssim_gain", "ssim_nearest"),
    ):
        if step[name] is None or step[gain] is None:
            continue
        baselines = {"rendering": step[name] - step[gain], "nearest training frame": step[nearest]}
        verdict, rest = compared_text(step[name], baselines, step.label(name))
        parts.append(f"{what} {step.text(name)}{rest}")
        interval = step.pair(f"{gain}_low", f"{gain}_high")
        if interval and interval[0] < interval[1]:
            parts.append(f"The gain over the rendering is {step.text(gain, interval)}.")
            verdict = OPEN if verdict == BETTER and interval[0] <= 0 else verdict
        verdicts.append(verdict)
    if not parts:
        return _missing("Refinement", step)
    text = "Faces in frames never trained on, with the true head pose. "
    return Line("Refinement", text + " ".join(parts), worst(*verdicts))


def _driven(step: StepNumbers) -> Line:
    """All stages together: the pose comes from the sound, so pixels can hardly agree."""
    parts, verdicts = [], []
    for name, what in (("psnr_face", "PSNR"), ("ssim_face", "SSIM")):
        if step[name] is not None:
            baselines = {
                f"{name}_unrefined": "rendering",
                f"{name}_nearest": "nearest training frame",
            }
            verdict, rest = step.against(name, baselines)
            parts.append(f"{what} {step.text(name)}{rest}")
            verdicts.append(verdict)
    if not parts:
        return _missing("Driven by sound", step)
    text = "The same faces with the head pose predicted from the sound. " + " ".join(parts)
    text += " The head is not where it was, so pixels say little; see lips and head motion."
    return Line("Driven by sound", text, worst(*verdicts))


def _lips(step: StepNumbers) -> Line:
    if step["lip_r"] is None:
        return _missing("Lips", step)
    baselines = {"lip_r_shuffled": "shifted sound", "lip_r_ridge": "ridge regression"}
    verdict, rest = step.against("lip_r", baselines)
    interval = step.pair("lip_r_low", "lip_r_high")
    text = f"Their opening correlates with the real one by {step.text('lip_r', interval)}{rest}"
    if interval and interval[0] <= 0:
        text, verdict = f"{text} The interval includes zero.", worst(verdict, OPEN)
    if step["mouth_mm"] is not None:
        baselines = {"mouth_mm_frozen": "frozen mouth", "mouth_mm_ridge": "ridge regression"}
        second, rest = step.against("mouth_mm", baselines, lower_is_better=True)
        text += f" The mouth is off by {step.text('mouth_mm')}{rest}"
        verdict = worst(verdict, second)
    return Line("Lips", text, verdict)


def _head(step: StepNumbers) -> Line:
    if step["hs"] is None:
        return _missing("Head motion", step)
    baselines = {"hs_frozen_training": "still head", "hs_replay": "replay of the training part"}
    verdict, rest = step.against("hs", baselines)
    value = step.text("hs", step.pair("hs_interval"))
    text = f"Similarity of its poses, HS of Eq. 6, at most 1: {value}{rest}"
    above = step.pair("hs_minus_frozen_training_interval")
    if above:
        ends = " to ".join(value_text(end, Label("", "", 2)) for end in above)
        text += f" The difference to the still head is {ends} (95 %)"
        if above[0] <= 0 <= above[1]:
            text, verdict = f"{text}, so none is shown", worst(verdict, OPEN)
        text += "."
    if step["hs_split_half"] is not None:
        text += f" The real halves have {step.text('hs_split_half')} against each other."
    return Line("Head motion", text, verdict)


def _flicker(step: StepNumbers) -> Line:
    value = step["flicker_ratio"]
    if value is None:
        return _missing("Flicker", step)
    words = "trembles more" if value > 1.25 else "is too soft or too still"
    words = "is about as lively" if 0.75 <= value <= 1.25 else words
    text = f"{step.text('flicker_ratio')} times that of the real clip: the picture {words}."
    return Line("Flicker", text)


def _sound_and_pose(step: StepNumbers) -> Line:
    if step["no_neighbours_r"] is None:
        return _missing("Sound and pose", step)
    interval = step.pair("no_neighbours_low", "no_neighbours_high")
    text = "In the real clip, without neighbouring frames, they correlate by "
    text += step.text("no_neighbours_r", interval)
    if step["no_neighbours_null_mean"] is not None:
        text += f" (shifted tracks {step.text('no_neighbours_null_mean')})"
    p = step["p_value"] if step["p_corrected"] is None else step["p_corrected"]
    if p is None:
        return Line("Sound and pose", f"{text}.")
    if p < 0.05:
        return Line("Sound and pose", f"{text}, p = {p:.3f}: chance does not explain this.")
    text += f", p = {p:.2f}: a dependence is neither shown nor refuted."
    return Line("Sound and pose", text, OPEN)


def _look_at(videos: Sequence[str]) -> Line:
    names = [Path(name).name for name in videos]
    if "side_by_side.mp4" in names:
        text = "First the pictures side by side: do mouth and teeth follow the real ones? Then the "
        text += "new speech with its sound: is the face's edge stable, do the lips close on m, b "
        return Line("Look at", text + "and p, and rest in the pauses?")
    text = "The videos below, with sound." if names else "The figures; there is no video yet."
    return Line("Look at", text)


def _how(found: Mapping[str, Manifest]) -> Line:
    if not found:
        return Line("How", "'make run' runs the series.")
    given = list(found.values())[-1]["parameters"]
    minutes = sum(content["seconds"] for content in found.values()) / 60
    on_gpu = any(content["device"].startswith("cuda") for content in found.values())
    text = f"{minutes:.1f} minutes of work on {'a GPU' if on_gpu else 'the CPU'}, seed "
    return Line(
        "How", f"{text}{given.get('seed')}. {PROFILES.get(given.get('profile'), '')}".strip()
    )
