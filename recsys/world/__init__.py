"""The demo shop: a simulated game and community shop whose experiments have known true effects."""

from recsys.world.builder import WorldError, build
from recsys.world.designs import DESIGNS, Change, Design, Loss
from recsys.world.simulation import Simulation, World
from recsys.world.truth import TrueEffect, Truth

__all__ = [
    "DESIGNS",
    "Change",
    "Design",
    "Loss",
    "Simulation",
    "TrueEffect",
    "Truth",
    "World",
    "WorldError",
    "build",
]
