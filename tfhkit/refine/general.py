"""The general refiner (Sec. 3.4), as it comes with the kit."""

from pathlib import Path

from tfhkit.assets import assets_dir, shipped
from tfhkit.errors import InputError
from tfhkit.refine.generator import generator_config
from tfhkit.refine.refiner import Refiner, load_refiner

FILE = "refiner_{}.safetensors"  # by size, in the kit's assets; "small" is shipped


def general_refiner(size: str = "small", path: str | Path | None = None) -> Refiner | None:
    """The general refiner of a size.

    Args:
        size: "small" comes with the kit; others are taken from the assets where
            `tfhkit pretrain refiner --size SIZE` wrote them.
        path: other weights that `train_general_refiner` wrote.
    Returns:
        The refiner, or None where there are no general weights of that size: a personal training
        then starts from random weights.
    Raises:
        InputError: not a refiner of this size. AssetError: a damaged file in the assets.
    """
    if path is None:
        name = FILE.format(size)
        if size != "small" and not (assets_dir() / name).is_file():
            return None
        path = shipped(name)
    general = load_refiner(path)
    wanted = generator_config(size).channels
    if general.config.generator.channels != wanted:
        fault = f"has levels {general.config.generator.channels}, {size!r} has {wanted}"
        raise InputError(path, fault, "give general weights of this size")
    return general
