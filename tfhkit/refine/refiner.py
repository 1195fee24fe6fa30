"""A trained refiner: generator, memory and configuration; saved as safetensors plus JSON."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tfhkit.errors import InputError, ParameterError
from tfhkit.media import atomic_path, sha256_of
from tfhkit.refine.generator import Generator, GeneratorConfig, generator_config
from tfhkit.refine.identity import ENCODERS
from tfhkit.refine.memory import Memory, MemoryConfig
from tfhkit.refine.spatial import build_resnet18, imagenet_weights_path

FORMAT = "tfhkit refiner 1"
IDENTITY_MODES = ("memory", "mean", "none")


@dataclass(frozen=True)
class RefinerConfig:
    """Everything that the weights depend on; `refiner_config` makes consistent ones.

    Args:
        generator: GeneratorConfig.
        memory: MemoryConfig.
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
    size="small",
    encoder="dlib",
    identity="memory",
    slots=256,
    smooth_s=1.0,
    spatial="auto",
    **generator,
):
    """Configuration by the name of a size.

    Args:
        size: "small" (128 px), "medium" (256 px) or "paper" (256 px, 8 levels, 64 channels).
        encoder: "dlib" or "arcface".
        identity: see `RefinerConfig`.
        slots: pairs in the memory.
        smooth_s: see `RefinerConfig`.
        spatial: "imagenet", "random", or "auto": ImageNet's weights where torch's cache has
            the verified file. The configuration records which.
        generator: changes to `GeneratorConfig`, such as `attention=False` or `window=1`.
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

    The ResNet18 is not stored: it is ImageNet's file or made from a fixed seed.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.generator = Generator(config.generator)
        self.memory = Memory(config.memory)
        self.register_buffer("mean_identity", torch.zeros(config.memory.value_dim))
        self._resnet = []  # a list hides it from state_dict; built when first needed

    @property
    def device(self):
        return self.mean_identity.device

    @property
    def resnet(self):
        if not self._resnet:
            net, _ = build_resnet18(self.config.spatial)
            self._resnet.append(net)
        return self._resnet[0].to(self.device)


def save_refiner(refiner, path, card=None, half=False):
    """Write `path` (.safetensors) and beside it `.json` with configuration, hash and card.

    Args:
        refiner: Refiner. path: Path or str.
        card: dict of what JSON can hold: data, command, scores, licence; shipped weights have one.
        half: store 16-bit floats.
    """
    path = Path(path)
    tensors = {k: v.detach().cpu().contiguous() for k, v in refiner.state_dict().items()}
    if half:
        tensors = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, str(temporary))
    about = {"format": FORMAT, "sha256": sha256_of(path), "config": asdict(refiner.config)}
    with atomic_path(path.with_suffix(".json")) as temporary:
        text = json.dumps({**about, "card": card or {}}, indent=1)
        Path(temporary).write_text(text + "\n")


def load_refiner(path, device="cpu"):
    """Read what `save_refiner` wrote.

    Raises:
        InputError: a file is missing or cut short, or weights and configuration differ in size.
    """
    path, beside = Path(path), Path(path).with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise InputError(file, "no such file", "train the refiner first (notebook 05)")
    try:
        config = config_from_dict(json.loads(beside.read_text())["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            beside, f"is not a refiner's configuration ({error})", "train again"
        ) from error
    refiner = Refiner(config)
    load_weights(refiner, read_tensors(path), path)
    return refiner.eval().to(device)


def config_from_dict(content):
    """RefinerConfig from what `dataclasses.asdict` made of one."""
    net = dict(content["generator"])
    net["channels"] = tuple(net["channels"])
    base = RefinerConfig(GeneratorConfig(**net), MemoryConfig(**content["memory"]))
    rest = {k: v for k, v in content.items() if k not in ("generator", "memory")}
    return replace(base, **rest)


def read_tensors(path):
    """All tensors of a safetensors file, or an InputError that says it is broken."""
    try:
        return load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise InputError(
            path, f"cannot be read, perhaps cut short ({error})", "delete it and train again"
        ) from error


def load_weights(module, tensors, path):
    """Put tensors into a module; names and shapes must all fit."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), str(error))
        raise InputError(
            path,
            f"contains weights of another size or encoder ({first})",
            "train again or use the settings it was trained with",
        ) from error
