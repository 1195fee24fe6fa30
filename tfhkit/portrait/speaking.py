"""From one picture and a voice to a talking portrait (the paper's Ours-G for a single image)."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter1d

from tfhkit.camera import angles_from_rotation, rotation_from_angles
from tfhkit.device import choose_device
from tfhkit.errors import ParameterError
from tfhkit.face import MorphableModel, exp_to_actions, load_model
from tfhkit.fit import Fit
from tfhkit.fit.image import fit_image
from tfhkit.maths import smoothstep
from tfhkit.media import SR_HZ, check_writable, read_audio, read_picture, write_video
from tfhkit.motion import MotionWeights, predict_motion
from tfhkit.motion.data import STEP_S, grid_times
from tfhkit.motion.general import general_mapping
from tfhkit.motion.life.lips import opening_of
from tfhkit.motion.life.sound import envelope
from tfhkit.portrait.advice import portrait_advice
from tfhkit.portrait.frames import draw_portrait
from tfhkit.portrait.lids import complete_blinks
from tfhkit.portrait.refined import head_refiner
from tfhkit.portrait.scene import Portrait, PortraitMotion, open_portrait
from tfhkit.progress import Progress
from tfhkit.refine.general import general_refiner
from tfhkit.virtual.prosody import prosody
from tfhkit.virtual.speaker import action_matrix
from tfhkit.virtual.style import NECK_PIVOT, PersonalStyle
from tfhkit.virtual.upper_face import upper_actions
from tfhkit.virtual.voice import Utterance, default_speech

FPS = 25
LEAD_S, TAIL_S = 0.5, 0.7  # silence around the speech, in which the motion begins and ends
CALM_S = 0.4  # the picture's own mouth gives way to the speech within this time
SETTLE_S = 0.8  # the picture's own pose gives way to that of the speech within this time
TURN = 1.6  # gain: the general mapping predicts a mean of many people, who nod at different times
MOST_TURN_RAD = 0.21
GAZE_DEG = 1.8  # standard deviation of the gaze about the camera
SMILE = 0.45  # share of the picture's smile that is held while speaking


def read_portrait(picture: str | Path = "astronaut") -> tuple[UInt8[np.ndarray, "H W 3"], str]:
    """The picture behind a `portrait` parameter.

    Args:
        picture: a file, or "astronaut": Eileen Collins, NASA, public domain, from scikit-image.
    Returns:
        The picture, and its name for messages.
    """
    if str(picture) == "astronaut":
        from skimage.data import astronaut  # lies in the package; nothing is fetched

        return astronaut(), "astronaut"
    return read_picture(Path(picture)), str(picture)


def turn_head(portrait: Portrait, angles: Float[np.ndarray, "T 3"]) -> PortraitMotion:
    """Motion that turns the picture's head about the neck and changes nothing else.

    Args:
        portrait: what is turned.
        angles: radians, added to those of the picture.
    """
    angles = np.asarray(angles, np.float64)
    none = np.zeros((len(angles), 64), np.float32)
    shift = _about_neck(portrait, angles)
    return PortraitMotion(angles, shift, none, none, np.ones(len(angles)))


def _about_neck(portrait, angles):
    """(T, 3) translation with which NECK_PIVOT stays where it is in the picture."""
    own = angles_from_rotation(torch.from_numpy(portrait.turn)).numpy()
    turn = rotation_from_angles(torch.as_tensor(own + angles)).numpy()
    return (portrait.turn - turn) @ np.array(NECK_PIVOT)


def speaking(
    portrait: Portrait,
    fit: Fit,
    audio: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
    weights: MotionWeights | None = None,
    seed: int = 0,
) -> PortraitMotion:
    """Motion of a portrait that speaks.

    Mouth and head come from the general mapping. The mean of the head's angles is subtracted, so
    that the head moves about the picture's pose; it starts and ends in that pose. Blinks, brows and
    gaze are those of a virtual speaker. The picture's own mouth fades out before the speech and in
    after it: a smile in the picture would part the lips a second time.

    Args:
        portrait: who speaks. fit: the fit of its picture.
        audio: the speech, 16 kHz. times: seconds of the frames, from 0 to the end of the speech.
        weights: the mapping from sound to motion; by default the general one.
        seed: random seed of blinks and gaze.
    """
    model = portrait.model
    speech, pose = predict_motion(weights or general_mapping(), audio, times)
    speech = closed_in_pauses(model, fit.coefficients.id[0], speech, audio, times)
    fade = lambda over_s: smoothstep(0, over_s, np.minimum(times, times[-1] - times))  # noqa: E731
    step_s = times[1] - times[0]
    angles = gaussian_filter1d(pose[:, :3].astype(np.float64), 0.06 / step_s, axis=0)
    angles = MOST_TURN_RAD * np.tanh(TURN * (angles - angles.mean(0)) / MOST_TURN_RAD)
    angles *= fade(SETTLE_S)[:, None]
    shift = _about_neck(portrait, angles)
    actions = exp_to_actions(model, torch.as_tensor(fit.coefficients.exp))[0]
    smile = [float(actions[model.action_names.index(f"mouthSmile{s}")]) for s in ("Left", "Right")]
    style = PersonalStyle(smile=SMILE * min(1.0, float(np.mean(smile))), gaze_deg=GAZE_DEG)
    head = lambda grid: np.stack([np.interp(grid, times, a) for a in angles.T], 1)  # noqa: E731
    utterance = Utterance(audio, (), "", "")
    upper, blinks_s = upper_actions(utterance, style, times, seed, head, prosody(audio))
    upper = complete_blinks(upper, blinks_s, times, portrait)
    calm = fade(CALM_S)
    upper = calm[:, None] * (upper @ action_matrix(model))
    return PortraitMotion(angles, shift, speech, upper, 1 - calm)


def closed_in_pauses(
    model: MorphableModel,
    id: Float[np.ndarray, "80"],
    exp: Float[np.ndarray, "T 64"],
    audio: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
) -> Float[np.ndarray, "T 64"]:
    """A speech whose lips close where nobody speaks.

    Many people's mouths stay open in pauses, so the general mapping's does. A picture does not say
    whether this person's would, and a mouth that hangs open before the first word looks wrong.

    Args:
        model, id: the face. exp: expression of the speech.
        audio: 16 kHz. times: seconds of the frames.
    """
    grid = grid_times(times.min(), times.max() + STEP_S)
    pause = np.interp(times, grid, envelope(audio, grid)[1])
    weights, zero = opening_of(model, id)
    jaw = model.actions[list(model.action_names).index("jawOpen")].double().cpu().numpy()
    too_open = pause * np.maximum(exp @ weights + zero, 0)
    return (exp - too_open[:, None] * jaw / (jaw @ weights)).astype(np.float32)


def make_portrait(
    picture: str | Path = "astronaut",
    speech: str | Path = "sentence",
    output: str | Path = "portrait.mp4",
    size_px: int = 512,
    seed: int = 0,
    refine: bool = True,
    progress: Progress | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Let a picture speak: write a video with sound and the synthetic mark.

    Args:
        picture: see `read_portrait`. speech: a sound or video file, or "sentence".
        output: the `.mp4` file. size_px: side of the video, 64 to 2048.
        seed: random seed of blinks and gaze.
        refine: let the general refiner tone what the picture does not show, see `HeadRefiner`.
        progress: called as progress(done, total, text). device: where the refiner runs.
    Returns:
        output, picture, refined, frames, fps, seconds, frames_per_second, nme_inner_pct,
        pose_deg, and advice: lines of `portrait_advice`.
    Raises:
        InputError: see `fit_image`, `portrait_advice`, `read_picture`, `read_audio`,
            `check_writable`.
        ParameterError: a size out of range, or no such device.
    """
    if not 64 <= size_px <= 2048:
        raise ParameterError("size", f"must be 64 to 2048 px, got {size_px}", "e.g. 512")
    output = check_writable(output, ".mp4", picture=picture, speech=speech)
    place = choose_device(device)
    began = time.perf_counter()
    image, name = read_portrait(picture)
    if speech == "sentence":
        voice = default_speech().audio
    else:
        voice = read_audio(speech)
    model = load_model()
    fit = fit_image(image, name, model)
    advice = portrait_advice(fit, name)
    portrait = open_portrait(image, fit, model, size_px)
    audio = np.pad(voice, (round(LEAD_S * SR_HZ), round(TAIL_S * SR_HZ)))
    times = np.arange(int(len(audio) / SR_HZ * FPS)) / FPS
    motion = speaking(portrait, fit, audio, times, seed=seed)
    drawing = time.perf_counter()
    general = general_refiner() if refine else None
    head = head_refiner(portrait, fit, general.to(place)) if general else None
    path = write_video(output, draw_portrait(portrait, motion, progress, head), FPS, audio)
    now = time.perf_counter()
    return {
        "output": str(path),
        "picture": name,
        "refined": head is not None,
        "frames": len(times),
        "fps": FPS,
        "seconds": round(now - began, 1),
        "frames_per_second": round(len(times) / (now - drawing), 1),
        "nme_inner_pct": round(fit.report["nme_inner_pct"], 3),
        "pose_deg": [round(float(v), 2) for v in np.degrees(fit.coefficients.angles[0])],
        "advice": advice,
    }
