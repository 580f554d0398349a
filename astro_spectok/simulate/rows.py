# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulated tensors as spectra, one by one, with their truth in plain units."""

import operator
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from specutils import Spectrum

from astro_spectok.utils.constants import LIGHT_SPEED

__all__ = ["TRUTH", "SimulatedRow", "Simulation", "list_objects", "make_spectrum"]

#: objects drawn together
OBJECTS_AT_ONCE = 128
#: of calibrated flux; its level carries no meaning
FLUX_UNIT = u.Unit("1e-17 erg / (s cm2 AA)")

#: labels of each spectrum, in order: type, keyword in FITS headers, unit, meaning
TRUTH = {
    "object_id": (str, "OBJECT", None, "same for all views"),
    "view": (int, "VIEW", None, "number of the view, from 0"),
    "family": (str, "FAMILY", None, "what drew it"),
    "kind": (str, "KIND", None, "what it is in words"),
    "spectype": (str, "SPECTYPE", None, "GALAXY, QSO, STAR or none of them"),
    "z": (float, "Z_TRUE", None, "redshift; unknown where not measurable"),
    "rv": (float, "RV_TRUE", u.km / u.s, "radial velocity of stars"),
    "measurable": (bool, "MEASURAB", None, "whether there is a redshift to be found"),
    "instrument": (str, "SIMINST", None, "instrument that it imitates"),
    "resolution": (float, "R_MEDIAN", None, "median resolving power"),
    "snr": (float, "SNR", None, "median signal-to-noise ratio per pixel"),
    "calibrated": (bool, "CALIBRAT", None, "flux is calibrated; counts if not"),
    "normalised": (bool, "NORMALIS", None, "flux is over its continuum"),
    "has_errors": (bool, "HASERROR", None, "errors are given, not estimated"),
    "wave_min": (float, "WAVE_MIN", u.AA, "first pixel, vacuum"),
    "wave_max": (float, "WAVE_MAX", u.AA, "last pixel, vacuum"),
    "teff": (float, "TEFF", u.K, "effective temperature"),
    "logg": (float, "LOGG", u.dex(u.cm / u.s**2), "surface gravity"),
    "fe_h": (float, "FE_H", u.dex, "iron over hydrogen, Sun = 0"),
    "alpha_fe": (float, "ALPHA_FE", u.dex, "alpha elements over iron, Sun = 0"),
    "sn_phase": (float, "SN_PHASE", u.day, "of supernovae, since maximum light"),
    "age": (float, "AGE", u.Gyr, "light-weighted age"),
    "metallicity": (float, "METALLIC", u.dex, "light-weighted metallicity, Sun = 0"),
    "a_v": (float, "A_V", u.mag, "attenuation at 5500 Angstrom"),
    "sigma_v": (float, "SIGMA_V", u.km / u.s, "velocity dispersion"),
    "ew_halpha": (float, "EW_HALPH", u.AA, "rest equivalent width, emission > 0"),
    "ew_oiii": (float, "EW_OIII", u.AA, "of [O III] 5008, likewise"),
    "ew_hbeta": (float, "EW_HBETA", u.AA, "of H beta, likewise"),
    "ew_oii": (float, "EW_OII", u.AA, "of [O II] 3728, likewise"),
}
#: the simulator's labels stand on scales that a network learns well; what leads back from them
_LABEL_SCALES = {
    **dict.fromkeys(("teff", "age", "sigma_v"), lambda x: 10.0**x),
    **dict.fromkeys(("ew_halpha", "ew_oiii", "ew_hbeta", "ew_oii"), np.sinh),
}


@dataclass(frozen=True)
class SimulatedRow:
    """One spectrum without units.

    Attributes
    ----------
    wavelength : ndarray of float64, shape (P,)
        Vacuum Angstrom, increasing.
    flux, ivar : ndarray of float32, shape (P,)
        0 in bad pixels.
    resolution : ndarray of float32, shape (P,)
        Resolving power, wavelength over FWHM.
    truth : dict
        By the names in `TRUTH`, in its units; NaN for unknown.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    resolution: np.ndarray
    truth: dict


def _check_integer(value, name, least):
    """``value`` as an int of at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError as error:
        msg = f"{name} must be an integer, got {type(value).__name__}; give a whole number"
        raise TypeError(msg) from error
    if number < least:
        msg = f"{name} must be at least {least}, got {number}; give a larger number"
        raise ValueError(msg)
    return number


def _check_names(names, name, known):
    """Names as a tuple, all of them known; None stays."""
    if names is None:
        return None
    if isinstance(names, str) or not np.iterable(names):
        msg = f"{name} must be a sequence of names, got {names!r}; put a single name in a list"
        raise TypeError(msg)
    names = tuple(names)
    unknown = [each for each in names if each not in known]
    if unknown or not names:
        got = ", ".join(map(str, unknown)) or "none"
        msg = f"{name} must be names out of {', '.join(sorted(known))}; got {got}; leave it out for all"
        raise ValueError(msg)
    return names


def _check_snr(snr):
    """Range of the signal-to-noise ratio as two floats; None stays."""
    if snr is None:
        return None
    try:
        low, high = (float(value) for value in snr)
    except (TypeError, ValueError) as error:
        msg = f"snr must be two numbers, lowest and highest, got {snr!r}; give e.g. (5, 20)"
        raise ValueError(msg) from error
    if not 0 < low <= high < np.inf:
        msg = f"snr must be positive and in order, lowest and highest; got {low:g} and {high:g}; give e.g. (5, 20)"
        raise ValueError(msg)
    return low, high


def _choose_device(device):
    """The `torch.device` meant, on which there must be float64; 'auto' takes the processor where there is none."""
    from astro_spectok.engine.device import choose_device

    chosen = choose_device(device)
    if chosen.type != "mps":
        return chosen
    if str(device) == "auto":
        return choose_device("cpu")
    msg = f"device must have float64, which the simulator needs and {chosen.type} lacks, got {device!r}; give 'cpu'"
    raise ValueError(msg)


class Simulation:
    """An opened survey, which is drawn in parts; each is a function of the seed, its number and its size alone.

    Parameters
    ----------
    n, seed, data, families, instruments, snr, views, max_pixels, device
        As for `~astro_spectok.simulate.export.simulate_spectra`.

    Attributes
    ----------
    n, seed, views : int
    meta : dict
        How the spectra came about, in plain values.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As for `~astro_spectok.simulate.export.simulate_spectra`.
    """

    def __init__(self, n, *, seed, data, families, instruments, snr, views, max_pixels, device):
        self.n, self.seed = _check_integer(n, "n", 1), _check_integer(seed, "seed", 0)
        self.views = _check_integer(views, "views", 1)
        self._max_pixels = _check_integer(max_pixels, "max_pixels", 64)
        snr = _check_snr(snr)
        # here and not above: PyTorch takes seconds to import
        from astro_spectok.simulate import FAMILIES, Survey
        from astro_spectok.simulate.instruments import NAMED
        from astro_spectok.simulate.public_sets import find_sets
        from astro_spectok.utils.host import set_apart

        families = _check_names(families, "families", FAMILIES)
        instruments = _check_names(instruments, "instruments", {*NAMED, "random"})
        if data is not None:
            find_sets(data)  # a wrong directory must not pass for analytic templates
        self.meta = {"seed": self.seed, "templates": "analytic" if data is None else "public sets"}
        self._device = _choose_device(device)
        with set_apart(self._device):
            self._survey = Survey(data, device=self._device, families=families, instruments=instruments, snr=snr)

    def draw(self, progress=None):
        """Draw all objects, about a hundred at a time.

        Parameters
        ----------
        progress : bool or None
            Draw a progress bar; None for on a terminal only.

        Yields
        ------
        list of `SimulatedRow`
            Views of an object one after the other.
        """
        from astro_spectok.engine.progress import show_progress
        from astro_spectok.utils.host import set_apart

        for first in show_progress(range(0, self.n, OBJECTS_AT_ONCE), "simulating", progress):
            size, part = min(OBJECTS_AT_ONCE, self.n - first), first // OBJECTS_AT_ONCE
            with set_apart(self._device):
                groups = self._survey.draw(size, [self.seed, part], views=self.views, max_pixels=self._max_pixels)
            objects = [seen for group in groups for seen in list_objects(group)]
            # families are drawn one after the other: mix them
            order = np.random.default_rng([self.seed, part, 1]).permutation(size)
            rows = []
            for number, i in enumerate(order, first):
                for view, row in enumerate(objects[i]):
                    row.truth.update(object_id=f"sim-{self.seed}-{number:07d}", view=view)
                    rows.append(row)
            yield rows


def list_objects(group):
    """For each object of a group the list of `SimulatedRow` of its views."""
    from astro_spectok.simulate import CLASSES

    objects = group.objects
    z, cls, measurable = (getattr(objects, name).tolist() for name in ("z", "cls", "measurable"))
    unknown = {name: np.nan for name, (kind, *_) in TRUTH.items() if kind is float}
    known = {name: values.double().cpu().numpy() for name, values in objects.labels.items()}
    known = {name: _LABEL_SCALES.get(name, np.asarray)(values) for name, values in known.items()}
    out = []
    for i in range(len(objects)):
        spectype = CLASSES[cls[i]] if cls[i] >= 0 else ""
        truth = unknown | {name: float(values[i]) for name, values in known.items()}
        truth |= {"family": group.family, "kind": objects.kind[i], "spectype": spectype, "measurable": measurable[i]}
        truth["z"] = z[i] if measurable[i] else np.nan
        truth["rv"] = LIGHT_SPEED * z[i] if spectype == "STAR" else np.nan
        out.append([])
        for instruments, snr, observation in zip(group.instruments, group.snr, group.observations, strict=True):
            out[-1].append(_make_row(observation, i, instruments[i], float(snr[i]), truth))
    return out


def _make_row(observation, i, instrument, snr, truth):
    """One view of one object."""
    present = observation.present[i]
    names = ("ln_wavelength", "flux", "ivar", "resolution", "truth")
    x, flux, ivar, resolution, clean = (getattr(observation, name)[i][present].cpu().numpy() for name in names)
    wavelength = np.exp(x)
    truth = truth | {
        "instrument": instrument.name, "resolution": float(np.median(resolution)), "snr": snr if clean.any() else 0.0,
        "calibrated": instrument.calibrated, "normalised": instrument.normalised, "has_errors": instrument.has_errors,
        "wave_min": float(wavelength[0]), "wave_max": float(wavelength[-1]),
    }  # fmt: skip
    return SimulatedRow(wavelength, flux, ivar, resolution, truth)


def make_spectrum(row, *, unitless=u.dimensionless_unscaled):
    """A simulated spectrum as specutils holds it.

    Parameters
    ----------
    row : `SimulatedRow`
    unitless : `~astropy.units.Unit`
        Of flux that is normalised to its continuum.

    Returns
    -------
    `~specutils.Spectrum`
        As described for `~astro_spectok.simulate.export.simulate_spectra`.
    """
    truth, bad = row.truth, row.ivar <= 0
    unit = unitless if truth["normalised"] else FLUX_UNIT if truth["calibrated"] else u.ct
    uncertainty = None
    if truth["has_errors"]:
        sigma = np.where(bad, np.nan, 1 / np.sqrt(np.where(bad, 1, row.ivar)))
        uncertainty = StdDevUncertainty(sigma.astype(np.float32), unit=unit)
    known = {name: truth[name] for name in TRUTH if truth[name] == truth[name]}  # NaN is unknown
    units = {name: TRUTH[name][2] for name in known if TRUTH[name][2] is not None}
    known |= {name: known[name] * each for name, each in units.items()}
    meta = {"name": truth["object_id"], "medium": "vacuum"} | known
    return Spectrum(
        flux=row.flux * unit, spectral_axis=row.wavelength * u.AA, uncertainty=uncertainty, mask=bad, meta=meta
    )
