# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 00 · Start here
#
# [01 3DMM fitting →](01_3dmm_fitting.ipynb)
#
# A voice goes in, and a video comes out in which a certain person says it, with that person's own way
# of moving the head. This series builds such a system, stage by stage, after *Audio-driven
# Talking Face Video Generation with Learning-based Personalized Head Pose* (Yi, Ye, Zhang, Bao, Liu, 2020,
# [arXiv 2002.10137](https://arxiv.org/abs/2002.10137)).

# %%
from tfhkit.assets import shipped
from tfhkit.teach.player import play

play(
    {"the sample clip": shipped("teaser.mp4")},
    "A man speaks: as he was filmed, as the face model renders him, and the finished picture.",
    max_kb=140,
)

# %% [markdown]
# *Two seconds that no training has seen. Left: filmed. Middle and right: driven by their sound alone.*
#
# **What to look at.** Play it in a loop at half speed: do the refined lips open and close when the
# filmed ones do? The head moves differently from the filmed one, because the sound does not determine where a head turns.
#
# **You will be able to**
# - say what the eight notebooks do, and what each passes on to the next;
# - check that everything the series needs is in place;
# - look at a clip and a voice as data: frames with their times, and sound on the same clock;
# - render a head, and turn it.
#
# **Before**: Python, NumPy, and what a neural network is. **Time**: under half a minute (quick and full).
# **In**: a clip and a voice. **Out**: `clip.json` (facts on the clip), `sentence.wav` (the voice,
# if you gave none).

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
audio_track: int = 0  # number of the clip's sound track, from 1; 0 takes the one with speech
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
recipe: str = "ours"  # ours, paper (its text) or published (its code), see `tfhkit recipes`
seed: int = 0  # random seed

# %% [markdown]
# These seven parameters are at the top of every notebook. Change them here to look around; to run
# the whole series on other material, pass them to one command (notebook 07).

# %%
import json

import matplotlib.pyplot as plt
import numpy as np

from tfhkit.palette import BLUE, RED
from tfhkit.pipeline import open_step
from tfhkit.teach import explore

step = open_step("00_start_here", globals())

# %% [markdown]
# ## Is everything there?
# Some stages can be done by more than one library. If one is *absent* below, another is used instead. A *fault*
# would stop the series, and the text says what to do.

# %%
from textwrap import shorten

from tfhkit.evaluate.installation import check_parts

parts = check_parts()
for part in parts:
    print(f"{part['what']:<28} {part['state']:<7} {shorten(part['text'], 62, placeholder=' …')}")
assert all(part["state"] != "fault" for part in parts)

# %% [markdown]
# ## The series
#
# 3DMM is short for 3D morphable model, MFCC for mel-frequency cepstral coefficients, LSTM for long short-term memory, GAN for generative
# adversarial network, and HS for head-pose similarity.
#
# | notebook | question | paper | writes |
# |---|---|---|---|
# | 00 start here | what is there? | | facts on the clip |
# | [01 3DMM fitting](01_3dmm_fitting.ipynb) | which shape, expression and pose does the face have in each frame? | Sec. 3.1 | `fit.npz` |
# | [02 MFCC and pose](02_mfcc_pose_correlation.ipynb) | is the head's pose correlated with the sound? | App. A | features, correlations |
# | [03 LSTM training](03_lstm_training.ipynb) | which expression and pose go with this sound? | Sec. 3.2, Eq. 1-2 | predicted motion |
# | [04 rendering](04_rendering.ipynb) | what does that look like, and over which background? | Sec. 3.3 | coarse pictures |
# | [05 memory GAN](05_memory_gan.ipynb) | how do coarse pictures become realistic ones? | Sec. 3.4, Eq. 3-5 | the videos |
# | [06 HS metric](06_hs_metric.ipynb) | does the head move like the person's? | Sec. 4, Eq. 6 | numbers |
# | [07 your own clip](07_your_own_clip.ipynb) | how do I do this with my material? | | |
#
# Each reads what the earlier ones wrote into the run directory and writes into a folder of its own.
# If you open one alone, it runs the earlier ones first where their results are missing.

# %%
stages = ["clip, voice", "landmarks", "fit", "motion", "background", "render", "refine", "video"]
books = ["00", "01", "01", "03", "04", "04", "05", "05"]
figure, axis = plt.subplots(figsize=(12, 1.5))
for x, (stage, book) in enumerate(zip(stages, books)):
    box = dict(boxstyle="round,pad=0.5", fc="#dcebf2", ec=BLUE)
    axis.text(x, 0, stage, ha="center", va="center", bbox=box, fontsize=9)
    axis.text(x, -0.75, book, ha="center", color="0.4", fontsize=9)
for x in range(len(stages) - 1):
    arrow = dict(arrowstyle="->", color="0.4")
    axis.annotate("", (x + 0.6, 0), (x + 0.45, 0), arrowprops=arrow)
axis.set(xlim=(-0.6, len(stages) - 0.4), ylim=(-1, 0.7))
axis.axis("off")
plt.show()

# %% [markdown]
# **Two results come out of every run.**
#
# 1. *Held out.* The last quarter of the clip is never trained on. It is synthesised from its own sound,
#    and compared with the real frames.
# 2. *Driven.* Another voice drives the person. There is no ground truth for this one, only your eye and
#    the statistics of notebook 06.
#
# ## The clip
# Frames have *times*, not only numbers: clips come in any frame rate, constant or not, and the sound
# is on the same clock.

# %% tags=["nbval-check-output"]

video = step.open_clip()
print(f"{len(video)} frames of {video.width} x {video.height}, {video.duration_s:.2f} s")
print(f"{video.fps:.2f} frames per second, sound at {video.sr_hz} Hz")

# %% tags=["report"]
chosen = np.linspace(0, len(video) - 1, 4).astype(int)
with video.reader() as frames:
    pictures = [frames[i] for i in chosen]
figure, axes = plt.subplots(1, 4, figsize=(11, 2.6))
for axis, picture, i in zip(axes, pictures, chosen):
    axis.imshow(picture)
    axis.set_title(f"frame {i}, {video.times[i]:.2f} s", fontsize=9)
    axis.axis("off")
plt.show()

# %% [markdown]
# **What to see.** One person speaks towards the camera. If several faces are in view, the kit
# follows the nearest one, and refuses if it cannot tell who speaks. The sample clip is a White House address
# (public domain): short, small, and with 12 frames per second. It is here because anyone may use
# it, and it costs quality: use a clip of 12 s or more with a face 200 px wide if you can.

# %% tags=["report"]
held_back = video.times[int(len(video) * (1 - step.settings.held_back))]
seconds = np.arange(len(video.audio)) / video.sr_hz
figure, axis = plt.subplots(figsize=(11, 2))
axis.plot(seconds, video.audio, lw=0.4, color=BLUE)
axis.axvspan(held_back, video.duration_s, color=RED, alpha=0.15, label="held out")
axis.set(xlabel="time (s)", ylabel="sound", xlim=(0, video.duration_s))
axis.legend(loc="upper right", frameon=False)
plt.show()

# %% tags=["nbval-check-output"]
from tfhkit.landmarks.footage import sound_facts
from tfhkit.media import write_json

facts = {
    "frames": len(video),
    "seconds": round(video.duration_s, 3),
    "fps": round(video.fps, 3),
    "size_px": [video.width, video.height],
    "held_back_from_s": round(float(held_back), 3),
    **sound_facts(video.audio, video.sr_hz),
}
write_json(step.path("clip.json"), facts)
print(json.dumps(facts, indent=1))

# %% [markdown]
# ## The voice
# `"sentence"` is spoken by espeak-ng, an open-source formant synthesiser. It sounds robotic, but nobody holds rights in it,
# and it tells us which phoneme sounds when. The sentence says of itself that the voice is synthetic and that the person in the video never said these words. Later notebooks
# use such voices for virtual speakers.

# %%
from tfhkit.media import read_audio
from tfhkit.teach.sound import listen

voice = read_audio(step.speech_path)
print(f"{len(voice) / 16000:.1f} s of speech")
listen(voice, "the voice that will drive the face")

# %% [markdown]
# ## A head
# The face model (notebook 01) describes how heads differ and how faces move. Here it is at rest, turned, and
# with its jaw open. In a live JupyterLab, the sliders below move it.

# %%
import torch

from tfhkit.camera import Camera
from tfhkit.coefficients import neutral
from tfhkit.face import actions_to_exp, load_model
from tfhkit.render import render

model = load_model()


def head(yaw_degrees=0.0, jaw_open=0.0, size_px=192):
    """A head of the open face model, turned and with its jaw open."""
    back = -3.0  # dm: a little away from the camera, so that the whole head is in view
    pose = torch.tensor([[0.0, np.radians(yaw_degrees), 0.0, 0.0, 0.0, back]]).float()
    face = neutral(1).map(torch.as_tensor)
    face = face.with_motion(actions_to_exp(model, {"jawOpen": jaw_open}), pose)
    face.light[:, ::9] = 0.4  # brighter: the constant band of red, green and blue
    rgba = render(model, face, Camera(size_px), region="all")[0]
    return (rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]).numpy()


# %%
explore(head, yaw_degrees=(-45.0, 45.0), jaw_open=(0.0, 1.0))

# %%
poses = [(-35, 0.0), (0, 0.0), (35, 0.0), (0, 0.8)]
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9))
for axis, (yaw, jaw) in zip(axes, poses):
    axis.imshow(head(yaw, jaw).clip(0, 1))
    axis.set_title(f"yaw {yaw}°, jaw {jaw:.1f}", fontsize=9)
    axis.axis("off")
plt.show()

# %% [markdown]
# **What to see.** Positive yaw turns the nose to the image's right. All directions are defined once, in
# `tfhkit/camera.py`, and shown in notebook 01.
#
# ## How exercises work
# An exercise is a function with a gap, and a check below it. An empty gap is *not attempted*, which is not a
# failure: the notebook still runs from top to bottom. A wrong answer says which case is wrong and how.
# Solutions are in `notebooks/solutions`. Try it:

# %% tags=["exercise"]
from tfhkit.teach import NotAttempted, check


def frame_at(times, moment):
    """Number of the frame that is on screen at `moment` (seconds); frame i is on from times[i]."""
    ### solution
    return int(np.searchsorted(times, moment, side="right")) - 1
    ### wrong
    # return int(round(moment * 25))
    ### wrong
    # return int(np.argmin(np.abs(np.asarray(times) - moment)))
    ### end


# %% tags=["check"]
import numpy as np

steady, uneven = np.arange(10) / 25, np.array([0.0, 0.04, 0.2, 0.24, 0.5])
check(
    "frame at a moment",
    frame_at,
    [
        ((steady, 0.1), 2),
        ((uneven, 0.19), 1, "frames need not be equally far apart"),
        ((uneven, 0.2), 2, "a frame is on screen from its own time on"),
        ((uneven, 0.6), 4),
    ],
)

# %% [markdown]
# ## Your own clip and voice
# You can have all that follows at the press of a button. This panel runs the series on your material, in the
# background: choose, upload or record it, and ask the *doctor* what it thinks of the clip. [07](07_your_own_clip.ipynb) says what a good clip is, and
# what to consider before you show the result. Use only people who agreed to it.

# %%
from tfhkit.teach.studio import studio

studio()

# %% [markdown]
# ## Summary
# - A clip is frames with times and sound on the same clock; a quarter of it is held out.
# - The series turns it into a face model's coefficients, learns motion from sound, renders, and
#   refines; every step leaves its artefacts and a manifest in the run directory.
#
# **Next**: [01](01_3dmm_fitting.ipynb) finds the face's shape, expression and pose in every frame.

# %%
step.finish({key: facts[key] for key in ("frames", "seconds", "fps", "silence_share")})
