"""Spatial features for the memory's keys: ResNet18's pool5 on a rendered frame (Sec. 3.4)."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import nn
from torch.nn import functional as F

from tfhkit.errors import AssetError, ParameterError, check_shape

IMAGENET_FILE = "resnet18-f37072fd.pth"  # torchvision's ResNet18_Weights.IMAGENET1K_V1
IMAGENET_SHA256_START = "f37072fd"  # torchvision names its files by their hash
_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
_STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def imagenet_weights_path() -> Path | None:
    """torchvision's file in torch's cache, verified, or None when it is not there.

    Raises:
        AssetError: the file is there but is not what its name says.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / IMAGENET_FILE
    if not path.is_file():
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(IMAGENET_SHA256_START):
        raise AssetError(
            path,
            f"SHA-256 starts with {digest[:8]}, not {IMAGENET_SHA256_START}",
            "delete it; torchvision's resnet18(weights='IMAGENET1K_V1') fetches it",
        )
    return path


def build_resnet18(weights: str = "auto", seed: int = 0) -> tuple[nn.Module, str]:
    """ResNet18 without its last layer, frozen.

    Args:
        weights: "imagenet", "random", or "auto": ImageNet's where the verified file is in
            torch's cache, else fixed random filters made from `seed`. Pooled random filters
            still tell pose and mouth apart; the trained layer after them and the normalisation
            in `Memory.fit_input` must make up for what they lack. On 307 held-out frames of a
            24 s clip, the memory's answer then correlates with the true identity feature by
            0.29 (after subtracting the mean of the training frames; nearest thumbnail of pixels
            0.31, best of the slots 0.62). Training the net from random weights by the triplet
            loss was worse, 0.06 to 0.13 after 200 steps: its queries become alike.
        seed: random seed of the random filters.
    Returns:
        the net, and which weights it has: "imagenet" or "random".
    Raises:
        AssetError: "imagenet" was asked for and the file is absent or wrong.
        ParameterError: another name.
    """
    from torchvision.models import resnet18

    if weights not in ("imagenet", "random", "auto"):
        known = "use imagenet, random or auto"
        raise ParameterError("spatial", f"unknown weights {weights!r}", known)
    path = None if weights == "random" else imagenet_weights_path()
    if weights == "imagenet" and path is None:
        raise AssetError(
            IMAGENET_FILE,
            "not in torch's cache (torch.hub.get_dir())",
            "run torchvision's resnet18(weights='IMAGENET1K_V1') once, or use 'random'",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = resnet18(weights=None)
    if path is not None:
        net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    net.fc = torch.nn.Identity()
    return net.eval().requires_grad_(False), "imagenet" if path is not None else "random"


@torch.no_grad()
def pool5_features(
    net: nn.Module, images: Shaped[np.ndarray, "..."], batch: int = 32
) -> Float[torch.Tensor, "T 512"]:
    """Pool5 features of rendered frames, on the CPU.

    Args:
        net: from `build_resnet18`.
        images: (T, S, S, 3) uint8 RGB.
        batch: frames at a time.
    """
    check_shape("images", images, ("T", "S", "S", 3))
    device = next(net.parameters()).device
    mean, std = _MEAN.to(device), _STD.to(device)
    out = []
    for start in range(0, len(images), batch):
        x = torch.as_tensor(images[start : start + batch], device=device)
        x = x.permute(0, 3, 1, 2).float() / 255
        if x.shape[-1] > 128:  # 224 px as on ImageNet is not needed for one face
            x = F.interpolate(x, size=(128, 128), mode="area")
        out.append(net((x - mean) / std).cpu())
    return torch.cat(out) if out else torch.zeros(0, 512)
