# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Rendering, albedo and backgrounds
#
# **You will be able to**
# - say which triangle a pixel sees, and compute its barycentric coordinates;
# - light a face with 27 numbers;
# - tell a low-frequency albedo from a detailed one, and say what each is good for;
# - find a background for a predicted head pose, and say how much of the final motion came from
#   the sound and how much from the background.
#
# **Before**: notebooks 01 and 03. **Time**: about half a minute (quick), a minute (full).
# **In**: the clip, `fit.npz`, `predicted.npz`. **Out**: `background.npz` (which frame lies behind
# which, and the pose to render) and `images_train.npz`, `images_held_back.npz`,
# `images_speech.npz`, the coarse pictures that notebook 05 refines.

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
seed: int = 0  # of everything random
albedo: str = "low"  # low (texture coefficients) or detailed (a frame's own pixels)
pose_mode: str = "paper"  # paper (adjusted to the background) or published (replaced by its pose)
rasterizer: str = "auto"  # auto, numba or pytorch3d

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from tfhkit.series import explore, open_step

step = open_step(
    "04_rendering",
    clip=clip,
    speech=speech,
    out=out,
    profile=profile,
    seed=seed,
    own={"albedo": albedo, "pose_mode": pose_mode, "rasterizer": rasterizer},
)

# %%
from tfhkit.errors import ParameterError
from tfhkit.face import load_model
from tfhkit.fit import Fit
from tfhkit.media import open_clip

if albedo not in ("low", "detailed"):
    raise ParameterError("albedo", f"must be low or detailed, got {albedo!r}", "choose one")
fit = Fit.load(step.input("01_3dmm_fitting", "fit.npz"))
predicted = np.load(step.input("03_lstm_training", "predicted.npz"))
model, video = load_model(), open_clip(step.clip_path)

# %% [markdown]
# ## Which triangle does a pixel see?
#
# Project the vertices. For every triangle, visit the pixels whose centre it covers, and keep the
# triangle if it is nearer than what the pixel has seen so far: that is a **z-buffer**. The result
# is one face number per pixel, and nothing else is needed: with $\mathbf p_a, \mathbf p_b, \mathbf p_c$
# the offsets of the three corners from the pixel's ray (each at its own depth), the seen point
# $u\,a + v\,b + w\,c$ has offset zero, so
#
# $$u : v : w = \mathbf p_b\times\mathbf p_c \;:\; \mathbf p_c\times\mathbf p_a \;:\;
# \mathbf p_a\times\mathbf p_b .$$
#
# These are differentiable in the vertices, although the face number is not.

# %%
from tfhkit.camera import Camera
from tfhkit.render import choose_albedo_frame, eyes_open, rasterize
from tfhkit.render.shading import posed_verts

camera = Camera(224)
usable = eyes_open(fit.landmarks_px) & ~fit.gap
calm = choose_albedo_frame(fit.coefficients, usable)
person = fit.coefficients[[calm]].map(torch.as_tensor)
turned = replace(person, angles=torch.tensor([[0.1, 0.5, 0.0]]))
verts = posed_verts(model, turned)
fragments = rasterize(verts, model.faces, camera, rasterizer)
covered = fragments.covered[0].numpy()

# %%
ids = fragments.pix_to_face[0, ..., 0].numpy()
depth = np.where(covered, fragments.zbuf[0, ..., 0].numpy(), np.nan)
close = rasterize(verts, model.faces, Camera(12 * 224), rasterizer)  # each pixel as 12 x 12
weights = close.bary_coords[0, 1100:1300, 1600:1800, 0].numpy().clip(0, 1)
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
axes[0].imshow(np.where(covered, ids * 7919 % 256, np.nan), cmap="cividis")
distance = axes[1].imshow(depth, cmap="viridis_r")
axes[2].imshow(weights)
for axis, title in zip(
    axes, ("face number (shuffled)", "depth (dm)", "barycentrics, 17 x 17 px of it")
):
    axis.set(title=title, xticks=[], yticks=[])
figure.colorbar(distance, ax=axes[1], shrink=0.8)
plt.show()

# %% [markdown]
# **What to see.** The tip of the nose is nearest. In the close-up each triangle runs from red over
# green to blue, corner to corner.
#
# If the barycentric coordinates are right, the interpolated *position* of every pixel projects
# back to that pixel.

# %%
from tfhkit.camera import project
from tfhkit.render import interpolate

points, _ = project(interpolate(fragments, model.faces, verts), camera)
row, column = torch.nonzero(fragments.covered[0], as_tuple=True)
centre = torch.stack([column, row], -1) + 0.5
error_px = (points[0, row, column] - centre).abs().max().item()
print(f"largest error of {len(row):,} pixels: {error_px:.1e} px")
assert error_px < 0.02

# %% [markdown]
# ## The same with pytorch3d
#
# pytorch3d looks from the other side: x to the left, z away from the camera. Its classes take our
# camera in pixels; the rest is theirs. On a GPU it is the first choice. On a CPU it compares every
# pixel with every face, so here the picture is small.

# %%
import time

from tfhkit.errors import MissingBackend
from tfhkit.render.fragments import choose_backend

small = Camera(64)
try:
    choose_backend("pytorch3d", "cpu")
    backends = ("numba", "pytorch3d")
except MissingBackend as reason:
    backends = ("numba",)
    print(reason)
if len(backends) == 2:
    from pytorch3d.structures import Meshes

    from tfhkit.render.pytorch3d_backend import make_camera, make_rasterizer

    print(make_camera(small).get_world_to_view_transform().get_matrix()[0].numpy())
    theirs = make_rasterizer(small)(Meshes(verts, model.faces[None]))
    ours = rasterize(verts, model.faces, small, "numba")
    same = (ours.pix_to_face == theirs.pix_to_face)[..., 0][ours.covered].float().mean().item()
    print(f"the same face in {100 * same:.2f} % of the pixels")
    assert same > 0.999


# %%
for backend in backends:
    start = time.perf_counter()
    rasterize(verts, model.faces, small, backend)
    print(f"{backend:9s} {1000 * (time.perf_counter() - start):8.1f} ms for 64 x 64 pixels")

# %% [markdown]
# `tfhkit bench raster` compares them at 256 x 256 pixels and several numbers of faces.
#
# ## What do the 27 light coefficients do?
#
# $$C(\mathbf n_i, \mathbf t_i, \gamma) = \mathbf t_i \sum_{b=1}^{9} \gamma_b\,\Phi_b(\mathbf n_i)
# \qquad \text{(Sec. 3.1)}$$
#
# $\Phi_b$ are spherical harmonics: one constant, three that grow along an axis, five of second
# order; $\gamma$ has nine for each colour channel. Two signs each, on a white head:

# %%
from tfhkit.render import render

white = torch.full((len(model.mean_shape), 3), 0.7)


def lit(light):
    """The person's head in white under a light of (B, 27)."""
    heads = replace(person, angles=torch.zeros(1, 3))[[0] * len(light)]
    return render(model, replace(heads, light=light), Camera(112), white, "all", rasterizer)


bands = torch.zeros(18, 3, 9)
for band in range(9):
    bands[band, :, band], bands[9 + band, :, band] = 0.4, -0.4
pictures = lit(bands.reshape(18, 27)).numpy()

# %%
figure, axes = plt.subplots(2, 9, figsize=(10, 2.6))
for i, axis in enumerate(axes.flat):
    axis.imshow(pictures[i])
    axis.set(xticks=[], yticks=[])
    axis.set_title(f"band {i % 9}" if i < 9 else "", fontsize=8)
axes[0, 0].set_ylabel("+0.4")
axes[1, 0].set_ylabel("-0.4")
plt.show()

# %% [markdown]
# **What to see.** Band 0 is brightness (0.8 is added to it, so that all zeros is no darkness); 1, 2
# and 3 are light from below, from the front and from the image's left; the others shape
# contrast between sides.
#
# ### Explore: pose and light of the fitted person


# %%
def head(yaw=25.0, pitch=0.0, light=0.0):
    """The fitted person, turned and lit from one side."""
    angles = torch.tensor([[pitch, yaw, 0.0]]).deg2rad()
    change = torch.zeros(3, 9)
    change[:, 3] = -light
    new = replace(person, angles=angles, light=person.light + change.reshape(1, 27))
    rgba = render(model, new, Camera(256), region="all", backend=rasterizer)[0].numpy()
    return rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]


explore(head, yaw=(-40.0, 40.0), pitch=(-30.0, 30.0), light=(-0.8, 0.8))

# %% [markdown]
# ## Pictures with gradients
#
# Because the barycentrics are differentiable, the pose can be found from a picture: start beside
# it, render, compare, follow the gradient. (It does not see the outline move, only the colours
# inside; that is enough when the start is near.)

# %%
coarse, tiny = load_model(subdivide=False), Camera(64)  # a lighter mesh, the same coefficients
target = render(coarse, person, tiny)
pose = (person.angles + torch.tensor([[0.05, -0.08, 0.04]])).requires_grad_()
optimiser = torch.optim.Adam([pose], lr=0.006)
track = []
for _ in range(40):
    guess = render(coarse, replace(person, angles=pose), tiny)
    loss = (guess - target)[target[..., 3] == 1].abs().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    track.append(torch.rad2deg(pose - person.angles).detach()[0])

# %%
figure, axis = plt.subplots(figsize=(5, 2.6))
for name, line, colour in zip(
    ("pitch", "yaw", "roll"), torch.stack(track).T, ("#0072B2", "#D55E00", "#009E73")
):
    axis.plot(line, label=name, color=colour)
axis.set(xlabel="step", ylabel="error (degrees)")
axis.legend(frameon=False)
plt.show()
assert track[-1].abs().max() < 2.0

# %% [markdown]
# ## Low-frequency or detailed albedo?
#
# The texture coefficients give a smooth, *low-frequency* albedo. A *detailed* one comes from a
# frame: project the vertices, take the pixel's colour, divide by the irradiance (Sec. 3.3.1). The
# paper takes the frame with the most neutral expression and the smallest angles (we also ask for
# open eyes: a blink hardly shows in the coefficients, but would stay in the albedo). A vertex that the
# frame does not show must be left out, then filled from its mirror side and from the model: the
# published code has no such test, and paints hidden cheeks with what covers them.

# %%
from tfhkit.background.images import read_crops
from tfhkit.render import detailed_albedo

n_train = min(int(predicted["held_back_frames"][0]), step.settings.max_train_frames)
calm = choose_albedo_frame(fit.coefficients[:n_train], usable[:n_train])
sideways = int((np.abs(fit.coefficients.angles[:n_train, 1]) * usable[:n_train]).argmax())
crops = dict(read_crops(video, fit.crop, sorted({calm, sideways}), 224))


def frame_albedo(frame, visibility=True):
    return detailed_albedo(model, fit.coefficients[[frame]], crops[frame], visibility=visibility)


detailed = frame_albedo(calm)
choices = {
    "low-frequency": None,
    f"detailed, frame {calm}": detailed,
    f"detailed, frame {sideways}": frame_albedo(sideways),
    f"frame {sideways}, no visibility test": frame_albedo(sideways, visibility=False),
}

# %%
figure, axes = plt.subplots(2, 5, figsize=(10, 4.2))
for axis, frame in zip(axes[:, 0], (calm, sideways)):
    axis.imshow(crops[frame])
    axis.set_title(f"real, frame {frame}", fontsize=8)
for rows, yaw in zip(axes, (0.0, 0.6)):
    view = replace(person, angles=torch.tensor([[0.0, yaw, 0.0]]))
    for axis, (name, colours) in zip(rows[1:], choices.items()):
        rgba = render(model, view, Camera(224), colours, backend=rasterizer, supersample=2)[0]
        axis.imshow((rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]).numpy())
        axis.set_title(name, fontsize=8)
for axis in axes.flat:
    axis.axis("off")
plt.show()

# %% [markdown]
# **What to see.** The detailed albedo has this person's eyes, brows and skin; it also has that frame's
# shadows, and whatever the fit put a little beside its place. It is one frozen moment: its closed or open mouth
# does not fit other expressions. That is why the paper uses it for the general training and takes
# the low-frequency one for a person of whom there are hundreds of frames. (The published code uses
# the low-frequency one throughout.)

# %% [markdown]
# ## A background for every pose
#
# The rendering has a face but no hair and no shoulders. Sec. 3.3.2: take *key frames* of the
# predicted pose, where the head is turned most; give each the source frame with the nearest
# pose; interpolate the place in the source between them. Then fit the pose to the background.

# %%
from tfhkit.background import match_background

source = fit.coefficients[:n_train].pose
matches = {}
for name in ("held_back", "speech"):
    matches[name] = match_background(
        predicted[f"{name}_pose"],
        source,
        predicted[f"{name}_times"],
        fit.times[:n_train],
        mode=pose_mode,
    )

# %%
figure, axes = plt.subplots(4, 2, figsize=(10, 6), sharex="col")
for column, (name, match) in zip(axes.T, matches.items()):
    times = predicted[f"{name}_times"]
    tracks = {"from the sound": (predicted[f"{name}_pose"], "#D55E00")}
    tracks["background's"] = (source[match.source_index], "0.6")
    tracks["rendered"] = (match.pose, "#0072B2")
    for axis, row in zip(column, (0, 1, 2)):
        for label, (track, colour) in tracks.items():
            axis.plot(times, np.degrees(track[:, row]), color=colour, lw=1.2, label=label)
        axis.plot(
            times[match.key_frames], np.degrees(match.pose[match.key_frames, row]), "k.", ms=4
        )
        axis.set_ylabel(("pitch", "yaw", "roll")[row] + " (degrees)", fontsize=8)
    column[3].plot(times, match.source_index, color="k", lw=1)
    column[3].set(xlabel="time (s)", ylabel="source frame")
    column[0].set_title(name.replace("_", " "), fontsize=9)
axes[0, 0].legend(fontsize=7, frameon=False, ncol=3)
plt.show()


# %% [markdown]
# **What to see.** Dots are key frames. The background runs forwards and backwards through the source.
# How much of the rendered motion came from the sound? Write the rendered angles as a mix of the
# other two tracks and look at the weights.


# %%
def share_of_sound(name):
    match, angles = matches[name], slice(0, 3)
    sound, behind, drawn = (
        np.diff(track[:, angles], axis=0).ravel()
        for track in (predicted[f"{name}_pose"], source[match.source_index], match.pose)
    )
    moved = sound - behind
    return float((moved * (drawn - behind)).sum() / max((moved**2).sum(), 1e-12))


shares = {name: share_of_sound(name) for name in matches}
for name, share in shares.items():
    print(
        f"{name}: {100 * share:.0f} % of the pose's motion is the sound's, the rest the background's"
    )

# %% [markdown]
# ## The coarse images
#
# A background frame shows the person with an expression of its own: an open mouth in the
# background would leave a second chin below the rendered one. So the source's own face is taken out
# first and filled from around it; then the rendering goes on top. Training images are made in the
# same way, so that the refiner of notebook 05 sees the same kind of picture in both.

# %%
from tfhkit.background.images import driven_images, training_images

chosen = detailed if albedo == "detailed" else None
size_px = step.settings.refine_px
train_frames = np.flatnonzero(~fit.gap[:n_train])
common = {"albedo": chosen, "backend": rasterizer, "progress": step.progress}
images = {"train": training_images(video, fit, model, size_px, train_frames, seed=seed, **common)}

# %%
for name, match in matches.items():
    real = predicted["held_back_frames"] if name == "held_back" else None
    exp = predicted[f"{name}_exp"]
    images[name] = driven_images(
        video, fit, model, exp, match.pose, match.source_index, size_px, real, **common
    )
    print(f"{name}: {len(exp)} frames")

# %%
figure, axes = plt.subplots(4, 6, figsize=(9, 6.2))
rows = [("train", "real"), ("train", "render"), ("held_back", "render"), ("speech", "render")]
for line, (name, kind) in zip(axes, rows):
    pictures = images[name][kind]
    for axis, i in zip(line, np.linspace(0, len(pictures) - 1, 6).astype(int)):
        axis.imshow(pictures[i])
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(f"{name.replace('_', ' ')}\n{kind}", fontsize=8)
plt.show()

# %% [markdown]
# **What to see.** The face is plain and its edge is blurred; pose, mouth and light are right. What is missing (eyes
# that look, teeth, skin, the seam) is the refiner's work.

# %%
from tfhkit.media import atomic_path

for name, content in images.items():
    with atomic_path(step.path(f"images_{name}.npz")) as temporary:
        np.savez(temporary, **content)
background = {f"{name}_source_index": match.source_index for name, match in matches.items()}
background |= {f"{name}_pose": match.pose for name, match in matches.items()}
with atomic_path(step.path("background.npz")) as temporary:
    np.savez(temporary, **background)

# %%
train = images["train"]
inside = train["mask"] == 255
error = (train["render"][inside].astype(float) - train["real"][inside]) / 255
psnr_db = -10 * np.log10((error**2).mean())
print(f"rendering against real inside the face, training frames: {psnr_db:.1f} dB")
assert psnr_db > 12, "the rendering does not look like the clip: see notebook 01's overlays"

# %%
step.finish(
    {
        "train_images": len(train["frames"]),
        "psnr_face_db": float(psnr_db),
        "sound_share_held_back": shares["held_back"],
        "sound_share_speech": shares["speech"],
        "albedo_frame": calm,
    },
    backends={"rasterizer": choose_backend(rasterizer, "cpu")},
)

# %% [markdown]
# ## Exercises
#
# **1. Perspective.** Barycentric coordinates measured in the flat picture are not those on the
# tilted triangle: far corners get too much. Given the flat ones and the depths of the corners,
# return the perspective-correct ones. (1/depth is what varies linearly in a picture.)

# %% tags=["exercise"]
import numpy as np

from tfhkit.series import NotAttempted, check


def perspective(flat, depths):
    """(3,) flat barycentrics and (3,) depths of the corners -> (3,) perspective-correct ones."""
    ### solution
    weights = np.asarray(flat) / np.asarray(depths)
    return weights / weights.sum()
    ### wrong
    # weights = np.asarray(flat) * np.asarray(depths)
    # return weights / weights.sum()
    ### wrong
    # return np.asarray(flat) / np.asarray(depths)
    ### end


# %% tags=["check"]
check(
    "perspective-correct barycentrics",
    perspective,
    [
        (([0.2, 0.3, 0.5], [10.0, 10.0, 10.0]), np.array([0.2, 0.3, 0.5])),
        (([0.5, 0.5, 0.0], [1.0, 3.0, 2.0]), np.array([0.75, 0.25, 0.0]), "the near corner wins"),
        (([1 / 3, 1 / 3, 1 / 3], [1.0, 2.0, 4.0]), np.array([4, 2, 1]) / 7),
    ],
)

# %% [markdown]
# **2. Light.** Shade vertices with nine bands per channel. `sh_basis` is given. Mind the order of the 27
# numbers, and what is added to band 0.

# %% tags=["exercise"]
import torch

from tfhkit.face.lighting import sh_basis, shade_sh
from tfhkit.series import check


def shade(albedo, normals, light):
    """albedo (V, 3), normals (V, 3), light (27,) -> (V, 3)."""
    basis = sh_basis(normals)  # (V, 9)
    ### solution
    gamma = light.reshape(3, 9).clone()
    gamma[:, 0] += 0.8
    return albedo * (basis @ gamma.T)
    ### wrong
    # return albedo * (basis @ light.reshape(3, 9).T)
    ### wrong
    # gamma = light.reshape(9, 3).clone()
    # gamma[0] += 0.8
    # return albedo * (basis @ gamma)
    ### end


# %% tags=["check"]
draw = torch.Generator().manual_seed(0)
skin = torch.rand(5, 3, generator=draw)
outwards = torch.nn.functional.normalize(torch.randn(5, 3, generator=draw), dim=-1)
lamp = 0.3 * torch.randn(27, generator=draw)
check(
    "SH shading",
    shade,
    [
        ((skin, outwards, torch.zeros(27)), 0.7090 * skin, "0.8 belongs to band 0"),
        ((skin, outwards, lamp), shade_sh(skin[None], outwards[None], lamp[None])[0]),
    ],
)

# %% [markdown]
# ## Summary
# - A rasteriser decides which face a pixel sees; everything else is a differentiable formula.
# - Low-frequency albedo moves well, detailed albedo looks well.
# - Backgrounds come from the source by key frames; the head in front is turned to fit them.
#
# **What the paper says.** Detailed albedo for the general mapping, low-frequency for the personal one; the
# pose is "modified to fit the background". **What we found.** The published code renders with the low-frequency
# albedo always, without a visibility test in the detailed one, and *replaces* the predicted pose by
# the background's: then none of the motion's shape comes from the sound, only its timing
# (`pose_mode="published"`). It also trains on composites that it does not use afterwards; here both
# are made in one way.
#
# **Next**: 05 turns these pictures into frames.
