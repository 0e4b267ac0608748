"""Training on several processes: `torchrun --nproc-per-node N` starts them, nothing else changes."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Processes:
    """This process's place among those that train together."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            import torch

            torch.distributed.barrier()


@contextmanager
def processes() -> Iterator[Processes]:
    """Joins the group that torchrun started; alone where it did not."""
    import torch

    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    # Each process has its own share of the cores: more threads than one would fight over them.
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    at = Processes(torch.distributed.get_rank(), world)
    try:
        yield at
    finally:
        # What still refers to the group would keep its threads until the interpreter ends, and abort it there.
        gc.collect()
        torch.distributed.destroy_process_group()


def from_first(value: float, at: Processes) -> float:
    """What the first process found, in all of them."""
    if at.world == 1:
        return value
    import torch

    told = torch.tensor([value], dtype=torch.float64)
    torch.distributed.broadcast(told, 0)
    return float(told[0])
