"""From sound to coefficients at any times, with the pose in the person's range (Eq. 1)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from tfhkit.audio import band_windows, mfcc_windows, recogniser_states
from tfhkit.errors import ParameterError, check_shape
from tfhkit.motion.batches import Prepared
from tfhkit.motion.data import (
    STEP_S,
    MotionTrack,
    Normalisation,
    grid_times,
    normalise_sound,
    resample,
)
from tfhkit.motion.model import MotionNet, MotionWeights

PIECE_FRAMES = 1000  # that the network hears at a time: memory stays flat for a long speech
LARGEST_GAIN = 4.0
KNOWN_FRAMES = 50  # the training's statistics count as much as this many frames of a track

# of T frames: expression, and pose in radians and dm
ExpAndPose = tuple[Float[np.ndarray, "T 64"], Float[np.ndarray, "T 6"]]


def predict_motion(
    weights: MotionWeights,
    audio: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
    sr_hz: int = 16000,
) -> ExpAndPose:
    """Expression and pose that belong to a sound.

    Inside, the network runs on a 25 Hz grid from the sound's beginning, so that weights hold for
    every frame rate and a frame in the middle has heard what came before. The pose is brought to
    the person's range over the times that are asked for; see `pose_from_units`.

    Args:
        weights: general or personal.
        audio: mono; audio[0] is at time 0.
        times: seconds at which frames are wanted, in any order.
        sr_hz: sample rate of `audio`.
    Returns:
        expression and pose, float32 coefficients, not normalised.
    Raises:
        InputError: silent or empty sound, times beyond the sound.
    """
    times = np.asarray(times, np.float64)
    check_shape("times", times, ("T",))
    if not len(times):
        return np.zeros((0, 64), np.float32), np.zeros((0, 6), np.float32)
    grid = grid_times(min(0.0, times.min()), times.max() + STEP_S)
    asked = slice(int((times.min() - grid[0]) / STEP_S), None)
    heard = grid + weights.norm.lag_s
    windows = mfcc_windows(audio, heard, sr_hz)
    bands = states = None
    if weights.linear is not None:
        bands = band_windows(audio, heard, sr_hz)
        states = recogniser_states(audio, heard, sr_hz) if weights.linear.reads else None
    exp, pose = predict_windows(weights, windows, asked, bands, states)
    return resample(exp, grid, times), resample(pose, grid, times)


@torch.no_grad()
def predict_windows(
    weights: MotionWeights, windows: Float[np.ndarray, "T 28 12"], asked: slice = slice(None),
    bands: Float[np.ndarray, "T 14 26"] | None = None,
    states: Float[np.ndarray, "T 288"] | None = None,
) -> ExpAndPose:  # fmt: skip
    """As `predict_motion`, for windows that lie on the 25 Hz grid.

    Args:
        weights: general or personal.
        windows: MFCCs.
        asked: frames over which the pose is brought to the person's range.
        bands: mel bands, which weights with a linear path need.
        states: the recogniser's, which most linear paths need.
    Raises:
        ParameterError: bands or states are missing.
    """
    if weights.linear is not None and bands is None:
        fault = "are missing: these weights have a linear path"
        raise ParameterError("bands", fault, "give those of the same frames (band_windows)")
    if weights.linear is not None and weights.linear.reads and states is None:
        fault = "are missing: the linear path of these weights reads them"
        remedy = "give those of the same frames (recogniser_states)"
        raise ParameterError("states", fault, remedy)
    scope = weights.net.config.mfcc_scope
    sound = torch.as_tensor(normalise_sound(windows, weights.norm, scope))
    device = next(weights.net.parameters()).device
    weights.net.eval()
    exps, poses, state = [], [], None
    for first in range(0, len(sound), PIECE_FRAMES):
        piece = sound[None, first : first + PIECE_FRAMES].to(device)
        exp_part, pose_part, state = weights.net(piece, state)
        exps.append(exp_part)
        poses.append(pose_part)
    exp, pose = (torch.cat(parts, 1)[0].cpu().numpy() for parts in (exps, poses))
    norm = weights.norm
    exp = norm.exp_mean + weights.share * norm.exp_std * exp
    if weights.linear is not None and bands is not None:
        exp = exp + weights.linear.predict(bands, states)
    return exp.astype(np.float32), pose_from_units(pose, norm, pose[asked])


def predict_track(weights: MotionWeights, track: MotionTrack) -> ExpAndPose:
    """As `predict_windows`, from all that a track has of its sound."""
    return predict_windows(weights, track.windows, bands=track.bands, states=track.states)


@torch.no_grad()
def calibrate_pose(net: MotionNet, data: Sequence[Prepared], norm: Normalisation) -> Normalisation:
    """The statistics that bring predicted poses to the person's range.

    The less the sound says about the pose, the nearer a regression stays to the mean. HS compares
    how often each pose occurs, and a viewer sees how much a head moves. So the prediction's median
    is shifted to the median of the truth, the resting pose (the mean of a short clip is drawn
    away from it by a single turn of a second), and its deviation is scaled to the truth's.

    Args:
        net: trained; it is left in eval mode.
        data: tracks whose training frames are compared with the prediction.
        norm: as trained.
    Returns:
        `norm` with pose_mean (now the median of the truth), pose_centre and pose_spread; with
        several tracks each is the median over tracks.
    """
    net.eval()
    medians, centres, spreads = [], [], []
    for d in data:
        predicted, true = net(d.windows[None])[1][0].cpu()[d.learn], d.pose.cpu()[d.learn]
        medians.append(true.median(0).values.numpy())
        centres.append(predicted.median(0).values.numpy())
        spreads.append((predicted.std(0) / true.std(0).clamp_min(1e-6)).numpy())
    median, centre, spread = (
        np.median(v, 0).astype(np.float32) for v in (medians, centres, spreads)
    )
    resting = (norm.pose_mean + norm.pose_std * median).astype(np.float32)
    return replace(norm, pose_mean=resting, pose_centre=centre, pose_spread=spread)


def pose_from_units(
    pose: Float[np.ndarray, "T 6"],
    norm: Normalisation,
    track: Float[np.ndarray, "N 6"] | None = None,
) -> Float[np.ndarray, "T 6"]:
    """Network units to coefficients, in the person's range.

    Args:
        pose: as the network gives it.
        norm: the statistics of the training.
        track: the network's poses over a whole track. Its median and deviation are averaged with
            those of the training, with a weight that grows with its length, because another voice
            or another half minute shifts the prediction as a whole. None takes the training's
            alone.
    Returns:
        float32, radians and dm.
    """
    centre, spread = norm.pose_centre, norm.pose_spread
    if track is not None and norm.calibrated:
        share = len(track) / (len(track) + KNOWN_FRAMES)
        centre = share * np.median(track, 0) + (1 - share) * centre
        spread = share * np.std(track, 0) + (1 - share) * spread
    gain = 1 / np.maximum(spread, 1 / LARGEST_GAIN)
    return (norm.pose_mean + norm.pose_std * gain * (pose - centre)).astype(np.float32)
