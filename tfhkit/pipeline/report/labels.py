"""How the numbers of a run appear in the report: words, unit, digits."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ANGLES = ("pitch", "yaw", "roll")


@dataclass(frozen=True)
class Label:
    """How a number of a manifest is shown.

    Args:
        text: the words for it.
        unit: unit after the number; a share in percent needs "%" and scale=100.
        digits: digits after the decimal point; None shows whole numbers whole, and four
            significant digits of others.
        scale: factor on the number before it is shown.
        interval: name of its 95 % interval (a pair), or names of its two ends; these get no
            line of their own.
        parts: names of the items of a list.
        inside: labels by name, for a dict or for each dict of a list.
        nothing: text for a value that is None.
    """

    text: str
    unit: str = ""
    digits: int | None = None
    scale: float = 1
    interval: str | tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    inside: "Mapping[str, Label] | None" = None
    nothing: str = "not measured"


def share(
    text: str,
    interval: str | tuple[str, ...] = (),
    parts: tuple[str, ...] = (),
    nothing: str = Label.nothing,
) -> Label:
    """Label of a share in [0, 1], shown in percent."""
    return Label(text, "%", 0, 100, interval, parts, nothing=nothing)


def score(text: str, interval: str | tuple[str, ...] = (), parts: tuple[str, ...] = ()) -> Label:
    """Label of a score or a correlation with two digits."""
    return Label(text, "", 2, interval=interval, parts=parts)


def decibel(text: str) -> Label:
    """Label of a number in decibels."""
    return Label(text, "dB", 1)


_CORRELATION = {
    "paper_r": score("Correlation as App. A states it", interval=("paper_low", "paper_high")),
    "paper_pairs": Label("Pairs of frames in it"),
    "paper_p_shift": score("Its one-sided p-value against shifted tracks"),
    "paper_p_phase": score("Its one-sided p-value against tracks with random phases"),
    "shift_null_mean": score("Mean correlation of shifted tracks"),
    "shift_null_std": score("Their standard deviation"),
    "phase_null_mean": score("Mean correlation of tracks with random phases"),
    "phase_null_std": score("Their standard deviation"),
    "no_neighbours_r": score(
        "Correlation without neighbouring frames",
        interval=("no_neighbours_low", "no_neighbours_high"),
    ),
    "no_neighbours_pairs": Label("Pairs of frames in it"),
    "no_neighbours_null_mean": score("Mean correlation of shifted tracks"),
    "no_neighbours_null_std": score("Their standard deviation"),
    "p_value": score("One-sided p-value without neighbours, against shifted tracks"),
    "p_phase": score("p-value without neighbours, against tracks with random phases"),
    "p_corrected": score("p-value without neighbours, corrected for all estimates"),
    "estimates": Label("Estimates that it is corrected for"),
    "lagged_best_r": score("Largest correlation of head and voice at any lag"),
    "lagged_p": score("Its p-value, corrected for all lags and series"),
}

_MOTION = {
    "lip_r": score("Lip opening, correlation with the real one",
                   interval=("lip_r_low", "lip_r_high")),
    "lip_r_shuffled": score("The same with shifted sound"),
    "lip_r_general": score("The same from the general mapping alone"),
    "lip_r_personal_only": score("The same without general training"),
    "lip_r_ridge": score("The same from ridge regression"),
    "lip_r_network": score("The same from the network without the linear path"),
    "lip_r_paper": score("The same by the paper's recipe"),
    "cv_lip_r": score("The kit's estimate of it, by cross-validation in the training part"),
    "mouth_mm": Label("Error of the mouth's landmarks", "mm", 2),
    "mouth_mm_frozen": Label("The same of a frozen mouth", "mm", 2),
    "mouth_mm_shuffled": Label("The same with shifted sound", "mm", 2),
    "mouth_mm_ridge": Label("The same from ridge regression", "mm", 2),
    "hs_predicted": score("HS of the predicted head motion"),
    "lag_ms": Label("Lag of the sound that fits best", "ms"),
    "best_epoch": Label("Epoch kept"),
    "train_seconds": Label("Training", "s", 0),
}  # fmt: skip

_SHARES = {
    "shape_from_sound": share("share of the head's motion that comes from the sound",
                              interval="interval"),
    "shape_per_angle": share("the same for each angle", parts=ANGLES),
    "changes_with_sound": share("share that another sound would change"),
    "changes_per_angle": share("the same for each angle", parts=ANGLES),
    "follows": score("correlation with the predicted angles", parts=ANGLES),
    "apart_deg": Label("mean turn out of the background's pose", "°", 2),
}  # fmt: skip

_RENDERING = {
    "train_images": Label("Training pictures"),
    "psnr_face_db": decibel("PSNR of the rendering on the face, training frames"),
    "hs_held_back": Label("HS on the held-out part", inside={
        "predicted": score("predicted, before a background was chosen"),
        "paper": score("adjusted to the background (paper)"),
        "published": score("replaced by the background's (published code)"),
        "drawn": score("drawn from the person's own motion"),
        "still": score("still"),
    }),
    "paper_held_back": Label("Pose adjusted to the background, held-out part", inside=_SHARES),
    "paper_speech": Label("Pose adjusted to the background, new speech", inside=_SHARES),
    "published_held_back": Label("The background's own pose, held-out part", inside=_SHARES),
    "published_speech": Label("The background's own pose, new speech", inside=_SHARES),
    "albedo_frame": Label("Frame that the detailed albedo is taken from"),
}  # fmt: skip

_ABLATION = {
    "name": Label("Variant"),
    "psnr": decibel("PSNR"),
    "change": Label("Difference to the full model", "dB", 2, interval="interval"),
    "ssim": Label("SSIM", "", 3),
    "flicker_ratio": score("Flicker, real clip = 1"),
    "outside": Label("Changed outside the face", "grey levels", 2),
    "steps": Label("Steps"),
    "seconds": Label("Training", "s", 0),
    "parameters": Label("Parameters", "million", 1, scale=1e-6),
}

_REFINEMENT = {
    "psnr_db": decibel("PSNR on the face, true pose"),
    "psnr_gain_db": Label("PSNR gained over the rendering", "dB", 1,
                          interval=("psnr_gain_db_low", "psnr_gain_db_high")),
    "psnr_nearest_db": decibel("PSNR of the nearest training frame"),
    "ssim": Label("SSIM on the face, true pose", "", 3),
    "ssim_gain": Label("SSIM gained over the rendering", "", 3),
    "ssim_nearest": Label("SSIM of the nearest training frame", "", 3),
    "flicker_ratio": score("Flicker, as a multiple of the real clip's"),
    "from_general": Label("Started from the general weights"),
    "train_steps": Label("Training steps"),
    "train_seconds": Label("Training", "s", 0),
    "frames_without_face": Label("Training frames in which the identity network finds no face"),
    "ablations": Label("Ablations (Sec. 4.2), trained for the same few steps", inside=_ABLATION),
}  # fmt: skip

_METRICS = {
    "psnr": decibel("PSNR of the whole crop, driven by sound"),
    "psnr_face": decibel("PSNR on the face, driven by sound"),
    "psnr_face_unrefined": decibel("The same before refinement"),
    "psnr_face_nearest": decibel("The same of the nearest training frame"),
    "ssim": score("SSIM of the whole crop, driven by sound"),
    "ssim_face": score("SSIM on the face, driven by sound"),
    "ssim_face_unrefined": score("The same before refinement"),
    "ssim_face_nearest": score("The same of the nearest training frame"),
    "lmd_px": Label("Distance of the mouth's landmarks (LMD)", "px", 2),
    "lmd_px_unrefined": Label("The same before refinement", "px", 2),
    "lmd_px_nearest": Label("The same of the nearest training frame", "px", 2),
    "hs": score("HS, similarity of head poses (Eq. 6)", interval="hs_interval"),
    "hs_pitch": score("HS of pitch"),
    "hs_yaw": score("HS of yaw"),
    "hs_roll": score("HS of roll"),
    "w1_deg": Label("Wasserstein distance of the angles", "°", 1, parts=ANGLES),
    "span_deg": Label("Range of the real angles", "°", 1, parts=ANGLES),
    "hs_frozen": score("HS of a still head at the real mean (oracle)"),
    "hs_minus_frozen_interval": score("Difference to that head, 95 % interval"),
    "hs_skill": score("Skill: 0 like that still head, 1 perfect"),
    "hs_frozen_training": score("HS of a still head at the training part's mean"),
    "hs_minus_frozen_training_interval": score("Difference to that head, 95 % interval"),
    "hs_replay": score("HS of replaying the training part"),
    "hs_split_half": score("HS of the real part's halves against each other"),
    "hs_shuffled": score("HS of the real part in random order"),
    "hs_shifted": score("HS of the real part, shifted"),
    "speed_ratio": score("Speed of the head, as a multiple of the real one's"),
    "speed_hs": score("HS of the speeds"),
    "spectrum": score("Similarity of the spectra"),
    "coupling": score("Similarity of the correlations between the angles"),
    "frames": Label("Frames compared", parts=("real", "generated")),
}

LABELS: dict[str, dict[str, Label]] = {
    "00_start_here": {
        "frames": Label("Frames of the clip"),
        "seconds": Label("Length of the clip", "s", 2),
        "fps": Label("Frame rate", "frames per second"),
        "silence_share": share("Share of silence"),
    },
    "01_3dmm_fitting": {
        "frames": Label("Frames fitted"),
        "nme_inner_pct": Label("Error of the inner landmarks", "% of the eyes' distance", 2),
        "nme_mouth_pct": Label("Error of the mouth's landmarks", "% of the eyes' distance", 2),
        "photometric_l1": Label("Mean error of the pixels' colours, of full scale", "%", 1, 100),
        "jitter_deg": Label("Jitter of the head pose from frame to frame", "°", 2),
    },
    "02_mfcc_pose_correlation": _CORRELATION,
    "03_lstm_training": _MOTION,
    "04_rendering": _RENDERING,
    "05_memory_gan": _REFINEMENT,
    "06_hs_metric": _METRICS,
    "07_your_own_clip": {
        "steps": Label("Steps that had been finished before"),
        "minutes": Label("Their time", "minutes", 1),
        "portrait_nme_inner_pct": Label(
            "Portrait: error of the inner landmarks", "% of the eyes' distance", 2
        ),
        "portrait_frames": Label("Portrait: frames of its video"),
    },
}

_TESTS = {
    "pairs": "App. A without neighbours",
    "all_lags": "all pairs at all lags",
    "few_lags": "loudness and pitch at all lags",
}
_POWER = re.compile(r"power_share_(\w+)_(\d+)s")
_UNITS = {
    "db": "dB", "px": "px", "pct": "%", "deg": "°", "mm": "mm", "ms": "ms", "s": "s", "hz": "Hz",
    "mb": "MB", "seconds": "s", "minutes": "minutes",
}  # fmt: skip


def label_of(step: str, name: str) -> Label | None:
    """The label of a step's number, or None if the table has none.

    Args:
        step: name of the notebook.
        name: name of the number in its manifest.
    """
    power = _POWER.fullmatch(name)
    if power and step == "02_mfcc_pose_correlation":
        test = _TESTS.get(power[1], power[1].replace("_", " "))
        text = "Share of motion that must follow the voice to be detected in"
        return share(f"{text} {power[2]} s, {test}", nothing="not reached")
    return LABELS.get(step, {}).get(name)


def readable(name: str) -> Label:
    """A label made of a variable's name, for numbers that the table does not know."""
    words = name.split("_")
    unit = _UNITS.get(words[-1], "") if len(words) > 1 else ""
    text = " ".join(words[:-1] if unit else words)
    return Label(text[:1].upper() + text[1:], unit)


def labels_of(step: str, numbers: Mapping[str, Any]) -> dict[str, Label]:
    """Labels of a step's numbers by name: those of the table in its order, then others."""
    return named(
        numbers, {name: label_of(step, name) for name in [*LABELS.get(step, ()), *numbers]}
    )


def named(numbers: Iterable[str], labels: Mapping[str, Label | None]) -> dict[str, Label]:
    """Labels of the named numbers, in the order of `labels`; others are made from their names."""
    order = [name for name in labels if name in numbers]
    order += [name for name in numbers if name not in order]
    return {name: labels.get(name) or readable(name) for name in order}
