# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Options that hold whatever the format: medium, resolution, units in place of those of a loader, arms joined."""

import numpy as np
from astropy import units as u
from specutils import Spectrum

from astro_spectok.spectra.loaders._options import OptionError

__all__ = ["check_taken", "finish_spectra", "restate_units"]

#: what to do about options that only some loaders obey
_REMEDY = {
    "columns": "leave the format out, so that columns of any table are found",
    "hdu": "leave the format out, so that any extension is read",
    "spaxel": "leave it out: this is not a cube",
}


def check_taken(options, taken, label):
    """Refuse options that a loader would not obey.

    Parameters
    ----------
    options : ReadOptions
    taken : set of str
        Names of the options that it obeys, beside those that all do.
    label : str
        Name of the format.

    Raises
    ------
    ValueError
        One of 'columns', 'hdu', 'spaxel' is given, and not obeyed.
    """
    for name, remedy in _REMEDY.items():
        if getattr(options, name) is not None and name not in taken:
            msg = f"{name} has no meaning for a file of the format {label!r}; {remedy}"
            raise OptionError(msg)


def restate_units(spectrum, options):
    """The same numbers in the units that the user states, for loaders that have units of their own.

    Parameters
    ----------
    spectrum : `~specutils.Spectrum`
    options : ReadOptions

    Returns
    -------
    `~specutils.Spectrum`
        The same object where no unit is stated.
    """
    if options.wave_unit is None and options.flux_unit is None:
        return spectrum
    axis, flux, uncertainty = spectrum.spectral_axis, spectrum.flux, spectrum.uncertainty
    if options.wave_unit is not None:
        if options.wave_unit.base is not None:
            msg = "wave_unit: this format gives wavelengths and no logarithms; state the unit of these"
            raise OptionError(msg)
        axis = np.asarray(axis.value) * options.wave_unit.unit
    if options.flux_unit is not None:
        unit = options.flux_unit
        if isinstance(unit, u.function.FunctionUnitBase):
            msg = f"flux_unit: this format gives a linear flux and no magnitudes; got {unit}"
            raise OptionError(msg)
        flux = u.Quantity(flux.value, unit)
        exponent = {"std": 1, "var": 2, "ivar": -2}.get(getattr(uncertainty, "uncertainty_type", None))
        if exponent is not None:
            uncertainty = type(uncertainty)(np.asarray(uncertainty.array), unit=unit**exponent)
    return Spectrum(flux=flux, spectral_axis=axis, uncertainty=uncertainty, mask=spectrum.mask, meta=spectrum.meta)


def finish_spectra(spectra, name, options):
    """Spectra with the options of the user in their metadata, and arms joined.

    Parameters
    ----------
    spectra : list of `~specutils.Spectrum`
    name : str
        Of the file.
    options : ReadOptions

    Returns
    -------
    list of `~specutils.Spectrum`
    """
    from astro_spectok.spectra.arms import join_arms  # imported when needed: it needs what loaders do not

    for spectrum in spectra:
        spectrum.meta["file"] = name
        if options.medium is not None:
            spectrum.meta["medium"] = options.medium
        if options.resolution is not None:
            spectrum.meta["resolution"] = options.resolution
    joinable = len(spectra) > 1 and all(spectrum.meta.get("joinable") for spectrum in spectra)
    if len(spectra) < 2 or not (options.join or (options.join is None and joinable)):
        return list(spectra)
    groups = {}
    for number, spectrum in enumerate(spectra):
        key = tuple(str(spectrum.meta.get(name)) for name in ("object", "aperture"))
        alone = number if spectrum.meta.get("joinable") is False else None
        groups.setdefault((*key, alone, spectrum.data.shape[:-1]), []).append(spectrum)
    return [join_arms(arms) if len(arms) > 1 else arms[0] for arms in groups.values()]
