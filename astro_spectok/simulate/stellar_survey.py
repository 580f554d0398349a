# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated surveys of nothing but stars with labels."""

import numpy as np
import torch

from astro_spectok.simulate.instruments import choose_instrument
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_models import ApogeeStars
from astro_spectok.simulate.survey import Survey
from astro_spectok.simulate.templates import TemplateStore

__all__ = ["LABELLED_FAMILIES", "StellarSurvey", "choose_stellar_instrument"]

#: what is drawn, how often, and the class that draws it
LABELLED_FAMILIES = {"grid": (0.7, GridStars), "apogee": (0.3, ApogeeStars)}
#: below this wavelength in Angstrom, labelled stars are known at a resolving power of about 2000: sharper instruments
#: would show them less sharp than they are
OPTICAL_LIMIT, SHARPEST = 1.1e4, 4000.0
#: draws after which no instrument is found
_TRIES = 8
#: signal-to-noise ratio per pixel
_SNR = (5.0, 300.0)


def choose_stellar_instrument(rng, low, high, max_pixels):
    """An instrument that shows stars no less sharp than it could; see `choose_instrument`.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    low, high : float
        Vacuum Angstrom as observed between which the star is known.
    max_pixels : int

    Returns
    -------
    Instrument or None
    """
    for _ in range(_TRIES):
        made = choose_instrument(rng, low, high, max_pixels)
        if made is None or made.wavelength[0] > OPTICAL_LIMIT or np.median(made.resolution) < SHARPEST:
            return made
    return None


class StellarSurvey(Survey):
    """Stars with temperature, gravity and metallicity, through instruments that show them as sharp as they are known.

    Parameters
    ----------
    data : path-like or `~astro_spectok.simulate.templates.TemplateStore`
        Directory of the public template sets, or these as they are shared with others.
    device : str or `torch.device`
    snr : (float, float), optional
        Signal-to-noise ratio per pixel: the range of a log-uniform draw.
    shares : dict of str to float, optional
        How often each family out of `LABELLED_FAMILIES` is drawn.
    without : ndarray of bool, optional
        Stars of MILES that are not drawn, as of `~astro_spectok.simulate.stellar_grid.GridStars`.

    Raises
    ------
    ValueError
        None of the sets of labelled stars is there.
    """

    def __init__(self, data, *, device="cpu", snr=_SNR, shares=None, without=None):
        store = TemplateStore.of(data)
        super().__init__(store, device=device, families=("sky",), snr=snr)
        wanted = {name: share for name, (share, _) in LABELLED_FAMILIES.items()} | (shares or {})
        there = [n for n, (_, family) in LABELLED_FAMILIES.items() if wanted[n] > 0 and family.usable(store)]
        if not there:
            msg = (
                "data must hold labelled stars, miles_real_stars or apogee_emulator_binspec; got "
                f"{store.directory}; see the documentation on training for where to get them"
            )
            raise ValueError(msg)
        self.families = {name: store.make(LABELLED_FAMILIES[name][1], torch.device(device)) for name in there}
        if without is not None and "grid" in there:
            self.families["grid"] = GridStars(store, torch.device(device), without=without)
        shares = np.array([wanted[name] for name in there])
        self.shares = shares / shares.sum()
        self.instruments = choose_stellar_instrument
