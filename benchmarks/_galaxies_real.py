# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Lines and breaks of real galaxies, as the estimator and as specutils measure them; and galaxies that ppxf ships."""

import warnings

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from specutils import SpectralRegion, Spectrum
from specutils.analysis import equivalent_width, line_flux
from specutils.manipulation import extract_region

from astro_spectok.galaxies.breaks import D4000_BANDS
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import convert_to_vacuum, to_batch
from astro_spectok.training.observed import to_inputs

__all__ = ["compare_lines", "read_galaxies", "read_shipped"]

#: sets with galaxies: whether wavelengths are in air, resolving power, and which rows are scored
SETS = {
    "sdss_more_real": (False, 2000.0, lambda c: (c["cls"] == "GALAXY") & (c["zwarn"] == 0)),
    "sdss_boss_real": (False, 2000.0, lambda c: (c["cls"] == "GALAXY") & (c["zwarn"] == 0)),
    "desi_andes_real": (False, 1200.0, lambda c: (c["cls"] == "GALAXY") & (c["deltachi2"] > 25)),
    "sixdf_real": (True, 1000.0, lambda c: (c["cls"] == "GALAXY") & (c["zwarn"] >= 3)),
}
#: lines that stand alone or are summed with their neighbours: columns of the estimator, centre, half width of the
#: region, and where the continuum is seen (Angstrom at rest, vacuum)
REGIONS = {
    "[O II]": (("oii",), 3728.5, 18.0, (30.0, 60.0)),
    # nearer than the weaker line of the doublet
    "[O III] 5008": (("oiii",), 5008.24, 16.0, (18.0, 36.0)),
    "H alpha + [N II]": (("halpha", "nii"), 6567.0, 42.0, (55.0, 110.0)),
    "[S II]": (("sii",), 6725.5, 25.0, (30.0, 70.0)),
}
#: the weaker line of a doublet that the estimator counts with the stronger one, as a share of it
HIDDEN_SHARE = {"nii": 1 / 3.05}


def read_galaxies(folder, name):
    """Batch, redshifts and resolving power of the scored galaxies of a set; None where it is absent."""
    path = folder / f"{name}.npz"
    if not path.is_file():
        return None
    air, sharp, choose = SETS[name]
    spectra, columns = load_set(path)
    rows = np.flatnonzero(choose(columns) & np.isfinite(columns["z"]))
    inputs = to_inputs([spectra[i] for i in rows])
    batch = to_batch(inputs, medium="air" if air else "vacuum", resolution=sharp, on_error="flag")
    return batch, columns["z"][rows].astype(float), sharp


def read_shipped(folder):
    """Spectra of galaxies in a folder of ppxf.

    Returns
    -------
    list of tuple
        Name, (wavelength, flux, error), redshift, resolving power of each pixel, and the velocity dispersion that SDSS
        gives in km/s (0 where it gives none).
    """
    out = []
    for path in sorted(folder.glob("NGC*_SDSS_DR18.fits")):
        with fits.open(path) as hdus:
            table, z = hdus["COADD"].data, float(hdus[2].data["z"][0])
            wave = 10.0 ** table["loglam"].astype(float)
            error = np.where(table["ivar"] > 0, 1 / np.sqrt(np.maximum(table["ivar"], 1e-30)), np.inf)
            # pixels of 69 km/s
            width = np.where(table["wdisp"] > 0, table["wdisp"], np.nan).astype(float)
            sharp = 299792.458 / (2.3548 * 69.03 * np.where(np.isfinite(width), width, np.nanmedian(width)))
            sigma = float(hdus[2].data["VDISP"][0])
            out.append((path.stem, (wave, table["flux"].astype(float), error), z, sharp, sigma))
    return out


def compare_lines(batch, z, table):
    """Differences of the estimator and of specutils, each over their common error.

    Returns
    -------
    dict of str to list of float
        By line, of fluxes (``flux NAME``) and of equivalent widths (``ew NAME``), in standard deviations; of the lines
        that both measure and the estimator finds at more than five standard deviations; and ``d4000`` of the break.
    """
    out = {}
    for i in range(len(batch)):
        if not batch.lengths[i]:
            continue
        wave = batch.wavelength[batch.grid(i)] / (1 + z[i])
        flux, ivar = batch.flux[batch.pixels(i)].astype(float), batch.ivar[batch.pixels(i)].astype(float)
        mine, direct = (
            (float(table[f"d4000{more}"].value[i]) for more in ("", "_err")),
            _measure_break(wave, flux, ivar),
        )
        value, error = mine
        if np.isfinite(value) and direct is not None:
            out.setdefault("d4000", []).append((value - direct[0]) / np.hypot(error, direct[1]))
        for name, (columns, centre, half, side) in REGIONS.items():
            mine = _sum_own(table, columns, i, float(batch.scale[i]))
            if mine is None:
                continue
            direct = _measure(wave, flux, ivar, centre, half, side)
            if direct is None:
                continue
            for kind, (value, error), (other, other_err) in zip(("flux", "ew"), mine, direct, strict=True):
                if kind == "flux":
                    value, error = value / (1 + z[i]), error / (1 + z[i])  # the spectrum is laid at rest
                out.setdefault(f"{kind} {name}", []).append((value - other) / np.hypot(error, other_err))
    return out


def _measure_break(wave, flux, ivar):
    """The break at 4000 Angstrom of regions that specutils cuts out, and its error; None where pixels are missing."""
    good, means = ivar > 0, []
    low, high = convert_to_vacuum(np.array(D4000_BANDS)).T
    per_frequency = Spectrum(flux * wave**2 * u.Jy, wave * u.AA)
    for first, last in zip(low, high, strict=True):
        inside = (wave >= first) & (wave < last)
        if inside.sum() < 10 or not good[inside].all() or wave[inside][-1] < last - 3 or wave[inside][0] > first + 3:
            return None
        part = extract_region(per_frequency, SpectralRegion(first * u.AA, last * u.AA))
        noise = np.sqrt(np.sum(wave[inside] ** 4 / ivar[inside])) / inside.sum()
        means.append((float(part.flux.value.mean()), float(noise)))
    (blue, blue_err), (red, red_err) = means
    if not (blue > 0 and red > 0):
        return None
    return red / blue, red / blue * float(np.hypot(blue_err / blue, red_err / red))


def _sum_own(table, columns, i, scale):
    """Flux over the scale of the batch and equivalent width of the estimator, each with its error."""
    pairs = []
    for kind in ("flux", "ew"):
        shares = [1 + HIDDEN_SHARE.get(name, 0.0) for name in columns]
        values = [table[f"{kind}_{name}"].value[i] * s for name, s in zip(columns, shares, strict=True)]
        errors = [table[f"{kind}_{name}_err"].value[i] * s for name, s in zip(columns, shares, strict=True)]
        factor = scale if kind == "flux" else 1.0
        pairs.append((sum(values) / factor, float(np.sqrt(np.sum(np.square(errors)))) / factor))
    return pairs if np.isfinite(pairs).all() and pairs[0][0] > 5 * pairs[0][1] else None


def _measure(wave, flux, ivar, centre, half, side):
    """Flux and equivalent width, positive in emission, by specutils over a straight continuum; with errors."""
    distance, good = np.abs(wave - centre), ivar > 0
    beside = good & (distance > side[0]) & (distance < side[1])
    inside = distance < half
    if beside.sum() < 10 or not good[inside].all() or inside.sum() < 8:
        return None
    if not ((wave[beside] < centre).sum() > 4 and (wave[beside] > centre).sum() > 4):
        return None
    line = np.polyfit(wave[beside], flux[beside], 1)
    level = np.polyval(line, wave)
    scatter = np.std(flux[beside] - level[beside])
    near = distance < side[1]
    error = np.where(good, 1 / np.sqrt(np.maximum(ivar, 1e-30)), 1e6)
    # the straight line is as uncertain as the scatter about it says, over the whole region
    shared = scatter / np.sqrt(beside.sum()) * 2 * half
    region = SpectralRegion((centre - half) * u.AA, (centre + half) * u.AA)

    def make(values):
        return Spectrum(values[near] * u.Jy, wave[near] * u.AA, uncertainty=StdDevUncertainty(error[near]))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        total = line_flux(make(flux - level), regions=region)
        width = equivalent_width(make(flux / level), continuum=1, regions=region)
    value, noise = float(total.value), float(getattr(total.uncertainty, "quantity", total.uncertainty).value)
    middle = float(np.polyval(line, centre))
    noise = float(np.hypot(noise, shared))
    return (value, noise), (-float(width.value), noise / middle)
