"""From the general mapping to a personal one, or to an ablation of it (Sec. 3.4, 4.2)."""

import torch

from tfhkit.errors import ParameterError
from tfhkit.refine.refiner import Refiner

_SHAPES = ("channels", "blocks", "full_size_head", "colour")


def start_from(general, config, seed=0):
    """A refiner of a configuration that begins with the general one's weights.

    The memory's tables are empty: they are for the new person's frames. What the configuration
    leaves out is left out; what is new to it begins as in a fresh refiner:

    - another window: frames older than the new window fold into its oldest one (the general
      refiner would answer the same where they look alike), additional ones begin at zero;
    - no identity: plain instance normalisation; no attention: the colour head alone;
    - another identity encoder, or AdaIN of the published form: its first layers begin anew;
    - another spatial encoder: the query layer begins anew.

    Args:
        general: Refiner. config: RefinerConfig. seed: random seed of new weights.
    Returns:
        Refiner on the CPU.
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


def _fold_window(weight, before, after):
    """A first convolution's weight (C, before * K, h, w) for a window of `after` frames."""
    frames = weight.unflatten(1, (before, -1))
    if after > before:
        fresh = frames.new_zeros(len(frames), after - before, *frames.shape[2:])
        return torch.cat([fresh, frames], 1).flatten(1, 2)
    oldest = frames[:, : before - after + 1].sum(1, keepdim=True)
    return torch.cat([oldest, frames[:, before - after + 1 :]], 1).flatten(1, 2)


def _take(module, given):
    own = module.state_dict()
    same = {k: v for k, v in given.items() if k in own and v.shape == own[k].shape}
    module.load_state_dict(own | same)
