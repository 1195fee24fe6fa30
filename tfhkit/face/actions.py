"""The 52 facial actions: their names, and random strengths of them."""

import numpy as np
from jaxtyping import Float

ACTION_NAMES = (
    "browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff "
    "cheekSquintLeft cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft "
    "eyeLookDownRight eyeLookInLeft eyeLookInRight eyeLookOutLeft eyeLookOutRight "
    "eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight "
    "jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight "
    "mouthFrownLeft mouthFrownRight mouthFunnel mouthLeft mouthLowerDownLeft "
    "mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight "
    "mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft "
    "mouthSmileRight mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight "
    "noseSneerLeft noseSneerRight tongueOut"
).split()
# Mean strength of an action when it is there (exponential, clipped to 1) and how often it is there.
STRENGTH, PRESENCE = 0.30, 0.35
RARE = {"tongueOut": 0.06, "cheekPuff": 0.15, "jawForward": 0.15, "mouthFunnel": 0.25}


def sample_actions(n_samples: int, rng: np.random.Generator) -> Float[np.ndarray, "n_samples 52"]:
    """Random strengths (n, 52) in [0, 1] of facial actions, left and right mostly together."""
    index = {name: i for i, name in enumerate(ACTION_NAMES)}
    strengths = np.zeros((n_samples, len(ACTION_NAMES)))
    done = set()
    for name in ACTION_NAMES:
        mate = name.replace("Left", "Right") if name.endswith("Left") else None
        if name in done or name.startswith("eyeLook"):
            continue
        present = rng.random(n_samples) < RARE.get(name, PRESENCE)
        value = present * np.minimum(rng.exponential(STRENGTH, n_samples), 1)
        strengths[:, index[name]] = value
        if mate in index and name not in ("jawLeft", "mouthLeft"):
            apart = rng.normal(1, 0.5, n_samples)
            strengths[:, index[mate]] = np.clip(value * apart, 0, 1)
            done.add(mate)
    for down, up in (("eyeLookDown", "eyeLookUp"),):
        gaze = np.clip(rng.normal(0, 0.35, n_samples), -1, 1)
        for side in ("Left", "Right"):
            own = gaze + rng.normal(0, 0.1, n_samples)
            strengths[:, index[down + side]] = np.clip(-own, 0, 1)
            strengths[:, index[up + side]] = np.clip(own, 0, 1)
    gaze = np.clip(rng.normal(0, 0.35, n_samples), -1, 1)  # > 0: to the subject's left
    for side, sign in (("Left", 1), ("Right", -1)):
        own = sign * gaze + rng.normal(0, 0.1, n_samples)
        strengths[:, index["eyeLookOut" + side]] = np.clip(own, 0, 1)
        strengths[:, index["eyeLookIn" + side]] = np.clip(-own, 0, 1)
    for left, right in (("jawLeft", "jawRight"), ("mouthLeft", "mouthRight")):
        both = np.minimum(strengths[:, index[left]], strengths[:, index[right]])
        strengths[:, [index[left], index[right]]] -= both[:, None]
    # mouthClose closes the lips over an open jaw; alone it would push them through each other.
    jaw = strengths[:, index["jawOpen"]]
    strengths[:, index["mouthClose"]] = jaw * (rng.random(n_samples) < 0.2) * rng.random(n_samples)
    return strengths
