# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · From rendering to video: the memory-augmented GAN
#
# [← 04 Rendering](04_rendering.ipynb) · [the series](00_start_here.ipynb#The-series) · [06 HS metric →](06_hs_metric.ipynb)
#
# **You will be able to**
# - read Eq. 3 in a picture: where the network keeps the rendering, and where it paints;
# - say how an identity feature steers a U-Net by adaptive instance normalisation (AdaIN), where the feature comes from when there is no
#   real frame (the memory), and write both;
# - name the terms of Eq. 4, how much each weighs, and what the published code changes; say what Eq. 5 asks for;
# - train the refiner of this generative adversarial network (GAN) from general weights on a few seconds of one person, and evaluate it on
#   held-out frames, with baselines and a confidence interval;
# - repeat the ablations of Sec. 4.2, and say what they can show at this size and what they cannot.
#
# **Before**: notebook 04. **Time**: three to eight minutes (quick), depends on the GPU (full).
# **In**: `coarse_*.npz` (04), `mapping.safetensors` (03), `fit.npz` (01), the clip, the speech.
# **Out**: `refiner.safetensors` with `.json`, `refined_held_back.npz`, `refined_speech.npz`,
# `talking_head_held_back.mp4`, `talking_head_speech.mp4`, `side_by_side.mp4`.
#
# **Builds on**: Sec. 3.4 of the paper ([arXiv 2002.10137](https://arxiv.org/abs/2002.10137)); pix2pix and PatchGAN (Isola et al. 2017);
# U-Net (Ronneberger et al. 2015); AdaIN (Huang and Belongie 2017); the attention mask of GANimation (Pumarola et al. 2018);
# the memory network of MemoPainter (Yoo et al. 2019); ArcFace (Deng et al. 2019).

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
audio_track: int = 0  # number of the clip's sound track, from 1; 0 takes the one with speech
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
recipe: str = "ours"  # ours, paper (its text) or published (its code), see `tfhkit recipes`
seed: int = 0  # random seed
steps: int = 0  # training steps; 0 takes the profile's
general: bool = True  # start from the general weights, where there are some of this size
identity: str = "memory"  # memory, mean or none (ablations of Sec. 4.2)
attention: bool = True  # False leaves Eq. 3 out
window: int = 3  # number of renderings that the generator sees, including the current one
gan: str = ""  # nonsaturating (published code) or log (Eq. 4 as written); "" takes the recipe's
attention_weight: float = -1.0  # lambda_2 of Eq. 4; -1 takes the recipe's
attention_norm: str = ""  # rms, l2 (Eq. 4 as written) or mean (published code); "": the recipe's
gradient: float = -1.0  # weight of an L1 loss on edges, not in the paper; -1 takes the recipe's
contrast: float = -1.0  # of a loss on the strength of the detail, not in the paper; -1: the recipe's
perceptual: float = -1.0  # of a loss on a network's features, not in the paper; -1: the recipe's
encoder: str = "auto"  # encoder of the identity features: auto, dlib or arcface
arcface_file: str = ""  # an ArcFace ONNX file, for encoder arcface
identity_file: str = ""  # identity features of the clip's frames, made before; "" encodes them
retrain: bool = False  # train again even if a finished training with these settings exists
ablation_steps: int = 0  # steps of each training in section 9; 0: the profile's, -1: none
visible_mark: bool = True  # write "synthetic" into the videos (the metadata says so in any case)

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from tfhkit.palette import BLUE, GREEN, GREY, RED
from tfhkit.pipeline import open_step
from tfhkit.teach import explore

step = open_step("05_memory_gan", globals())
settings = step.settings
plt.rcParams["figure.dpi"] = 80  # many pictures

# %%
from tfhkit.background.images import Coarse
from tfhkit.fit import Fit
from tfhkit.media import open_clip
from tfhkit.motion import MotionWeights
from tfhkit.person import Person

fit = Fit.load(step.input("01_3dmm_fitting", "fit.npz"))
mapping = MotionWeights.load(step.input("03_lstm_training", "mapping.safetensors"))
parts = settings.split(len(fit))  # frames to learn from, and those held out
person = Person(step.open_clip(), fit, mapping, None, settings, *parts, device=step.device)
images = {
    name: Coarse.load(step.input("04_rendering", f"coarse_{name}.npz"))
    for name in ("train", "held_back", "speech")
}
train, video = images["train"], person.clip
size_px = train.render.shape[1]
for name, coarse in images.items():
    print(f"{name:10}{len(coarse):4} renderings of {size_px} x {size_px} px")

# %% [markdown]
# ## 1 · What is there to learn from?
# Pairs $(r_i, g_i)$: a rendering over its background, and the real frame at the same moment. A
# network should learn to map the first to the second. There is nothing else.


# %%
def strip(rows, n=5, height=1.45):
    """Pictures of several kinds, one kind in a row: rows is a dict name -> (T, S, S[, 3])."""
    some = np.linspace(0, len(next(iter(rows.values()))) - 1, n).astype(int)
    shape = next(iter(rows.values())).shape
    size = (n * height * shape[2] / shape[1], len(rows) * height)
    figure, axes = plt.subplots(len(rows), n, figsize=size)
    for line, (name, pictures) in zip(np.atleast_2d(axes), rows.items()):
        for axis, i in zip(line, some):
            axis.imshow(pictures[i], cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(name.replace(" ", "\n"), fontsize=8 if height > 1 else 6)
    figure.tight_layout(pad=0.3)
    plt.show()


strip({"rendering r": train.render, "real g": train.real})

# %% [markdown]
# *Five moments of the training part: the rendering over its background, and the real frame.*
#
# ### Where is the rendering wrong?
# The mean absolute error per pixel over all training frames, and the same for each part of the face.

# %%
import cv2

from tfhkit.landmarks.regions import feature_masks
from tfhkit.refine.personal import points_in_crop


def parts_of(points, changed):
    """Dict of masks (T, S, S): eyes, mouth, the rest of what was rendered, everything else."""
    masks = feature_masks(points, changed.shape[1])
    face = (changed > 0) & ~masks["eyes"] & ~masks["mouth"]
    return masks | {"rest of the face": face, "background": changed == 0}


# %%
points = points_in_crop(fit, train.frames, size_px)
error = np.abs(train.render.astype(np.float32) - train.real).mean(-1)
for name, mask in parts_of(points, train.changed).items():
    share = error[mask].sum() / error.sum()
    print(f"{name:17}{error[mask].mean():5.1f} grey levels, {mask.mean():4.0%} of the pixels,"
          f" {share:4.0%} of the error")  # fmt: skip


# %% [markdown]
# The head moves, so the error maps are first aligned by the landmarks.


# %%
def in_place(pictures, points, target):
    """Pictures (T, S, S, ...) moved so that their landmarks lie on the target (68, 2)."""
    moved = []
    for picture, frame in zip(pictures, points):
        how = cv2.estimateAffinePartial2D(frame, target, method=cv2.LMEDS)[0]
        moved.append(cv2.warpAffine(picture, how, (size_px, size_px)))
    return np.stack(moved)


target = points.mean(0)
error_map = in_place(error, points, target).mean(0)
mean_face = in_place(train.real, points, target).mean(0).astype(np.uint8)


# %%
def show_error(axis, values, title, most):
    """A map of the mean error, and the landmarks."""
    shown = axis.imshow(values, cmap="inferno", vmin=0, vmax=most)
    for first, last in ((0, 17), (17, 22), (22, 27), (36, 42), (42, 48), (48, 60)):
        axis.plot(*target[first:last].T - 0.5, color="0.8", lw=0.7)
    axis.set(title=title, xticks=[], yticks=[])
    return shown


# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3), layout="constrained")
left.imshow(mean_face)
left.set(title="mean of the real frames", xticks=[], yticks=[])
worst = np.percentile(error_map, 99.5)
shown = show_error(right, error_map, "mean error of the rendering", worst)
figure.colorbar(shown, ax=right, label="grey levels")
plt.show()

# %% [markdown]
# *The mean real face, and the mean absolute error of the rendering with the landmarks.*
#
# **What to see.** Outside the face, rendering and frame are equal except for a seam: the network
# must not touch anything there. Inside, the eyes (the model has no gaze here), the mouth (teeth!), the brows and
# the edge of the face are wrong. That calls for a network that can both *keep* and *paint*.
#
# ## 2 · The generator
#
# $$o_t = A_t \cdot r_t + (1 - A_t) \cdot C_t \qquad \text{(3)}$$
#
# A U-Net sees the window $r_{t-2}, r_{t-1}, r_t$ and the identity feature $f_t$. It has two heads: the
# colour $C$, and the attention $A$, one number per pixel. $A = 1$ keeps the rendering. We start with
# $A \approx 0.9$: the untrained network copies its input, so training starts from the coarse picture and not from noise.

# %%
from tfhkit.refine import Generator, generator_config

untrained = Generator(generator_config("small", size_px=size_px)).eval()
current = torch.as_tensor(train.render[:1]).permute(0, 3, 1, 2) / 127.5 - 1
with torch.no_grad():
    refined, kept, colour = untrained(current.repeat(1, 3, 1, 1), torch.zeros(1, 128))
assert torch.allclose(refined, kept * current + (1 - kept) * colour, atol=1e-6)
off = (refined - current).abs().mean().item() * 127.5
print(
    f"untrained: A {kept.mean():.2f}, colour near {colour.mean():.2f} (grey), {off:.0f} levels off"
)

# %% [markdown]
# ### A U-Net in one picture
# On the way down every level halves the picture and has more channels: it sees more of the
# face, in less detail. On the way up each level also gets what the way down saw at
# that size (the *skip connection*), so no edge of the rendering is lost.


# %%
def draw_unet(axis, config, title):
    """Boxes: height is the side of the feature maps, width their number."""
    sides = [config.size_px >> (level + 1) for level in range(len(config.channels))]
    boxes = list(zip(sides, config.channels))
    boxes, x, edges = [*boxes, *boxes[-2::-1]], 0.0, []
    for side, channels in boxes:
        height, width = np.log2(side) + 1, channels / 16 + 5
        down = len(edges) < len(sides)
        axis.add_patch(plt.Rectangle((x, -height / 2), width, height, color=BLUE if down else RED))
        axis.text(x + width / 2, -4.9, f"{side}\n{channels}", ha="center", va="top", fontsize=6.5)
        edges.append((x, x + width, height / 2))
        x += width + 4
    for a, b in zip(edges[: len(sides) - 1], edges[: len(sides) - 1 : -1]):
        axis.annotate("", (b[0] + 1, b[2]), (a[1] - 1, a[2]), arrowprops={"arrowstyle": "->"})
    axis.set(xlim=(-3, x), ylim=(-8, 5), title=title)
    axis.axis("off")


# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 2.5), layout="constrained", width_ratios=(1, 2.2))
for axis, name in zip(axes, ("small", "paper")):
    draw_unet(axis, generator_config(name), name)
plt.show()

# %% [markdown]
# *The U-Nets of sizes small and paper: one box per level, blue on the way down, orange on the way
# up; below each its side in pixels and its number of channels; arrows are skip connections.*
#
# ### How the identity comes in: AdaIN
# **Adaptive instance normalisation** normalises every channel to mean 0 and standard deviation 1 over the picture.
# Then it applies a scale and a shift that are functions of the identity.

# %%
from inspect import getsource

from tfhkit.refine import adain

print(getsource(adain).split('"""')[0] + getsource(adain).split('"""')[2])

# %% [markdown]
# The *pattern* of a channel stays; its amplitude and its mean are set anew.

# %%
noise = torch.Generator().manual_seed(0)
y, x = torch.meshgrid(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 48), indexing="ij")
blob = torch.exp(-4 * (x**2 + y**2)) + 0.05 * torch.randn(48, 48, generator=noise)
features = torch.stack([blob, 5 * x + 3, 0.2 * torch.sin(9 * y) - 2])[None]
scale, shift = torch.tensor([[0.0, -0.5, 1.0]]), torch.tensor([[0.0, 2.0, -1.0]])
steered = adain(features, scale, shift)
for k in range(3):
    before, after = (f"{f[0, k].mean():5.2f} +- {f[0, k].std():.2f}" for f in (features, steered))
    print(f"channel {k}: {before}  ->  {after}")
assert torch.allclose(steered.mean((2, 3)), shift, atol=1e-4)

# %%
figure, axes = plt.subplots(2, 3, figsize=(6, 3.3), layout="constrained")
for line, values, name in zip(axes, (features, steered), ("before", "after")):
    for k, axis in enumerate(line):
        shown = axis.imshow(values[0, k], cmap="cividis", vmin=-4, vmax=8)
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"{values[0, k].mean():.1f} +- {values[0, k].std():.1f}", fontsize=9)
    line[0].set_ylabel(name)
figure.colorbar(shown, ax=axes, label="value")
plt.show()

# %% [markdown]
# *Three channels of a toy example before and after AdaIN, on one colour scale; above each its mean and standard deviation.*
#
# Where do scale and shift come from? The published code predicts all of them with one network of three
# layers. Ours has one shared layer of 64 numbers, followed by one small linear layer at each place.


# %%
def parameters(name, **changes):
    """Millions of parameters of a generator: all, and those that read the identity."""
    with torch.device("meta"):
        net = Generator(generator_config(name, **changes))
    sizes = {key: p.numel() / 1e6 for key, p in net.named_parameters()}
    code = sum(n for key, n in sizes.items() if key.startswith("embed") or ".project." in key)
    return sum(sizes.values()), code


nets = {name: parameters(name) for name in ("small", "medium", "paper")}
nets["paper, one MLP"] = parameters("paper", adain="mlp", identity_dim=512)
for name, (total, code) in nets.items():
    print(f"{name:15}{total:7.1f} M parameters, {code:6.2f} M of them for the identity")
assert abs(nets["paper, one MLP"][0] - 259.1) < 2

# %%
figure, axis = plt.subplots(figsize=(7, 1.9), layout="constrained")
for y, (total, code) in enumerate(nets.values()):
    axis.barh(y, total - code, color=BLUE, label="" if y else "U-Net and heads")
    axis.barh(y, code, left=total - code, color=RED, label="" if y else "identity")
axis.set_yticks(range(4), nets)
axis.invert_yaxis()
axis.set(xlabel="million parameters")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# *Parameters of the generators; those that turn the identity into scales and shifts in orange.*
#
# **What to see.** Four fifths of the published network's parameters serve AdaIN. What we found when we used its form at the small size is
# in `docs/findings.md`.
#
# ## 3 · Who is it? Identity features
#
# A face-recognition network turns the real frame into a unit vector. The paper takes ArcFace (512
# numbers); without its weights we take dlib's descriptor (128).

# %%
from tfhkit.landmarks.identity import IdentityFeatures, identity_features


def identity_of(shown, points, most):
    """Identity features of crops, `most` of them encoded (60 ms each) and the others interpolated."""
    if identity_file:
        return IdentityFeatures.load(identity_file, len(fit)).of(shown.frames)
    every = max(1, len(shown) // most)
    return identity_features(
        shown.real, points, encoder, arcface_file or None, every, step.progress
    )


found = identity_of(train, points, 60)
likeness = found.features @ found.features.T
print(f"{found.encoder.name}: {found.features.shape}, {found.n_skipped} frames without a face")
assert np.allclose(np.linalg.norm(found.features[found.found], axis=1), 1, atol=1e-4)

# %%
shown_frames = np.flatnonzero(found.found)
inner = likeness[np.ix_(shown_frames, shown_frames)]
far = shown_frames[list(np.unravel_index(inner.argmin(), inner.shape))]
figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), width_ratios=(1.2, 1.2, 0.9, 0.9))
shown = axes[0].imshow(likeness, cmap="viridis", vmin=inner.min())
axes[0].set(xlabel="frame", ylabel="frame", title="cosine between frames")
figure.colorbar(shown, ax=axes[0], shrink=0.8)
axes[1].hist(inner[np.triu_indices(len(inner), 1)], bins=40, color=BLUE)
axes[1].axvline(found.encoder.match, color=RED)
axes[1].set(xlabel="cosine", ylabel="pairs of frames", title="right of the line: alike")
for axis, i in zip(axes[2:], far):
    axis.imshow(train.real[i])
    axis.set_title(f"frame {train.frames[i]}", fontsize=9)
    axis.axis("off")
figure.tight_layout()
plt.show()

# %% [markdown]
# *Cosine of the identity features of all pairs of training frames; their distribution, with the
# threshold of "same identity" in orange; and the two frames that are least alike.*
#
# **What to see.** It is one person, yet not one vector: pose and expression change it. The blocks along the
# diagonal are moments that look alike.
#
# ## 4 · The memory: an identity for frames that do not exist yet
#
# At test time there is no real frame from which $f_t$ could be computed. The memory stores pairs (*spatial feature* of the
# rendering, *identity feature* of its real frame). At test time the rendering is the query, and the nearest key returns its identity.
#
# - **Query**: a frozen network's features of the rendering (in the paper ResNet18's `pool5`, here EfficientNet-Lite0's where ResNet18's file is
#   absent), a trainable layer, unit length.
# - **Update**: if the value of the nearest slot is a similar identity, the query is merged into its key,
#   $k \leftarrow (k + q) / \lVert k + q \rVert$, and its age is set to 0; otherwise the pair replaces
#   the oldest slot.
# - **Threshold triplet loss**: the nearest key of a similar identity should be closer to the query, by a margin, than the
#   nearest key of a different one.

# %%
from tfhkit.refine import Memory

print(getsource(Memory.update).split('"""')[-1])

# %% [markdown]
# ### The update rule, step by step
# Keys and queries of dimension 2 are points on a circle, and three persons are three colours. The
# memory has two slots.

# %%
from tfhkit.refine import MemoryConfig


def on_circle(degrees):
    """(1, 2): the unit vector of an angle."""
    angle = torch.deg2rad(torch.tensor(float(degrees)))
    return torch.stack([angle.cos(), angle.sin()])[None]


people = dict(zip("ABC", torch.eye(3)[:, None]))
tints = dict(zip("ABC", (BLUE, RED, GREEN)))
looks = [(10, "A"), (40, "A"), (110, "B"), (60, "A"), *[(30, "A")] * 9, (150, "C")]
small = Memory(MemoryConfig(slots=2, key_dim=2, value_dim=3, top_k=2))
moments = []
for degrees, who in looks:
    slot = small.update(on_circle(degrees), people[who]).item()
    moments.append(
        (degrees, who, slot, small.keys.clone(), small.values.clone(), small.age.tolist())
    )
assert [slot for *_, slot, _, _, _ in moments] == [0, 0, 1] + [0] * 10 + [1]

# %%
told = {0: "first: an empty slot", 1: "similar: merged", 2: "different: an empty slot",
        3: "similar: merged", 12: "nine more of A", 13: "different: replaces the oldest"}  # fmt: skip
figure, axes = plt.subplots(1, 6, figsize=(11, 2.3), layout="constrained")
for axis, (i, text) in zip(axes, told.items()):
    degrees, who, slot, keys, values, ages = moments[i]
    axis.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.8"))
    axis.plot(*on_circle(degrees)[0] * 1.25, "v", color=tints[who], ms=6)
    for k, (key, value) in enumerate(zip(keys, values)):
        if value.any():
            axis.arrow(0, 0, *key.tolist(), color=tints["ABC"[value.argmax()]], width=0.03)
            axis.text(-1.2, -0.35 - 0.3 * k, f"slot {k}: age {ages[k]}", fontsize=8)
    axis.set(xlim=(-1.35, 1.35), ylim=(-0.75, 1.4), aspect="equal")
    axis.set_title(text, fontsize=8)
    axis.axis("off")
plt.show()

# %% [markdown]
# *Six moments of a memory with two slots: arrows are keys in the colour of their person, the triangle
# is the query; each slot has its number and its age.*
#
# **What to see.** A merged key is a mean of several views, and it stays young. Person B was not seen for ten
# steps, so C replaces B: the memory keeps what is frequent and recent. (Ages carry noise of
# up to 4 steps, so that among equal ages the choice is random.)
#
# ### The threshold triplet loss in one number
#
# $$\mathcal L_{m} = \max\big(0,\ \max_{k \in \text{different}} q\cdot k\ -\ \max_{k \in \text{similar}} q \cdot k\ +\ 0.3\big)$$
#
# A memory has A's key at 20 and B's at 100 degrees; the query is of person A, at any angle.

# %%
pair = Memory(MemoryConfig(slots=2, key_dim=2, value_dim=3, top_k=2))
for degrees, who in ((20, "A"), (100, "B")):
    pair.update(on_circle(degrees), people[who])
angles = np.arange(-60, 181, 2)
losses = [pair.triplet_loss(on_circle(angle), people["A"]).item() for angle in angles]
right, wrong = (np.cos(np.radians(angles - at)) for at in (20, 100))
by_hand = np.maximum(0, wrong - right + 0.3)
assert np.allclose(losses, by_hand, atol=1e-5)
print(f"at 60 degrees, halfway: {losses[60]:.2f}; at 40: {losses[50]:.2f}; at 20: {losses[40]:.2f}")

# %%
figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
axis.plot(angles, right, color=BLUE, lw=1, label="cosine to A's key (similar)")
axis.plot(angles, wrong, color=RED, lw=1, label="cosine to B's key (different)")
axis.plot(angles, losses, "k", lw=2, label="loss")
axis.set(xlabel="query (degrees)", ylim=(-1.1, 2.1), xticks=range(-60, 181, 40))
axis.legend(frameon=False, fontsize=8, ncols=3, loc="upper left")
plt.show()

# %% [markdown]
# *The two cosines and the loss against the query's angle.*
#
# **What to see.** There is no loss, and no gradient, once the query is closer to the right key by the margin.
# Halfway between both keys the loss equals the margin. The gradient moves the trainable layer, not the
# keys: those move by the update rule.
#
# ## 5 · The discriminator
#
# $D$ is a PatchGAN: it judges overlapping patches, not the whole picture, and it sees the renderings
# too. How large is a patch? Each layer enlarges the receptive field of an output by its kernel size, in steps of the stride
# of the layers below.

# %%
from tfhkit.refine import PatchDiscriminator


def patch_of(discriminator):
    """Side of what one output sees, and the distance of two outputs, pixels."""
    side, pace = 1, 1
    for layer in discriminator.net:
        if isinstance(layer, torch.nn.Conv2d):
            side += (layer.kernel_size[0] - 1) * pace
            pace *= layer.stride[0]
        elif isinstance(layer, torch.nn.PixelUnshuffle):
            side, pace = side + pace * (layer.downscale_factor - 1), pace * layer.downscale_factor
    return side, pace


# %%
discriminators = {
    "small": PatchDiscriminator(3, 32, unshuffle=2), "paper": PatchDiscriminator(3, 64),
}  # fmt: skip
patches = {name: patch_of(net) for name, net in discriminators.items()}
for name, (side, pace) in patches.items():
    n = sum(p.numel() for p in discriminators[name].parameters()) / 1e6
    crop = generator_config(name).size_px
    print(f"{name:6} patches of {side} px, every {pace} px of {crop}; {n:.2f} M parameters")
assert patches["paper"] == (70, 8)

# %%
figure, axes = plt.subplots(1, 2, figsize=(5.6, 2.8), layout="constrained")
for axis, (name, (side, pace)) in zip(axes, patches.items()):
    share = size_px / generator_config(name).size_px
    axis.imshow(train.real[0])
    for k, tint in enumerate((RED, "w", BLUE)):
        corner = (size_px - side * share) / 2 + (k - 1) * 2 * pace * share
        box = plt.Rectangle((corner, corner), side * share, side * share, fill=False, ec=tint, lw=2)
        axis.add_patch(box)
    axis.set(title=f"{name}: {side} px of {generator_config(name).size_px}", xticks=[], yticks=[])
plt.show()

# %% [markdown]
# *Three of the overlapping patches that the discriminators judge, every second one along the
# diagonal, on a frame.*
#
# **What to see.** A patch at the paper's size contains an eye or a mouth: enough to judge teeth, too little to
# judge a face. At 128 px the same kind of network sees half of the face at once.
#
# ## 6 · Equation 4, term by term
#
# $$\mathcal L = \underbrace{\mathbb E\log D(r,g) + \mathbb E\log(1-D(r,G))}_{\text{GAN}}
# + \lambda_1 \mathbb E\|g-G\|_1 + \lambda_2\,\mathbb E\|A\|_2
# + \lambda_3\,\mathbb E\textstyle\sum (\nabla A)^2 \qquad \text{(4)}$$
#
# with $\lambda = (100, 2, 10^{-5})$ (Sec. 4.1). Three of the four terms leave something open.
#
# ### The GAN term: log or non-saturating
# $D = \sigma(x)$ with the logit $x$. As written, $G$ minimises $\log(1 - D)$; the published code maximises $\log D$
# instead. Both want the same, but look at the slopes.

# %%
from tfhkit.refine.losses import generator_gan_loss

logits = torch.linspace(-6, 6, 121)
slopes, values = {}, {}
for form in ("log", "nonsaturating"):
    x = logits.clone().requires_grad_()
    values[form] = [generator_gan_loss(one, form).item() for one in x.detach()]
    sum(generator_gan_loss(one, form) for one in x).backward()
    slopes[form] = x.grad
surely_fake = logits.sigmoid() < 0.01
for form, slope in slopes.items():
    print(f"{form:14} slope where D < 0.01: {slope[surely_fake].abs().mean():.3f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 2.4), layout="constrained")
for form, tint in (("log", RED), ("nonsaturating", BLUE)):
    axes[0].plot(logits.sigmoid(), values[form], color=tint, label=form)
    axes[1].plot(logits.sigmoid(), -slopes[form], color=tint)
axes[0].set(xlabel="D of a refined frame", ylabel="generator's GAN loss")
axes[1].set(xlabel="D of a refined frame", ylabel="gradient on the logit")
axes[0].legend(frameon=False)
plt.show()

# %% [markdown]
# *Both forms of the generator's GAN loss against the discriminator's output, and the size of their gradients.*
#
# **What to see.** A discriminator that recognises every refined frame ($D \to 0$) teaches nothing in the
# form as written: the gradient vanishes where it is needed most.
#
# ### The attention term: which norm?

# %%
from tfhkit.refine.losses import attention_norm as norm_of
from tfhkit.refine.losses import attention_smoothness, to_unit

coarse_l1 = 100 * (to_unit(train.render) - to_unit(train.real)).abs().mean().item()
print(f"100 x L1 of the untouched rendering: {coarse_l1:.2f}")
whole = torch.ones(1, 1, size_px, size_px)
hole = whole.clone()
hole[..., size_px // 4 : -size_px // 4, size_px // 4 : -size_px // 4] = 0
forms = {"l2": "l2, as written", "rms": "rms, ours", "mean": "mean, published"}
for form, text in forms.items():
    a, b = (2 * norm_of(mask, form).item() for mask in (whole, hole))
    print(f"2 x norm ({text:15}): {a:7.2f} for A = 1, {b:7.2f} with a hole for the face")
print(f"1e-5 x smoothness of the hole's sharp edge: {1e-5 * attention_smoothness(hole).item():.4f}")

# %%
figure, axis = plt.subplots(figsize=(6, 2.5), layout="constrained")
kept_rows = np.arange(1, size_px + 1)
masks = [(torch.arange(size_px) < n).float()[None, None, :, None] * whole for n in kept_rows]
for (form, text), tint in zip(forms.items(), (RED, BLUE, GREEN)):
    heights = [2 * norm_of(mask, form).item() for mask in masks]
    axis.plot(kept_rows / size_px, heights, color=tint, label=text)
axis.axhline(coarse_l1, color="k", lw=0.8, label="100 x L1 of the rendering")
axis.set(yscale="log", xlabel="share of the picture that is kept (A = 1)", ylabel="2 x norm of A")
axis.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *The attention term against the kept share of the picture in its three forms, compared with the L1 term of a
# rendering that is left as it is.*
#
# **What to see.** As written (`l2`), the norm outweighs the L1 term many times: $A$ would go to 0 everywhere
# and Eq. 3 would keep nothing. Divided by the number of pixels under the root (`rms`), or as a mean (the published code), it is comparable to the
# L1 term. The smoothness term is tiny for any mask.
#
# **When does a network keep at all?** Keeping a pixel costs $\lambda_2$ times its share of a mean over pixels; painting
# it costs $100\,e$ with the colour's error $e$ (a grey level is 2/255). Keeping pays off only while the
# colour would be off by more than

# %%
for weight_of_it in (2, 0.1):
    print(f"lambda 2 = {weight_of_it}: {weight_of_it / 100 * 255 / 2:.2f} grey levels")

# %% [markdown]
# (without the extras below). A colour head that learns to paint a still background within 2.5 grey
# levels is therefore rewarded for painting all of it, and with $\lambda_2 = 2$ it may: try `attention_weight=2`, and compare the
# attention in the background that section 8 prints, and the error there. The option of the published code defaults to $\lambda_2 = 0.1$, and its fine-tuning
# command sets 2, as in the paper (the command of its general training is not published). Here it is 0.1 (`attention_weight`).
#
# ### The L1 term: where it counts
# Two extras that are not in the paper: the L1 term weighs more on the face, most on eyes and mouth,
# and there is a second one on differences of neighbouring pixels (`gradient`), for sharper edges.

# %%
from tfhkit.refine import region_weight

weight = region_weight(train.changed, points)
edges = np.abs(np.diff(train.real[0].mean(-1), axis=1))
panels = {"real": train.real[0], "weight of the L1": weight[0], "horizontal differences": edges}
figure, axes = plt.subplots(1, 3, figsize=(7.6, 2.4), layout="constrained")
for axis, (title, picture) in zip(axes, panels.items()):
    shown = axis.imshow(picture, cmap="cividis")
    axis.set(title=title, xticks=[], yticks=[])
    if title.startswith("weight"):
        figure.colorbar(shown, ax=axis, shrink=0.8)
plt.show()

# %% [markdown]
# *A frame, the weight of its pixels in the L1 term, and what the second L1 term compares.*
#
# ### How much detail, and a network that looks
# Two more extras, not in the paper either. The first asks how strong the detail is around each place, not where exactly it lies
# (`contrast`). With $c(u)$, the root mean square of the gradient of the grey values in a window of 7 x 7 pixels, it is
#
# $$\mathcal{L}_c = \operatorname{mean}_{x,y}\, \lvert c(o_t) - c(g_t) \rvert .$$
#
# For the second (`perceptual`), a network that was trained to recognise things, EfficientNet-Lite0, looks at
# both frames. Let $\phi_s$ be its features at scale $s$, and $u_s = \phi_s / \lVert \phi_s \rVert$, of length 1 at each place. The term is
#
# $$\mathcal{L}_\phi = \frac{1}{3} \sum_{s=1}^{3} \operatorname{mean}_{x,y}\, \lVert u_s(o_t) - u_s(g_t) \rVert^2 .$$
#
# Where an edge may lie here or there, L1 is smallest for a blur. How do the three rank a blur among other errors?

# %%
from tfhkit.efficientnet import open_efficientnet, why_missing
from tfhkit.refine.losses import contrast_loss, perceptual_loss

frame = train.real[:1]
soft = cv2.GaussianBlur(frame[0], (0, 0), 1.5)[None]
brighter = np.clip(frame.astype(int) + 8, 0, 255).astype(np.uint8)
changes = {"brighter": brighter, "moved by a pixel": np.roll(frame, 1, axis=2), "blurred": soft}
missing = why_missing("lite0")
if missing:
    print(missing)
for name, changed in changes.items():
    pair = to_unit(changed), to_unit(frame)
    looks = np.nan
    if not missing:
        looks = perceptual_loss(*pair, open_efficientnet("lite0")).item()
    print(f"{name:17} L1 {(pair[0] - pair[1]).abs().mean():.3f}"
          f"  L_c {contrast_loss(*pair).item():.4f}  L_phi {looks:.3f}")  # fmt: skip

# %% [markdown]
# **What to see.** To L1 the blur is the smallest error; to the other two it is the largest. So they keep the refined mouth and eyes from
# becoming soft. (The contrast alone would be content with detail in the wrong place, so its sum with L1 counts.) Of the network, the
# training uses the first three scales only, at 1/2, 1/4 and 1/8 of the side: they see edges and textures, and the whole network would
# cost more than the generator.
#
# ### Equation 5: two players
#
# $$G^* = \arg\min_G \max_D\ \mathcal L(G, D) \qquad \text{(5)}$$
#
# $D$ makes Eq. 4 as large as it can; $G$ makes the result as small as it can. What does the inner maximum measure? For given real and
# generated distributions the best $D$ is known: $D^* = p_{real} / (p_{real} + p_{gen})$ (Goodfellow et al. 2014). A toy: both are bell curves, and the generated
# one is off by some standard deviations.

# %%
x = np.linspace(-8, 12, 4001)
off_by, inner_maximum = np.linspace(0, 4, 41), []
for offset in off_by:
    p_real, p_made = (np.exp(-((x - mean) ** 2) / 2) / np.sqrt(2 * np.pi) for mean in (0, offset))
    best_d = p_real / (p_real + p_made)
    value = p_real * np.log(best_d) + p_made * np.log(p_made / (p_real + p_made))
    inner_maximum.append(np.trapezoid(value, x))
assert np.isclose(inner_maximum[0], -np.log(4)) and (np.diff(inner_maximum) > 0).all()
print(f"equal: {inner_maximum[0]:.3f} (-log 4); 4 deviations off: {inner_maximum[-1]:.3f}")

# %%
figure, axis = plt.subplots(figsize=(5, 2.2), layout="constrained")
axis.plot(off_by, inner_maximum, color=BLUE)
axis.axhline(0, color="k", ls=":", lw=1)
axis.set(xlabel="offset of the generated distribution (standard deviations)")
axis.set_ylabel("GAN term for the best D")
plt.show()

# %% [markdown]
# *The inner maximum of Eq. 5 (GAN term only) against the offset of the generated distribution.*
#
# **What to see.** The better the two distributions match, the less even the best discriminator can get. The minimum, $-\log 4$, is
# reached only when they are equal, so the outer minimum asks for frames that nobody can tell from real ones. Far apart the curve
# flattens, and $G$ learns next to nothing: that is the saturation seen above.
#
# ## 7 · Training
#
# Nobody can compute the inner maximum of Eq. 5 for pictures, so $D$ and $G$ take one gradient step each, in turn. In every step the
# memory computes its loss and updates first, then $D$ steps, then $G$ with the *true* identity. Batches are shifted by up to 12 pixels
# (augmentation). Held-out frames, rendered with their true coefficients, are evaluated now and then and never trained on.
#
# The steps themselves are Adam's, except for the weights of most of $G$'s convolutions. Those are moved by **Muon**: it makes
# the singular values of a step alike, so that directions with small gradients are not left behind (`tfhkit/refine/muon.py`). On four
# clips, 600 such steps do what 1500 of Adam did (`docs/findings.md`). The paper and its code use Adam for everything.

# %%
from tfhkit.talk import draw_own

n_held_out = {"tiny": 8, "quick": 48, "full": 100}[settings.profile]
first = person.held.start
held_out = draw_own(person, slice(first, min(first + n_held_out, len(fit))), seed)
region, times = held_out.changed > 0, held_out.times
held_out_points = points_in_crop(fit, held_out.frames, size_px)
assert not set(held_out.frames) & set(train.frames)
print(f"{len(train)} training frames, {len(held_out)} held-out frames")

# %%
from tfhkit.teach.recipe_table import recipe_table

recipe_table("refiner", "losses", "frames", "training")

# %% [markdown]
# *What this notebook does (`ours`), what the paper says, and what the published code does. The parameter `recipe` chooses a column;
# `gan`, `attention_weight` and the other parameters above change single rows.*

# %%
from tfhkit.recipes import chosen
from tfhkit.refine.personal import PersonalFrames, personal_config, personal_training

own = PersonalFrames(train, points, found, chosen(settings.recipe, "frames")["regions"])
config = personal_config(settings, own, identity=identity, attention=attention, window=window)

# %%
from dataclasses import replace

how = personal_training(settings, len(points), steps)
changes = {"gan": gan, "attention_norm": attention_norm, "attention": attention_weight}
changes |= {"gradient": gradient, "contrast": contrast, "perceptual": perceptual}
changes = {name: value for name, value in changes.items() if value not in ("", -1)}
how = replace(how, losses=replace(how.losses, **changes), validate_every=max(1, how.steps // 8))

# %% [markdown]
# ### Where does it start?
# The paper first trains one refiner on many people (*Ours-G*) and then fine-tunes it (*Ours-P*). Our
# many people are virtual speakers, each rendered twice: coarsely, as in notebook 04, and with skin, teeth,
# hair and surroundings. This is what such a general refiner makes of our person, without having seen them:

# %%
from tfhkit.evaluate.ablations import general_only
from tfhkit.refine import refine
from tfhkit.refine.general import general_refiner

base = general_refiner(settings.refine_size) if general else None
answers = {"rendering": held_out.render}
if base is None:
    print("starts from random weights: none of this size come with the kit, or general=False")
else:
    answers["general only"], _ = refine(general_only(base, config), held_out.render, times)
    print("starts from the general weights")
strip({**answers, "real": held_out.real})

# %% [markdown]
# *Held-out frames: the rendering, what the general refiner makes of it without any personal training
# (where there is one), and the real frame.*

# %%
from tfhkit.teach.curves import LiveCurves

few = slice(0, 16)
levels = {}
for name, answer in answers.items():
    squares = (answer[few].astype(np.float32) - held_out.real[few]) ** 2
    levels[name] = float(10 * np.log10(255**2 / squares[region[few]].mean()))
    print(
        f"{name:13}{levels[name]:6.2f} dB on the first {len(held_out.real[few])} held-out frames"
    )
curves = LiveCurves(levels, how.steps)

# %% [markdown]
# The training is saved in `training.safetensors`. If it is stopped, it resumes; if a finished one with
# the same data and settings is found, it is reused. With `retrain`, or with the button that
# then appears below, it is done again.

# %%
from tfhkit.refine import RunOptions
from tfhkit.refine.personal import train_personal_refiner
from tfhkit.teach.training import drop_finished, tell_training

if retrain:
    drop_finished(step.path("training.safetensors"), how)
run = RunOptions(
    step.device,
    checkpoint=step.path("training.safetensors"),
    progress=step.progress,
    held_out=(held_out.render[few], held_out.real[few], region[few]),
    watch=curves,
)
refiner, history = train_personal_refiner(own, config, how, base, seed, run)
curves.show(history)

# %% [markdown]
# *Losses over the training steps (left, middle) and the PSNR (peak signal-to-noise ratio) of held-out frames on the face (right), compared with
# the rendering and the general refiner.*

# %%
tell_training(history, step.path("training.safetensors"))
print(f"on {step.device}; encoder behind the keys: {history['spatial']}")
gains = [entry["psnr_db"] for entry in history["validation"]]
print(f"held-out frames: {levels['rendering']:.1f} dB before, {gains[-1]:.1f} dB after")

# %% [markdown]
# **What to see.** The general refiner knows what faces look like, but not this one: by itself it is
# about one decibel closer than the rendering. It is a good starting point, though: more than half of the gain is there
# at the first check (compare *personal only* in section 9). The dotted line of the middle
# panel is a discriminator that only guesses. The GAN and the contrast term start after 30 % of the steps, and in the quick profile
# the discriminator hardly gets beyond guessing. (The published fine-tuning takes 60 epochs of 298 images, one at a time: 17,880 steps.)
#
# ## 8 · What does it do with held-out frames?
#
# First with the *true* coefficients of the held-out part: this tests only the refinement.

# %% tags=["report"]
from tfhkit.refine import refine_with_colour

refined, kept, painted = refine_with_colour(
    refiner, held_out.render, times, progress=step.progress
)
strip(
    {
        "rendering r": held_out.render,
        "attention A": kept,
        "colour C": painted,
        "refined o": refined,
        "real g": held_out.real,
    }
)

# %% [markdown]
# *Held-out frames: rendering, attention, colour, their mix by Eq. 3, and the real frame.*
#
# **What to see.** White attention keeps the rendering, which outside the face *is* the real frame; there the colour head
# may paint what it likes. Where it is dark, the network paints. Eyes and mouth are darkest; cheeks and nose are a mix.

# %%
where = parts_of(held_out_points, held_out.changed)
for name, mask in where.items():
    print(f"{name:17} attention {kept[mask].mean():.2f}")
if attention and how.losses.attention <= 0.1 and settings.profile != "tiny":
    assert kept[region].mean() < kept[~region].mean()

# %% [markdown]
# ### Comparison with baselines
# The unrefined rendering; the real training frame whose rendering is nearest (a network that only
# memorises would give this); the general refiner. The interval is a block bootstrap of the
# difference to the rendering over the same frames.

# %%
from tfhkit.evaluate.frames import nearest_frames, score_frames
from tfhkit.stats import mean_interval

rows = nearest_frames(train.render, held_out.render)
answers |= {"nearest frame": train.real[rows], "refined": refined}
scores = score_frames(held_out.real, answers, region, find_faces=True, progress=step.progress)
base_db = scores["rendering"]["psnr_frames"]
print("                PSNR   to the rendering, 95 %    SSIM  mouth error  identity  flicker   looks  detail")
for name, s in scores.items():
    low, high = mean_interval(s["psnr_frames"] - base_db, times, seed=seed)
    some = ("lmd", "identity_similarity", "detail_mouth", "detail_eyes")
    lips, who, *detail = (np.nan if s[k] is None else s[k] for k in some)
    print(f"{name:14}{s['psnr']:6.2f}  {s['psnr'] - base_db.mean():+6.2f} ({low:+.2f} to {high:+.2f})"
          f"{s['ssim']:10.3f}{100 * lips:11.1f} %{who:10.3f}{s['flicker_ratio']:9.2f}"
          f"{s.get('perceptual', np.nan):8.3f}{detail[0]:6.2f}{detail[1]:5.2f}")  # fmt: skip

# %% [markdown]
# PSNR (dB) and SSIM (structural similarity) on the face; the mean error of the mouth's landmarks in percent of the distance between the eye
# corners; cosine of the identity feature to the real frame's; flicker: second differences over
# time, as a multiple of the real clip's own; and looks: the distance of the features of EfficientNet-Lite1, a network that no training sees
# (0 is equal; it grows with blur and noise). Last the detail of the mouth and of the eyes, the energy of the differences of neighbouring
# pixels as a multiple of the real frame's: below 1 it is softer.

# %%
gain_db = scores["refined"]["psnr"] - scores["rendering"]["psnr"]
gain_low, gain_high = mean_interval(scores["refined"]["psnr_frames"] - base_db, times, seed=seed)
if settings.profile != "tiny" and settings.recipe == "ours":
    assert gain_low > 0, "the refiner made the rendering worse"

# %% [markdown]
# **What to see.** The refined frames are closer to the truth than any baseline: the whole interval of their gain lies above those of the
# others. The nearest training frame has a real face and a real identity, but the mouth of another
# moment; the rendering has about the right mouth, but no real face.

# %% [markdown]
# ### The error, before and after

# %% tags=["report"]
before, after = (
    np.abs(answer.astype(np.float32) - held_out.real).mean(-1)
    for answer in (held_out.render, refined)
)
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3), layout="constrained")
for axis, values, title in zip(axes, (before, after), ("rendering", "refined")):
    placed = in_place(values, held_out_points, target).mean(0)
    shown = show_error(axis, placed, title, worst)
figure.colorbar(shown, ax=axes, label="mean error (grey levels)")
plt.show()
for name, mask in where.items():
    print(f"{name:17}{before[mask].mean():5.1f} -> {after[mask].mean():4.1f} grey levels")

# %% [markdown]
# *Mean absolute error on the held-out frames, before and after refinement, on one colour scale.*
#
# ### Close-ups of mouth and eyes
# A mean over the face hides what a viewer looks at first.


# %%
def close_up(pictures, points, width=0.28, height=0.28):
    """Pieces of pictures around the mean of some landmarks; their size in shares of the crop's."""
    w, h = round(width * size_px), round(height * size_px)
    corners = points.mean(1).round().astype(int) - (w // 2, h // 2)
    corners = np.clip(corners, 0, (size_px - w, size_px - h))
    return np.stack([p[y : y + h, x : x + w] for p, (x, y) in zip(pictures, corners)])


shown = {name: answers[name] for name in answers if name != "nearest frame"}
shown["real"] = held_out.real
strip({name: close_up(p, held_out_points[:, 48:68]) for name, p in shown.items()}, 7, 1.15)

# %% [markdown]
# *The mouth in seven held-out frames.*

# %%
eyes = held_out_points[:, 36:48]
strip({name: close_up(p, eyes, 0.5, 0.2) for name, p in shown.items()}, 5, 0.75)

# %% [markdown]
# *The eyes in five held-out frames.*
#
# **What to see.** The rendering stares; the refined eyes are this person's, with lids and brows. The
# teeth are a bright spot where the real ones are: the clip has no more to show, because its mouth is a few
# dozen pixels wide. What is lost first are the creases around closed lips.
#
# ### Does it flicker?
# Each frame is refined by itself, so neighbouring frames may disagree. One column of pixels through
# the mouth, over time, shows it: smooth motion draws smooth lines, flicker draws a comb.

# %%
column = int(held_out_points[:, 48:68, 0].mean())
figure, axes = plt.subplots(1, len(shown), figsize=(2.1 * len(shown), 2.4), layout="constrained")
for axis, (name, pictures) in zip(axes, shown.items()):
    slices = pictures[:, size_px // 4 :, column].transpose(1, 0, 2)
    axis.imshow(slices, aspect="auto", extent=(times[0], times[-1], size_px, size_px // 4))
    title = name if name == "real" else f"{name}, {scores[name]['flicker_ratio']:.2f}"
    axis.set(xlabel="time (s)", title=title, yticks=[])
    axis.title.set_fontsize(9)
plt.show()
warped = scores["refined"]["flicker_ratio_warped"]
print(f"flicker of the refined frames along the real motion: {warped:.2f} of the real clip's")

# %% [markdown]
# *A column of pixels through the mouth over time; the number is the flicker, where 1 is that of the real clip.*
#
# **What to see.** A value well below 1 means a picture that is too soft or too still, a value above 1 means
# jitter. The published code leaves dropout on at test time, which makes its output random from frame
# to frame; here the same input gives the same output.
#
# ### Explore: Eq. 3 by hand
# Multiply the attention before it is used. At 0 you see the colour head alone. Guess first: what does
# a gain of 2 show, and which parts of the face turn into the rendering last?


# %%
def equation3(frame=0, gain=1.0):
    """Rendering, attention, colour and their mix by Eq. 3 for one held-out frame."""
    a = np.clip(gain * kept[frame], 0, 1)[..., None]
    mix = (a * held_out.render[frame] + (1 - a) * painted[frame]).astype(np.uint8)
    panels = {"r": held_out.render[frame], "A": a[..., 0], "C": painted[frame], "o": mix}
    panels["real"] = held_out.real[frame]
    _, axes = plt.subplots(1, 5, figsize=(9, 2.1))
    for axis, (name, picture) in zip(axes, panels.items()):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set_title(name)
        axis.axis("off")


explore(equation3, frame=(0, len(refined) - 1), gain=(0.0, 2.0, 1.0))

# %% [markdown]
# ### What does the discriminator say?
# For each patch of a held-out frame, given the same renderings: is this frame real? The discriminator
# is not part of the refiner, but its weights are in the training's checkpoint.

# %%
from tfhkit.refine.data import gather_windows, window_indices
from tfhkit.weights import read_tensors

discriminator = PatchDiscriminator(window, how.disc_channels, unshuffle=how.disc_unshuffle)
stored = read_tensors(step.path("training.safetensors"))
prefix = "discriminator."
discriminator.load_state_dict(
    {name[len(prefix) :]: value for name, value in stored.items() if name.startswith(prefix)}
)
renders = torch.as_tensor(held_out.render)
windows = gather_windows(renders, torch.as_tensor(window_indices(len(renders), window)))
questions = {"rendering": held_out.render, "refined": refined, "real": held_out.real}
with torch.no_grad():
    verdicts = {name: discriminator(windows, to_unit(p)).sigmoid()[:, 0] for name, p in questions.items()}

# %%
i = len(refined) // 2
figure, axes = plt.subplots(1, 3, figsize=(8, 2.6), layout="constrained")
for axis, (name, verdict) in zip(axes, verdicts.items()):
    axis.imshow(questions[name][i].mean(-1), cmap="gray", extent=(0, 1, 1, 0))
    answer = axis.imshow(verdict[i], cmap="PuOr", vmin=0, vmax=1, alpha=0.6, extent=(0, 1, 1, 0))
    axis.set(title=f"{name}: {verdict.mean():.2f}", xticks=[], yticks=[])
figure.colorbar(answer, ax=axes, label="D: real")
plt.show()

# %% [markdown]
# *The discriminator's output for the patches of one frame: as a rendering, refined, and real. The
# number is its mean over all held-out frames; orange is fake, purple is real.*
#
# **What to see.** The three means are close to 0.5: after so few steps the discriminator tells neither the rendering nor the refined
# frame reliably from a real one, and so it can teach little. In the quick profile the GAN term is nearly without effect.
#
# ### What is in the memory?
# Do frames of one pose share a slot? And how close are the held-out renderings to what was
# stored? Each dot is a slot: point at it (or step through them) to see the frames that wrote it
# last, and the held-out renderings that read it.

# %%
from tfhkit.refine import retrieve_identity
from tfhkit.teach.slot_map import show_slots

if identity == "memory":
    memory = refiner.memory
    asked = retrieve_identity(refiner, held_out.render, times, np.arange(len(times)))
    yaw = np.degrees(fit.coefficients.angles[train.frames, 1])
    frames = train.frames, train.real, held_out.render
    show_slots(memory, asked, *frames, yaw, "yaw (degrees)")

# %% [markdown]
# *Left: the slots in the plane of their keys' first two principal components, coloured by the
# yaw at which they were written; larger dots are read more often, crosses never; thumbnails: the newest frame in some slots (dashed border: never read). Right: the cosine of
# each held-out frame to its nearest key.*
#
# **What to see.** The frames that wrote a slot last are neighbours in time, so they look alike. Few
# slots are read; most never are. The frames that read a slot are often of another pose: a cosine
# well below 1 says that nothing like them was stored.
#
# ### Explore: attention and memory, frame by frame
# Play the held-out part. When does the memory change its slot: with the words, or with the head? And
# does the attention let the network paint the mouth when it opens?

# %%
from tfhkit.teach.panels import grey_picture
from tfhkit.teach.scrubber import scrub
from tfhkit.teach.slots import writers_of


def moment(row):
    """Rendering, attention, refined and real frame, and who wrote the slot that answered."""
    newest = writers_of(memory, asked.slots[row], train.frames)[:1]
    writer = train.real[newest[0]] if len(newest) else np.zeros_like(train.real[0])
    shown = {"rendering": held_out.render[row], "attention": grey_picture(kept[row])}
    return shown | {"refined": refined[row], "real": held_out.real[row], "slot's writer": writer}


# %%
if identity == "memory":
    series = {"cosine to its key": asked.similarity, "slot (number)": asked.slots}
    text = "Held-out frames: rendering, attention, refined, real, and the memory's choice."
    scrub(moment, times, series, video.audio, text)

# %% [markdown]
# *White attention keeps the rendering, dark attention paints. The last picture is the newest training
# frame that was written into the slot that was read.*
#
# Is the retrieved identity closer to the truth than one mean identity for all frames? And does the picture
# improve? The last row is the true identity of the real frame, an oracle: at test time nobody has it.

# %%
if identity == "memory":
    true = identity_of(held_out, held_out_points, 30).features
    mean = found.features[found.found].mean(0)
    given = {
        "mean": np.tile(mean / np.linalg.norm(mean), (len(true), 1)),
        "nearest slot": memory.values[asked.slots].cpu().numpy(),
        "smoothed": retrieve_identity(refiner, held_out.render, times).identity.cpu().numpy(),
        "true": true,
    }

# %%
from tfhkit.metrics import flicker_ratio, psnr

if identity == "memory":
    print(
        "identity      cosine to the true one, 95 % vs mean           PSNR, 95 % vs mean          flicker"
    )
    marks = {}
    for name, features in given.items():
        pictures, _ = refine(
            refiner, held_out.render, times, identity=features, progress=step.progress
        )
        marks[name] = (features * true).sum(-1), psnr(held_out.real, pictures, region)
        line = f"{name:14}"
        for mark, mean_mark, form in zip(marks[name], marks["mean"], (".4f", ".2f")):
            low, high = mean_interval(mark - mean_mark, times, seed=seed)
            line += f"{mark.mean():{form}} ({low:+{form}} to {high:+{form}})".ljust(41)
        print(f"{line}{flicker_ratio(held_out.real, pictures, region):.2f}")
    for name in ("smoothed", "true"):
        gain = marks[name][1].mean() - marks["mean"][1].mean()
        low, high = mean_interval(marks[name][1] - marks["mean"][1], times, seed=seed)
        print(f"{name} identity instead of the mean: {gain:+.2f} dB ({low:+.2f} to {high:+.2f})")

# %% [markdown]
# **What to see.** *Nearest slot* is less similar to the true identity than one mean for all: a slot is a
# single moment, and the keys (of a network that never learned about faces) do not order moments of
# one face by identity. Smoothing over a second repairs a part of that, and it removes the
# jumps: compare the flicker. For the picture the memory gives no measurable gain over the mean identity on this clip, and even the
# true identity, the oracle, adds only what the last line says.
#
# ### What does the identity change in the picture?
# The same rendering with the identity of two other moments, the least similar ones of section 3,
# and with that of a stranger (a virtual speaker from the general refiner's memory).

# %%
if identity != "none":
    others = {f"frame {train.frames[k]}": found.features[k] for k in far}
    if base is not None and base.config.encoder == found.encoder.name:
        strangers = base.memory.values[base.memory.used].numpy()
        others["a stranger"] = strangers[(strangers @ found.features[far[0]]).argmin()]
    swapped = {}
    for name, feature in others.items():
        given = np.tile(feature, (len(renders), 1))
        swapped[name], _ = refine(
            refiner, held_out.render, times, identity=given, progress=step.progress
        )
    first, *rest = swapped.values()
    for name, pictures in zip(list(swapped)[1:], rest):
        apart = np.abs(pictures.astype(int) - first).mean(-1)[region].mean()
        print(f"{next(iter(swapped))} against {name}: {apart:.2f} grey levels on the face")

# %%
if identity != "none":
    figure, axes = plt.subplots(1, 2 * len(swapped) - 1, figsize=(10, 2.3), layout="constrained")
    changes = {
        f"4 x ({name} - first)": 128 + 4 * (p[i].astype(int) - first[i])
        for name, p in list(swapped.items())[1:]
    }
    for axis, (name, picture) in zip(
        axes, {**{n: p[i] for n, p in swapped.items()}, **changes}.items()
    ):
        axis.imshow(np.clip(picture, 0, 255).astype(np.uint8))
        axis.set_title(name, fontsize=8)
        axis.axis("off")
    plt.show()

# %% [markdown]
# *One held-out frame refined with the identity of other moments and of a stranger, and the
# differences to the first, multiplied by four around grey.*
#
# **What to see.** The identity feature does steer: it opens or closes mouth and eyes, because these
# correlate with it in the training frames, and it leaves the background alone. It does not make another
# person of this one: fine-tuned on one face, the refiner answers a stranger's feature with the same
# face, slightly changed.
#
# ## 9 · The ablations of Sec. 4.2
# Leave out one part at a time, by one setting each; everything else is equal: start, steps, seed, frames.

# %%
from tfhkit.evaluate.ablations import ABLATIONS, run_ablations
from tfhkit.evaluate.refine import Material

print("row                    setting    value  what the paper says")
for row in ABLATIONS:
    print(f"{row.name:23}{row.setting:10} {'' if row.setting == '' else row.value!s:6} {row.paper}")

# %%
ablations, n_ablation = (), ablation_steps or settings.ablation_steps
if n_ablation > 0:
    full = personal_config(settings, own)
    material = Material(own, held_out)
    short = replace(how, steps=n_ablation, validate_every=n_ablation)
    ablations = run_ablations(
        material, full, short, base, seed=seed, device=step.device, progress=step.progress
    )
    if base is None:
        print("no general weights here: without 'general only' and 'personal only'")

# %%
print(f"each trained for {n_ablation} steps")
print("                         PSNR   vs full model, 95 %      SSIM flicker outside  M param.   s")
for row in ablations:
    change = ""
    if row.interval:
        change = f"{row.change:+.2f} ({row.interval[0]:+.2f} to {row.interval[1]:+.2f})"
    print(f"{row.ablation.name:23}{row.psnr:6.2f}  {change:24}{row.ssim:6.3f}{row.flicker_ratio:7.2f}"
          f"{row.outside:8.2f}{row.parameters / 1e6:9.2f}{row.seconds:5.0f}")  # fmt: skip

# %% [markdown]
# PSNR, SSIM and flicker on the face; *outside* is the mean error in grey levels where nothing was
# rendered and nothing should change.

# %%
if ablations:
    rows = {row.ablation.name: row.refined for row in ablations}
    rows = {"real": held_out.real, **rows}
    near = {name: close_up(p, held_out_points[:, 48:68]) for name, p in rows.items()}
    some = np.linspace(0, len(times) - 1, 7).astype(int)
    figure, axes = plt.subplots(len(near), 7, figsize=(7.6, 1.0 * len(near)))
    for line, (name, pictures) in zip(axes, near.items()):
        for axis, k in zip(line, some):
            axis.imshow(pictures[k])
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(
            name.replace(", ", ",\n"), fontsize=8, rotation=0, ha="right", va="center"
        )
    figure.tight_layout(pad=0.3)
    plt.show()

# %% [markdown]
# *The mouth in seven held-out frames: real, and refined by each variant.*
#
# How much do two runs of the *same* variant differ? The full model once more, with another seed:

# %%
if ablations:
    (again,) = run_ablations(
        material, full, short, base, [], seed + 1, device=step.device, progress=step.progress
    )
    by_seed = again.psnr - ablations[0].psnr
    print(f"another seed changes the full model by {by_seed:+.2f} dB, SSIM {again.ssim:.3f}")

# %% [markdown]
# **What to see.** Without personal training four and a half decibels are missing. Without the general weights the
# same number of steps ends 0.6 dB lower. (With Adam it was 3.5 to 5.4 dB: an untrained colour is worse than the rendering, so the
# attention keeps the rendering, and where it is 1, nothing is learned any more. See `docs/findings.md`.) *No attention* costs 0.5 dB on the face, and
# everything that should have been kept is painted anew, two grey levels off. Every other row is within 0.2 dB of the full model, and the pictures
# can hardly be told apart. No identity at all costs 0.1 dB, and the *mean* identity instead of the memory gains 0.1 dB,
# so the paper's claim for the memory is not confirmed here.
#
# What one can conclude: whether a part makes a difference *here*, for one person, at this size and
# after so few steps, on frames like these (that is what the interval covers; another seed changes the
# result as well). What one cannot conclude: that a part is useless. The memory is made for many identities,
# and with one person it has little to choose from (in one network for 16 virtual people it helps only where the renderings hardly show who it is: `docs/results.md`, `tfhkit evaluate memory`); PSNR does not notice teeth that are sharp in the
# wrong place. The paper shows pictures of two persons, without numbers (Fig. 5 and 6).
#
# ### The paper's recipe
# And all of the paper's choices at once (the table in section 7), from the same general weights, for the same number of steps:

# %%
answers_by_recipe, kept_by_recipe = {}, {}
by_recipe = personal_training(settings, len(points), n_ablation)
if ablations and short.losses == by_recipe.losses and ablations[0].steps == n_ablation:
    # the full model above
    answers_by_recipe[settings.recipe] = ablations[0].refined
    kept_by_recipe[settings.recipe] = ablations[0].attention
compared = ("paper",) if settings.profile == "tiny" else ("ours", "paper", "published")
for name in compared if n_ablation > 0 else ():
    if name in answers_by_recipe:
        continue
    its = replace(settings, recipe=name)
    its_own = replace(own, regions=chosen(name, "frames")["regions"])
    its_how = personal_config(its, its_own), personal_training(its, len(points), n_ablation)
    made, _ = train_personal_refiner(its_own, *its_how, base, seed, RunOptions(step.device, progress=step.progress))
    answers_by_recipe[name], kept_by_recipe[name] = refine(made, held_out.render, times)

# %%
if answers_by_recipe:
    print(f"{n_ablation} steps     PSNR  SSIM flicker   attention: face, background")
    marks = score_frames(held_out.real, {"rendering": held_out.render, **answers_by_recipe}, region)
    for name, mark in marks.items():
        shown = kept_by_recipe.get(name)
        where_kept = "" if shown is None else f"{shown[region].mean():14.2f} {shown[~region].mean():11.2f}"
        print(f"{name:12}{mark['psnr']:7.2f}{mark['ssim']:6.3f}{mark['flicker_ratio']:8.2f}{where_kept}")
    strip({"real": held_out.real, **answers_by_recipe})

# %% [markdown]
# *Held-out frames: real, and refined under each recipe.*
#
# **What to see.** In the paper's recipe the attention is 0 everywhere, as section 6 foretold: $\lambda_2 = 2$ times the norm as written outweighs
# all other terms. So the whole frame is painted anew, and the face ends 0.9 dB above the rendering, with dark eyes and a mouth that hardly opens.
# The published code takes the mean of $A$ instead, and $-\log D$: it keeps the background and gains 3.7 dB, without sharp detail. Ours gains 5.4 dB. For the paper's
# and the published recipe these are 100 steps with the learning rate of the published fine-tuning, which takes 17,880; `tfhkit evaluate recipes` compares longer trainings (`docs/results.md`).
#
# ## 10 · Both results
# Now with the coefficients that were predicted from the sound, over the matched backgrounds.

# %%
from tfhkit import talk
from tfhkit.refine import save_refiner

save_refiner(refiner, step.path("refiner.safetensors"))
person, results = replace(person, refiner=refiner), {}
for name in ("held_back", "speech"):
    results[name] = talk.refine(person, images[name], progress=step.progress)
    results[name].save(step.path(f"refined_{name}.npz"))

# %%
strip(
    {
        "rendering": images["held_back"].render,
        "refined": results["held_back"].pictures,
        "real": images["held_back"].real,
    }
)

# %% [markdown]
# *The held-out part, driven by its sound: rendering, refined, and real.*
#
# The head is not where it was, so PSNR says little here; notebook 06 compares the
# motion.

# %%
strip({"rendering": images["speech"].render, "refined": results["speech"].pictures})

# %% [markdown]
# *The new speech: rendering and refined.*
#
# ### Back into the full frame
# The refined crop is blended over the frame that its background came from, where the compositing or the network changed
# something, with a soft edge. Then the sound is added.

# %%
from tfhkit.media import read_audio

held = results["held_back"]
own_sound = video.audio[round(16000 * held.times[0]) :]
sounds = {"held_back": own_sound, "speech": read_audio(step.speech_path)}
common = {"visible_mark": visible_mark, "progress": step.progress}
for name, refined in results.items():
    talk.film(person, refined, sounds[name], step.path(f"talking_head_{name}.mp4"), **common)

# %%
from tfhkit.refine.paste import paste_alpha, write_side_by_side

write_side_by_side(
    step.path("side_by_side.mp4"),
    {
        "real": images["held_back"].real,
        "coarse rendering": images["held_back"].render,
        "refined": held.pictures,
    },
    held.times,
    sounds["held_back"],
    quality=settings.video_crf,
    **common,
)

# %%
from tfhkit.teach.player import play

play(
    {
        "real": (images["held_back"].real, held.times, sounds["held_back"]),
        "coarse rendering": (images["held_back"].render, held.times),
        "refined": (held.pictures, held.times),
    },
    "The held-out part of the clip, cropped to the face.",
    step.path("side_by_side.mp4"),
    recorded=("real",),
    width_px=220,
    max_kb=90,
)

# %% [markdown]
# *The held-out part with its sound: filmed, and twice driven by that sound alone, in step.*
#
# **What to look at.** Loop half a second at a quarter of the speed: where the real lips close, do the
# refined ones? Then look at the edge of the refined face: is it stable?

# %%
play(
    {"the new speech": step.path("talking_head_speech.mp4")},
    "The person of the clip says words that this person never said.",
    seconds=4,
    max_kb=90,
)

# %% [markdown]
# *The new speech in the full frame.* **What to look at.** First the mouth alone, then the head: does
# it move like that of somebody who says this, or independently of the sound?

# %%
written = open_clip(step.path("talking_head_speech.mp4"), min_seconds=0)
some = np.linspace(0, len(written) - 1, 4).astype(int)
figure, axes = plt.subplots(1, 5, figsize=(9.5, 1.9), width_ratios=[1, 1, 1, 1, 0.6])
with written.reader() as reader:
    for axis, i in zip(axes, some):
        axis.imshow(reader[int(i)])
        axis.set_title(f"{written.times[i]:.1f} s", fontsize=8)
said = results["speech"]
middle = len(said) // 2
weight = paste_alpha(said.changed[middle], said.attention[middle] / 255, mask=said.mask[middle])
axes[4].imshow(weight, cmap="gray")
axes[4].set_title("weight in the crop", fontsize=8)
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# *Four moments of the new talking head as it was written, with its visible mark, and the weight with
# which the crop is blended over the frame.*

# %%
step.finish(
    {
        "psnr_db": scores["refined"]["psnr"],
        "psnr_gain_db": gain_db,
        "psnr_gain_db_low": gain_low,
        "psnr_gain_db_high": gain_high,
        "psnr_nearest_db": scores["nearest frame"]["psnr"],
        "ssim": scores["refined"]["ssim"],
        "ssim_gain": scores["refined"]["ssim"] - scores["rendering"]["ssim"],
        "ssim_nearest": scores["nearest frame"]["ssim"],
        "flicker_ratio": scores["refined"]["flicker_ratio"],
        "from_general": base is not None,
        "train_steps": history["trained_steps"],
        "train_seconds": history["seconds"],
        "frames_without_face": history["n_skipped"],
        "ablations": [row.numbers() for row in ablations],
    },
    backends={"identity": found.encoder.name, "spatial": history["spatial"]},
)

# %% [markdown]
# ## Exercises
#
# **1. Eq. 3.** Mix rendering and colour by the attention. `A = 1` keeps the rendering.

# %% tags=["exercise-setup"]
import numpy as np
import torch

from tfhkit.teach import NotAttempted, check


# %% tags=["exercise"]
def eq3(attention, rendering, colour):
    """attention (H, W), rendering and colour (H, W, 3) -> refined (H, W, 3)."""
    ### solution
    a = attention[..., None]
    return a * rendering + (1 - a) * colour
    ### wrong
    # a = attention[..., None]
    # return (1 - a) * rendering + a * colour
    ### end


# %% tags=["check"]
drawn = np.full((2, 3, 3), 0.2)
paint = np.full((2, 3, 3), 0.8)
check(
    "Eq. 3",
    eq3,
    [
        ((np.ones((2, 3)), drawn, paint), drawn, "A = 1 keeps the rendering"),
        ((np.zeros((2, 3)), drawn, paint), paint),
        ((np.full((2, 3), 0.25), drawn, paint), np.full((2, 3, 3), 0.65)),
    ],
)

# %% [markdown]
# **2. AdaIN.** Normalise every channel of every sample over its pixels, then multiply by `1 + scale` and add `shift`.

# %% tags=["exercise"]
import torch

from tfhkit.refine import adain
from tfhkit.teach import NotAttempted, check


def my_adain(x, scale, shift):
    """x (B, C, H, W), scale and shift (B, C) -> (B, C, H, W)."""
    ### solution
    mean = x.mean((2, 3), keepdim=True)
    deviation = x.var((2, 3), unbiased=False, keepdim=True).add(1e-5).sqrt()
    return (x - mean) / deviation * (1 + scale[..., None, None]) + shift[..., None, None]
    ### wrong
    # mean = x.mean((0, 2, 3), keepdim=True)
    # deviation = x.var((0, 2, 3), unbiased=False, keepdim=True).add(1e-5).sqrt()
    # return (x - mean) / deviation * (1 + scale[..., None, None]) + shift[..., None, None]
    ### wrong
    # mean = x.mean((2, 3), keepdim=True)
    # deviation = x.var((2, 3), unbiased=False, keepdim=True).add(1e-5).sqrt()
    # return (x - mean) / deviation * scale[..., None, None] + shift[..., None, None]
    ### end


# %% tags=["check"]


def adain_cases():
    """Two samples of very different contrast, without and with a scale and a shift."""
    noise = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, 4, generator=noise) * torch.tensor([1.0, 5.0])[:, None, None, None]
    scale, shift = torch.randn(2, 2, 3, generator=noise)
    none, hint = torch.zeros(2, 3), "over the pixels of one sample, not of the batch"
    codes = ((none, none), (scale, shift))
    return [((x, *code), adain(x, *code), hint) for code in codes]


check("AdaIN", my_adain, adain_cases())

# %% [markdown]
# **3. The update rule.** Return the slot that a pair (query, value) is written to: the nearest key's slot if the
# cosine of its value with the new value exceeds `match`, else the oldest slot.

# %% tags=["exercise"]
import numpy as np

from tfhkit.teach import NotAttempted, check


def slot_to_write(query, value, keys, values, age, match):
    """query (K,), value (D,), keys (N, K), values (N, D), age (N,) -> int; all unit vectors."""
    ### solution
    nearest = int((keys @ query).argmax())
    return nearest if values[nearest] @ value > match else int(age.argmax())
    ### wrong
    # nearest = int((values @ value).argmax())
    # return nearest if values[nearest] @ value > match else int(age.argmax())
    ### wrong
    # nearest = int((keys @ query).argmax())
    # return nearest if values[nearest] @ value > match else int(age.argmin())
    ### end


# %% tags=["check"]
e = np.eye(3)
table = (e, e[[0, 1, 0]], np.array([3.0, 9.0, 1.0]), 0.98)
check(
    "update rule",
    slot_to_write,
    [
        ((e[2], e[0], *table), 2, "the nearest key decides, not the nearest value"),
        ((e[0], e[2], *table), 1, "unlike its nearest slot: replace the oldest"),
    ],
)

# %% [markdown]
# **4. The threshold triplet loss.** For one query: `max(0, wrong - right + margin)`, where `right` is the
# largest cosine among the slots whose value is similar (a cosine above `match`), `wrong` the largest among the
# others. If there is only one kind, the loss is 0. The check compares with `tfhkit.refine.Memory`.

# %% tags=["exercise"]
import numpy as np

from tfhkit.teach import NotAttempted, check


def triplet(query, value, keys, values, match, margin):
    """query (K,), value (D,), keys (N, K), values (N, D) -> a number; all are unit vectors."""
    ### solution
    nearness, alike = keys @ query, values @ value > match
    if alike.all() or not alike.any():
        return 0.0
    return max(0.0, nearness[~alike].max() - nearness[alike].max() + margin)
    ### wrong
    # nearness, alike = keys @ query, keys @ query > match
    # if alike.all() or not alike.any():
    #     return 0.0
    # return max(0.0, nearness[~alike].max() - nearness[alike].max() + margin)
    ### wrong
    # nearness, alike = keys @ query, values @ value > match
    # if alike.all() or not alike.any():
    #     return 0.0
    # return max(0.0, nearness[~alike].mean() - nearness[alike].mean() + margin)
    ### wrong
    # nearness, alike = keys @ query, values @ value > match
    # return max(0.0, nearness[~alike].max() - nearness[alike].max()) + margin
    ### end


# %% tags=["check"]
import torch

from tfhkit.refine import Memory, MemoryConfig


def triplet_cases():
    """Queries to a small memory, with its own loss."""
    rng, hint = np.random.default_rng(0), "values say who is alike, keys say who is near"
    slots = rng.normal(size=(2, 6, 4))
    keys, values = slots / np.linalg.norm(slots, axis=2, keepdims=True)
    values[1] = values[0]  # two slots of one person
    table = Memory(MemoryConfig(slots=6, key_dim=4, value_dim=4, top_k=6, match=0.9)).double()
    table.keys, table.values = torch.as_tensor(keys), torch.as_tensor(values)
    table.writers[:, 0] = 0  # all slots are used
    for k, value in enumerate([*values, -values.sum(0) / np.linalg.norm(values.sum(0))]):
        query = keys[k % 6] + 0.8 * rng.normal(size=4)
        query /= np.linalg.norm(query)
        loss = table.triplet_loss(torch.as_tensor(query)[None], torch.as_tensor(value)[None])
        yield (query, value, keys, values, 0.9, 0.3), loss.item(), hint


check("threshold triplet loss", triplet, list(triplet_cases()))

# %% [markdown]
# ## Summary
# - The attention keeps what is right already, if its term does not weigh too much; the network works where
#   the rendering is wrong.
# - An identity feature steers the painting (AdaIN); the memory retrieves one for frames that never existed.
# - The form of a norm decides which term of Eq. 4 dominates; the form of the GAN term, whether a losing
#   generator learns. Eq. 5 makes training a game of two players.
# - A score means something only with a baseline and an interval.
#
# **What the paper says.** Without identity and memory: bad teeth, uneven cheeks; with the mean identity instead of the
# memory: fewer details (Sec. 4.2).
# **What we found** (sample, quick). With true coefficients, refinement adds about 7 dB on the face of held-out frames, and
# flickers no more than the real clip. After 100 steps the general weights are worth 0.6 dB. Leaving out
# identity and memory, or two of the three frames, costs 0.1 dB; the mean identity instead of the memory gains 0.1 dB. Without Eq. 3 the face loses
# 0.5 dB, and the surroundings are off by 2.1 grey levels. The paper's recipe, at this size and after 100 steps, is 4.6 dB below ours.
#
# **Written here**, in a run of the sample clip: the videos [talking head with the new speech](../runs/sample/05_memory_gan/talking_head_speech.mp4),
# [held-out part](../runs/sample/05_memory_gan/talking_head_held_back.mp4) and
# [real, rendered and refined in step](../runs/sample/05_memory_gan/side_by_side.mp4).
#
# **Next**: [06](06_hs_metric.ipynb) asks whether the head moves like this person's.
