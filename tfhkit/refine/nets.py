"""What a training changes: generator, memory and discriminator, with their optimisers."""

import copy
import warnings
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from tfhkit.efficientnet import EfficientNetLite, open_efficientnet, why_missing
from tfhkit.errors import KitWarning, ParameterError
from tfhkit.refine.config import TrainConfig
from tfhkit.refine.discriminator import PatchDiscriminator
from tfhkit.refine.muon import Muon, layer_weights
from tfhkit.refine.refiner import Refiner, RefinerConfig
from tfhkit.refine.spatial import ENCODERS as SPATIAL


@dataclass(frozen=True, eq=False)
class Nets:
    """The nets of a training.

    Args:
        refiner: generator and memory.
        discriminator: D of Eq. 4 and 5.
        opt_g, opt_d, opt_m: Adam for the generator, the discriminator and the memory's query
            layer.
        opt_w: Muon for the generator's convolutions, which opt_g then leaves out; or None.
        features: frozen network of the perceptual term, or None; it is in no checkpoint.
    """

    refiner: Refiner
    discriminator: PatchDiscriminator
    opt_g: Adam
    opt_d: Adam
    opt_m: Adam
    opt_w: Muon | None = None
    features: EfficientNetLite | None = None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The modules by their names in a checkpoint."""
        return {"refiner": self.refiner, "discriminator": self.discriminator}

    @property
    def optimisers(self) -> dict[str, Optimizer]:
        """The optimisers by their names in a checkpoint."""
        named = {name: getattr(self, name) for name in ("opt_g", "opt_d", "opt_m", "opt_w")}
        return {name: optimiser for name, optimiser in named.items() if optimiser is not None}

    def set_rates(self, train: TrainConfig, share: float) -> None:
        """Set all learning rates to a share of those of the configuration."""
        rates = {"opt_d": train.disc_lr, "opt_w": train.layers_lr}
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = share * rates.get(name, train.lr)

    def step_generator(self, loss: Float[Tensor, ""]) -> None:
        """A step of the generator."""
        both = [optimiser for optimiser in (self.opt_g, self.opt_w) if optimiser is not None]
        for optimiser in both:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in both:
            optimiser.step()

    def step_memory(self, loss: Float[Tensor, ""]) -> None:
        """A step of the query layer; none where the triplet loss is 0.

        On CUDA the loss is not read, which would stop the host: the fused optimiser leaves
        everything as it is where `found_inf` is 1.
        """
        on_cuda = loss.device.type == "cuda"
        if not on_cuda and float(loss.detach()) <= 0:
            return
        self.opt_m.zero_grad(set_to_none=True)
        loss.backward()
        if on_cuda:
            self.opt_m.found_inf = (loss.detach() <= 0).float()  # type: ignore[attr-defined]
        self.opt_m.step()


def build_nets(
    config: RefinerConfig, train: TrainConfig, start: Refiner | None, device: torch.device
) -> Nets:
    """The nets before the first step, from torch's current random state.

    Args:
        config: architecture of the refiner.
        train: gives the discriminator's size and the learning rates.
        start: refiner whose weights are copied, of the same configuration, or None.
        device: where the nets are put.
    Raises:
        ParameterError: `start` has another configuration or another spatial encoder.
    """
    refiner = copy.deepcopy(start) if start is not None else Refiner(config)
    if refiner.config.spatial != config.spatial:
        fault = f"has a memory made with {SPATIAL[refiner.config.spatial].shown}"
        wanted = f"the training takes {SPATIAL[config.spatial].shown}"
        raise ParameterError("start", f"{fault}, {wanted}", "use start_from to change it")
    if refiner.config != config:
        fault = "has another configuration"
        raise ParameterError("start", fault, "give start.config as config")
    discriminator = PatchDiscriminator(
        config.generator.window, train.disc_channels, unshuffle=train.disc_unshuffle
    )
    for net in (refiner, discriminator):
        net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # no stub
    adam = partial(Adam, betas=(0.5, 0.999), fused=True)
    layers = layer_weights(refiner.generator) if train.layers_lr else []
    moved = set(layers)
    return Nets(
        refiner.train(),
        discriminator,
        opt_g=adam([p for p in refiner.generator.parameters() if p not in moved], train.lr),
        opt_d=adam(discriminator.parameters(), train.disc_lr),
        opt_m=adam(refiner.memory.fc.parameters(), train.lr),
        opt_w=Muon(layers, train.layers_lr) if layers else None,
        features=_features(device) if train.losses.perceptual else None,
    )


def _features(device: torch.device) -> EfficientNetLite | None:
    """EfficientNet-Lite0 for the perceptual term; None, with a warning, where it is missing."""
    missing = why_missing("lite0")
    if missing:
        warnings.warn(f"{missing}; trained without the perceptual term", KitWarning, stacklevel=2)
        return None
    net = copy.deepcopy(open_efficientnet("lite0"))
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # no stub
    return net
