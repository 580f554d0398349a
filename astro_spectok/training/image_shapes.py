# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What simulated objects look like on the sky: brightness, sizes, bulge and disc, hosts of quasars, and surveys."""

from dataclasses import dataclass

import numpy as np
from astropy.cosmology import Planck18
from scipy.special import gammainc
from scipy.stats import truncnorm

from astro_spectok.align.filters import find_filter
from astro_spectok.simulate import CLASSES
from astro_spectok.training.photometry_pairs import LN_WAVELENGTH

__all__ = ["SURVEYS", "ImagingSurvey", "Shapes", "draw_shapes"]

GALAXY, QUASAR, STAR = range(len(CLASSES))
#: rest wavelength that luminosities are of, in Angstrom, and the Sun's absolute magnitude there (Willmer 2018, ApJS
#: 236, 47: V, AB)
VISUAL, SUN = 5500.0, 4.80
#: absolute magnitude at z = 0 of galaxies without and with star formation, its change with z up to a redshift, scatter:
#: about what spectroscopic samples hold, around the knee of the luminosity function, in round numbers (Loveday et al.
#: 2012, MNRAS 420, 1239; luminosities that rise by a magnitude to z = 1: Loveday et al. 2015, MNRAS 451, 1540, Q = 1)
LUMINOSITY, BRIGHTENING, LAST_GALAXY, SPREAD = (-21.3, -20.4), -1.0, 2.0, 0.9
#: the same of quasars (Richards et al. 2006, AJ 131, 2766), and of nuclei that hosts outshine
QUASARS, LAST_QUASAR, NUCLEI = (-22.8, -0.9, 1.0), 3.5, -21.8
#: brightest apparent magnitude, and standard deviations of the luminosity beyond which no object is drawn
BRIGHTEST, BEYOND = 15.0, 2.0
#: half-light radius along the major axis in kpc at 5e10 solar masses and z = 0, power of 1 + z, power of the mass,
#: scatter in dex; early and late types (van der Wel et al. 2014, ApJ 788, 28: these follow their Table 1 to 0.02 dex at
#: z = 0.25; it holds above 2e10 solar masses for early, 3e9 for late types, and is continued below)
SIZES = ((5.6, -1.48, 0.75, 0.11), (8.9, -0.75, 0.22, 0.16))
#: log10 of mass over light in solar units without and with star formation
MASS_TO_LIGHT = (0.45, 0.05)
#: share of the bulge in r without star formation, change with it, scatter: round numbers that resemble the bulges and
#: discs of Simard et al. 2011 (ApJS 196, 11)
BULGE = (0.65, -0.5, 0.15)
#: half-light radius of the bulge over that of the disc, scatter in ln
BULGE_SIZE = (0.35, 0.4)
#: power of the wavelength by which a bulge is redder than its disc, 0.3 mag in g - i, and its scatter; of a host and
#: its nucleus
REDDER, HOST_REDDER = (0.6, 0.3), (1.0, 0.4)
#: thickness of discs (Padilla & Strauss 2008, MNRAS 388, 1321: 0.21 +- 0.02), least axis ratio of bulges (assumed)
THICKNESS, ROUNDEST = 0.2, 0.6
#: equivalent widths of H alpha in Angstrom between which a galaxy counts as more and more star-forming, and for kinds
#: whose width is not known how much it does
WIDTHS, KNOWN_BY_KIND = (1.0, 30.0), {"template": 0.2}
#: share of the host in the light of quasars below the redshifts; of nuclei that hosts outshine
HOSTS, OUTSHONE = ((1.0, 0.3), (2.5, 0.1)), (0.4, 0.9)


@dataclass(frozen=True)
class ImagingSurvey:
    """An imaging survey: its bands, how sharp and how deep.

    Attributes
    ----------
    name : str
    bands : tuple of str
    filters : tuple of str
        Names for `~astro_spectok.align.find_filter`.
    scale : float
        Arcsec of a pixel.
    fwhm : tuple of float
        Of the point-spread function in arcsec, the median, in each band.
    depth : tuple of float
        AB magnitude of a point source at five times the noise, in each band.
    limit : float
        Faintest objects in r.

    Examples
    --------
    >>> from astro_spectok.training.image_shapes import SURVEYS
    >>> SURVEYS["legacy"].bands, SURVEYS["sdss"].scale
    (('g', 'r', 'z'), 0.396)
    """

    name: str
    bands: tuple[str, ...]
    filters: tuple[str, ...]
    scale: float
    fwhm: tuple[float, ...]
    depth: tuple[float, ...]
    limit: float

    @property
    def reference(self):
        """Place of the band that magnitudes are drawn in."""
        return self.bands.index("r")


#: by name: DECam of the Legacy Surveys (Dey et al. 2019, AJ 157, 168; depths of point sources, which go with the 24.0,
#: 23.4 and 22.5 that DESI requires of small galaxies); SDSS (Abazajian et al. 2009, ApJS 182, 543; depths lie within
#: 0.4 mag of the limits in its table of constants, the width in r below the median of 1.43 arcsec of DR7)
SURVEYS = {
    "legacy": ImagingSurvey(
        "legacy", ("g", "r", "z"), tuple(f"decamDR1-{b}" for b in "grz"), 0.262, (1.29, 1.18, 1.11),
        (24.7, 23.9, 23.0), 22.5,
    ),
    "sdss": ImagingSurvey(
        "sdss", tuple("ugriz"), tuple(f"sdss2010-{b}" for b in "ugriz"), 0.396, (1.53, 1.44, 1.32, 1.26, 1.29),
        (22.1, 23.0, 22.7, 22.2, 20.7), 20.5,
    ),
}  # fmt: skip


@dataclass
class Shapes:
    """What n objects look like.

    Attributes
    ----------
    kept : ndarray of bool, shape (n,)
        False for what is too faint for the survey, or not known in one of its bands; all else of it is meaningless.
    magnitude : ndarray, shape (n, B)
        AB, of the whole object.
    point, bulge, disc : ndarray, shape (n, B)
        Shares in the flux, 1 together.
    bulge_radius, disc_radius : ndarray, shape (n,)
        Half-light radii along the major axis in arcsec.
    radius : ndarray, shape (n,)
        Of both together.
    bulge_ratio, disc_ratio : ndarray, shape (n,)
        Minor over major axis.
    angle : ndarray, shape (n,)
        Of the major axis, radian.
    """

    kept: np.ndarray
    magnitude: np.ndarray
    point: np.ndarray
    bulge: np.ndarray
    disc: np.ndarray
    bulge_radius: np.ndarray
    disc_radius: np.ndarray
    radius: np.ndarray
    bulge_ratio: np.ndarray
    disc_ratio: np.ndarray
    angle: np.ndarray


def draw_shapes(objects, truth, flux, survey, rng):
    """Draw what objects look like.

    Parameters
    ----------
    objects : `~astro_spectok.simulate.Objects`
        n of them.
    truth : ndarray, shape (n, N)
        Their spectra without noise, as of `~astro_spectok.training.photometry_pairs.find_truth`.
    flux : ndarray, shape (n, B)
        Their fluxes per unit frequency in the bands of the survey, in any unit.
    survey : ImagingSurvey
    rng : `numpy.random.Generator`

    Returns
    -------
    Shapes

    Notes
    -----
    Neither arms, bars, clumps of young stars nor neighbours are drawn.
    """
    n, cls, z = len(objects), objects.cls.numpy(), np.maximum(objects.z.numpy(), 1e-3)
    filters = [find_filter(name) for name in survey.filters]
    pivots, reference = np.array([one.effective for one in filters]), flux[:, survey.reference]
    known = np.isfinite(flux).all(1) & (reference > 0)
    forming = _find_formation(objects, rng)
    outshone = np.array([kind == "broad-line galaxy" for kind in objects.kind])
    to_absolute = _find_offsets(truth, filters[survey.reference].weigh(LN_WAVELENGTH), z)
    magnitude, bright = _draw_magnitudes(cls, z, forming, outshone, to_absolute, survey, rng)
    with np.errstate(divide="ignore", invalid="ignore"):
        colours = -2.5 * np.log10(np.maximum(flux, 1e-6 * reference[:, None]) / reference[:, None])
    tilt = np.log(pivots / pivots[survey.reference])
    host = _draw_hosts(cls, z, outshone, rng)
    host = _spread(host, tilt, rng.normal(*HOST_REDDER, (n, 1)))
    mean, change, scatter = BULGE
    share = np.clip(rng.normal(mean + change * forming, scatter), 0.02, 0.98)
    bulge = _spread(share, tilt, np.maximum(rng.normal(*REDDER, (n, 1)), 0))
    with np.errstate(divide="ignore"):
        light = magnitude + to_absolute - 2.5 * np.log10(np.maximum(host[:, survey.reference], 1e-3))
    radius = _draw_radii(light, z, forming, rng)
    ratio = BULGE_SIZE[0] * np.exp(rng.normal(0, BULGE_SIZE[1], n))
    disc_radius = radius / _find_half(share, ratio)
    inclination = rng.random(n)  # cosine, even for discs that lie at random
    return Shapes(
        kept=known & bright & np.isfinite(radius), magnitude=magnitude[:, None] + colours, point=1 - host,
        bulge=host * bulge, disc=host * (1 - bulge), bulge_radius=disc_radius * ratio, disc_radius=disc_radius,
        radius=radius, bulge_ratio=rng.uniform(ROUNDEST, 1, n),
        disc_ratio=np.sqrt(THICKNESS**2 + (1 - THICKNESS**2) * inclination**2), angle=rng.uniform(0, np.pi, n),
    )  # fmt: skip


def _find_formation(objects, rng):
    """How star-forming each galaxy is, 0 to 1; of hosts of quasars it is not known."""
    unknown = rng.random(len(objects))
    width = objects.labels.get("ew_halpha")
    if width is None:
        return unknown
    low, high = np.arcsinh(WIDTHS)
    found = np.clip((width.numpy() - low) / (high - low), 0, 1)
    by_kind = np.array([KNOWN_BY_KIND.get(kind, 0.5) for kind in objects.kind])
    return np.where(np.isfinite(found), found, by_kind)


def _find_offsets(truth, weights, z):
    """Absolute magnitude at `VISUAL` at rest less the apparent one in r, (n,); NaN if it is not known."""
    reference = np.nan_to_num(truth) @ weights
    place = np.log(VISUAL * (1 + z))
    there = np.array([np.interp(x, LN_WAVELENGTH, row, right=np.nan) for x, row in zip(place, truth, strict=True)])
    there = there * np.exp(2 * place)  # per unit frequency, as the reference is
    with np.errstate(divide="ignore", invalid="ignore"):
        colour = -2.5 * np.log10(np.where((there > 0) & (reference > 0), there, np.nan) / reference)
    return colour - Planck18.distmod(z).value + 2.5 * np.log10(1 + z)


def _draw_magnitudes(cls, z, forming, outshone, to_absolute, survey, rng):
    """Apparent magnitudes (n,) in r, and which objects are bright enough for the survey to see any."""
    old, young = LUMINOSITY
    mean = old + (young - old) * forming + BRIGHTENING * np.minimum(z, LAST_GALAXY)
    own, change, scatter = QUASARS
    nuclei = np.where(outshone, NUCLEI, own + change * np.minimum(z, LAST_QUASAR))
    mean, width = np.where(cls == QUASAR, nuclei, mean), np.where(cls == QUASAR, scatter, SPREAD)
    apparent = np.nan_to_num(mean - to_absolute, nan=99.0)
    low, high = np.maximum((BRIGHTEST - apparent) / width, -BEYOND), (survey.limit - apparent) / width
    seen = np.isfinite(to_absolute) & (high > np.maximum(low, -BEYOND + 0.1)) & (low < BEYOND)
    low, high = np.where(seen, low, -1), np.where(seen, np.minimum(high, BEYOND), 1)
    seen &= high > low
    low = np.minimum(low, high - 0.01)
    drawn = apparent + width * truncnorm.ppf(rng.random(len(z)), low, high)
    star = cls == STAR
    return np.where(star, rng.uniform(BRIGHTEST, survey.limit, len(z)), drawn), seen | star


def _draw_hosts(cls, z, outshone, rng):
    """Share (n,) in r of what is extended: all of galaxies, nothing of stars, the host of quasars."""
    chance, share = rng.random(len(z)), np.zeros(len(z))
    for limit, most in reversed(HOSTS):
        share = np.where(z < limit, most * chance, share)
    share = np.where(outshone, OUTSHONE[0] + (OUTSHONE[1] - OUTSHONE[0]) * chance, share)
    return np.where(cls == GALAXY, 1.0, np.where(cls == QUASAR, share, 0.0))


def _spread(share, tilt, power):
    """Share (n,) in r of a component as one in each band (n, B), by which power of the wavelength it is redder."""
    own = share[:, None] * np.exp(tilt * power)
    return own / (own + (1 - share[:, None]))


def _draw_radii(light, z, forming, rng):
    """Half-light radii (n,) along the major axis in arcsec, from absolute magnitudes."""
    late = (rng.random(len(z)) < forming).astype(int)
    size, evolution, slope, scatter = np.array(SIZES)[late].T
    old, young = MASS_TO_LIGHT
    mass = -0.4 * (light - SUN) + old + (young - old) * forming - np.log10(5e10)
    size = size * (1 + z) ** evolution * 10 ** (slope * np.clip(mass, -2.5, 1.5) + scatter * rng.normal(size=len(z)))
    return size * Planck18.arcsec_per_kpc_proper(z).value


def _find_half(share, ratio):
    """Half-light radius (n,) of bulge and disc together, over that of the disc."""
    low, high = np.full(len(share), 1e-3), np.full(len(share), 20.0)
    for _ in range(40):
        middle = np.sqrt(low * high)
        x = 1.67835 * middle
        inside = (1 - share) * (1 - (1 + x) * np.exp(-x)) + share * gammainc(8, 7.66925 * (middle / ratio) ** 0.25)
        low, high = np.where(inside < 0.5, middle, low), np.where(inside < 0.5, high, middle)
    return np.sqrt(low * high)
