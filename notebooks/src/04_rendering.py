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
# [← 03 LSTM training](03_lstm_training.ipynb) · [the series](00_start_here.ipynb#The-series) · [05 Memory GAN →](05_memory_gan.ipynb)
#
# **You will be able to**
# - say where a vertex is projected, which triangle a pixel sees and where on it, and write a rasteriser;
# - use pytorch3d's own classes for the same, and check one against the other;
# - light a face with 27 numbers (spherical harmonics, SH), and say what they can light and what they cannot;
# - find a head's pose from its picture, by following gradients through the rendering;
# - tell a low-frequency albedo from a detailed one, and say what each is good for;
# - find a background for a predicted head pose, and say how much of the final motion came from
#   the sound and how much from the background.
#
# **Before**: notebooks 01 and 03. **Time**: under a minute (quick), a minute (full).
# **In**: the clip, the speech, `fit.npz` (01), `mapping.safetensors` (03). **Out**: how the head
# moves, and in front of which frames (`motion_held_back.npz`, `motion_speech.npz`), and the coarse
# pictures that notebook 05 refines (`coarse_train.npz`, `coarse_held_back.npz`, `coarse_speech.npz`).
#
# **Builds on**: Sec. 3.3 of the paper ([arXiv 2002.10137](https://arxiv.org/abs/2002.10137)); edge functions (Pineda 1988);
# SH irradiance (Ramamoorthi and Hanrahan 2001); the renderer of Genova et al. 2018; [pytorch3d](https://pytorch3d.org) (Ravi et al. 2020);
# the Shapley value (Shapley 1953).

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
audio_track: int = 0  # number of the clip's sound track, from 1; 0 takes the one with speech
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
recipe: str = "ours"  # ours, paper (its text) or published (its code), see `tfhkit recipes`
seed: int = 0  # random seed
albedo: str = "low"  # low (from the texture coefficients) or detailed (from a frame's pixels)
pose_mode: str = ""  # paper (pose adjusted to the background), published (its pose) or still; "": recipe's
rasterizer: str = "auto"  # auto, numba or pytorch3d

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from tfhkit.palette import ANGLES, BLUE, GREEN, ORANGE
from tfhkit.pipeline import open_step
from tfhkit.teach import explore

step = open_step("04_rendering", globals())

# %%
from tfhkit.errors import ParameterError
from tfhkit.fit import Fit
from tfhkit.motion import MotionWeights
from tfhkit.person import Person

if albedo not in ("low", "detailed"):
    raise ParameterError("albedo", f"must be low or detailed, got {albedo!r}", "choose one")
fit = Fit.load(step.input("01_3dmm_fitting", "fit.npz"))
mapping = MotionWeights.load(step.input("03_lstm_training", "mapping.safetensors"))
train, held = step.settings.split(len(fit))
parts = train, held
person = Person(step.open_clip(), fit, mapping, None, step.settings, *parts, device=step.device)
model, video = person.model, person.clip

# %% [markdown]
# ## 1 · Where does a vertex land?
#
# The head is turned and moved, $\mathbf X = R\,\mathbf S + \mathbf p$ (notebook 01). The camera
# stands $d = 10$ dm in front of the origin and looks along $-z$, so a point's **depth** is
# $\zeta = d - Z$. Similar triangles give its place in an image of $s$ pixels:
#
# $$u = \tfrac s2 + f\,\frac{X}{\zeta}, \qquad v = \tfrac s2 - f\,\frac{Y}{\zeta},
# \qquad f = 1015\,\frac{s}{224}$$
#
# The minus sign is there because rows of an image run down while $y$ runs up; the centre of the
# first pixel is $(0.5, 0.5)$.

# %%
from tfhkit.camera import DISTANCE, Camera, project
from tfhkit.render import choose_albedo_frame, eyes_open
from tfhkit.render.shading import posed_verts

camera = Camera(224)
usable = eyes_open(fit.landmarks_px) & ~fit.gap
calm = choose_albedo_frame(fit.coefficients, usable)
one_face = fit.coefficients[[calm]].map(torch.as_tensor)  # of one frame, seen from another side
turned = replace(one_face, angles=torch.tensor([[0.1, 0.5, 0.0]]))
verts = posed_verts(model, turned)

# %%
x, y, z = verts[0].T
depth = DISTANCE - z
by_hand = torch.stack([112 + 1015 * x / depth, 112 - 1015 * y / depth], -1)
points_px, _ = project(verts[0], camera)
assert torch.allclose(by_hand, points_px, atol=1e-3)

# %%
from tfhkit.render import interpolate, rasterize

close = rasterize(verts, model.faces, Camera(12 * 224))  # section 3; each pixel as 12 x 12
in_front = close.pix_to_face.unique()[1:]  # the faces that it sees; the first is -1, none
nose = points_px[model.landmark_ids[30]].round().numpy()

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
order = depth.argsort(descending=True)  # the nearest is drawn last
dots = left.scatter(*points_px[order].T, c=depth[order], s=1, cmap="viridis_r")
figure.colorbar(dots, ax=left, label="depth (dm)", shrink=0.8)
left.add_patch(plt.Rectangle((0, 0), 224, 224, fill=False, color="0.4"))
left.set(xlim=(-15, 239), ylim=(239, -15), xlabel="u (px)", ylabel="v (px)", aspect="equal")
left.set_title(f"{model.n_verts:,} vertices")
right.triplot(*points_px.T, model.faces[in_front], lw=0.8, color=BLUE)
right.set(xlim=nose[0] + [-9, 9], ylim=nose[1] + [9, -9], aspect="equal", xlabel="u (px)")
right.set_title("the tip of the nose; squares are pixels")
right.set_xticks(np.arange(-9, 10) + nose[0], minor=True)
right.set_yticks(np.arange(-9, 10) + nose[1], minor=True)
right.grid(which="minor", color="0.75", lw=0.5)
figure.tight_layout()
plt.show()

# %% [markdown]
# **What to see.** All vertices are projected, those at the back of the head too: the picture on
# the left is transparent. On the right are the triangles in front, hardly larger than a pixel. Two
# questions remain: which points does a triangle cover, and which of all triangles is in front?
#
# ## 2 · Which points does a triangle cover?
#
# The **edge function** of a line $\mathbf a\mathbf b$ is twice the signed area of the triangle
# $\mathbf a\mathbf b\mathbf p$:
#
# $$E_{ab}(\mathbf p) = (b_x - a_x)(p_y - a_y) - (b_y - a_y)(p_x - a_x)$$
#
# Its sign says on which side $\mathbf p$ lies. Inside a triangle all three signs agree. Divided by
# the whole area they are weights that sum to 1, the **barycentric coordinates** of $\mathbf p$:
#
# $$\tilde u = \frac{E_{bc}(\mathbf p)}{E_{bc}(\mathbf a)},\quad
# \tilde v = \frac{E_{ca}(\mathbf p)}{E_{ca}(\mathbf b)},\quad
# \tilde w = 1 - \tilde u - \tilde v, \qquad
# \mathbf p = \tilde u\,\mathbf a + \tilde v\,\mathbf b + \tilde w\,\mathbf c$$


# %%
def edge(a, b, p):
    """Twice the signed area of the triangle a, b, p; each (..., 2)."""
    return (b[..., 0] - a[..., 0]) * (p[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (
        p[..., 0] - a[..., 0]
    )


def flat_weights(triangle, p):
    """Barycentrics of p (..., 2) in the picture of a triangle (3, 2): (..., 3)."""
    a, b, c = triangle
    return torch.stack([edge(b, c, p), edge(c, a, p), edge(a, b, p)], -1) / edge(a, b, c)


def pixel_centres(size):
    """(size, size, 2) x, y of every pixel's centre."""
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.stack([column, row], -1) + 0.5


# %%
triangle = torch.tensor([[1.2, 2.1], [14.5, 5.0], [5.3, 14.4]])
centres = pixel_centres(16)
weights = flat_weights(triangle, centres)
inside = (weights >= 0).all(-1)
assert torch.allclose(weights @ triangle, centres, atol=1e-4)

# %%
from matplotlib.patheffects import withStroke

figure, axes = plt.subplots(1, 4, figsize=(11, 3))
halo = [withStroke(linewidth=3, foreground="white")]
outline = triangle[[0, 1, 2, 0]] - 0.5  # imshow puts the pixel centres at whole numbers
for axis, k in zip(axes, (0, 1, 2)):
    limits = {"vmin": -1, "vmax": 1, "cmap": "PuOr"}
    axis.imshow(weights[..., k], **limits)
    axis.set_title(("u: share of a", "v: share of b", "w: share of c")[k])
axes[3].imshow(torch.where(inside[..., None], weights, 1.0).clamp(0, 1))
axes[3].plot(*(centres[inside].T - 0.5), "k.", ms=2)
axes[3].set_title("all three positive")
for axis in axes:
    axis.plot(*outline.T, "k", lw=1)
    for name, corner in zip("abc", triangle):
        place = corner - 0.5 + 0.07 * (corner - triangle.mean(0))
        axis.text(*place, name, ha="center", path_effects=halo)
    axis.set(xticks=[], yticks=[], xlim=(-0.9, 15.5), ylim=(15.5, -0.5))
plt.show()

# %% [markdown]
# **What to see.** Each weight is 1 at its corner, 0 on the opposite side, and linear in between.
# A pixel belongs to the triangle if its *centre* does.
#
# ### Perspective-correct interpolation
#
# Equal steps in a picture are not equal steps on a tilted surface. What *is* linear in the picture is
# $1/\zeta$ (because $X/\zeta$ and $Y/\zeta$ are, and a plane is $n_x X + n_y Y + n_z Z = k$). So
# the weights on the surface itself are
#
# $$u : v : w = \frac{\tilde u}{\zeta_a} : \frac{\tilde v}{\zeta_b} : \frac{\tilde w}{\zeta_c},
# \qquad \frac1\zeta = \frac{\tilde u}{\zeta_a} + \frac{\tilde v}{\zeta_b} + \frac{\tilde w}{\zeta_c}.$$
#
# A floor of two triangles with a checkerboard texture shows the difference:

# %%
floor = torch.tensor([[[-0.2, -0.2, 7.8], [0.2, -0.2, 7.8], [0.2, 0.45, 2.0], [-0.2, 0.45, 2.0]]])
floor_faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
texture_points = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]])
right_one = rasterize(floor, floor_faces, camera, rasterizer)
corner_depth = (DISTANCE - floor[0, :, 2])[floor_faces[right_one.pix_to_face[..., 0]]]
flat = right_one.bary_coords[..., 0, :] * corner_depth  # back to the weights in the picture
flat = (flat / flat.sum(-1, keepdim=True))[..., None, :]


# %%
def chequered(fragments):
    """The floor with 8 x 8 squares."""
    squares = interpolate(fragments, floor_faces, texture_points, empty=-1)[0]
    dark = (8 * squares).floor().sum(-1) % 2
    return torch.where(fragments.covered[0], 0.3 + 0.5 * dark, 1.0)


figure, axes = plt.subplots(1, 2, figsize=(7, 3.4))
names = ("flat", "perspective-correct")
for axis, weights_used, title in zip(axes, (flat, right_one.bary_coords), names):
    picture = chequered(replace(right_one, bary_coords=weights_used))
    axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axis.set(title=f"{title} weights", xticks=[], yticks=[], xlim=(0, 223), ylim=(223, 30))
plt.show()

# %% [markdown]
# **What to see.** Flat weights bend straight lines at the seam of the two triangles; perspective-correct ones
# do not. On the head with its tiny triangles the difference is small; on a floor in a game it
# is not.
#
# ## 3 · Which triangle does a pixel see?
#
# Visit the pixels that each triangle covers, and keep the triangle where it is nearer (its
# $1/\zeta$ is larger) than what the pixel has seen so far: a **z-buffer**. The order of the
# triangles does not matter, and they may even intersect.


# %%
def draw(verts, faces, camera):
    """Face number (-1: none) and 1/depth of every pixel: each face against each pixel."""
    points, depth = project(verts, camera)
    centres = pixel_centres(camera.size_px)
    seen = torch.full(centres.shape[:2], -1)
    inverse_depth = torch.zeros(centres.shape[:2])
    for number, corners in enumerate(faces):
        weights = flat_weights(points[corners], centres)
        candidate = (weights / depth[corners]).sum(-1)
        nearer = (weights >= 0).all(-1) & (candidate > inverse_depth)
        seen[nearer] = number
        inverse_depth[nearer] = candidate[nearer]
    return seen, inverse_depth


# %%
crossing = torch.tensor(
    [[-0.9, -0.7, 2.0], [0.8, -0.2, -3.0], [-0.5, 0.8, 1.0], [-0.7, 0.2, -3.0], [0.7, -0.7, 2.5], [0.6, 0.8, 0.0]]
)  # fmt: skip
two = torch.tensor([[0, 1, 2], [3, 4, 5]])
toy = Camera(96)
seen, inverse_depth = draw(crossing, two, toy)
package = rasterize(crossing[None], two, toy, cull_backfaces=False)
assert (seen == package.pix_to_face[0, ..., 0]).float().mean() > 0.999
assert torch.allclose(1 / inverse_depth[seen >= 0], package.zbuf[0, ..., 0][seen >= 0], atol=1e-3)

# %%
figure, axes = plt.subplots(1, 2, figsize=(7.4, 3), layout="constrained")
axes[0].imshow(np.where(seen < 0, np.nan, seen), cmap="cividis", vmin=-0.5, vmax=1.2)
distance = axes[1].imshow(np.where(seen < 0, np.nan, 1 / inverse_depth), cmap="viridis_r")
figure.colorbar(distance, ax=axes, label="depth (dm)")
for axis, title in zip(axes, ("face number", "z-buffer")):
    axis.set(title=title, xticks=[], yticks=[])
plt.show()

# %% [markdown]
# **What to see.** Two triangles that intersect, each in front on its side. Two dozen lines are
# a rasteriser; `tfhkit/render/kernels.py` is the same thing with a compiled inner loop that visits
# only the pixels in a triangle's bounding box, and that culls triangles which face away (on a closed
# head they are never in front).
#
# ### The head
#
# The result is one face number per pixel, and nothing else is needed. Let
# $\mathbf p_a, \mathbf p_b, \mathbf p_c$ be the sideways offsets of the three corners from the pixel's
# ray, each at its own depth. The seen point has offset zero,
# $u\,\mathbf p_a + v\,\mathbf p_b + w\,\mathbf p_c = 0$, so
#
# $$u : v : w = \mathbf p_b\times\mathbf p_c \;:\; \mathbf p_c\times\mathbf p_a \;:\;
# \mathbf p_a\times\mathbf p_b .$$
#
# These are the perspective-correct weights from above in one formula, and they are differentiable with respect to
# the vertices, although the face number is not (`tfhkit.render.barycentric`).

# %%
fragments = rasterize(verts, model.faces, camera, rasterizer)
covered = fragments.covered[0].numpy()
ids = np.where(covered, fragments.pix_to_face[0, ..., 0].numpy() * 7919 % 256, np.nan)
zbuf = np.where(covered, fragments.zbuf[0, ..., 0].numpy(), np.nan)
column, row = (nose * 12).astype(int)
weights = close.bary_coords[0, row - 108 : row + 108, column - 108 : column + 108, 0]

# %%
figure, axes = plt.subplots(1, 3, figsize=(8.4, 2.7), layout="constrained")
axes[0].imshow(ids, cmap="cividis")
distance = axes[1].imshow(zbuf, cmap="viridis_r")
axes[2].imshow(weights.clamp(0, 1))
for axis, title in zip(axes, ("face number (shuffled)", "depth (dm)", "barycentrics, 18 x 18 px")):
    axis.set(title=title, xticks=[], yticks=[])
figure.colorbar(distance, cax=axes[1].inset_axes([1.03, 0, 0.05, 1]))
plt.show()

# %% [markdown]
# **What to see.** The tip of the nose is nearest. In the close-up each triangle goes from red to
# green to blue, corner to corner.
#
# If the barycentric coordinates are right, the interpolated *position* of every pixel projects
# back to that pixel.

# %%
points, _ = project(interpolate(fragments, model.faces, verts), camera)
row, column = torch.nonzero(fragments.covered[0], as_tuple=True)
centre = torch.stack([column, row], -1) + 0.5
error_px = (points[0, row, column] - centre).abs().max().item()
print(f"largest error of {len(row):,} pixels: {error_px:.1e} px")
assert error_px < 0.02

# %% [markdown]
# ## 4 · The same with pytorch3d
#
# pytorch3d is a library that many papers of the field use. Its camera looks the other way: $x$ to
# the left, $z$ away from the camera. Four of its classes are enough: `PerspectiveCameras` (given in
# pixels, with a half turn about $y$ and a step of 10 dm), `Meshes`, `RasterizationSettings` and
# `MeshRasterizer`. On a CPU it compares every pixel with every face, so here the picture is small;
# for tensors on a GPU it is the kit's first choice.

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

# %%
if "pytorch3d" in backends:
    from pytorch3d.renderer import MeshRasterizer, PerspectiveCameras, RasterizationSettings
    from pytorch3d.structures import Meshes

    cameras = PerspectiveCameras(
        focal_length=small.focal_px,
        principal_point=((32.0, 32.0),),
        R=torch.diag(torch.tensor([-1.0, 1.0, -1.0]))[None],  # for row vectors
        T=torch.tensor([[0.0, 0.0, DISTANCE]]),
        image_size=((64, 64),),
        in_ndc=False,  # focal length and principal point are in pixels
    )
    settings = RasterizationSettings(
        image_size=64, faces_per_pixel=1, blur_radius=0.0, perspective_correct=True, cull_backfaces=True
    )  # fmt: skip
    theirs = MeshRasterizer(cameras, settings)(Meshes(verts, model.faces[None]))

# %% [markdown]
# Its result has the same fields, so the two can be compared pixel by pixel; and what is
# interpolated with it can be compared as well.

# %%
if "pytorch3d" in backends:
    from pytorch3d.ops import interpolate_face_attributes

    ours = rasterize(verts, model.faces, small, "numba")
    same = ours.pix_to_face == theirs.pix_to_face
    both = same & (ours.pix_to_face >= 0)
    skin = model.texture(one_face.tex)[0]
    painted = interpolate_face_attributes(
        theirs.pix_to_face, theirs.bary_coords, skin[model.faces]
    )[0, ..., 0, :]
    gap = {
        "faces that differ (%)": 100 * (1 - same.float().mean()),
        "zbuf (dm)": (ours.zbuf - theirs.zbuf)[both].abs().max(),
        "barycentrics": (ours.bary_coords - theirs.bary_coords)[both].abs().max(),
        "colours": (interpolate(ours, model.faces, skin[None])[0] - painted)[both[0, ..., 0]].abs().max(),
    }  # fmt: skip
    print(*(f"{name:22s}{value.item():.1e}" for name, value in gap.items()), sep="\n")
    assert same.float().mean() > 0.999 and gap["zbuf (dm)"] < 1e-4 and gap["barycentrics"] < 1e-3

# %%
for backend in backends:
    start = time.perf_counter()
    rasterize(verts, model.faces, small, backend)
    print(f"{backend:9s} {1000 * (time.perf_counter() - start):8.1f} ms for 64 x 64 pixels")

# %% [markdown]
# `tfhkit bench raster` compares them at 256 x 256 pixels and several numbers of faces.
#
# ## 5 · Softer edges: supersampling
#
# A pixel that is sampled only at its centre is either covered or not, and an outline becomes a staircase that
# crawls when the head moves. Sampling $n \times n$ points per pixel and averaging gives colour
# *and* alpha intermediate values. (Straight alpha: colours are averaged only over what is covered.)

# %%
from tfhkit.fit.plots import show_frames
from tfhkit.render import render
from tfhkit.render.plots import on_paper

samples = (1, 2, 4)
drawn = [
    render(model, turned, Camera(112), region="all", backend=rasterizer, supersample=n)[0]
    for n in (*samples, 8)
]
far_cheek = points_px[model.landmark_ids[13]].int() // 2
column, row = np.clip(far_cheek.numpy() - 14, 0, 84)
corners = [on_paper(image)[row : row + 28, column : column + 28] for image in drawn]
show_frames(corners[:3], [f"{n} x {n}" for n in samples], columns=3)
plt.show()

# %%
edge_error = [(image - drawn[-1]).abs().mean().item() for image in drawn[:-1]]
for n, error in zip(samples, edge_error):
    print(f"{n} x {n}: {error:.5f} from 8 x 8")
assert edge_error[0] > edge_error[1] > edge_error[2]

# %% [markdown]
# **What to see.** 28 x 28 pixels of the far cheek. Two by two removes most of the staircase; the
# kit's videos use it.
#
# ## 6 · What do the 27 light coefficients do?
#
# $$C(\mathbf n_i, \mathbf t_i, \gamma) = \mathbf t_i \sum_{b=1}^{9} \gamma_b\,\Phi_b(\mathbf n_i)
# \qquad \text{(Sec. 3.1)}$$
#
# The colour of a vertex is its albedo $\mathbf t_i$ times the light that arrives, which depends
# only on its normal $\mathbf n_i$. Why should nine numbers per colour channel be enough?
#
# Light $L(\omega)$ from direction $\omega$ is weighted by the cosine of its angle to the normal:
#
# $$E(\mathbf n) = \int L(\omega)\,\max(\mathbf n\cdot\omega, 0)\,d\omega$$
#
# This is a convolution over the sphere. Spherical harmonics do for the sphere what sines do for
# a line: a convolution becomes a product, $E_{\ell m} = A_\ell\,L_{\ell m}$. The factors are those
# of the cosine lobe, $A_\ell = 2\pi\int_0^1 x\,P_\ell(x)\,dx$ with the Legendre polynomials
# $P_\ell$:

# %%
from numpy.polynomial import Legendre

nodes, node_weights = np.polynomial.legendre.leggauss(60)
nodes, node_weights = (nodes + 1) / 2, node_weights / 2  # on [0, 1]
factors = np.array(
    [2 * np.pi * (node_weights * nodes * Legendre.basis(k)(nodes)).sum() for k in range(9)]
)
assert np.allclose(factors[:5], [np.pi, 2 * np.pi / 3, np.pi / 4, 0, -np.pi / 24])

# %%
angle = np.linspace(0, 180, 181)
cosine = np.cos(np.radians(angle))
orders = [(2 * k + 1) / (4 * np.pi) * factors[k] * Legendre.basis(k)(cosine) for k in range(3)]
approximations = dict(zip(("1 band", "4 bands", "9 bands"), np.cumsum(orders, 0)))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
left.bar(range(9), np.abs(factors) / np.pi, color=[BLUE] * 3 + ["0.7"] * 6)
left.set(xlabel="order", ylabel="factor / pi", title="a surface is a low-pass filter")
right.plot(angle, cosine.clip(0), "k", lw=2, label="a lamp")
for (name, line), colour in zip(approximations.items(), (ORANGE, GREEN, BLUE)):
    right.plot(angle, line, color=colour, ls="--", label=name)
right.set(xlabel="angle between normal and lamp (degrees)", ylabel="irradiance")
right.set_xticks(range(0, 181, 45))
right.legend(frameon=False)
figure.tight_layout()
plt.show()

# %% [markdown]
# **What to see.** Order 3 vanishes and order 4 is 24 times weaker than order 0: one
# constant, three bands of first order and five of second order capture nearly all that *any* distant light can
# do to a matt surface. Even a single sharp lamp is approximated within a tenth of its strength.
#
# ### One band at a time
# Top: $\Phi_b$ on a ball. Below: the person in clay, with band $b$ changed by +0.4 and by -0.4.
# (0.8 is added to band 0 first, so that all zeros is not darkness.)

# %%
from tfhkit.face.lighting import irradiance, sh_basis, shade_sh
from tfhkit.render.plots import clay

frontal = replace(one_face, angles=torch.zeros(1, 3))
bands = torch.zeros(18, 3, 9)
for band in range(9):
    bands[band, :, band], bands[9 + band, :, band] = 0.4, -0.4
heads = replace(frontal[[0] * 18], light=bands.flatten(1))
heads = on_paper(render(model, heads, Camera(112), clay(model), "all", rasterizer, 2))


# %%
def ball(size=112):
    """Normals (size, size, 3) of a ball as the camera sees it; nan outside."""
    y, x = torch.meshgrid(
        torch.linspace(1.05, -1.05, size), torch.linspace(-1.05, 1.05, size), indexing="ij"
    )
    return torch.stack([x, y, (1 - x**2 - y**2).sqrt()], -1)


harmonics = torch.where(ball()[..., 2:].isnan(), torch.nan, sh_basis(ball()))
names = "1", "-y", "z", "-x", "xy", "-yz", "3z² - 1", "-xz", "x² - y²"

# %%
figure, axes = plt.subplots(3, 9, figsize=(11, 4.1))
for band in range(9):
    axes[0, band].imshow(harmonics[..., band], cmap="PuOr_r", vmin=-2, vmax=2)
    axes[0, band].set_title(f"{band}:  {names[band]}", fontsize=9)
    axes[1, band].imshow(heads[band])
    axes[2, band].imshow(heads[9 + band])
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
for axis, name in zip(axes[:, 0], ("ball", "+0.4", "-0.4")):
    axis.set_ylabel(name)
figure.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# **What to see.** Orange is more light, purple less. Band 0 is brightness; 1, 2 and 3 are light
# from below, from the front and from the image's left (mind the signs); 4 to 8 shape the contrast
# between sides, and no single one of them is a possible light: they only correct the
# first four.
#
# ### Irradiance as a map
# Over all directions of a normal (like a map of the world): a lamp from the upper left, the same
# in nine bands, and the error.

# %%
from tfhkit.face.lighting import lamp_light

towards = torch.nn.functional.normalize(torch.tensor([-0.9, 0.5, 0.8]), dim=0)
lamp = lamp_light(towards[None], strength=0.9, ambient=0.25)
longitude, latitude = torch.meshgrid(
    torch.linspace(-torch.pi, torch.pi, 181), torch.linspace(1.57, -1.57, 91), indexing="xy"
)
normals = torch.stack(
    [latitude.cos() * longitude.sin(), latitude.sin(), latitude.cos() * longitude.cos()], -1
)
exact = 0.25 + 0.9 * (normals @ towards).clamp_min(0)
nine = irradiance(normals.reshape(1, -1, 3), lamp).reshape(91, 181, 3)[..., 0]
worst = ((nine - exact).abs().max() / 0.9).item()
print(f"at most {100 * worst:.0f} % of the lamp's strength off")
assert worst < 0.11

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 2.5))
extent = (-180, 180, -90, 90)
for axis, shown, title in zip(axes, (exact, nine), ("a lamp", "nine bands")):
    bar = axis.imshow(shown, extent=extent, cmap="cividis", vmin=0, vmax=1.2)
    axis.set(title=title, xlabel="azimuth (degrees)")
    figure.colorbar(bar, ax=axis, shrink=0.8, pad=0.07)
bar = axes[2].imshow(nine - exact, extent=extent, cmap="PuOr_r", vmin=-0.1, vmax=0.1)
axes[2].set(title="difference", xlabel="azimuth (degrees)")
figure.colorbar(bar, ax=axes[2], shrink=0.8, pad=0.07)
axes[0].set_ylabel("elevation (degrees)")
for axis in axes:
    axis.set(xticks=range(-180, 181, 90), yticks=range(-90, 91, 45))
figure.tight_layout()
plt.show()

# %% [markdown]
# ### What nine bands cannot light
# The same lamp on the head, in four ways: nine bands; its true cosine; with the shadows that the
# head casts on itself (a z-buffer seen *from the lamp* says which vertices it reaches); and with a
# highlight, which also depends on where the camera is.

# %%
from tfhkit.face.model import vertex_normals
from tfhkit.render.shading import draw_differentiable, region_faces
from tfhkit.render.visibility import vertex_visibility

head_verts = posed_verts(model, frontal)
head_normals = vertex_normals(head_verts, model.faces)
across = torch.nn.functional.normalize(
    torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), towards), dim=0
)
from_lamp = torch.stack([across, torch.linalg.cross(towards, across), towards])  # rows: its x, y, z
seen_from_it = head_verts @ from_lamp.T - torch.tensor([0.0, 0.0, 3.0])  # farther, to fit in
reached = vertex_visibility(seen_from_it, model.faces, Camera(512))[0]
halfway = torch.nn.functional.normalize(towards + torch.tensor([0.0, 0.0, 1.0]), dim=0)

# %%
cosine = (head_normals[0] @ towards).clamp_min(0)[:, None]
gloss = 0.25 * (head_normals[0] @ halfway).clamp_min(0)[:, None] ** 24
skin = model.texture(one_face.tex)[0]
shadowed = 0.25 + 0.9 * cosine * reached[:, None]
ways = {
    "nine bands": shade_sh(skin, head_normals, lamp)[0],
    "cosine": skin * (0.25 + 0.9 * cosine),
    "+ cast shadows": skin * shadowed,
    "+ highlight": skin * shadowed + gloss * reached[:, None],
}
every = region_faces(model, "all")
lit = [
    draw_differentiable(head_verts, colours[None], model.faces, every, camera, rasterizer, 2)
    for colours in ways.values()
]
show_frames([on_paper(image[0]) for image in lit], list(ways))
plt.show()

# %% [markdown]
# **What to see.** Nine bands have no hard edge of the light, no shadow of the nose on the cheek and
# no shine. In a fit such things can only go into the albedo, and from then on they move with the
# head.
#
# ### The clip's own light
# The fit found 27 numbers for the clip. A ball under them shows the light by itself. Where does most of it come from? The brightest direction of a normal
# says so, but only among the normals that the camera sees: the others light no pixel of the clip.

# %%
own = irradiance(torch.nan_to_num(ball()).reshape(1, -1, 3), one_face.light).reshape(112, 112, 3)
own = torch.where(ball().isnan().any(-1, keepdim=True), 0.96, 0.7 * own)
clay_head = render(model, frontal, Camera(112), clay(model), "all", rasterizer, 2)
skin_head = render(model, frontal, Camera(112), None, "all", rasterizer, 2)
pictures = [(255 * own.clamp(0, 1)).byte().numpy(), *on_paper(torch.cat([clay_head, skin_head]))]
show_frames(pictures, ["a ball", "clay", "with the texture"], columns=3, width=2.2)
plt.show()

# %%
glow = irradiance(normals.reshape(1, -1, 3), one_face.light).reshape(91, 181, 3).mean(-1)
for name, allowed in (("facing the camera", normals[..., 2] > 0.3), ("all", normals[..., 2] > -2)):
    best = torch.where(allowed, glow, -torch.inf).argmax()
    at = np.degrees([longitude.flatten()[best], latitude.flatten()[best]])
    print(f"{name:18s} brightest at azimuth {at[0]:4.0f}, elevation {at[1]:3.0f} degrees")

# %% [markdown]
# **What to see.** Among the normals that face the camera, the brightest one is near the middle and a little above: on the sample clip the light
# comes from the front and from above, as one sees in the picture. Over all normals the brightest one may well point *away* from the camera. No pixel of the clip constrains the
# light there, so that part is an extrapolation of nine smooth bands, not a lamp behind the head.
#
# ### Explore: move the lamp and the head
# Where must the lamp be so that only the subject's left cheek is bright? And is turning the head by
# 30 degrees the same as moving the lamp by 30 degrees the other way? Guess, then try.


# %%
from tfhkit.render.plots import portraits

one = {"id": one_face.id, "exp": one_face.exp}


def lamp_and_head(azimuth=-40.0, elevation=30.0, lamp=0.9, surrounding=0.25, pitch=0.0, yaw=20.0):
    """The fitted person under a lamp."""
    around, up = np.radians([azimuth, elevation])
    towards = [[np.sin(around) * np.cos(up), np.sin(up), np.cos(around) * np.cos(up)]]
    light = lamp_light(towards, lamp, surrounding)
    angles = torch.tensor([[pitch, yaw, 0.0]]).deg2rad()
    return portraits(model, 256, skin, back_dm=0.5, angles=angles, light=light, **one)[0]


explore(
    lamp_and_head,
    azimuth=(-180.0, 180.0),
    elevation=(-90.0, 90.0),
    lamp=(0.0, 1.5),
    surrounding=(0.0, 1.0),
    pitch=(-30.0, 30.0),
    yaw=(-60.0, 60.0),
)

# %% [markdown]
# ## 7 · Pictures with gradients
#
# The face number of a pixel jumps, but with the face numbers held fixed everything else is a formula:
# colour $= u\,C_a + v\,C_b + w\,C_c$ with $u, v, w$ from the vertices, and the vertices from the
# pose. So a picture's error can be differentiated with respect to the pose: start nearby, render, compare,
# follow the gradient. (It ignores how the outline moves and sees only the colours inside; that is enough
# if the start is close.)

# %%
coarse, tiny = fit.load_model(subdivide=False), Camera(64)  # a lighter mesh, the same coefficients
target = render(coarse, one_face, tiny)
beside = one_face.angles + torch.tensor([[0.05, -0.08, 0.04]])


def picture_error(pose, backend=rasterizer):
    """Mean absolute difference of the target and the rendering of a pose."""
    guess = render(coarse, replace(one_face, angles=pose), tiny, backend=backend)
    return (guess - target)[target[..., 3] == 1].abs().mean()


# %% [markdown]
# Both rasterisers give the same gradient, because neither computes one: they only return face numbers.

# %%
gradients = []
for backend in backends:
    pose = beside.clone().requires_grad_()
    picture_error(pose, backend).backward()
    gradients.append(pose.grad[0])
    print(f"{backend:9s}", *(f"{value:8.4f}" for value in pose.grad[0]))
assert torch.allclose(gradients[0], gradients[-1], atol=1e-3)

# %%
pose = beside.clone().requires_grad_()
optimiser = torch.optim.Adam([pose], lr=0.006)
track = []
for _ in range(40):
    loss = picture_error(pose)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    track.append(torch.rad2deg(pose - one_face.angles).detach()[0])

# %%
figure, axis = plt.subplots(figsize=(5, 2.6))
for name, line, colour in zip(
    ANGLES, torch.stack(track).T, ANGLES.values()
):
    axis.plot(line, label=name, color=colour)
axis.axhline(0, color="0.6", lw=0.8)
axis.set(xlabel="step", ylabel="error (degrees)")
axis.legend(frameon=False)
plt.show()
assert track[-1].abs().max() < 2.0

# %%
with torch.no_grad():
    found, start = (render(coarse, replace(one_face, angles=a), Camera(128)) for a in (pose, beside))
    goal = render(coarse, one_face, Camera(128))
figure, axes = plt.subplots(1, 5, figsize=(11, 2.5))
for axis, image, title in zip(axes, (goal, start, found), ("target", "start", "found")):
    axis.imshow(on_paper(image)[0])
    axis.set_title(title)
for axis, image, title in zip(axes[3:], (start, found), ("start - target", "found - target")):
    bar = axis.imshow((image - goal)[0, ..., :3].mean(-1), cmap="PuOr_r", vmin=-0.25, vmax=0.25)
    axis.set_title(title)
for axis in axes:
    axis.axis("off")
figure.colorbar(bar, ax=axes, shrink=0.8)
plt.show()

# %% [markdown]
# **What to see.** The difference vanishes. Notebook 01 refines the fit with the same derivatives, in
# Gauss-Newton steps and with real pixels as the target.
#
# ## 8 · Low-frequency or detailed albedo?
#
# The texture coefficients give a smooth, *low-frequency* albedo. A *detailed* one comes from a
# frame (Sec. 3.3.1): project the vertices, take the pixel's colour, divide by the irradiance,
#
# $$\mathbf t_i = \frac{I(\pi(R\,\mathbf S_i + \mathbf p))}{\sum_b \gamma_b\,\Phi_b(\mathbf n_i)} .$$
#
# The paper takes the frame with the most neutral expression and the smallest angles (we also require
# open eyes: a blink hardly shows in the coefficients, but would stay in the albedo). A vertex
# that the frame does not show must be left out, then filled from its mirror side and from the
# model. The published code has no such visibility test, and paints hidden cheeks with what occludes them.

# %%
from tfhkit.background.images import read_crops
from tfhkit.render import detailed_albedo

n_train = train.stop
calm = choose_albedo_frame(fit.coefficients[:n_train], usable[:n_train])
sideways = int((np.abs(fit.coefficients.angles[:n_train, 1]) * usable[:n_train]).argmax())
crops = dict(read_crops(video, fit.crop, sorted({calm, sideways}), 224))


def frame_albedo(frame, visibility=True):
    return detailed_albedo(model, fit.coefficients[[frame]], crops[frame], visibility=visibility)


# %% [markdown]
# First, what the test is for, on a frame whose true albedo we know, because we rendered it: the
# person turned by 40 degrees. Orange: vertices that a frontal view shows and this frame does not.
# Without a visibility test each of them takes the colour of the pixel in front of it.

# %%
made = replace(one_face, angles=torch.tensor([[0.0, 0.7, 0.0]]))
frame = on_paper(render(model, made, camera, region="all", backend=rasterizer, supersample=2))[0]
made_verts = posed_verts(model, made)
frontal_view, this_view = (
    vertex_visibility(places, model.faces, Camera(512))[0] for places in (head_verts, made_verts)
)
hidden = frontal_view & ~this_view & model.regions["face"]
rebuilt = {
    "without the test": detailed_albedo(model, made, frame, visibility=False),
    "with the test": detailed_albedo(model, made, frame),
    "the truth": skin,
}

# %%
figure, axes = plt.subplots(1, 4, figsize=(11, 3))
axes[0].imshow(frame)
axes[0].plot(*(project(made_verts[0, hidden], camera)[0].T - 0.5), ".", ms=1.5, color=ORANGE)
axes[0].set(title="the frame", xlim=(-0.5, 223.5), ylim=(223.5, -0.5))
other_side = replace(one_face, angles=torch.tensor([[0.0, -0.5, 0.0]]))
for axis, (name, colours) in zip(axes[1:], rebuilt.items()):
    axis.imshow(
        on_paper(render(model, other_side, camera, colours, backend=rasterizer, supersample=2))[0]
    )
    axis.set_title(name)
for axis in axes:
    axis.axis("off")
figure.tight_layout()
plt.show()

# %%
off = [(colours - skin)[hidden].abs().mean().item() for colours in rebuilt.values()]
print(
    f"hidden vertices, mean error of the albedo: {off[0]:.3f} without the test, {off[1]:.3f} with it"
)
assert off[1] < 0.5 * off[0]

# %% [markdown]
# **What to see.** Without the test the far side has the colours of the nose, the lips and
# whatever is behind the head; with it, the mirror side and the model fill in. Now the real clip,
# from the front and from the side that its most turned frame hides:

# %%
detailed = frame_albedo(calm)
choices = {
    "low-frequency": None,
    f"detailed, frame {calm}": detailed,
    f"detailed, frame {sideways}": frame_albedo(sideways),
    f"frame {sideways}, no test": frame_albedo(sideways, visibility=False),
}
far_side = -0.6 * np.sign(fit.coefficients.angles[sideways, 1])  # shows what that frame hides

# %%
figure, axes = plt.subplots(2, 5, figsize=(10, 4.3))
for axis, frame in zip(axes[:, 0], (calm, sideways)):
    axis.imshow(crops[frame])
    axis.set_title(f"real, frame {frame}", fontsize=9)
for rows, yaw in zip(axes, (0.0, float(far_side))):
    view = replace(one_face, angles=torch.tensor([[0.0, yaw, 0.0]]))
    for axis, (name, colours) in zip(rows[1:], choices.items()):
        image = render(model, view, Camera(224), colours, backend=rasterizer, supersample=2)
        axis.imshow(on_paper(image)[0])
        axis.set_title(name, fontsize=9)
for axis in axes.flat:
    axis.axis("off")
figure.tight_layout()
plt.show()

# %% [markdown]
# **What to see.** The detailed albedo has this person's eyes, brows and skin. It also has that
# frame's shadows, and everything that the fit put slightly out of place. It is one frozen moment: its
# closed or open mouth does not fit other expressions. Without the visibility test (last column) the
# wall behind is painted onto the far cheek. Because a detailed albedo is a single moment, the paper
# uses it for the general training and takes the low-frequency one for a person of whom there are
# hundreds of frames (Sec. 3.3.1). (The published code uses the low-frequency one in its fine-tuning and at test time.)

# %% [markdown]
# ## 9 · A background for every pose
#
# The rendering has a face but no hair and no shoulders. Sec. 3.3.2: take *key frames* of the
# predicted pose, where the head is turned most; give each the source frame with the nearest
# pose; interpolate the source position between them. Then fit the pose to the background.
#
# With $p$ the predicted angle and $q$ that of the frame behind, there are three possibilities
# (`pose_mode`):
#
# $$r_{\text{paper}} = q + \operatorname{clip}\bigl(0.2\,(p - q),\ \pm 2^\circ\bigr), \qquad
# r_{\text{published}} = q, \qquad r_{\text{still}} = q_0 .$$
#
# The paper says that the pose is "modified to fit the background", not how; the first is our reading. The last is the paper's ablation without pose (Fig. 5, second row): head and background stay at
# one frame, that of the median pose, and only the expression moves.

# %%
from tfhkit.talk import drive

motions = {  # what this run continues with
    "held_back": drive(person, video.audio, fit.times[held], pose_mode, seed),
    "speech": drive(person, step.speech_path, pose_mode=pose_mode, seed=seed),
}
means = {  # the prediction alone, as in the paper
    "held_back": drive(person, video.audio, fit.times[held], pose_mode, seed=None),
    "speech": drive(person, step.speech_path, pose_mode=pose_mode, seed=None),
}

# %% [markdown]
# `drive` predicts expression and pose (Eq. 1), adds what the mean lacks (notebook 03), and then calls `match_background`. With `seed=None` it
# leaves the prediction as it is. That is the paper's method, and this section asks what it does. Here are all three ways for the same predicted poses:

# %%
from tfhkit.background import match_background

source, source_times = fit.coefficients[train].pose, fit.times[train]
by_mode = {
    mode: {
        name: match_background(m.predicted_pose, source, m.times, source_times, mode=mode)
        for name, m in means.items()
    }
    for mode in ("paper", "published", "still")
}

# %% [markdown]
# ### Whose motion is it?
#
# The sound acts twice: its pose chooses the background, and then turns the face slightly away from it.
# So there are two questions (`tfhkit.background.provenance` has the definitions).
#
# *Whose curve does one see?* The rendered angle is a mix $r = w\,p + (1 - w)\,q$ with a known
# weight. The Shapley value splits its variance exactly; the sound's share, with all angles measured
# from the mean of $r$, is
#
# $$\varphi = \frac{\langle w\,p,\ r\rangle}{\langle r,\ r\rangle}.$$
#
# *What would change with another sound?* Match again with the predicted pose circularly shifted in time, 15
# times: how much of the variance is between the shifts, at the same moment?

# %%
from tfhkit.background.provenance import provenance

shares = {}
for mode in by_mode:
    for name, m in means.items():
        pose, times = m.predicted_pose, m.times
        _, shares[mode, name] = provenance(pose, source, times, source_times, mode=mode, seed=seed)

# %% tags=["report"]
from tfhkit.background.provenance_plot import draw_shares, draw_tracks

figure, axes = plt.subplots(3, 3, figsize=(9.6, 5.4), width_ratios=(3, 3, 1.7))
part = "speech"
pose, times = means[part].predicted_pose, means[part].times
for column, mode in zip(axes.T, ("paper", "published")):
    draw_tracks(column, times, pose, source, by_mode[mode][part])
    column[0].set_title(mode, fontsize=10)
draw_shares(axes[:, 2], {mode: shares[mode, part] for mode in ("paper", "published")})
for axis, angle in zip(axes[:, 0], ("pitch", "yaw", "roll")):
    axis.set_ylabel(f"{angle} (degrees)", fontsize=8)
lines, bars = (axis.get_legend_handles_labels() for axis in axes[0, [0, 2]])
figure.tight_layout(rect=(0, 0, 1, 0.93))
figure.legend(*lines, frameon=False, ncol=4, loc="upper left", bbox_to_anchor=(0.05, 1.0))
figure.legend(*bars, frameon=False, fontsize=8, loc="upper right")
plt.show()

# %% [markdown]
# *Predicted, background's and rendered angles of the new speech over time, with the pose adjusted
# (left) and replaced (middle), and the sound's two shares of each angle's variance (right).*

# %%
print("from the sound:       the curve, 95 %       changes with it   r to the prediction")
for (mode, name), share in shares.items():
    low, high = (100 * end for end in share.shape_interval)
    curve = f"{100 * share.shape_all:4.0f} % ({low:.0f} to {high:.0f} %)"
    follows = ", ".join(f"{r:.2f}" for r in share.follows)
    print(f"{mode:10} {name:10} {curve:22} {100 * share.choice_all:4.0f} %           {follows}")
assert not shares["published", part].shape.any() and not shares["still", part].choice.any()

# %% [markdown]
# **What to see.** Dots are key frames: between them the background runs forwards and backwards
# through the source, and the rendered head follows *it*. The smaller part of the visible curve
# is the prediction's, more where the prediction swings widely compared with the background (here the pitch); with the published
# code it is zero. But a different sound would have taken another path through the source, so nearly everything
# changes with it. And because the frames are chosen for their pose, the rendered head correlates with
# the prediction (the last three numbers of a row: pitch, yaw and roll). With the published code the yaw hardly does on the sample clip, since the prediction hardly turns; nor does the pitch of the new speech.
#
# So "head pose predicted from sound" describes *when* which piece of the recorded motion is shown.
# How the head moves in the film is the person's own, filmed motion, and that is why it looks
# natural. And none of these numbers says that the prediction fits the sound: random poses in its
# place would choose other frames just as well. For that, see the null distributions of notebook 02.
#
# With a seed, the kit does not predict the head's motion at all: it plays the person's own, chosen by
# loudness. There is then nothing left to adjust, and the background fits by itself.
#
# ### Which frames are key frames?
# The paper takes "the frames with largest head orientation in one axis", for example the leftmost; the published code looks at the roll
# alone, and chooses the backgrounds one key after the other. The kit looks at all three angles, and for the path with the smallest sum of distances.

# %%
from tfhkit.background import MatchSettings
from tfhkit.recipes import RECIPES, chosen

m = means["speech"]
for name in RECIPES:
    how = MatchSettings(**chosen(name, "match"))
    match = match_background(m.predicted_pose, source, m.times, source_times, settings=how)
    apart = np.degrees(np.abs(m.predicted_pose - source[match.source_index])[:, :3]).mean()
    still = (np.diff(match.source_index) == 0).mean()
    print(f"{name:10}{len(match.key_frames):3} key frames; background off by {apart:.1f} degrees, "
          f"stands still in {still:.0%} of the steps")  # fmt: skip

# %% [markdown]
# ## 10 · The coarse images
#
# A background frame shows the person with an expression of its own: an open mouth in the
# background would leave a second chin below the rendered one. So the part of the source's
# face that an expression moves, from the nose down, is removed first and filled from its surroundings; then the
# rendering is drawn on top. Forehead and temples keep their shape, so the rendering fades over the frame's own
# pixels there, and hair that hangs over the face stays in front of it. Training images are made in the
# same way, so that the refiner of notebook 05 sees the same kind of picture in both.

# %%
from tfhkit.background.images import read_crops
from tfhkit.talk import draw, draw_own

look = {"albedo": detailed if albedo == "detailed" else None, "backend": rasterizer}
images = {"train": draw_own(person, train, seed, step.progress, **look)}
for name, motion in motions.items():
    images[name] = draw(person, motion, progress=step.progress, **look)
    print(f"{name}: {len(motion)} frames")

# %%
filmed = read_crops(video, fit.crop, range(held.start, held.stop), step.settings.refine_px)
filmed = np.stack([crop for _, crop in filmed])  # what happened in the held-out part
images["held_back"] = replace(images["held_back"], real=filmed)

# %%
figure, axes = plt.subplots(4, 6, figsize=(7.8, 5.4))
rows = [("train", "real"), ("train", "render"), ("held_back", "render"), ("speech", "render")]
for line, (name, kind) in zip(axes, rows):
    pictures = getattr(images[name], kind)
    for axis, i in zip(line, np.linspace(0, len(pictures) - 1, 6).astype(int)):
        axis.imshow(pictures[i])
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(f"{name.replace('_', ' ')}\n{kind}", fontsize=8)
figure.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# **What to see.** The face is smooth and its edge is blurred; pose, mouth and light are right. What
# is missing (eyes with a gaze, teeth, skin, the seam) is the refiner's work.

# %% [markdown]
# ### Three pose modes side by side
#
# The same moments of the held-out part in the three modes, below the filmed frames.

# %%
moments = np.linspace(0, len(filmed) - 1, 6).astype(int)
strips = {}
for mode, parts in by_mode.items():
    match = parts["held_back"]
    moved = replace(means["held_back"], pose=match.pose, source_index=match.source_index)
    strips[mode] = draw(person, moved[moments], **look).render
strips = {"filmed": filmed[moments], **strips}

# %% tags=["report"]
figure, axes = plt.subplots(4, 6, figsize=(7.8, 5.4))
seconds = motions["held_back"].times[moments]
for line, (name, pictures) in zip(axes, strips.items()):
    for axis, picture in zip(line, pictures):
        axis.imshow(picture)
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, fontsize=9)
for axis, second in zip(axes[0], seconds):
    axis.set_title(f"{second:.2f} s", fontsize=8)
figure.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# *Six moments of the held-out part: filmed, and rendered with the pose adjusted to the background,
# replaced by the background's, and still.*

# %%
from tfhkit.metrics import HsSettings, head_pose_report

draws = HsSettings(n_draws=step.settings.n_null, seed=seed)
real = fit.coefficients[held].angles
tracks = {"predicted": means["held_back"].predicted_pose}
tracks |= {mode: parts["held_back"].pose for mode, parts in by_mode.items()}
tracks["drawn"] = motions["held_back"].pose
scores = {}
print("            HS    95 %            turned away from background    curve from sound")
for name, track in tracks.items():
    report = head_pose_report(
        real, track[:, :3], means["held_back"].times, settings=draws
    )
    scores[name] = report.score.hs
    line = f"{name:10} {scores[name]:.2f}  ({report.interval[0]:.2f} to {report.interval[1]:.2f})"
    if name in by_mode:
        share = shares[name, "held_back"]
        line += f"{share.apart_deg:15.2f} degrees{100 * share.shape_all:24.0f} %"
    print(line)

# %% [markdown]
# *predicted*: before matching; *drawn*: with a seed, as this run goes on.
#
# **What to see.** In the last row of the pictures nothing moves but the mouth, and hair and face fit best: a face
# that is not turned away from its background leaves no gap at its edge. HS (head-pose similarity, Eq. 6, notebook 06) depends on the
# angles only. Compare the intervals before the numbers: where they overlap, a clip of a few seconds does not tell the
# modes apart.

# %%
for name, coarse in images.items():
    coarse.save(step.path(f"coarse_{name}.npz"))
for name, motion in motions.items():
    motion.save(step.path(f"motion_{name}.npz"))

# %%
own = images["train"]
inside = own.mask == 255
error = (own.render[inside].astype(float) - own.real[inside]) / 255
psnr_db = -10 * np.log10((error**2).mean())
print(f"rendering against real inside the face, training frames: {psnr_db:.1f} dB")
assert psnr_db > 12, "the rendering does not look like the clip: see notebook 01's overlays"

# %%
step.finish(
    {
        "train_images": len(own),
        "psnr_face_db": float(psnr_db),
        "hs_held_back": scores,
        **{f"{m}_{name}": shares[m, name].numbers() for m, name in shares if m != "still"},
        "albedo_frame": calm,
    },
    backends={"rasterizer": choose_backend(rasterizer, "cpu")},
)

# %% [markdown]
# ## Exercises
#
# **1. Projection.** Write the whole camera as one 3 x 4 matrix $P$: for a point of the world,
# $P\,(X, Y, Z, 1)^\top = \zeta\,(u, v, 1)^\top$. The check sends points through it and through
# `tfhkit.camera.project`.

# %% tags=["exercise-setup"]
import numpy as np
import torch

from tfhkit.teach import NotAttempted, check


# %% tags=["exercise"]
def camera_matrix(size_px):
    """The (3, 4) matrix of the camera for an image of size_px pixels; it stands at z = 10 dm."""
    ### solution
    focal, centre, distance = 1015 * size_px / 224, size_px / 2, 10.0
    return np.array(
        [
            [focal, 0, -centre, centre * distance],
            [0, -focal, -centre, centre * distance],
            [0, 0, -1, distance],
        ]
    )
    ### wrong
    # focal, centre = 1015 * size_px / 224, size_px / 2
    # return np.array([[focal, 0, -centre, 10 * centre], [0, focal, -centre, 10 * centre], [0, 0, -1, 10]])
    ### wrong
    # return np.array([[1015, 0, -size_px / 2, 5 * size_px], [0, -1015, -size_px / 2, 5 * size_px], [0, 0, -1, 10]])
    ### wrong
    # focal = 1015 * size_px / 224
    # return np.array([[focal, 0, 0, size_px / 2], [0, -focal, 0, size_px / 2], [0, 0, -1, 10]])
    ### end


# %% tags=["check"]
from tfhkit.camera import Camera, project


def lands_where_the_package_says(size_px):
    world = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    expected = project(world, Camera(size_px))[0].numpy()

    def judge(matrix):
        x, y, w = np.asarray(matrix) @ np.concatenate([world.numpy().T, np.ones((1, 20))])
        worst = np.abs(np.stack([x / w, y / w], 1) - expected).max()
        return None if worst < 1e-2 else f"a point lands {worst:.1f} px from its place"

    return judge


check(
    "projection",
    camera_matrix,
    [
        (224, lands_where_the_package_says(224), "rows of an image run down, y runs up"),
        (512, lands_where_the_package_says(512), "the focal length grows with the image"),
    ],
)

# %% [markdown]
# **2. Barycentric interpolation.** Colour one pixel of a triangle: first its weights in the picture by
# areas, then the perspective-correct ones, then the colour. The check compares with `rasterize` and
# `interpolate`.


# %% tags=["exercise"]
def colour_at(row, column, corners_px, depths, colours):
    """Colour (3,) of a pixel; corners_px (3, 2) are x, y, depths (3,), colours (3 corners, 3)."""
    ### solution
    p = np.array([column, row]) + 0.5
    a, b, c = corners_px

    def area(a, b, c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    weights = np.array([area(b, c, p), area(c, a, p), area(a, b, p)]) / area(a, b, c) / depths
    return weights @ colours / weights.sum()
    ### wrong
    # p = np.array([column, row]) + 0.5
    # system = np.vstack([np.transpose(corners_px), np.ones(3)])
    # return np.linalg.solve(system, [*p, 1.0]) @ colours
    ### wrong
    # system = np.vstack([np.transpose(corners_px), np.ones(3)])
    # weights = np.linalg.solve(system, [column, row, 1.0]) / depths
    # return weights @ colours / weights.sum()
    ### wrong
    # system = np.vstack([np.transpose(corners_px), np.ones(3)])
    # weights = np.linalg.solve(system, [column + 0.5, row + 0.5, 1.0]) / depths
    # return weights @ colours
    ### end


# %% tags=["check"]
from tfhkit.render import interpolate, rasterize


def colour_cases():
    """Some pixels of a tilted triangle, with the package's colours."""
    tilted = torch.tensor([[[-0.3, -0.4, 4.0], [0.5, -0.1, 6.0], [-0.2, 0.9, -4.0]]])
    paints = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.1, 0.2, 0.9]]])
    one_face, view = torch.tensor([[0, 1, 2]]), Camera(64)
    seen = rasterize(tilted, one_face, view, "numba", cull_backfaces=False)
    picture = interpolate(seen, one_face, paints)[0].numpy()
    triangle = [part[0].numpy() for part in (*project(tilted, view), paints)]
    hint = "a pixel's centre lies at +0.5, and 1/depth is even in a picture"
    pixels = np.argwhere(seen.covered[0].numpy())[::97].tolist()
    return [((row, column, *triangle), picture[row, column], hint) for row, column in pixels]


check("barycentric interpolation", colour_at, colour_cases(), atol=1e-3)

# %% [markdown]
# **3. Light.** Shade vertices with nine bands per channel. `sh_basis` is given. Mind the order of
# the 27 numbers, and what is added to band 0. The check compares with
# `tfhkit.face.lighting.shade_sh`.

# %% tags=["exercise"]
from tfhkit.face.lighting import sh_basis, shade_sh


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
seeded = torch.Generator().manual_seed(0)
albedos = torch.rand(5, 3, generator=seeded)
outwards = torch.nn.functional.normalize(torch.randn(5, 3, generator=seeded), dim=-1)
gamma = 0.3 * torch.randn(27, generator=seeded)
check(
    "SH shading",
    shade,
    [
        ((albedos, outwards, torch.zeros(27)), 0.7090 * albedos, "0.8 belongs to band 0"),
        ((albedos, outwards, gamma), shade_sh(albedos[None], outwards[None], gamma[None])[0]),
    ],
)

# %% [markdown]
# ## Summary
# - A rasteriser decides which face a pixel sees, by areas and a z-buffer; everything else is a
#   differentiable formula, and so a pose can be found from a picture.
# - Matt surfaces blur the light: nine numbers per channel capture nearly all of it, but no cast shadow
#   and no shine.
# - A low-frequency albedo tolerates motion; a detailed one looks better, but needs a visibility test.
# - Backgrounds come from the source by key frames; the head in front is turned to fit them.
#
# **What the paper says.** Detailed albedo for the general mapping, low-frequency for the personal
# one (Sec. 3.3.1); the pose is "modified to fit the background" (Sec. 3.3.2). **What we found in the published code.** Its fine-tuning and test render
# with the low-frequency albedo, there is no visibility test in the detailed one, and it
# *replaces* the predicted pose by the background's: then none of the motion's shape comes from the
# sound, only its timing (`pose_mode="published"`). It also trains on composites of another kind than it
# uses at test time; here both are made in one way.
#
# **Next**: [05](05_memory_gan.ipynb) turns these pictures into frames.
