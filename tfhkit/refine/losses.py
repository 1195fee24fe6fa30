"""The terms of Eq. 4, in the paper's form and in that of the published code, and three more."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from tfhkit.efficientnet import EfficientNetLite, feature_distance
from tfhkit.errors import ParameterError

ATTENTION_NORMS = ("rms", "l2", "mean")
GAN_FORMS = ("log", "nonsaturating")
WINDOW_PX = 7  # side of the window in which the contrast term compares the detail
N_SCALES = 3  # of the perceptual term: features at 1/2, 1/4 and 1/8 of the picture's side


@dataclass(frozen=True)
class LossWeights:
    """The lambdas of Eq. 4 and the forms of its terms.

    Args:
        l1: lambda_1, on frames in [-1, 1].
        attention: lambda_2.
        smooth: lambda_3, on a sum over pixels, as written.
        attention_norm: "l2" is the norm of Eq. 4 as written, a number that grows with the
            picture's side (128 for A = 1 at 128 px); with lambda_2 = 2 it outweighs
            every other term and drives A to 0. "rms" is that norm per pixel, between 0 and 1,
            and the default for this reason. "mean" is the published code's mean(A).
        gan: "log" is Eq. 4 as written, the generator minimises log(1 - D). "nonsaturating"
            maximises log D instead (the published code), whose gradient does not vanish while
            the discriminator wins.
        gan_weight: factor of the GAN term; 1 in Eq. 4, 0 trains without a discriminator.
        gradient: weight of an L1 term on differences of neighbouring pixels, which rewards
            edges (eyelids, teeth) at the right place; 0 in the paper.
        contrast: weight of the term on the strength of the detail, see `contrast_loss`; 0 in the
            paper.
        perceptual: weight of the term on EfficientNet-Lite0's features, see `perceptual_loss`; 0
            in the paper.
    """

    l1: float = 100.0
    attention: float = 2.0
    smooth: float = 1e-5
    attention_norm: str = "rms"
    gan: str = "nonsaturating"
    gan_weight: float = 1.0
    gradient: float = 0.0
    contrast: float = 0.0
    perceptual: float = 0.0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("attention_norm", self.attention_norm, ATTENTION_NORMS),
            ("gan", self.gan, GAN_FORMS),
        ):
            if value not in known:
                raise ParameterError(name, f"unknown form {value!r}", f"use one of {known}")

    def without_detail(self) -> "LossWeights":
        """The terms before `TrainConfig.detail_from`: neither D nor contrast."""
        return replace(self, gan_weight=0.0, contrast=0.0)


def attention_norm(attention: Float[Tensor, "B 1 H W"], form: str = "rms") -> Float[Tensor, ""]:
    """How much of the rendering is kept: the lambda_2 term of Eq. 4, mean over the batch.

    Args:
        attention: values in [0, 1].
        form: see `LossWeights.attention_norm`.
    """
    if form == "mean":
        return attention.mean()
    square = attention.square().sum((1, 2, 3))
    if form == "rms":
        square = square / attention[0].numel()
    return (square + 1e-12).sqrt().mean()


def attention_smoothness(attention: Float[Tensor, "B 1 H W"]) -> Float[Tensor, ""]:
    """Squared differences of neighbouring pixels, summed: the lambda_3 term of Eq. 4.

    Mean over the batch.
    """
    down = (attention[..., 1:, :] - attention[..., :-1, :]).square().sum((1, 2, 3))
    right = (attention[..., :, 1:] - attention[..., :, :-1]).square().sum((1, 2, 3))
    return (down + right).mean()


def weighted_l1(
    refined: Float[Tensor, "B C H W"],
    real: Float[Tensor, "B C H W"],
    weight: Float[Tensor, "B 1 H W"] | None = None,
) -> Float[Tensor, ""]:
    """Mean absolute difference; `weight`, of mean 1, says how much each pixel counts."""
    error = (refined - real).abs()
    return error.mean() if weight is None else (error * weight).mean()


def gradient_l1(
    refined: Float[Tensor, "B C H W"],
    real: Float[Tensor, "B C H W"],
    weight: Float[Tensor, "B 1 H W"] | None = None,
) -> Float[Tensor, ""]:
    """L1 between the differences of neighbouring pixels, in both directions."""
    error = refined - real
    down = (error[..., 1:, :] - error[..., :-1, :]).abs()
    right = (error[..., :, 1:] - error[..., :, :-1]).abs()
    if weight is not None:
        down, right = down * weight[..., 1:, :], right * weight[..., :, 1:]
    return down.mean() + right.mean()


def contrast_loss(
    refined: Float[Tensor, "B C H W"],
    real: Float[Tensor, "B C H W"],
    weight: Float[Tensor, "B 1 H W"] | None = None,
) -> Float[Tensor, ""]:
    r"""Difference of the strength of the detail in o_t and g_t, wherever exactly the detail lies.

    The strength at (x, y) is the root mean square of the grey values' gradient over a window of
    7 x 7 pixels around it:

        L_c = mean_xy |c(o_t) - c(g_t)|,   c(u) = sqrt(mean_window |grad u|^2 + eps)

    L1 answers an edge whose place it cannot know with a blur. Here a blur costs more than a sharp
    edge that is off by a pixel or two.

    Args:
        refined, real: frames in [-1, 1].
        weight: how much each pixel counts in the mean over x and y.
    Source: none that we know; it is the contrast of SSIM (Wang et al. 2004), of gradients, as a
        loss. Not in the paper.
    """
    return weighted_l1(_contrast(refined.float()), _contrast(real), weight)


def _contrast(frames: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
    """Root mean square of the grey values' gradient around each pixel."""
    grey = frames.mean(1, keepdim=True)
    right = F.pad(grey[..., :, 1:] - grey[..., :, :-1], (0, 1, 0, 0))
    down = F.pad(grey[..., 1:, :] - grey[..., :-1, :], (0, 0, 0, 1))
    square = F.avg_pool2d(right.square() + down.square(), WINDOW_PX, 1, WINDOW_PX // 2)
    return (square + 1e-5).sqrt()


def perceptual_loss(
    refined: Float[Tensor, "B 3 H W"],
    real: Float[Tensor, "B 3 H W"],
    features: EfficientNetLite,
    weight: Float[Tensor, "B 1 H W"] | None = None,
) -> Float[Tensor, ""]:
    r"""Distance of the features that a frozen network finds in o_t and in g_t.

    With u_s the features phi_s of EfficientNet-Lite0 at scale s, of length 1 at each place:

        L_phi = 1/S sum_s mean_xy |u_s(o_t) - u_s(g_t)|^2,   u_s = phi_s / |phi_s|

    L1 answers a wrong position of an edge with a blur, because the blur is the median. To the
    network a blur looks unlike a face. Only the early scales are used: the whole network would
    cost more than the generator.

    Args:
        refined, real: frames in [-1, 1].
        features: EfficientNet-Lite0.
        weight: how much each pixel counts in the mean over x and y.
    Source: Johnson et al. 2016, with the distance of LPIPS (Zhang et al. 2018). Not in the paper.
    """
    with torch.no_grad():
        wanted = features.stages(real, N_SCALES)
    found = features.stages(refined.float(), N_SCALES)
    return feature_distance(found, wanted, weight).mean()


def discriminator_loss(
    real_logits: Float[Tensor, "..."], fake_logits: Float[Tensor, "..."]
) -> Float[Tensor, ""]:
    """-(log D(r, g) + log(1 - D(r, G))), mean over patches: what D minimises (Eq. 4, 5)."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_gan_loss(fake_logits: Float[Tensor, "..."], form: str = "log") -> Float[Tensor, ""]:
    """What G minimises: log(1 - D) as written ("log"), or -log D ("nonsaturating")."""
    if form == "log":
        return -F.softplus(fake_logits).mean()
    return F.softplus(-fake_logits).mean()


def generator_loss(
    refined: Float[Tensor, "B 3 H W"],
    attention: Float[Tensor, "B 1 H W"],
    real: Float[Tensor, "B 3 H W"],
    weights: LossWeights,
    weight: Float[Tensor, "B 1 H W"] | None = None,
    fake_logits: Float[Tensor, "B 1 h w"] | None = None,
    features: EfficientNetLite | None = None,
) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
    """The generator's part of Eq. 4.

    Args:
        refined, real: frames in [-1, 1].
        attention: values in [0, 1].
        weights: the lambdas.
        weight: weight of the pixels in all terms but those of attention and D.
        fake_logits: the discriminator's logits of `refined`, or None without a GAN term.
        features: network of the perceptual term, or None without one.
    Returns:
        total, and the terms by name (unweighted, detached).
    """
    parts = {
        "l1": weighted_l1(refined, real, weight),
        "attention": attention_norm(attention, weights.attention_norm),
        "smooth": attention_smoothness(attention),
    }
    total = (
        weights.l1 * parts["l1"]
        + weights.attention * parts["attention"]
        + weights.smooth * parts["smooth"]
    )
    if weights.gradient:
        parts["gradient"] = gradient_l1(refined, real, weight)
        total = total + weights.gradient * parts["gradient"]
    if weights.contrast:
        parts["contrast"] = contrast_loss(refined, real, weight)
        total = total + weights.contrast * parts["contrast"]
    if features is not None and weights.perceptual:
        parts["perceptual"] = perceptual_loss(refined, real, features, weight)
        total = total + weights.perceptual * parts["perceptual"]
    if fake_logits is not None:
        parts["gan"] = generator_gan_loss(fake_logits, weights.gan)
        total = total + weights.gan_weight * parts["gan"]
    return total, {name: value.detach() for name, value in parts.items()}


def to_unit(
    images_u8: UInt8[np.ndarray | Tensor, "B H W 3"], device: str | torch.device | None = None
) -> Float[Tensor, "B 3 H W"]:
    """Pictures as float in [-1, 1], channels first."""
    images = torch.as_tensor(images_u8, device=device)
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1
