"""A trained refiner: generator, memory and configuration; saved as safetensors plus JSON."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from tfhkit.errors import AssetError, InputError, ParameterError
from tfhkit.landmarks.identity import ENCODERS
from tfhkit.refine.generator import Generator, GeneratorConfig, generator_config
from tfhkit.refine.memory import Memory, MemoryConfig
from tfhkit.refine.spatial import ENCODERS as SPATIAL
from tfhkit.refine.spatial import build_encoder, choose_spatial, spatial_features
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
        spatial: network behind the keys, see `tfhkit.refine.spatial.ENCODERS`.
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
    top_k: int = MemoryConfig.top_k,
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
        top_k: nearest slots in the memory's triplet loss, at most all.
        smooth_s: see `RefinerConfig`.
        spatial: see `choose_spatial`; the configuration records which "auto" is.
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
    spatial = choose_spatial(spatial)
    memory = MemoryConfig(
        slots=slots,
        value_dim=dim,
        top_k=min(top_k, slots),
        match=ENCODERS[encoder].match,
        feature_dim=SPATIAL[spatial].dim,
    )
    return RefinerConfig(net, memory, encoder, identity, spatial, smooth_s)


class Refiner(nn.Module):
    """Generator and memory, and the frozen spatial encoder that makes the memory's queries.

    The encoder is not stored: it is a verified file or made from a fixed seed. `mean_identity`
    is the mean identity feature of the training frames.
    """

    mean_identity: Float[Tensor, "D"]

    def __init__(self, config: RefinerConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config.generator)
        self.memory = Memory(config.memory)
        self.register_buffer("mean_identity", torch.zeros(config.memory.value_dim))
        self._encoder: list[nn.Module] = []  # hidden from state_dict; built when first needed

    @property
    def device(self) -> torch.device:
        """The device of its tensors."""
        return self.mean_identity.device

    def spatial_features(self, renders: Shaped[np.ndarray, "_ _ _ _"]) -> Float[Tensor, "T C"]:
        """Spatial features of rendered frames (T, S, S, 3) uint8, on the refiner's device.

        Raises:
            AssetError: the file of the encoder that made the memory's keys cannot be had.
        """
        encoder = SPATIAL[self.config.spatial]
        if not self._encoder:
            try:
                self._encoder.append(build_encoder(self.config.spatial))
            except AssetError as error:
                fault = f"{error.fault}; the memory's keys were made with {encoder.shown}"
                raise AssetError(error.where, fault, f"{error.remedy}, or train again") from error
        net = self._encoder[0].to(self.device)
        features = spatial_features(net, renders, encoder.size_px)
        return features.reshape(len(renders), encoder.dim).to(self.device)


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
        InputError: a file is missing or cut short, weights and configuration differ in size, or
            the memory was made with another spatial encoder than the configuration says.
    """
    about = read_about(path, FORMAT, "train the refiner first (notebook 05)")
    try:
        config = config_from_dict(about["config"])
    except (ValueError, KeyError, TypeError) as error:
        about_file = Path(path).with_suffix(".json")
        raise InputError(
            about_file, f"does not hold a refiner's configuration ({error})", "train again"
        ) from error
    tensors = read_tensors(path)
    _check_spatial(config, tensors, path)
    refiner = Refiner(config)
    load_weights(refiner, tensors, path)
    return refiner.eval().to(device)


def _check_spatial(config: RefinerConfig, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Refuse a memory whose keys the configuration's spatial encoder cannot have made."""
    if config.spatial not in SPATIAL:
        fault = f"its memory was made with the spatial encoder {config.spatial!r}"
        raise InputError(path, fault, f"this kit has {list(SPATIAL)}; train again")
    named = SPATIAL[config.spatial]
    mean = tensors.get("memory.pool5_mean")
    for dim in (config.memory.feature_dim, named.dim if mean is None else len(mean)):
        if dim != named.dim:
            others = [encoder.shown for encoder in SPATIAL.values() if encoder.dim == dim]
            made = " or ".join(others) or "another encoder"
            fault = f"its memory has features of length {dim}, of {made}"
            says = f"the configuration says {named.shown}, length {named.dim}"
            raise InputError(
                path, f"{fault}; {says}", "restore the .json next to it or train again"
            )


def config_from_dict(content: dict[str, Any]) -> RefinerConfig:
    """The configuration from what `dataclasses.asdict` made of it."""
    net = dict(content["generator"])
    net["channels"] = tuple(net["channels"])
    base = RefinerConfig(GeneratorConfig(**net), MemoryConfig(**content["memory"]))
    rest = {k: v for k, v in content.items() if k not in ("generator", "memory")}
    return replace(base, **rest)
