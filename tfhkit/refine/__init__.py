"""From coarse renderings to realistic frames: the memory-augmented GAN (Sec. 3.4)."""

from tfhkit.refine.adain import adain
from tfhkit.refine.config import RunOptions, TrainConfig, train_config
from tfhkit.refine.data import FrameBlocks, PairedFrames, region_weight
from tfhkit.refine.discriminator import PatchDiscriminator
from tfhkit.refine.generator import SIZES, Generator, GeneratorConfig, generator_config
from tfhkit.refine.initialise import start_from
from tfhkit.refine.losses import LossWeights
from tfhkit.refine.memory import Memory, MemoryConfig, smooth_features
from tfhkit.refine.predict import Retrieval, refine, refine_with_colour, retrieve_identity
from tfhkit.refine.refined import Refined
from tfhkit.refine.refiner import (
    Refiner,
    RefinerConfig,
    load_refiner,
    refiner_config,
    save_refiner,
)
from tfhkit.refine.train import train_refiner

__all__ = [
    "SIZES",
    "Generator",
    "FrameBlocks",
    "GeneratorConfig",
    "LossWeights",
    "Memory",
    "MemoryConfig",
    "PairedFrames",
    "PatchDiscriminator",
    "Refined",
    "Refiner",
    "RefinerConfig",
    "Retrieval",
    "RunOptions",
    "TrainConfig",
    "adain",
    "generator_config",
    "load_refiner",
    "refine",
    "refine_with_colour",
    "refiner_config",
    "region_weight",
    "retrieve_identity",
    "save_refiner",
    "smooth_features",
    "start_from",
    "train_config",
    "train_refiner",
]
