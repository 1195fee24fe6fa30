# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 · Fitting a 3D morphable face model
#
# [← 00 Start here](00_start_here.ipynb) · [02 MFCC and pose →](02_mfcc_pose_correlation.ipynb)
#
# **You will be able to**
# - say what the 257 numbers of Sec. 3.1 mean, where the bases come from, and change each of them;
# - go from named facial actions (jaw, smile, gaze) to coefficients and back;
# - say where the camera is, which way the angles turn, and where a point of the face is projected;
# - find a speaker's 68 landmarks in every frame of a clip, and cut one crop for all of them;
# - step through the three stages of a fit: pose from landmarks, all frames together by
#   Gauss-Newton, and the pixels themselves;
# - see how good a fit is, and where it is uncertain.
#
# **Before**: notebook 00. **Time**: half a minute to one and a half (quick), the same (full).
# **In**: a clip. **Out**: `fit.npz`, the coefficients that every later notebook uses.
#
# **Builds on**: Sec. 3.1 of the paper ([arXiv 2002.10137](https://arxiv.org/abs/2002.10137)); 3D morphable models (3DMM; Blanz and Vetter 1999);
# the Basel Face Model (BFM; Paysan et al. 2009) and FaceWarehouse (Cao et al. 2014); Deep3D (Deng et al. 2019), whose coefficients and camera we use; spherical harmonics
# (Ramamoorthi and Hanrahan 2001); the 68 landmarks of 300-W (Sagonas et al. 2013).

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
audio_track: int = 0  # number of the clip's sound track, from 1; 0 takes the one with speech
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
recipe: str = "ours"  # ours, paper (its text) or published (its code), see `tfhkit recipes`
seed: int = 0  # random seed
landmark_backend: str = "auto"  # auto, mesh, face-alignment or dlib
smooth_weight: float = 0.5  # weight of the smoothness between neighbouring frames
face_model: str = "open"  # open, bfm09 or ict; the later notebooks use the model fitted here
face_model_path: str = ""  # BFM_model_front.mat, or the folder FaceXModel
coefficients: str = ""  # another tracker's .mat of the clip, with face_model; open: the pose alone

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from tfhkit.palette import ANGLES, BLUE, GREEN, GREY, ORANGE, RED, SKY
from tfhkit.pipeline import open_step
from tfhkit.teach import explore

plt.rcParams["figure.dpi"] = 85  # many pictures
step = open_step("01_3dmm_fitting", globals())

# %% [markdown]
# ## 1 · A face in 257 numbers
#
# A mean head, and directions in which heads differ: that is a **morphable model**. The shape
# $\mathbf S$ (a position for every vertex) and the texture $\mathbf T$ (a colour for every vertex) are
#
# $$\mathbf S = \bar{\mathbf S} + \mathbf B_{id}\,\boldsymbol\alpha + \mathbf B_{exp}\,\boldsymbol\beta,
# \qquad \mathbf T = \bar{\mathbf T} + \mathbf B_{tex}\,\boldsymbol\delta \qquad \text{(Sec. 3.1)}$$
#
# with 80 identity, 64 expression and 80 texture coefficients. Three angles and three translations
# place the head in front of the camera, and 27 numbers $\gamma$ describe the light:

# %%
from tfhkit.face.plots import show_vector

show_vector()
plt.show()

# %% [markdown]
# **What to see.** What belongs to a person is blue, what belongs to a moment is green. In a clip of 300 frames the blue numbers are
# estimated once and the 70 green ones 300 times; and those 70 are what has to be predicted from the sound in
# notebook 03.
#
# The model here is open: it is built from MakeHuman's shapes (`assets/README.md`). BFM09, which
# most papers use, and ICT-FaceKit are read where you have them (`face_model`).

# %%
from tfhkit.face import load_model

model = load_model(face_model, step.model_path(face_model_path))
print(f"{len(model.mean_shape):,} vertices, {len(model.faces):,} triangles")

# %% [markdown]
# The equation is a sum of arrays. One face by hand:

# %%
draw = torch.Generator().manual_seed(seed)
alpha, beta = torch.randn(80, generator=draw), torch.randn(64, generator=draw)
by_hand = (
    model.mean_shape
    + torch.einsum("k,kvc->vc", alpha, model.id_basis)
    + torch.einsum("k,kvc->vc", beta, model.exp_basis)
)
assert torch.allclose(by_hand, model.shape(alpha[None], beta[None])[0], atol=1e-4)

# %% [markdown]
# ## 2 · Where does a basis come from?
#
# Take $n$ heads with the same mesh, subtract their mean, and put each as a row into
# $X \in \mathbb R^{n \times 3V}$. The singular value decomposition
#
# $$\frac{X}{\sqrt{n-1}} = U\,\mathrm{diag}(\sigma)\,V^\top$$
#
# gives directions $\mathbf v_k$ and how much heads vary along them, $\sigma_k$: principal
# component analysis (PCA). The basis stores $\mathbf b_k = \sigma_k \mathbf v_k$, so that every
# coefficient has **unit variance**. That has two advantages: 2 means "two standard deviations"
# for each coefficient; and the squared length is, up to a constant, how improbable a face is:
#
# $$-\log p(\boldsymbol\alpha) = \tfrac12\,|\boldsymbol\alpha|^2 + \text{const.}$$
#
# We will add exactly this to the fit's errors. Does it work backwards? Draw heads from the model and
# analyse them:

# %%
n_heads, some = 400, slice(None, None, 5)  # every fifth vertex is enough
heads = torch.randn(n_heads, 80, generator=draw) @ model.id_basis[:, some].flatten(1)
spread = torch.linalg.svdvals((heads - heads.mean(0)) / (n_heads - 1) ** 0.5)[:80]
stored = model.id_basis[:, some].flatten(1).norm(dim=1)
total = (spread.square().sum() / stored.square().sum()).item()
print(f"variance in the drawn heads: {total:.2f} of the basis' own")
assert 0.8 < total < 1.2

# %%
n_points = len(model.mean_shape[some])
figure, axis = plt.subplots(figsize=(5.2, 2.6))
axis.semilogy(
    10 * 10 * stored / n_points**0.5, color=BLUE, label="length of the basis vectors"
)
axis.semilogy(
    10 * 10 * spread / n_points**0.5, "--", color=RED, label="found in 400 drawn heads"
)
axis.set(xlabel="component", ylabel="rms over the vertices (mm)")
axis.set_yticks((0.1, 1, 5), ("0.1", "1", "5"))
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# **What to see.** The first direction (size and weight) moves vertices by some millimetres per
# unit, the last by hundredths of a millimetre.
#
# ### One direction at a time
# Clay shows shape alone. Each column is one component, at -2.5 and +2.5 standard deviations.

# %%
from tfhkit.fit.plots import show_frames
from tfhkit.render.plots import clay, portraits


def along(part, size, columns=5, amount=2.5, **look):
    """Portraits at -amount (first row) and +amount (second) along the first components."""
    vectors = torch.zeros(2, columns, size)
    vectors[0, range(columns), range(columns)] = -amount
    vectors[1, range(columns), range(columns)] = amount
    pictures = portraits(model, 128, **look, **{part: vectors.flatten(0, 1)})
    titles = [f"{part}[{k}] {sign} 2.5" for sign in "-+" for k in range(columns)]
    show_frames(list(pictures), titles, None, columns, 1.4)
    plt.show()


# %%
along("id", 80, albedo=clay(model), back_dm=1.5)

# %%
along("exp", 64, albedo=clay(model))

# %%
along("tex", 80)

# %% [markdown]
# **What to see.** Identity changes bone and fat, expression the muscles, texture the skin: three
# separate causes of one picture. No component means only one thing ("size" comes with "age"): they
# are ordered by variance, not by meaning. And $-2.5$ of an expression is often no expression that a
# face can make; more on that below.
#
# ### Strangers
# Draw all coefficients at once, with unit variance, and you get people who do not exist:

# %%
people = {"id": torch.randn(6, 80, generator=draw), "tex": torch.randn(6, 80, generator=draw)}
show_frames(list(portraits(model, 128, back_dm=1.5, **people)), columns=6, width=1.4)
plt.show()

# %% [markdown]
# ### How many components does a face need?

# %%
from tfhkit.face.plots import show_variance

show_variance(model)
plt.show()

# %%
counts = (0, 2, 5, 10, 20, 80)
cut = torch.stack([people["id"][0] * (torch.arange(80) < n) for n in counts])
shapes = model.shape(cut, torch.zeros(len(counts), 64))
off_mm = 100 * (shapes - shapes[-1])[:, model.regions["face"]].norm(dim=-1).mean(1)
titles = [f"{n}: {off:.1f} mm off" for n, off in zip(counts, off_mm)]
show_frames(list(portraits(model, 128, clay(model), id=cut)), titles, None, 6, 1.4)
plt.show()
assert off_mm[4] < 0.5 * off_mm[0]

# %% [markdown]
# **What to see.** Ten components explain nine tenths of the variance, yet a likeness is in the
# rest: a person is recognised by what is rare. So all 80 are kept, and the prior $|\boldsymbol\alpha|^2$
# keeps them bounded.
#
# ## 3 · Expressions with names
#
# The 64 expression components are abstract, like those of identity. But the model knows 52 facial
# **actions** by name (ARKit's list: `jawOpen`, `mouthSmileLeft`, `eyeLookUpRight`, ...) and how far
# each moves along the components. For strengths $\mathbf w \ge 0$ of the actions and the table
# $A \in \mathbb R^{52 \times 64}$,
#
# $$\boldsymbol\beta = A^\top \mathbf w .$$

# %%
from tfhkit.face import actions_to_exp, exp_to_actions


def both(name, strength):
    """An action on both sides of the face."""
    return {f"{name}Left": strength, f"{name}Right": strength}


faces = {
    "jaw": {"jawOpen": 0.8},
    "smile": both("mouthSmile", 1.0),
    "pucker": {"mouthPucker": 1.0},
    "blink": both("eyeBlink", 1.0),
    "brows up": {"browInnerUp": 1.0, **both("browOuterUp", 1.0)},
    "sneer": both("noseSneer", 1.0),
    "gaze up": both("eyeLookUp", 1.0),
    "gaze down": both("eyeLookDown", 1.0),
    "gaze left": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "gaze right": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
    "jaw left": {"jawLeft": 1.0},
    "puffed cheeks": {"cheekPuff": 1.0},
}
exps = torch.cat([actions_to_exp(model, actions) for actions in faces.values()])
show_frames(list(portraits(model, 144, exp=exps)), list(faces), None, 6, 1.5)
plt.show()

# %% [markdown]
# **What to see.** Gaze turns the eyeballs, and the lids follow; the jaw moves lips, cheeks and
# lower teeth with it. Left and right are always the subject's.
#
# ### And back
# Given $\boldsymbol\beta$, which actions are active? Muscles pull and do not push, so we look for
# *non-negative* strengths whose face is nearest in space (over all vertices):
#
# $$\hat{\mathbf w} = \arg\min_{\mathbf w \ge 0} \big|\mathbf B_{exp}\,(A^\top \mathbf w - \boldsymbol\beta)\big|^2$$

# %% tags=["nbval-check-output"]
mixed = {"jawOpen": 0.5, **both("mouthSmile", 0.7), "browInnerUp": 0.4, "eyeLookUpLeft": 0.3}
beta = actions_to_exp(model, mixed)
found = exp_to_actions(model, beta)
for name, strength in mixed.items():
    print(f"{name:18s} put in {strength:.2f}, found {found[0, model.action_names.index(name)]:.2f}")
others = found.sum() - sum(found[0, model.action_names.index(name)] for name in mixed)
print(f"all other actions together: {others:.2f}")
off_mm = 100 * (actions_to_exp(model, found) - beta) @ model.exp_basis.flatten(1)
assert off_mm.abs().max() < 0.5

# %% [markdown]
# A *random* $\boldsymbol\beta$ is another matter: half of its directions would need muscles that
# push. This is what the nearest possible expression keeps of it:

# %%
wild = 1.5 * torch.randn(3, 64, generator=draw)
tame = actions_to_exp(model, exp_to_actions(model, wild))
pairs = portraits(model, 128, clay(model), exp=torch.cat([wild, tame]))
titles = [f"random {i}" for i in range(3)] + [f"{i} as actions" for i in range(3)]
show_frames(list(pairs), titles, None, 6, 1.4)
plt.show()

# %% [markdown]
# ### Explore: a live head
# In a live JupyterLab every slider below moves the head at once: identity, expression and texture, and the
# lamp. A question to answer with it: which two sliders of different kinds make pictures that are
# easily confused? A fit has to keep such pairs apart.

# %%
from tfhkit.face.lighting import lamp_light


def live_head(
    jaw=0.3, smile=0.0, pucker=0.0, blink=0.0, gaze=0.0, brows=0.0, identity_0=0.0, identity_1=0.0,
    identity_2=0.0, texture_0=0.0, texture_1=0.0, lamp=-30.0, pitch=0.0, yaw=20.0, roll=0.0,
):  # fmt: skip
    """A head with sliders for actions, identity, texture, light and pose."""
    actions = {"jawOpen": jaw, "mouthPucker": pucker, "browInnerUp": brows}
    actions |= both("mouthSmile", smile) | both("eyeBlink", blink) | both("browOuterUp", brows)
    actions |= {"eyeLookOutLeft": max(gaze, 0.0), "eyeLookInRight": max(gaze, 0.0)}
    actions |= {"eyeLookInLeft": max(-gaze, 0.0), "eyeLookOutRight": max(-gaze, 0.0)}
    id, tex = torch.zeros(1, 80), torch.zeros(1, 80)
    id[0, :3] = torch.tensor([identity_0, identity_1, identity_2])
    tex[0, :2] = torch.tensor([texture_0, texture_1])
    around = np.radians(lamp)
    light = lamp_light([[np.sin(around), 0.5, np.cos(around)]], strength=0.75, ambient=0.42)
    angles = torch.tensor([[pitch, yaw, roll]]).deg2rad()
    exp = actions_to_exp(model, actions)
    parts = {"id": id, "exp": exp, "tex": tex, "angles": angles, "light": light}
    return portraits(model, 256, back_dm=0.7, **parts)[0]


# %%
explore(
    live_head,
    **dict.fromkeys(("jaw", "smile", "pucker", "blink"), (0.0, 1.0)),
    gaze=(-1.0, 1.0),
    brows=(0.0, 1.0),
    **dict.fromkeys(("identity_0", "identity_1", "identity_2"), (-3.0, 3.0)),
    **dict.fromkeys(("texture_0", "texture_1"), (-2.5, 2.5)),
    lamp=(-120.0, 120.0),
    pitch=(-30.0, 30.0),
    yaw=(-60.0, 60.0),
    roll=(-30.0, 30.0),
)

# %% [markdown]
# ## 4 · The camera, and which way angles turn
#
# In world space $x$ points to the image's right, $y$ up and $z$ towards the camera, in decimetres. A vertex
# is first rotated about the head's origin, then translated, then projected (Sec. 3.1):
#
# $$\mathbf X = R\,\mathbf S + \mathbf p, \qquad R = R_z(\text{roll})\,R_y(\text{yaw})\,R_x(\text{pitch})$$
# $$\zeta = 10 - Z, \qquad u = \tfrac s2 + f\,\frac X\zeta, \qquad v = \tfrac s2 - f\,\frac Y\zeta$$
#
# with $f = 1015$ px for an image of $s = 224$ px; $u$ and $v$ start at the upper left corner.

# %%
from tfhkit.face.plots import show_camera

show_camera(model)
plt.show()

# %% [markdown]
# **What to see.** A long lens, 10 dm away: a narrow view of 12.6 degrees, in which a
# centimetre at the origin's depth is 10.15 px. Half a decimetre closer makes the head 5 % larger. So *size* and
# *depth* are hard to tell apart, and the fit needs a preference (below: the crop's own depth).
#
# ### Positive directions
# Pitch nods down, yaw turns the nose to the image's right, roll tilts the top of the head to the
# image's left. Each figure below is one angle of 26 degrees; the axes turn with the head (x orange,
# y green, z blue).

# %%
from tfhkit.fit.plots import draw_axes

turns = torch.cat([torch.zeros(1, 3), 0.45 * torch.eye(3)])
figure = show_frames(
    list(portraits(model, 176, angles=turns, back_dm=1.0)),
    ["rest", "pitch > 0", "yaw > 0", "roll > 0"],
)
for axis, angles in zip(figure.axes, turns):
    draw_axes(axis, angles, torch.tensor([0.0, 0.0, -1.0]), 176)
plt.show()

# %% [markdown]
# The order matters: first $R_x$, then $R_y$ on what came out, then $R_z$. A nod of a head that has
# been turned is not a turn of a head that has been nodded.

# %%
from tfhkit.camera import angles_from_rotation, rotation_from_angles

pitch, yaw = torch.tensor([0.5, 0.0, 0.0]), torch.tensor([0.0, 0.6, 0.0])
r_pitch, r_yaw = rotation_from_angles(pitch), rotation_from_angles(yaw)
two_orders = torch.stack(
    [angles_from_rotation(r_yaw @ r_pitch), angles_from_rotation(r_pitch @ r_yaw)]
)
assert torch.allclose(two_orders[0], pitch + yaw, atol=1e-6)
titles = ["nod, then turn (ours)", "turn, then nod"]
show_frames(list(portraits(model, 176, angles=two_orders, back_dm=1.0)), titles, None, 2)
plt.show()
print("the second in our angles:", *(f"{value:.1f}" for value in two_orders[1].rad2deg()))

# %% [markdown]
# ## 5 · Where are the landmarks?
#
# 68 points in iBUG's order. On the model each is a vertex, except along the jaw: a detector marks
# the *visible* outline there, and that slides over the skin as the head turns. Each jaw landmark
# has a path of vertices (orange) to slide along.

# %%
from tfhkit.camera import Camera, project, to_world
from tfhkit.fit.plots import draw_landmarks

camera = Camera()
mean_px = project(model.mean_shape[model.landmark_ids], camera)[0].numpy()
paths_px = project(model.mean_shape[model.contour_ids], camera)[0].numpy() - 0.5
figure, axis = plt.subplots(figsize=(6, 6))
axis.imshow(portraits(model, 448, clay(model))[0], extent=(-0.5, 223.5, 223.5, -0.5))
axis.plot(*paths_px.reshape(-1, 2).T, ".", ms=3, color=RED)
draw_landmarks(axis, mean_px)
for number, (x, y) in enumerate(mean_px[:60]):  # 60 to 67 are the inner lips
    below = number in (40, 41, 46, 47, *range(55, 60))
    axis.text(x, y + (6 if below else -2.5), str(number), fontsize=8, ha="center")
axis.set(xlim=(38, 186), ylim=(192, 34))
axis.axis("off")
plt.show()

# %% [markdown]
# In the clip a detector finds them in every frame, on the main speaker, with sub-pixel positions. They are
# smoothed, but the lips only a little; short gaps are interpolated and flagged. (The published code rounds
# them to whole pixels, which is a jitter that no later stage can remove.)

# %%
from tfhkit.landmarks import detect

video = step.open_clip()
landmarks = detect(video, backend=landmark_backend, progress=step.progress)
print(f"{len(video)} frames, backend {landmarks.backend}, {landmarks.gap.sum()} interpolated")

# %%
from tfhkit.fit.clip import read_frames

shown = np.linspace(0, len(video) - 1, 4).astype(int)
frames = read_frames(video, shown)
half = int(0.7 * np.ptp(landmarks.points_px[shown], axis=1).max())  # px about the face
corners = [landmarks.points_px[i].mean(0).astype(int) - half for i in shown]
corners = [corner.clip(0) for corner in corners]
faces_px = [landmarks.points_px[i] - corner for i, corner in zip(shown, corners)]
close_ups = [image[y : y + 2 * half, x : x + 2 * half] for image, (x, y) in zip(frames, corners)]
show_frames(close_ups, [f"{video.times[i]:.1f} s" for i in shown], faces_px, width=1.9)
plt.show()

# %% [markdown]
# ## 6 · One crop for the clip
#
# The camera's 224 px are a part of the video's frame:
# $\mathbf x_{crop} = s\,\mathbf x_{frame} + \mathbf o$. The published code crops every frame by its
# own landmarks. Then the detector's noise gets into $s$, and from there into the pose:

# %%
from tfhkit.fit.crop import clip_crop

crop = clip_crop(landmarks.points_px, mean_px)
points = torch.as_tensor(crop.to_crop(landmarks.points_px), dtype=torch.float64)
centred = landmarks.points_px - landmarks.points_px.mean(1, keepdims=True)
own_scale = np.sqrt((centred**2).sum((1, 2)))  # what a crop per frame would follow
depth_mm = 1000 * np.diff(own_scale) / own_scale[:-1]
print(f"one crop: {224 / crop.scale:.0f} px of the frame become 224")
print(
    f"a crop per frame: depth jumps by {np.abs(depth_mm).mean():.0f} mm from frame to frame (mean)"
)

# %%
corner, side = crop.to_frame([0, 0]), 224 / crop.scale
figure, (left, right) = plt.subplots(1, 2, figsize=(6.5, 2.6), layout="constrained")
left.imshow(frames[1])
left.add_patch(plt.Rectangle(corner - 0.5, side, side, fill=False, color=ORANGE, lw=2))
left.set_title("frame")
right.imshow(crop.image(frames[1]))
draw_landmarks(right, points[shown[1]])
right.set_title("crop, 224 px")
for axis in (left, right):
    axis.axis("off")
plt.show()

# %% [markdown]
# ## 7 · Stage (a): pose of the mean head
#
# Seen from far away, perspective is a scale:
# $\mathbf y_l \approx s\,(R\,\mathbf S_l)_{xy} + \mathbf t$. Centre both sides, and least squares gives
# the $2 \times 3$ matrix $M = s\,R_{xy}$ directly. The nearest true rotation comes from its singular
# values,
#
# $$M = U\,\mathrm{diag}(\sigma_1, \sigma_2)\,V^\top, \qquad R_{xy} = U V^\top, \qquad s = \tfrac12(\sigma_1 + \sigma_2),$$
#
# its third row is the cross product of the first two, and the scale is a depth: $\zeta = f / s$.

# %%
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import bundle_step, initial_state, reproject

basis = landmark_basis(model)  # the model at its landmarks only
start = initial_state(points, basis, camera)


def error_px(state):
    """(T, 68) distance of the projected landmark vertices to the detected landmarks."""
    return (reproject(basis, state, camera) - points).norm(dim=-1)


inner = slice(17, 68)  # without the jaw, which has no fixed place on a face
print(f"mean head, best pose: {error_px(start)[:, inner].mean():.2f} px of 224")

# %%
from tfhkit.coefficients import Coefficients
from tfhkit.fit.plots import over
from tfhkit.render import render
from tfhkit.render.plots import studio_light


def face_of(state, chosen):
    """Coefficients of the chosen frames of a BundleState, under the studio's light."""
    n = len(chosen)
    parts = state.id.expand(n, -1), state.exp[chosen], torch.zeros(n, 80), state.angles[chosen]
    parts += studio_light().expand(n, -1), state.trans[chosen]
    return Coefficients(*(part.float() for part in parts))


def over_frames(state, chosen, images):
    """The face in clay over the crops, half transparent, detected landmarks on top."""
    rgba = render(model, face_of(state, chosen), camera, clay(model))
    rgba[..., 3] *= 0.6
    return [over(crop.image(image), one) for image, one in zip(images, rgba)]


# %%
show_frames(over_frames(start, shown, frames), None, points[shown], 4, 2.3)
plt.show()

# %% [markdown]
# **What to see.** Clay: the mean head. Lines: the detected landmarks. The pose is about right; the
# face is still the mean face, and its mouth is closed.
#
# ## 8 · Stage (b): all frames together
#
# The projection of landmark vertex $l$ in frame $t$ should meet the detected landmark
# $\mathbf y_{tl}$. With rotation $R_t$, translation $\mathbf p_t$ and projection $\pi$, minimise
#
# $$\sum_{t,l} w_{l}\,\rho\big(|\pi(R_t \mathbf S_l(\boldsymbol\alpha,\boldsymbol\beta_t) + \mathbf p_t)
# - \mathbf y_{tl}|\big) + |\boldsymbol\alpha|^2 + \lambda\sum_t |\boldsymbol\beta_t|^2 + \text{smoothness}$$
#
# $\rho$ is a robust loss: a landmark that is off by more than a few pixels is down-weighted. The prior terms
# are the $-\log p$ of section 2. In each step **Gauss-Newton** replaces the projection by its
# linearisation, $\mathbf r(\mathbf x + \mathbf d) \approx \mathbf r + J\mathbf d$, and solves
# $J^\top W J\,\mathbf d = -J^\top W\,\mathbf r$.
#
# The identity is one for the clip, so $T$ frames have $80 + 70\,T$ unknowns. But frames are coupled
# *only* through $\boldsymbol\alpha$, and the matrix is an arrow:

# %%
n, own, shared = 6, 7, 8  # a picture of six frames, with a tenth of the unknowns
arrow = np.zeros((n * own + shared,) * 2)
for t in range(n):
    arrow[t * own : (t + 1) * own, t * own : (t + 1) * own] = 1
arrow[n * own :] = arrow[:, n * own :] = 2
figure, axis = plt.subplots(figsize=(3.2, 3.2))
axis.imshow(arrow, cmap="Blues", vmax=2.6)
axis.set_xticks(
    [own * (t + 0.5) - 0.5 for t in range(n)] + [n * own + 3.5],
    [f"t{t}" for t in range(n)] + ["id"],
)
axis.set_yticks(axis.get_xticks(), [label.get_text() for label in axis.get_xticklabels()])
axis.set_title("which unknowns are coupled")
plt.show()

# %% [markdown]
# With the blocks $C_t$ (frame), $E_t$ (frame and identity) and $D$ (identity) and right-hand sides
# $\mathbf g_t, \mathbf h$, each frame can be eliminated by itself (**Schur complement**):
#
# $$\Big(D - \sum_t E_t^\top C_t^{-1} E_t\Big)\,\mathbf d_{id} = \mathbf h - \sum_t E_t^\top C_t^{-1}\mathbf g_t,
# \qquad \mathbf d_t = C_t^{-1}(\mathbf g_t - E_t\,\mathbf d_{id})$$
#
# So the cost grows only linearly with the number of frames: the systems are 80 x 80 and 70 x 70, whatever
# the clip's length (`tfhkit/fit/bundle.py`).

# %%
from tfhkit.fit.clip import settings_for

settings = settings_for(video.times)
settings = replace(settings, smooth_weight=settings.smooth_weight * smooth_weight / 0.5)
confidence = torch.as_tensor(np.where(landmarks.gap, 0.05, 1.0))
states = [start]
for _ in range(8):
    states.append(bundle_step(basis, states[-1], points, confidence, camera, settings))
errors = [error_px(state)[:, inner].mean().item() for state in states]

# %%
middle = int(shown[1])
snaps = [over_frames(states[k], [middle], [frames[1]])[0] for k in (0, 1, 2, 8)]
titles = [f"step {k}: {errors[k]:.2f} px" for k in (0, 1, 2, 8)]
show_frames(snaps, titles, [points[middle]] * 4, 4, 2.3)
plt.show()

# %%
figure, axis = plt.subplots(figsize=(5, 2.6))
axis.plot(errors, "o-", color=BLUE)
axis.set(xlabel="Gauss-Newton step", ylabel="mean error (crop px)", ylim=(0, None))
axis.spines[["top", "right"]].set_visible(False)
plt.show()
assert errors[-1] < 0.5 * errors[0], "the fit should at least halve the error of the mean head"

# %% [markdown]
# **What to see.** Step 0 is the mean head of stage (a). Two steps explain most of the error; what
# remains is the detector's noise and what no face of the model can do. The first step already moves
# the mouth.
#
# ### Which landmarks are off?

# %%
mean_error = error_px(states[-1]).mean(0).numpy()
figure, axis = plt.subplots(figsize=(8, 2.2))
parts = {"jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "lips": (48, 68)}
for (name, (first, last)), colour in zip(
    parts.items(), (SKY, ORANGE, GREY, GREEN, RED)
):
    axis.bar(range(first, last), mean_error[first:last], color=colour, label=name)
axis.set(xlabel="landmark", ylabel="mean error (px)", xlim=(-1, 68))
axis.legend(frameon=False, ncol=5)
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# **What to see.** The jaw is worst, and has the smallest weight: its landmarks have no fixed position
# on a face. Eyes and lips have the largest weight, because the later stages depend on them.
#
# ### Explore: the steps, frame by frame
# Find the frame in which the mean head (step 0) fits worst. Does it need more steps than the others?

# %%
reader = video.reader()


def stage(frame, step_number=8):
    """The fit of a frame after so many steps."""
    return over_frames(states[step_number], [frame], [reader[frame]])[0]


explore(stage, frame=(0, len(video) - 1), step_number=(0, 8))

# %% [markdown]
# ## 9 · Stage (c): the pixels
#
# The landmarks are 68 points; the picture has thousands. Sec. 3.1 says what colour a point with normal
# $\mathbf n$ and albedo $\mathbf t$ should have,
#
# $$C(\mathbf n, \mathbf t, \gamma) = \mathbf t \sum_{b=1}^{9} \gamma_b\,\Phi_b(\mathbf n) ,$$
#
# with the spherical harmonics $\Phi_b$ (notebook 04 shows each of them).
#
# ### First texture and light, with the geometry fixed
# For a given albedo $C$ is linear in the light, and for a given light it is linear in the texture
# coefficients: two least-squares problems, solved in turn over a few frames that are spread over
# the clip's range of yaw. A point whose colour the model cannot explain (hair, glasses, a hand) is
# down-weighted.

# %%
from tfhkit.fit.appearance import fit_appearance, spread_frames
from tfhkit.fit.photometric import Observed, PhotometricSettings, refine_shared

photo = PhotometricSettings()
some = spread_frames(states[-1].angles.numpy(), 8)
pictures = np.stack([crop.image(image, photo.size_px) for image in read_frames(video, some)])
tex, light, _ = fit_appearance(model, states[-1][some].coefficients(), pictures)
landmark_fit = replace(states[-1], tex=tex.double(), light=light.double())
before = landmark_fit[some]


# %%
def difference(state):
    """Rendering minus picture, (T, S, S, 3); nan outside of the face."""
    rgba = render(model, state.coefficients(), Camera(photo.size_px))
    gap = rgba[..., :3] - torch.from_numpy(pictures) / 255
    return torch.where(rgba[..., 3:] > 0.5, gap, torch.nan)


def show_difference(state, index, name):
    """Picture, rendering over it, and their difference, for one frame."""
    rgba = render(model, state[[index]].coefficients(), Camera(photo.size_px), supersample=2)[0]
    figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.3), layout="constrained")
    axes[0].imshow(pictures[index])
    axes[1].imshow(over(pictures[index], rgba))
    gap = axes[2].imshow(difference(state)[index].mean(-1), cmap="PuOr_r", vmin=-0.25, vmax=0.25)
    for axis, title in zip(axes, ("picture", f"rendering, {name}", "difference")):
        axis.set_title(title)
        axis.axis("off")
    figure.colorbar(gap, ax=axes[2])
    plt.show()


show_difference(before, 4, "before")

# %% [markdown]
# **What to see.** Purple: the rendering is too dark, orange: too bright. Edges that do not coincide
# leave pairs of both colours, side by side: they say which way to move.
#
# ### Then everything
# For a point $\mathbf X$ of the surface with normal $\mathbf n$ the residual of one frame is
#
# $$\mathbf r = I(\pi(\mathbf X)) - C(\mathbf n, \mathbf t, \gamma), \qquad
# \frac{\partial \mathbf r}{\partial q} = \nabla I\,\frac{\partial\pi}{\partial\mathbf X}\,\frac{\partial\mathbf X}{\partial q}
# - \mathbf t\sum_b \gamma_b\,\frac{\partial\Phi_b}{\partial\mathbf n}\,\frac{\partial\mathbf n}{\partial q}$$
#
# for any pose, expression or identity coefficient $q$: the point moves over the picture, and it
# turns in the light. For texture and light it is linear. So the pixels enter the same normal
# equations as the landmarks, robustly weighted, and the same Schur complement solves them
# (`tfhkit/fit/photometric.py`). Blurred pictures come first, because they allow larger steps.

# %%
from tfhkit.fit.surface import seen_weight, surface_points

surface = surface_points(model, before.id.float(), photo.spacing)
weight = seen_weight(model, before.coefficients(), surface.ids)[4]
place, _ = surface.at(before.id.float(), before.exp[[4]].float())
world = to_world(place, before.angles[[4]].float(), before.trans[[4]].float())
px = project(world[0], Camera(photo.size_px))[0].numpy() - 0.5
figure, axis = plt.subplots(figsize=(3.6, 3.2), layout="constrained")
axis.imshow(pictures[4])
dots = axis.scatter(*px.T, c=weight, s=3, cmap="viridis", vmin=0, vmax=1)
figure.colorbar(dots, label="how well it is seen")
axis.set_title(f"{len(surface.ids):,} surface points")
axis.axis("off")
plt.show()

# %%
left_out = torch.as_tensor(landmarks.left_out())[some]
observed = Observed(points[some], confidence[some], pictures, left_out)
steps, sigma_px = [landmark_fit], []
for state, sigma in refine_shared(
    model, basis, landmark_fit, some, observed, settings, photo, step.progress
):
    steps.append(state)
    sigma_px.append(sigma)
after = steps[-1][some]
colour_l1 = [difference(state[some]).abs().nanmean().item() for state in steps]

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6))
left.plot(colour_l1, "o-", color=BLUE)
left.set(ylabel="mean colour error (of 1)", ylim=(0, None))
right.plot(range(1, len(steps)), sigma_px, "o-", color=RED)
right.set(ylabel="a landmark's sigma (px)", ylim=(0, None), xlim=left.get_xlim())
for axis in (left, right):
    axis.set_xlabel("Gauss-Newton step")
    axis.spines[["top", "right"]].set_visible(False)
    for round_number in range(len(photo.blurs_px)):
        axis.axvline(round_number * photo.shared_steps + 0.5, color="0.8", lw=1, ls="--")
figure.tight_layout()
plt.show()
assert colour_l1[-1] < colour_l1[0], "the pixels should be met better than before"

# %%
show_difference(after, 4, "after")

# %% [markdown]
# **What to see.** Dashed: a less blurred picture from here on. How far to trust the landmarks
# compared with the pixels is not set but estimated: their $\sigma$ comes from the residuals of the landmarks
# after each step. For the last stage the kit splits the residuals: a constant offset, since tracker and
# model place a landmark differently on this face, and the noise from frame to frame, which says how well
# the landmarks show motion. Colours can be matched by moving the face or by painting it, and nothing in the
# pixels says which: the landmarks and the priors keep the pixels from painting lips onto cheeks.
# What no texture of the model has (a shadow, a wrinkle, glasses) remains in the difference.

# %% [markdown]
# ## 10 · The finished fit
#
# `fit_clip` does all of this in one call: landmarks of all frames together; identity, texture and
# light from the pixels of some frames; then pose and expression of every frame from its landmarks
# and pixels. `fit_person` in `tfhkit/talk.py`, the first stage of learning a person, is `detect` and `fit_clip`. A finished fit of the same clip with the same parameters is reused from the run
# directory; delete `fit.npz` there to fit again.

# %%
from tfhkit.fit import Fit, fit_clip

theirs_file = step.coefficients_path(coefficients)
name = "fit.npz" if theirs_file is None else "own_fit.npz"  # see section 12
kept = step.finished(name)
if kept:
    fit = Fit.load(kept)
    print("an earlier run's fit of this clip")
else:
    few = step.settings.texture_frames
    fit = fit_clip(video, landmarks, model, settings, few, crop=crop, progress=step.progress)
    fit.save(step.path(name))
# nme: mean error of the landmarks in % of the eyes' distance, without the jaw and of the mouth
for name in ("nme_inner_pct", "nme_mouth_pct", "id_rms", "exp_rms"):
    print(f"{name:16s} {fit.report[name]:.3f}")

# %% tags=["report"]
from tfhkit.fit.plots import overlay

rgba = render(model, landmark_fit[shown].coefficients(), camera, supersample=2)
drawn = [over(crop.image(frame), one) for frame, one in zip(frames, rgba)]
pairs = [overlay(model, fit, frame, i) for frame, i in zip(frames, shown)]
rows = [image for image, _ in pairs], drawn, [image for _, image in pairs]
show_frames([image for row in rows for image in row], width=1.8)
plt.show()

# %% [markdown]
# *The clip; the fit by landmarks; the fit by landmarks and pixels, with the low-frequency albedo of
# the texture coefficients.* Lips, lids and outline should lie on the real ones.
#
# ### What did the pixels change?

# %%
for name, unit in (("photometric_l1", "of 1"), ("jitter_deg", "degrees per frame squared")):
    values = fit.report[f"{name}_landmarks"], fit.report[name]
    print(f"{name:16s} {values[0]:.4f} by landmarks, {values[1]:.4f} with the pixels ({unit})")

# %%
tracks = {"landmarks": states[-1].angles.numpy(), "with pixels": fit.coefficients.angles}
figure, axes = plt.subplots(1, 2, figsize=(9, 2.6), gridspec_kw={"width_ratios": (2.2, 1)})
for (name, angles), colour in zip(tracks.items(), ("0.6", BLUE)):
    axes[0].plot(video.times, np.degrees(angles[:, 1]), color=colour, label=name)
    shake = np.abs(np.diff(np.degrees(angles), n=2, axis=0)).ravel()
    axes[1].plot(np.sort(shake), np.linspace(0, 100, shake.size), color=colour)
axes[0].set(xlabel="time (s)", ylabel="yaw (degrees)")
axes[0].legend(frameon=False, ncol=2, loc="lower left", bbox_to_anchor=(0, 0.97))
axes[1].set(xlabel="second difference (degrees)", ylabel="share of frames (%)", ylim=(0, 101))
axes[1].set_xlim(0, np.quantile(shake, 0.98))
figure.tight_layout()
plt.show()

# %% [markdown]
# **What to see.** Jitter is the second difference of the angles on the third of the frames where the
# head moves least. The pixels remove a frame's slow error but leave a small error of their own, so
# `calm_pose` ends the fit: it fits a parabola to the pose around each frame (Gaussian weights with a standard deviation of 0.06 s). The expression, and with
# it the lips, stays as it was.
#
# ### One frame's 257 numbers

# %%
show_vector(fit.coefficients.to_vector()[shown[1]])
plt.show()

# %% [markdown]
# **What to see.** Most stay within 2: in units of standard deviations, a plausible face.
#
# ### The head from all sides
# Which part of the head does one unit of `identity[0]` move most, and which one of `expression[0]`?
# Where do the fitted colours miss those of the clip? Turn the head with the mouse; the menu chooses
# its colouring.

# %%
from tfhkit.teach.head_mesh import Colouring, colour_error, skin_colours, still_heads, turning_head
from tfhkit.teach.hover import show_plotly

person = fit.coefficients.map(torch.as_tensor)
colourings = {"subject's colours": skin_colours(model.texture(person.tex[:1])[0])}
for name, vectors in (("identity", model.id_basis), ("expression", model.exp_basis)):
    for k in (0, 1):
        moved_mm = 100 * vectors[k].norm(dim=-1)
        colourings[f"{name}[{k}]"] = Colouring(moved_mm, "mm for 1 standard deviation")

# %%
chosen = spread_frames(fit.coefficients.angles, 8)
crops = np.stack([crop.image(image) for image in read_frames(video, chosen)])
error = colour_error(model, fit.coefficients[chosen], crops)
colourings["colour error"] = Colouring(error, "grey levels of 255")
head = model.shape(person.id[:1], torch.zeros(1, 64))[0]
alt = "The fitted head without expression, in its own colours and coloured by the length of four "
alt += "basis vectors and by the mean colour error of the fit."
pictures_of_it = still_heads(model, person.id[0], colourings)
show_plotly(turning_head(model, head, colourings), alt, pictures_of_it)

# %% [markdown]
# *The fitted head without expression, in six colourings: its own colours; how far one standard deviation of two
# identity and of two expression components moves each point; the mean colour error over eight frames
# (grey: not compared, because no frame shows it or it is not skin).*
#
# **What to see.** `identity[0]` is size: it grows with the distance from the head's origin, most at
# the neck and the back of the head, which the camera never saw. `expression[0]` opens the jaw; lips
# and cheeks follow. The colour error is largest where the shape is finest: on the lids, at the nostrils
# and between the lips. What is grey is a guess of the model, not a measurement.
#
# ### The motion
# When does the head nod without turning? What did the last stage change? Point at a moment to read
# its frame and its angles.

# %% tags=["report"]
from tfhkit.fit.plots import show_pose
from tfhkit.teach.hover_plots import pose_over_time

before_rad = states[-1].angles.numpy()
figure = show_pose(video.times, fit.coefficients.angles)
figure.axes[0].plot(video.times, np.degrees(before_rad), ":", color="0.6", lw=0.9)
alt = "Pitch, yaw and roll of the fitted head over time; dotted: by the landmarks alone."
tracks = pose_over_time(video.times, fit.coefficients.angles, before_rad, fit.gap)
show_plotly(tracks, alt, figure)
assert fit.report["nme_inner_pct"] < 6, "the landmarks are far from the model: look at the frames"

# %% [markdown]
# *Pitch, yaw and roll; dotted and grey: from the landmarks alone; yellow: frames whose landmarks were
# interpolated, if there are any.* The curves differ by less than the head moves: the landmarks had found the pose, and the pixels
# correct it.
#
# The expressions as named actions, the eight that vary most:

# %%
strengths = exp_to_actions(model, torch.as_tensor(fit.coefficients.exp)).numpy()
busy = np.argsort(-strengths.std(0))[:8]
figure, axis = plt.subplots(figsize=(8, 2.6))
shades = axis.imshow(
    strengths[:, busy].T, aspect="auto", cmap="cividis", vmin=0, interpolation="nearest",
    extent=(video.times[0], video.times[-1], 7.5, -0.5),
)  # fmt: skip
axis.set_yticks(range(8), [model.action_names[i] for i in busy], fontsize=8)
axis.set_xlabel("time (s)")
figure.colorbar(shades, label="strength")
plt.show()

# %% [markdown]
# ### Explore: the whole clip
# Landmarks, fit and residual, with the sound and the pose. Play it, or step with
# the arrow keys. Where does the fit lose the face for a moment, and what happens there: a blink, a
# turn, a blur? Does the head move with the loud words?

# %%
from tfhkit.teach.panels import signed_picture, with_landmarks
from tfhkit.teach.scrubber import scrub


def moment(frame):
    """Landmarks, the fit over the frame, and the difference of the two."""
    image, fitted = overlay(model, fit, reader[frame], frame, 160)
    found = crop.to_crop(fit.landmarks_px[frame]) * 160 / 224
    difference = signed_picture(fitted, image)
    return {"landmarks": with_landmarks(image, found), "fit": fitted, "difference": difference}


# %%
pose = dict(zip(("pitch", "yaw", "roll"), np.degrees(fit.coefficients.angles).T))
scrub(
    moment,
    video.times,
    {"head pose (degrees)": pose},
    video.audio,
    "Moments of the clip: landmarks, the fit over the frame and the difference, with sound and pose.",
    progress=step.progress,
)

# %% [markdown]
# *Purple in the difference: the rendering is too dark, orange: too bright.*

# %% [markdown]
# ## 11 · Where is it uncertain?
#
# Two different questions. *How far off* are the landmarks of a frame? And *how well determined* is
# its pose? The normal equations answer the second: near the solution the error is a parabola, and
# the inverse of $C_t$ is the covariance of the frame's unknowns,
# $\sigma = \sqrt{\mathrm{diag}(C_t^{-1})}$: small where landmarks and pixels would object to any
# change.

# %%
from tfhkit.fit.bundle import BundleState

found = fit.coefficients.map(lambda part: torch.as_tensor(part).double())
final = BundleState(found.id[0], found.exp, rotation_from_angles(found.angles), found.trans)
off_px = error_px(final)[:, inner].mean(1)

# %%
figure, axes = plt.subplots(2, 1, figsize=(8, 3.6), sharex=True)
axes[0].plot(video.times, off_px, color="k")
axes[0].set(ylabel="landmark error\n(crop px)", ylim=(0, None))
for name, track, colour in zip(
    ANGLES, fit.sigma_deg.T, ANGLES.values()
):
    axes[1].plot(video.times, track, label=name, color=colour)
axes[1].set(xlabel="time (s)", ylabel="sigma (degrees)", ylim=(0, None))
axes[1].legend(frameon=False, ncol=3, loc="lower right", bbox_to_anchor=(1, 0.95))
for axis in axes:
    axis.fill_between(video.times, *axis.get_ylim(), where=fit.gap, color=ORANGE, alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
plt.show()

# %% [markdown]
# **What to see.** The error is larger than that of stage (b), because the pixels, not the detector, now decide
# where a feature lies. Amber: frames whose landmarks were interpolated. $\sigma$ assumes independent
# errors and a correct model, so read it as a ranking, not as a promise. Roll is determined best (it rotates
# the whole picture); pitch and yaw only move points slightly towards each other. The frames with the largest error,
# and those with the largest sigma, are the first to look at: a turned head, a hand,
# a blur.

# %%
doubtful = {int(i): "error" for i in fit.report["worst_frames"][:3]}
doubtful |= {int(i): "sigma" for i in fit.report["unsure_frames"][:3] if int(i) not in doubtful}
order = sorted(doubtful)
drawn = [overlay(model, fit, image, i)[1] for image, i in zip(read_frames(video, order), order)]
show_frames(drawn, [f"frame {i}: {doubtful[i]}" for i in order], None, len(order), 1.6)
plt.show()

# %% [markdown]
# ## 12 · Another tracker's coefficients
#
# Deep3D and R-Net (the tracker of the published code) give the same 257 numbers by a network, every
# frame in a crop of its own. Shape, texture, light and rotation do not depend on the crop; the
# translation does, so it is solved again in the crop of the clip: three unknowns per frame that put the
# face onto the landmarks (exercise 3 is one step of it). Name such a file in `coefficients` and its model in
# `face_model`, and the later notebooks use it. Without one, the fit above stands in, with a translation that jumps
# as crops per frame make it jump.

# %%
from tfhkit.coefficients import read_mat, write_mat
from tfhkit.pipeline.clip_fit import track_for

if theirs_file is None:
    theirs_file = str(step.path("own_crops.mat"))
    jumps = np.random.default_rng(seed).normal(0, 0.3, (len(fit), 3)).astype(np.float32)
    jumping = replace(fit.coefficients, trans=fit.coefficients.trans + jumps)
    write_mat(theirs_file, jumping)
theirs = track_for(video, theirs_file)  # its angles; they need no face model
off_deg = np.degrees(theirs.angles_rad - fit.coefficients.angles)
for axis, name in enumerate(ANGLES):
    mean, spread = off_deg[:, axis].mean(), off_deg[:, axis].std()
    print(f"{name:5s} theirs minus ours: {mean:5.2f} degrees, varying by {spread:.2f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(9.5, 2.4), layout="constrained")
ours_deg, theirs_deg = np.degrees(fit.coefficients.angles), np.degrees(theirs.angles_rad)
for axis, (name, colour), k in zip(axes, ANGLES.items(), range(3)):
    axis.plot(video.times, ours_deg[:, k], color=colour, label="ours")
    axis.plot(video.times, theirs_deg[:, k], "--", color="k", lw=1, label="theirs")
    axis.set(xlabel="time (s)", title=f"{name} (degrees)")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].legend(frameon=False)
plt.show()

# %%
from tfhkit.fit import Tracked, fit_tracked

if coefficients and face_model == "open":
    print("without their face model there is no face to show: set face_model and face_model_path")
else:
    placed = fit_tracked(Tracked(video, read_mat(theirs_file), model, theirs_file), landmarks)
    rows = [[overlay(model, one, *pair)[1] for pair in zip(frames, shown)] for one in (fit, placed)]
    show_frames([image for row in rows for image in row], ["ours"] * 4 + ["theirs"] * 4, width=1.8)
    plt.show()
    off_pct = [one.report["nme_inner_pct"] for one in (placed, fit)]
    print("landmarks off by {:.2f} % of the eyes' distance, ours by {:.2f} %".format(*off_pct))

# %% [markdown]
# *Above our fit, below the placed coefficients.* **What to see.** Without a file the two curves are the same, and the
# faces lie where they lay: the landmarks gave back what the jumping translation had lost. Two real trackers
# may differ by a constant, since each has its own idea of a level head; for the later notebooks it counts that both move together. A
# file with a wrong sign, shifted in time, or of another clip or face model is refused with a reason.

# %%
if coefficients:
    fit = fit if face_model == "open" else placed
    fit.save(step.path("fit.npz"))
numbers = "frames", "nme_inner_pct", "nme_mouth_pct", "photometric_l1", "jitter_deg"
step.finish({name: fit.report[name] for name in numbers})

# %% [markdown]
# ## Exercises
#
# **1. Rotation.** Build $R = R_z(\text{roll})\,R_y(\text{yaw})\,R_x(\text{pitch})$ from its three
# angles. The check compares with `tfhkit.camera.rotation_from_angles`.

# %% tags=["exercise-setup"]
import numpy as np
import torch

from tfhkit.camera import Camera, project, rotation_from_angles, to_world
from tfhkit.teach import NotAttempted, check


# %% tags=["exercise"]
def rotation(pitch, yaw, roll):
    """(3, 3) matrix for column vectors, from angles in radians."""
    ### solution
    c, s = np.cos([pitch, yaw, roll]), np.sin([pitch, yaw, roll])
    r_x = np.array([[1, 0, 0], [0, c[0], -s[0]], [0, s[0], c[0]]])
    r_y = np.array([[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]])
    r_z = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    return r_z @ r_y @ r_x
    ### wrong
    # from scipy.spatial.transform import Rotation
    # return Rotation.from_euler("zyx", [roll, yaw, pitch]).as_matrix()
    ### wrong
    # from scipy.spatial.transform import Rotation
    # return Rotation.from_euler("xyz", [pitch, yaw, roll]).as_matrix().T
    ### wrong
    # from scipy.spatial.transform import Rotation
    # return Rotation.from_euler("xyz", [pitch, -yaw, roll]).as_matrix()
    ### end


# %% tags=["check"]
def package_rotation(*angles):
    return rotation_from_angles(torch.tensor(angles, dtype=torch.float64))


check(
    "rotation",
    rotation,
    [
        ((0.4, 0.0, 0.0), package_rotation(0.4, 0.0, 0.0), "pitch > 0 takes z down, to -y"),
        ((0.0, 0.4, 0.0), package_rotation(0.0, 0.4, 0.0), "yaw > 0 takes z to the right, to +x"),
        ((0.3, -0.5, 0.2), package_rotation(0.3, -0.5, 0.2), "pitch acts first, roll last"),
    ],
)

# %% [markdown]
# **2. The camera.** From points of the head to pixels: rotate, translate, project. The check compares with
# `to_world` and `project`.


# %% tags=["exercise"]
def to_pixels(points, angles, trans, size_px):
    """points (N, 3) dm, angles (3,), trans (3,) -> (N, 2) pixels of an image of size_px."""
    turn = rotation_from_angles(torch.as_tensor(angles)).numpy()  # for column vectors
    ### solution
    x, y, z = (points @ turn.T + trans).T
    focal, centre, depth = 1015 * size_px / 224, size_px / 2, 10 - z
    return np.stack([centre + focal * x / depth, centre - focal * y / depth], 1)
    ### wrong
    # x, y, z = (points @ turn + trans).T
    # focal, centre, depth = 1015 * size_px / 224, size_px / 2, 10 - z
    # return np.stack([centre + focal * x / depth, centre - focal * y / depth], 1)
    ### wrong
    # x, y, z = ((points + trans) @ turn.T).T
    # focal, centre, depth = 1015 * size_px / 224, size_px / 2, 10 - z
    # return np.stack([centre + focal * x / depth, centre - focal * y / depth], 1)
    ### wrong
    # x, y, z = (points @ turn.T + trans).T
    # return np.stack([size_px / 2 + 101.5 * x, size_px / 2 - 101.5 * y], 1)
    ### end


# %% tags=["check"]
seeded = np.random.default_rng(0)
cloud, turned_by, moved_by = (
    seeded.normal(size=(6, 3)),
    np.array([0.2, -0.4, 0.1]),
    np.array([0.3, -0.2, 1.0]),
)


def package_pixels(points, angles, trans, size_px):
    world = to_world(*(torch.as_tensor(part)[None] for part in (points, angles, trans)))
    return project(world[0], Camera(size_px))[0]


cases = [
    (cloud, np.zeros(3), np.zeros(3), 224),
    (cloud, turned_by, moved_by, 224),
    (cloud, turned_by, moved_by, 256),
]
hints = "depth is 10 - z", "turn first, then move", "the focal length grows with the image"
check(
    "camera", to_pixels, [(case, package_pixels(*case), hint) for case, hint in zip(cases, hints)]
)

# %% [markdown]
# **3. One step of Gauss-Newton.** The camera sees points of known shape; where are they?
# With the residual $\mathbf r = \pi(\mathbf X_l + \mathbf p) - \mathbf y_l$ and its derivative with respect to
# $\mathbf p$,
#
# $$J_l = \begin{pmatrix} f/\zeta & 0 & f X/\zeta^2 \\ 0 & -f/\zeta & -f Y/\zeta^2 \end{pmatrix},$$
#
# return the next translation, $\mathbf p - (J^\top J)^{-1} J^\top \mathbf r$. The check compares
# with a step whose derivatives torch computes, from several starting points.


# %% tags=["exercise"]
def next_translation(points, trans, seen_px):
    """points (N, 3) dm, trans (3,) dm, seen_px (N, 2) in a 224 px image -> (3,) dm."""
    focal, centre = 1015.0, 112.0
    ### solution
    x, y, z = (points + trans).T
    depth, zero = 10 - z, np.zeros(len(points))
    r = np.stack([centre + focal * x / depth, centre - focal * y / depth], 1) - seen_px
    j_u = np.stack([focal / depth, zero, focal * x / depth**2], 1)
    j_v = np.stack([zero, -focal / depth, -focal * y / depth**2], 1)
    j = np.stack([j_u, j_v], 1).reshape(-1, 3)
    return trans - np.linalg.solve(j.T @ j, j.T @ r.reshape(-1))
    ### wrong
    # x, y, z = (points + trans).T
    # depth, zero = 10 - z, np.zeros(len(points))
    # r = np.stack([centre + focal * x / depth, centre - focal * y / depth], 1) - seen_px
    # j = np.stack([np.stack([focal / depth, zero], 1), np.stack([zero, -focal / depth], 1)], 1).reshape(-1, 2)
    # return trans - np.append(np.linalg.solve(j.T @ j, j.T @ r.reshape(-1)), 0.0)
    ### wrong
    # x, y, z = (points + trans).T
    # depth, zero = 10 - z, np.zeros(len(points))
    # r = np.stack([centre + focal * x / depth, centre - focal * y / depth], 1) - seen_px
    # j_u = np.stack([focal / depth, zero, focal * x / depth**2], 1)
    # j_v = np.stack([zero, -focal / depth, -focal * y / depth**2], 1)
    # j = np.stack([j_u, j_v], 1).reshape(-1, 3)
    # return trans + np.linalg.solve(j.T @ j, j.T @ r.reshape(-1))
    ### end


# %% tags=["check"]
def reference_step(points, trans, seen_px):
    """The same by torch's derivatives."""
    spots, seen = torch.as_tensor(points), torch.as_tensor(seen_px)

    def residual(p):
        return (project(spots + p, Camera())[0] - seen).reshape(-1)

    at = torch.as_tensor(trans)
    j = torch.autograd.functional.jacobian(residual, at)
    return (at - torch.linalg.lstsq(j, residual(at)[:, None]).solution[:, 0]).numpy()


true_place, begin = np.array([0.4, -0.3, 1.2]), np.zeros(3)
seen_px = project(torch.as_tensor(cloud + true_place), Camera())[0].numpy()
after_four = begin
for _ in range(4):
    after_four = reference_step(cloud, after_four, seen_px)
assert np.allclose(after_four, true_place, atol=1e-4)
check(
    "Gauss-Newton",
    next_translation,
    [
        ((cloud, true_place, seen_px), true_place, "nothing is left to do where r = 0"),
        (
            (cloud, begin, seen_px),
            reference_step(cloud, begin, seen_px),
            "depth matters: third column of J",
        ),
        ((cloud, after_four + 0.1, seen_px), reference_step(cloud, after_four + 0.1, seen_px)),
    ],
)

# %% [markdown]
# ## Summary
# - 257 numbers: who (identity, texture), how lit, and, for each frame, what the face does and where
#   the head is.
# - Unit variance makes 2 mean "two standard deviations", and $|\boldsymbol\alpha|^2$ a prior.
# - One crop, one identity, one texture and one light per clip; expression and pose per frame.
# - All frames are solved together, because they share the identity; each is eliminated by itself.
# - The pixels enter the same equations: a point moves over the picture and turns in the light. They
#   also determine what landmarks cannot: texture and light.
#
# **What the paper says.** It takes the coefficients from a network (Deng et al., its ref. 39; Sec. 3.1). **What the published code does.** It runs the network
# frame by frame, with a crop per frame. **What we do.** We minimise landmark and pixel errors over
# the whole clip: slower per frame than a network, but with no weights to download, one identity by
# construction, and no jitter from the crop. Deep3D's `.mat` files can be used instead of `fit.npz`
# (section 12).
#
# **Next**: [02](02_mfcc_pose_correlation.ipynb) asks how the voice and the head pose are related.
