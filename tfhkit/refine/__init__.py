"""From coarse renderings to realistic frames: the memory-augmented GAN (Sec. 3.4)."""

from tfhkit.refine.adain import adain
from tfhkit.refine.config import TrainConfig, train_config
from tfhkit.refine.data import region_weight
from tfhkit.refine.discriminator import PatchDiscriminator
from tfhkit.refine.generator import SIZES, Generator, GeneratorConfig, generator_config
from tfhkit.refine.identity import ENCODERS, Encoder, IdentityFeatures, identity_features
from tfhkit.refine.losses import LossWeights
from tfhkit.refine.memory import Memory, MemoryConfig, smooth_features
from tfhkit.refine.predict import Retrieval, refine, retrieve_identity
from tfhkit.refine.refiner import (
    Refiner,
    RefinerConfig,
    load_refiner,
    refiner_config,
    save_refiner,
)
from tfhkit.refine.start import start_from
from tfhkit.refine.train import train_refiner

__all__ = [
    "ENCODERS",
    "SIZES",
    "Encoder",
    "Generator",
    "GeneratorConfig",
    "IdentityFeatures",
    "LossWeights",
    "Memory",
    "MemoryConfig",
    "PatchDiscriminator",
    "Refiner",
    "RefinerConfig",
    "Retrieval",
    "TrainConfig",
    "adain",
    "generator_config",
    "identity_features",
    "load_refiner",
    "refine",
    "refiner_config",
    "region_weight",
    "retrieve_identity",
    "save_refiner",
    "smooth_features",
    "start_from",
    "train_config",
    "train_refiner",
]
