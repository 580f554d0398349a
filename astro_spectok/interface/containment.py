# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""One spectrum never stops the others: what it raises, wherever, becomes its flag and its message."""

import contextlib
import copy
import logging
import warnings

import numpy as np

from astro_spectok.exceptions import FlaggedSpectraWarning
from astro_spectok.interface.inputs import find_user
from astro_spectok.spectra.batch import InputFlag
from astro_spectok.spectra.problems import describe_error

__all__ = ["Containment", "require_finite"]

log = logging.getLogger(__name__)


class Containment:
    """Keeps the spectra of a batch apart while they are measured.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    flags : ndarray of int64, shape (n,)
        Bits of `~astro_spectok.spectra.InputFlag`; those of spectra that fail get ``FAILED``, in place.
    single : bool
        Whether the user gave one spectrum: then its error is raised.

    Attributes
    ----------
    messages : list of str, length n
        Why a spectrum could not be used or measured; '' for all others.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.interface.containment import Containment
    >>> from astro_spectok.spectra import InputFlag, SpectrumBatch
    >>> flags = np.zeros(2, int)
    >>> batch = SpectrumBatch.concatenate([SpectrumBatch.make_unusable("")] * 2)
    >>> contained = Containment(batch, flags, single=False)
    >>> for i in range(2):
    ...     with contained.member(i):
    ...         _ = 1 / i
    >>> contained.messages
    ['ZeroDivisionError: division by zero', '']
    >>> InputFlag(int(flags[0])).name
    'FAILED'
    """

    def __init__(self, batch, flags, *, single):
        self.batch, self.flags, self.single = batch, flags, single
        self.messages = [info.message for info in batch.info]
        self.failed = []

    def refuse(self, i, error):
        """Flag spectrum ``i`` with an error; raise that of a single spectrum."""
        if self.single:
            raise error
        log.debug("spectrum %d failed", i, exc_info=error)
        self.flags[i] |= int(InputFlag.FAILED)
        self.messages[i] = describe_error(error)
        self.failed.append(int(i))

    def follow(self, batch):
        """The same for other numbers of the same spectra: what fails there is flagged here too.

        Parameters
        ----------
        batch : `~astro_spectok.spectra.SpectrumBatch`

        Returns
        -------
        Containment
        """
        other = copy.copy(self)
        other.batch = batch
        return other

    @contextlib.contextmanager
    def member(self, i):
        """A context in which whatever is raised is spectrum ``i``'s own affair."""
        try:
            yield
        except Exception as error:
            self.refuse(i, error)

    def run(self, measure, wanted=True):
        """Yield what ``measure`` yields of all usable spectra but those on which it raises.

        Parameters
        ----------
        measure : callable
            Called with a batch and the places of its spectra in the whole one; yields tuples that begin with the place
            in the former.
        wanted : array_like of bool, optional
            Which spectra that is to be done for: only those are held to account.

        Yields
        ------
        tuple
            Beginning with the place in the whole batch.
        """
        waiting = [np.arange(len(self.batch))]
        while waiting:
            index = waiting.pop()
            part = self.batch if len(index) == len(self.batch) else self.batch.take(index)
            left = (part.lengths > 0) & np.broadcast_to(wanted, len(self.batch))[index]
            try:
                for i, *rest in measure(part, index):
                    left[i] = False
                    yield (int(index[i]), *rest)
            except Exception as error:
                left = index[left]
                if len(left) == 1:
                    self.refuse(left[0], error)
                elif len(left):
                    # those that were measured together, in halves, until the one is found
                    waiting += [left[len(left) // 2 :], left[: len(left) // 2]]
                else:
                    raise

    def warn(self):
        """Say how many spectra failed, if any did."""
        if self.failed:
            first = self.failed[0]
            msg = (
                f"{len(self.failed)} of {len(self.batch)} spectra could not be measured and are flagged; the first is "
                f"number {first}: {self.messages[first]}"
            )
            warnings.warn(msg, FlaggedSpectraWarning, stacklevel=find_user())


def require_finite(what, *values):
    """Refuse a result that is not finite: NaN never comes without a flag.

    Parameters
    ----------
    what : str
        Of the result, for the message.
    *values : array_like

    Raises
    ------
    ValueError
    """
    if not all(np.isfinite(value).all() for value in values):
        msg = f"no finite {what} came out; are flux and uncertainties in a sensible range?"
        raise ValueError(msg)
