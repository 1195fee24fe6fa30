"""From sound to coefficients: whole tracks at any times, or in a stream."""

import numpy as np
import torch

from tfhkit.audio import mfcc_windows
from tfhkit.errors import check_shape
from tfhkit.motion.data import STEP_S, grid_times, normalise_sound, resample
from tfhkit.motion.pose_range import pose_from_units


def predict_motion(weights, audio, times, sr_hz=16000):
    """Expression and pose that belong to a sound.

    Inside, the network runs on a 25 Hz grid from the sound's beginning, so that weights hold for
    every frame rate and a frame in the middle has heard what came before. The pose is brought to
    the person's range over the times that are asked for; see `tfhkit.motion.pose_range`.

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
    exp, pose, _ = weights.net(sound[None].to(device))
    exp, pose = exp[0].cpu().numpy(), pose[0].cpu().numpy()
    return _exp_from_units(exp, weights.norm), pose_from_units(pose, weights.norm, pose[asked])


class MotionStream:
    """The same mapping for sound that arrives bit by bit: keeps h and c of Eq. 1.

    Args:
        weights: MotionWeights.
        sound_mean, sound_std: (12,) of the MFCCs of this voice and microphone, from earlier
            sound, if the weights standardise per track; by default the training set's.

    The windows are to be taken at the frames' times plus `weights.norm.lag_s`. The pose's range is
    that of the training: a stream does not know what is still to come.
    """

    def __init__(self, weights, sound_mean=None, sound_std=None):
        self.weights, self.state = weights, None
        norm = weights.norm
        self.mean = norm.mfcc_mean if sound_mean is None else np.asarray(sound_mean)
        self.std = norm.mfcc_std if sound_std is None else np.asarray(sound_std)

    @torch.no_grad()
    def __call__(self, windows):
        """The next windows (T, 28, 12) of the 25 Hz grid to exp (T, 64), pose (T, 6)."""
        check_shape("windows", windows, ("T", 28, 12))
        self.weights.net.eval()
        sound = torch.as_tensor(((windows - self.mean) / self.std).astype(np.float32))
        exp, pose, self.state = self.weights.net(sound[None], self.state)
        exp, pose, norm = exp[0].numpy(), pose[0].numpy(), self.weights.norm
        return _exp_from_units(exp, norm), pose_from_units(pose, norm)


def _exp_from_units(exp, norm):
    return (norm.exp_mean + norm.exp_std * exp).astype(np.float32)
