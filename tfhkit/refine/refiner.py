"""A trained refiner: generator, memory and configuration; saved as safetensors plus JSON."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tfhkit.errors import InputError, ParameterError
from tfhkit.landmarks.identity import ENCODERS
from tfhkit.refine.generator import Generator, GeneratorConfig, generator_config
from tfhkit.refine.memory import Memory, MemoryConfig
from tfhkit.refine.spatial import build_resnet18, imagenet_weights_path
from tfhkit.weights import load_weights, read_about, read_tensors, save_weights

FORMAT = "tfhkit refiner 1"
IDENTITY_MODES = ("memory", "mean", "none")


@dataclass(frozen=True)
class RefinerConfig:
    """Everything that the weights depend on; `refiner_config` makes consistent ones.

    Args:
        generator: architecture of the generator.
        memory: size and thresholds of the memory.
        encoder: name of the identity encoder that made the values.
        identity: "memory" (the paper), or its ablations: "mean" (the mean of the training
            frames' features instead of the memory) and "none" (neither).
        spatial: weights of the ResNet18 behind the keys, "imagenet" or "random".
        smooth_s: distance of the knots when retrieved features are smoothed, seconds.
    """

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    encoder: str = "dlib"
    identity: str = "memory"
    spatial: str = "random"
    smooth_s: float = 1.0


def refiner_config(
    size: str = "small",
    encoder: str = "dlib",
    identity: str = "memory",
    slots: int = 256,
    smooth_s: float = 1.0,
    spatial: str = "auto",
    **generator: Any,
) -> RefinerConfig:
    """Configuration by the name of a size.

    Args:
        size: "small" (128 px), "medium" (256 px) or "paper" (256 px, 8 levels, 64 channels).
        encoder: "dlib" or "arcface".
        identity: see `RefinerConfig`.
        slots: pairs in the memory.
        smooth_s: see `RefinerConfig`.
        spatial: "imagenet", "random", or "auto": ImageNet's weights where torch's cache has
            the verified file. The configuration records which.
        generator: fields of `GeneratorConfig` that differ from the size's, such as
            `attention=False` or `window=1`.
    Raises:
        ParameterError: an unknown name, or sizes that do not fit.
    """
    if identity not in IDENTITY_MODES:
        raise ParameterError(
            "identity", f"unknown mode {identity!r}", f"use one of {IDENTITY_MODES}"
        )
    if encoder not in ENCODERS:
        raise ParameterError(
            "encoder", f"unknown encoder {encoder!r}", f"use one of {list(ENCODERS)}"
        )
    dim = ENCODERS[encoder].dim
    net = generator_config(size, **{"identity_dim": 0 if identity == "none" else dim, **generator})
    memory = MemoryConfig(
        slots=slots,
        value_dim=dim,
        top_k=min(MemoryConfig.top_k, slots),
        match=ENCODERS[encoder].match,
    )
    if spatial == "auto":
        spatial = "random" if imagenet_weights_path() is None else "imagenet"
    return RefinerConfig(net, memory, encoder, identity, spatial, smooth_s)


class Refiner(nn.Module):
    """Generator and memory, and the frozen ResNet18 that makes the memory's queries.

    The ResNet18 is not stored: it is ImageNet's file or made from a fixed seed. `mean_identity`
    is the mean identity feature of the training frames.
    """

    mean_identity: Float[Tensor, "D"]

    def __init__(self, config: RefinerConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config.generator)
        self.memory = Memory(config.memory)
        self.register_buffer("mean_identity", torch.zeros(config.memory.value_dim))
        self._resnet: list[nn.Module] = []  # hidden from state_dict; built when first needed

    @property
    def device(self) -> torch.device:
        """The device of its tensors."""
        return self.mean_identity.device

    @property
    def resnet(self) -> nn.Module:
        """The frozen ResNet18, on the refiner's device."""
        if not self._resnet:
            net, _ = build_resnet18(self.config.spatial)
            self._resnet.append(net)
        return self._resnet[0].to(self.device)


def save_refiner(
    refiner: Refiner, path: str | Path, card: dict[str, Any] | None = None, half: bool = False
) -> None:
    """Write `path` (.safetensors) and next to it a `.json` with configuration, hash and card.

    Args:
        refiner: what to save.
        path: file name with the suffix .safetensors.
        card: JSON values: data, command, scores, licence; shipped weights have one.
        half: store 16-bit floats.
    """
    about = {"format": FORMAT, "config": asdict(refiner.config), "card": card or {}}
    save_weights(path, refiner, about, half)


def load_refiner(path: str | Path, device: str | torch.device = "cpu") -> Refiner:
    """Read what `save_refiner` wrote: a refiner in eval mode.

    Raises:
        InputError: a file is missing or cut short, or weights and configuration differ in size.
    """
    about = read_about(path, FORMAT, "train the refiner first (notebook 05)")
    try:
        config = config_from_dict(about["config"])
    except (ValueError, KeyError, TypeError) as error:
        about_file = Path(path).with_suffix(".json")
        raise InputError(
            about_file, f"does not hold a refiner's configuration ({error})", "train again"
        ) from error
    refiner = Refiner(config)
    load_weights(refiner, read_tensors(path), path)
    return refiner.eval().to(device)


def config_from_dict(content: dict[str, Any]) -> RefinerConfig:
    """The configuration from what `dataclasses.asdict` made of it."""
    net = dict(content["generator"])
    net["channels"] = tuple(net["channels"])
    base = RefinerConfig(GeneratorConfig(**net), MemoryConfig(**content["memory"]))
    rest = {k: v for k, v in content.items() if k not in ("generator", "memory")}
    return replace(base, **rest)
