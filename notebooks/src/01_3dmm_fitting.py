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
# **You will be able to**
# - say what the 257 numbers of Sec. 3.1 mean, and move each of them;
# - find a speaker's 68 landmarks in every frame of a clip;
# - recover one identity for the clip, and an expression and a pose for each frame, by
#   Gauss-Newton on all frames at once;
# - read off how good a fit is, and where it is unsure.
#
# **Before**: notebook 00. **Time**: about half a minute (quick), the same (full).
# **In**: a clip. **Out**: `fit.npz`, the coefficients that every later notebook uses.

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
seed: int = 0  # of everything random
landmark_backend: str = "auto"  # auto, fan or dlib
smooth_weight: float = 0.5  # pull of each frame to its neighbours
face_model: str = "open"  # open, bfm09 or ict; the later notebooks use what was fitted here
face_model_path: str = ""  # BFM_model_front.mat, or the folder FaceXModel

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from tfhkit.series import explore, open_step

step = open_step(
    "01_3dmm_fitting",
    clip=clip,
    speech=speech,
    out=out,
    profile=profile,
    seed=seed,
    own={
        "landmark_backend": landmark_backend,
        "smooth_weight": smooth_weight,
        "face_model": face_model,
        "face_model_path": face_model_path,
    },
)

# %% [markdown]
# ## What is a morphable model?
#
# A mean head and directions in which heads differ. The shape of a face is
#
# $$\mathbf S = \bar{\mathbf S} + \mathbf B_{id}\,\boldsymbol\alpha + \mathbf B_{exp}\,\boldsymbol\beta,
# \qquad \mathbf T = \bar{\mathbf T} + \mathbf B_{tex}\,\boldsymbol\delta \qquad \text{(Sec. 3.1)}$$
#
# with 80 identity, 64 expression and 80 texture coefficients. Three angles, three translations and
# 27 numbers for the light make it 257. The model here is open: it is built from MakeHuman's shapes.

# %%
from tfhkit.face import load_model
from tfhkit.series.places import resolve_model

model = load_model(face_model, resolve_model(face_model_path))
print(f"{len(model.mean_shape):,} vertices, {len(model.faces):,} triangles")

# %%
from tfhkit.camera import Camera
from tfhkit.coefficients import neutral
from tfhkit.fit.plots import over, show_frames
from tfhkit.render import render

grey = np.full((224, 224, 3), 235, np.uint8)
studio = torch.zeros(1, 3, 9)
studio[:, :, 0] = 0.05
studio[:, :, 1:4] = torch.tensor([-0.15, 0.25, 0.12])  # from above, the front, the left


def head(region="all", **parts):
    """Render one head with some parts of the vector changed."""
    face = replace(neutral(1).map(torch.as_tensor), light=studio.reshape(1, 27))
    face = replace(face, **parts)
    with torch.no_grad():
        return over(grey, render(model, face, Camera(224), region=region, supersample=2)[0])


# %% [markdown]
# One coefficient at a time: two standard deviations along the first directions of each basis.

# %%
def along(part, index, amount, size):
    vector = torch.zeros(1, size)
    vector[0, index] = amount
    return head(**{part: vector})


rows = [("id", 0, 80), ("id", 1, 80), ("exp", 0, 64), ("tex", 0, 80)]
pictures = [along(part, i, sign * 2.5, n) for part, i, n in rows for sign in (-1, 1)]
titles = [f"{part}[{i}] {sign:+.1f} sd" for part, i, _ in rows for sign in (-2.5, 2.5)]
show_frames(pictures, titles, columns=4)
plt.show()

# %% [markdown]
# **What to see.** Identity changes the bone and the fat, expression the muscles, texture the skin:
# three separate causes of one picture.
#
# ### Explore: named actions, pose
# Expression coefficients are abstract; `model.actions` says how far each of the 52 named facial
# actions moves along them. In a live JupyterLab the sliders below move the head.

# %%
def pose_head(jaw_open=0.6, smile=0.0, pitch=0.0, yaw=20.0, roll=0.0):
    names = list(model.action_names)
    weights = torch.zeros(1, len(names))
    weights[0, names.index("jawOpen")] = jaw_open
    for side in ("mouthSmileLeft", "mouthSmileRight"):
        weights[0, names.index(side)] = smile
    angles = torch.tensor([[pitch, yaw, roll]]).deg2rad()
    return head(exp=weights @ model.actions, angles=angles)


# %%
explore(
    lambda **values: plt.imshow(pose_head(**values)) and plt.axis("off"),
    jaw_open=(0.0, 1.0, 0.6),
    smile=(0.0, 1.0, 0.0),
    pitch=(-30.0, 30.0, 0.0),
    yaw=(-40.0, 40.0, 20.0),
    roll=(-30.0, 30.0, 0.0),
)

# %% [markdown]
# **Positive directions** (`tfhkit.camera`): pitch nods down, yaw turns the nose to the image's
# right, roll tilts the top of the head to the image's left.

# %%
turns = [head(angles=torch.eye(3)[None, axis] * 0.45) for axis in range(3)]
show_frames([head(), *turns], ["rest", "pitch > 0", "yaw > 0", "roll > 0"])
plt.show()

# %% [markdown]
# ## Where are the landmarks?
# 68 points (iBUG order) on the main speaker of the clip, with sub-pixel places, smoothed with care
# for the lips; short gaps are bridged and flagged.

# %%
from tfhkit.landmarks import detect
from tfhkit.media import open_clip

video = open_clip(step.clip_path)
landmarks = detect(video, backend=landmark_backend, progress=step.progress)
print(f"{len(video)} frames, backend {landmarks.backend}, {landmarks.gap.sum()} bridged")

# %%
from tfhkit.fit.clip import read_frames

shown = np.linspace(0, len(video) - 1, 4).astype(int)
frames = read_frames(video, shown)
show_frames(frames, [f"{video.times[i]:.1f} s" for i in shown], landmarks.points_px[shown], 2, 4.2)
plt.show()

# %% [markdown]
# ## From 136 numbers per frame to 257
#
# The projection of landmark vertex $l$ in frame $t$ should meet the detected landmark
# $\mathbf y_{tl}$. With rotation $R_t$, translation $\mathbf p_t$ and projection $\pi$, minimise
#
# $$\sum_{t,l} w_{tl}\,\rho\big(\pi(R_t \mathbf S_l(\boldsymbol\alpha,\boldsymbol\beta_t) + \mathbf p_t)
# - \mathbf y_{tl}\big) + |\boldsymbol\alpha|^2 + \lambda\sum_t |\boldsymbol\beta_t|^2 + \text{smoothness}$$
#
# The identity $\boldsymbol\alpha$ is one for the clip, so all frames must be solved together. They
# meet only in $\boldsymbol\alpha$: each Gauss-Newton step eliminates the frames one by one (Schur
# complement), and its cost grows with the number of frames only linearly.

# %%
from tfhkit.camera import project
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import bundle_step, initial_state, reproject
from tfhkit.fit.clip import settings_for
from tfhkit.fit.crop import clip_crop

camera = Camera()
mean_px = project(model.mean_shape[model.landmark_ids], camera)[0].numpy()
crop = clip_crop(landmarks.points_px, mean_px)
points = torch.as_tensor(crop.to_crop(landmarks.points_px), dtype=torch.float64)
print(f"one crop for the clip: {224 / crop.scale:.0f} frame pixels become 224")

# %%
settings = settings_for(video.times)
settings = replace(settings, smooth_weight=settings.smooth_weight * smooth_weight / 0.5)
confidence = torch.as_tensor(np.where(landmarks.gap, 0.05, 1.0))
basis = landmark_basis(model)
state, errors = initial_state(points, basis, camera), []
for _ in range(8):
    error = (reproject(basis, state, camera) - points)[:, 17:].norm(dim=-1)
    errors.append(error.mean().item())
    state = bundle_step(basis, state, points, confidence, camera, settings)

# %%
figure, axis = plt.subplots(figsize=(5, 2.6))
axis.semilogy(errors, "o-", color="#0072B2")
axis.set(xlabel="Gauss-Newton step", ylabel="mean error (crop px)")
axis.spines[["top", "right"]].set_visible(False)
plt.show()
assert errors[-1] < 0.5 * errors[0], "the fit should at least halve the error of the mean head"

# %% [markdown]
# **What to see.** Step 0 is the mean head in its best weak-perspective pose. A few steps explain
# most of the rest; what remains is the tracker's noise and what no face of the model can do.
#
# ## Texture and light, and the finished fit
# With the geometry known, the irradiance
# $C(\mathbf n, \mathbf t, \gamma) = \mathbf t \sum_b \gamma_b \Phi_b(\mathbf n)$ is linear in the light
# for a given texture and the other way round: `fit_clip` solves them in turn, robustly.

# %%
from tfhkit.fit import fit_clip

fit = fit_clip(
    video, landmarks, model, settings, step.settings.texture_frames, progress=step.progress
)
fit.save(step.path("fit.npz"))
for name in ("nme_inner_pct", "nme_mouth_pct", "id_rms", "exp_rms", "jitter_deg", "photometric_l1"):
    print(f"{name:16s} {fit.report[name]:.3f}")

# %%
from tfhkit.fit.plots import overlay

pairs = [overlay(model, fit, frame, i) for frame, i in zip(frames, shown)]
show_frames([image for pair in zip(*pairs) for image in pair])
plt.show()

# %% [markdown]
# *Above: the clip; below: the fitted face over it, with the low-frequency albedo of the texture
# coefficients.* Lips, lids and outline should lie on the real ones.

# %%
from tfhkit.fit.plots import show_pose

show_pose(video.times, fit.coefficients.angles)
plt.show()
assert fit.report["nme_inner_pct"] < 6, "the landmarks are far from the model: look at the frames"

# %% [markdown]
# ### Explore: any frame

# %%
reader = video.reader()


def fitted_frame(frame=0):
    image, drawn = overlay(model, fit, reader[frame], frame)
    plt.imshow(np.hstack([image, drawn]))
    plt.axis("off")


explore(fitted_frame, frame=(0, len(video) - 1, len(video) // 2))

# %% [markdown]
# ## Where is it unsure?
# The frames with the largest errors are the first to look at: a turned head, a hand, a blur.

# %%
worst = sorted(fit.report["worst_frames"][:4])
images = read_frames(video, worst)
show_frames([overlay(model, fit, im, i)[1] for im, i in zip(images, worst)], [f"frame {i}" for i in worst])
plt.show()

# %%
step.finish({name: fit.report[name] for name in ("frames", "nme_inner_pct", "nme_mouth_pct", "photometric_l1")})

# %% [markdown]
# ## Summary
# - One crop, one identity, one texture and one light per clip; expression and pose per frame.
# - All frames are solved together, because they share the identity.
#
# **What the paper says.** It takes the coefficients from a network (Deng et al., its ref. 39), frame by frame,
# with a crop per frame. **What we do.** We minimise landmark and pixel errors over the whole clip:
# slower per frame than a network, but with no weights to download, one identity by construction,
# and no jitter from the crop. `fit.npz` can be exchanged with Deep3D's `.mat` files
# (`tfhkit.coefficients.read_mat`, `write_mat`).
#
# **Next**: 02 looks for what the voice has to do with the pose.
