# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Groups of spectra on the cores of a processor: one thread for each group, none within it."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

__all__ = ["map_groups"]

#: groups at once, each of which needs some 300 MB
MOST = 8


def map_groups(function, groups, device):
    """Yield ``function(group)`` for each group, in order; on a processor of several at a time.

    Within an operation PyTorch would share the work among threads, which wait for each other by spinning: beside a busy
    process they cost ten times what they give. So each group is computed by one thread from beginning to end, and
    several groups beside each other, as many as ``torch.get_num_threads()`` says, which stays as it is. Numbers do not
    depend on how many that are.

    Parameters
    ----------
    function : callable
    groups : list
    device : `torch.device`
        On others than a processor it is the calling thread that computes.

    Yields
    ------
    object
    """
    import torch

    allowed = torch.get_num_threads()
    if device.type != "cpu" or allowed == 1:
        yield from map(function, groups)
        return
    count = max(min(allowed, MOST, len(groups)), 1)
    with ThreadPoolExecutor(
        count, thread_name_prefix="spectok", initializer=_use_one_thread, initargs=(allowed,)
    ) as pool:
        rest, waiting = iter(groups), deque()
        try:
            waiting.extend(pool.submit(function, group) for group in islice(rest, count))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, group) for group in islice(rest, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()


def _use_one_thread(allowed):
    """Let operations of this thread have no others."""
    import torch

    torch.get_num_threads()  # a thread takes the setting of the program when it is first asked, and must have done so
    torch.set_num_threads(1)
    # which also changed what threads have that begin later, anywhere in the program: it is set back by one of these
    setter = threading.Thread(target=torch.set_num_threads, args=(allowed,))
    setter.start()
    setter.join()
