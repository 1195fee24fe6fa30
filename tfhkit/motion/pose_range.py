"""Predicted poses, moved to the person's resting pose and scaled to the person's range."""

from dataclasses import replace

import numpy as np
import torch

LARGEST_GAIN = 4.0
KNOWN_FRAMES = 50  # how much the training's statistics count beside those of the track at hand


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
            minute, shifts the prediction as a whole. None takes the training's alone, as a stream
            has to.
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
