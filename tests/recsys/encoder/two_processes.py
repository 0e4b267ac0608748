"""Run by torchrun from test_training.py: trains on all processes and writes the curve that they saw."""

import sys
from pathlib import Path

import numpy as np

from recsys.encoder.distributed import processes
from recsys.encoder.training import train
from tests.recsys.encoder.sample import a_task

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with processes() as at:
        trained = train(a_task(rounds=3, folder=folder / "kept"), at)
        if at.first:
            np.savez(
                folder / "curve.npz",
                losses=trained.progress.losses,
                vectors=trained.encoder.vectors,
                world=at.world,
            )
