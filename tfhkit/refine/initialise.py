"""From the general mapping to a personal one, or to an ablation of it (Sec. 3.4, 4.2)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tfhkit.errors import ParameterError
from tfhkit.refine.refiner import Refiner, RefinerConfig

_SHAPES = ("channels", "blocks", "full_size_head", "colour")


def start_from(general: Refiner, config: RefinerConfig, seed: int = 0) -> Refiner:
    """A refiner of a configuration that starts from the general one's weights.

    The memory's tables are empty: they are for the new person's frames. Parts that the
    configuration lacks are left out; parts that the general refiner lacks start from random
    weights, as in a new refiner:

    - another window: the weights of frames older than the new window are added to those of its
      oldest one (the answer stays the same where these frames look alike), those of additional
      frames start at zero;
    - no identity: plain instance normalisation; no attention: the colour head alone;
    - another identity encoder, or AdaIN of the published form: its first layers are new;
    - another spatial encoder: the query layer is new.

    Args:
        general: where the weights come from.
        config: of the new refiner.
        seed: random seed of new weights.
    Returns:
        the new refiner, on the CPU.
    Raises:
        ParameterError: the generators' levels differ.
    """
    old, new = general.config.generator, config.generator
    for name in _SHAPES:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            fault = f"{after} where the general weights have {before}"
            raise ParameterError(name, fault, "take that one, or start without general weights")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        refiner = Refiner(config)
    given = {k: v.cpu() for k, v in general.generator.state_dict().items()}
    stem = next(k for k in given if k.startswith("stem.") and k.endswith("weight"))
    given[stem] = _fold_window(given[stem], old.window, new.window)
    _take(refiner.generator, given)
    if general.config.spatial == config.spatial:
        _take(refiner.memory.fc, {k: v.cpu() for k, v in general.memory.fc.state_dict().items()})
    return refiner


def _fold_window(
    weight: Float[Tensor, "C I h w"], before: int, after: int
) -> Float[Tensor, "C J h w"]:
    """A first convolution's weight, for `before` frames, for a window of `after` frames."""
    frames = weight.unflatten(1, (before, -1))
    if after > before:
        fresh = frames.new_zeros(len(frames), after - before, *frames.shape[2:])
        return torch.cat([fresh, frames], 1).flatten(1, 2)
    oldest = frames[:, : before - after + 1].sum(1, keepdim=True)
    return torch.cat([oldest, frames[:, before - after + 1 :]], 1).flatten(1, 2)


def _take(module: nn.Module, given: dict[str, Tensor]) -> None:
    own = module.state_dict()
    same = {k: v for k, v in given.items() if k in own and v.shape == own[k].shape}
    module.load_state_dict(own | same)
