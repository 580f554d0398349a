# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The processes that train together: one, or those that PyTorch's launcher (``torchrun``) started."""

import os

import torch
from torch import distributed

__all__ = ["Processes"]


class Processes:
    """Rank of this process among those that train together; a context that opens and closes their connection.

    Attributes
    ----------
    rank, size : int
        Number of this process, and how many there are.
    """

    def __init__(self, device):
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device(device)
        if self.size > 1 and self.device.type == "cuda":
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(self.device)  # NCCL's collectives of objects, and its barrier, use the current one
        self._opened = False

    def __enter__(self):
        if self.size > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
            self._opened = True
        return self

    def __exit__(self, error, *_):
        if self._opened:
            if error is None:  # who leaves first closes connections that the others may still use
                self.wait()
            distributed.destroy_process_group()

    def wrap(self, module):
        """The module so that its gradients are averaged over all processes."""
        if self.size == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        # every step reaches every parameter, whatever is unknown in a batch, so that none has to be looked for; buffers
        # are updated alike in all processes, and are sent round all the same: how to forbid it depends on the version
        return torch.nn.parallel.DistributedDataParallel(module, device_ids=ids)

    def sum(self, values):
        """Sums of a list of numbers over all processes."""
        if self.size == 1:
            return values
        total = torch.tensor([float(v) for v in values], dtype=torch.float64, device=self.device)
        distributed.all_reduce(total)
        return total.tolist()

    def wait(self):
        """Until all have come here."""
        if self.size > 1:
            distributed.barrier()
