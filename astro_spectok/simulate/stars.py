# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stars of every type, from whatever sets are there."""

import logging

import numpy as np

from astro_spectok.simulate.stellar_families import LabelledStars, RealStars, RedrockStars, UltracoolStars, WideStars
from astro_spectok.simulate.stellar_models import AnalyticStars, ApogeeStars

__all__ = ["STAR_FAMILIES", "Stars"]

log = logging.getLogger(__name__)

#: how often each family is drawn, and the class that draws it
STAR_FAMILIES = {
    "redrock": (0.46, RedrockStars),
    "labelled": (0.18, LabelledStars),
    "real": (0.15, RealStars),
    "wide": (0.06, WideStars),
    "ultracool": (0.06, UltracoolStars),
    "apogee": (0.06, ApogeeStars),
    "analytic": (0.03, AnalyticStars),
}


class Stars:
    """Stars of every type: O to T, white dwarfs, cataclysmic variables, carbon stars, subdwarfs.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        Families whose sets are absent are left out; analytic stars always remain.
    device : str or `torch.device`, optional

    Attributes
    ----------
    families : dict
        Those that are there, by name.
    shares : ndarray
        How often each of them is drawn; sums to 1.
    """

    def __init__(self, store, device="cpu"):
        self.families, shares = {}, []
        for name, (share, family) in STAR_FAMILIES.items():
            if family.usable(store):
                self.families[name] = store.make(family, device)
                shares.append(share)
        self.shares = np.array(shares) / np.sum(shares)
        log.info("stars: %s", ", ".join(self.families))

    def draw(self, n, random):
        """Draw stars of one family.

        Parameters
        ----------
        n : int
        random : `~astro_spectok.simulate.randomness.Randomness`

        Returns
        -------
        Objects
            All on one grid. Flux has a positive median of about 1, and is NaN where nothing is known.
        """
        name = list(self.families)[random.host.choice(len(self.shares), p=self.shares)]
        return self.families[name].draw(n, random)
