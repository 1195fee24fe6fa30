"""From sound to coefficients at any times, with the pose in the person's range (Eq. 1)."""

from dataclasses import replace

import numpy as np
import torch

from tfhkit.audio import mfcc_windows
from tfhkit.errors import check_shape
from tfhkit.motion.data import STEP_S, grid_times, normalise_sound, resample

PIECE_FRAMES = 1000  # that the network hears at a time: memory stays flat for a long speech
LARGEST_GAIN = 4.0
KNOWN_FRAMES = 50  # how much the training's statistics count beside those of the track at hand


def predict_motion(weights, audio, times, sr_hz=16000):
    """Expression and pose that belong to a sound.

    Inside, the network runs on a 25 Hz grid from the sound's beginning, so that weights hold for
    every frame rate and a frame in the middle has heard what came before. The pose is brought to
    the person's range over the times that are asked for; see `pose_from_units`.

    Args:
        weights: MotionWeights.
        audio: (N,) float mono; audio[0] is at time 0.
        times: (T,) seconds at which frames are wanted.
        sr_hz: sample rate of `audio`.
    Returns:
        exp (T, 64), pose (T, 6) float32: coefficients, not normalised.
    Raises:
        InputError: silent or empty sound, times beyond the sound.
    """
    times = np.asarray(times, np.float64)
    check_shape("times", times, ("T",))
    if not len(times):
        return np.zeros((0, 64), np.float32), np.zeros((0, 6), np.float32)
    grid = grid_times(min(0.0, times.min()), times.max() + STEP_S)
    asked = slice(int((times.min() - grid[0]) / STEP_S), None)
    windows = mfcc_windows(audio, grid + weights.norm.lag_s, sr_hz)
    exp, pose = predict_windows(weights, windows, asked)
    return resample(exp, grid, times), resample(pose, grid, times)


@torch.no_grad()
def predict_windows(weights, windows, asked=slice(None)):
    """As `predict_motion`, for MFCC windows (T, 28, 12) that lie on the 25 Hz grid.

    `asked` are the frames over which the pose is brought to the person's range.
    """
    scope = weights.net.config.mfcc_scope
    sound = torch.as_tensor(normalise_sound(windows, weights.norm, scope))
    device = next(weights.net.parameters()).device
    weights.net.eval()
    parts, state = [], None
    for first in range(0, len(sound), PIECE_FRAMES):
        piece = sound[None, first : first + PIECE_FRAMES].to(device)
        *part, state = weights.net(piece, state)
        parts.append(part)
    exp, pose = (torch.cat(values, 1)[0].cpu().numpy() for values in zip(*parts))
    return _exp_from_units(exp, weights.norm), pose_from_units(pose, weights.norm, pose[asked])


def _exp_from_units(exp, norm):
    return (norm.exp_mean + norm.exp_std * exp).astype(np.float32)


@torch.no_grad()
def calibrate_pose(net, data, norm):
    """The Normalisation that brings predicted poses to the person's range.

    The less the sound says about the pose, the nearer a regression stays to the mean. HS compares
    how often each pose occurs, and a viewer sees how much a head moves. So the prediction's median
    is laid on the median of the truth, the resting pose (one turn of a second drags the
    mean of a short clip away from there), and its deviation is scaled to the truth's.

    Args:
        net: MotionNet. data: Prepared. norm: Normalisation as trained.
    Returns:
        norm with pose_mean (now the median of the truth), pose_centre and pose_spread; of several
        tracks the median over tracks.
    """
    net.eval()
    homes, centres, spreads = [], [], []
    for d in data:
        predicted, true = net(d.windows[None])[1][0][d.learn].cpu(), d.pose[d.learn].cpu()
        homes.append(true.median(0).values.numpy())
        centres.append(predicted.median(0).values.numpy())
        spreads.append((predicted.std(0) / true.std(0).clamp_min(1e-6)).numpy())
    home, centre, spread = (np.median(v, 0).astype(np.float32) for v in (homes, centres, spreads))
    home = (norm.pose_mean + norm.pose_std * home).astype(np.float32)
    return replace(norm, pose_mean=home, pose_centre=centre, pose_spread=spread)


def pose_from_units(pose, norm, track=None):
    """Network units to coefficients, in the person's range.

    Args:
        pose: (T, 6) as the network gives it.
        norm: Normalisation.
        track: (N, 6) the same over a whole track: its own median and deviation count beside those
            of the training, the more the longer it is, since another voice, or another half
            minute, shifts the prediction as a whole. None takes the training's alone.
    Returns:
        (T, 6) float32 radians and dm.
    """
    centre, spread = norm.pose_centre, norm.pose_spread
    if track is not None and norm.calibrated:
        share = len(track) / (len(track) + KNOWN_FRAMES)
        centre = share * np.median(track, 0) + (1 - share) * centre
        spread = share * np.std(track, 0) + (1 - share) * spread
    gain = 1 / np.maximum(spread, 1 / LARGEST_GAIN)
    return (norm.pose_mean + norm.pose_std * gain * (pose - centre)).astype(np.float32)
