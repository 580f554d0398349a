# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra that should be flagged, and good ones that should not: each set by its name, with its truth."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from _nonsense_kinds import KINDS, Library, draw_kind
from _real_sets import CLASSES, SURVEYS, Survey
from _test_sets import SETS, has_errors, load_set
from scipy.ndimage import gaussian_filter1d

from astro_spectok.spectra import estimate_noise

__all__ = ["Case", "list_sets"]

SEED = 20261
#: grids of made-up inputs in Angstrom: (first, last, pixels)
GRIDS = ((4000, 7000, 1000), (3600, 9800, 4000), (10000, 24000, 300), (6000, 9000, 2000), (1200, 3000, 700))
WINDOWS = (32, 64, 100, 200)
#: sets of the folder ``train`` that stand for those of ``test`` of the same kind when thresholds are fitted
TRAIN = {
    "sn_superfit_real": "vacuum", "snid_sesne_real": "vacuum", "osc_pre1990_real": "vacuum",
    "deepsip_snia_real": "vacuum", "snidsage_rare_real": "vacuum", "sdss_sky_real": "vacuum",
}  # fmt: skip
TRAIN_GOOD = {
    "miles_real_stars": "air", "cflib_real_stars": "air", "stelib_real_stars": "air", "jacoby_real_stars": "air",
    "splat_spex_real": "vacuum", "calspec_real_stars": "vacuum", "kast_optical_standards_real": "vacuum",
}  # fmt: skip
#: wavelengths in Angstrom of templates of galaxies; surveys whose galaxies are moved to rest
SED_RANGE = (900.0, 30000.0)
AT_REST = ("sdss_more_real", "sixdf_real", "desi_andes_real")


@dataclass(frozen=True)
class Case:
    """One input and what is true of it.

    Attributes
    ----------
    wavelength, flux : ndarray, shape (m,)
        Angstrom in ``medium``.
    sigma : ndarray or None
        Standard deviations as stated, infinite in bad pixels; None where none are stated.
    spectype : str
        '' where the object is of no class: then no answer is right.
    z : float
        NaN where it is not known: then the class alone counts.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray | None
    medium: str | None = "vacuum"
    spectype: str = ""
    z: float = np.nan
    wide: bool = False
    teff: float = np.nan


def _null(make):
    """A set of inputs without an object, on grids of all kinds; ``make(rng, n)`` gives flux and errors."""

    def draw(rng, limit):
        cases = []
        while len(cases) < limit:
            for low, high, n in GRIDS:
                flux, sigma = make(rng, n)
                cases.append(Case(np.linspace(low, high, n), flux, sigma))
        return cases[:limit]

    return draw


def _featureless(rng, n):
    """White noise with true errors on a power of the wavelength."""
    flux, sigma = np.linspace(1, 2, n) ** rng.uniform(-3, 3), 10.0 ** -rng.uniform(0, 1.5)
    flux = flux / np.median(flux)
    return flux + rng.normal(0, sigma, n), np.full(n, sigma)


def _red(rng, n):
    """Noise of any correlation length or slope on a continuum, with white noise, and errors of either or of neither."""
    if rng.random() < 0.5:
        noise = gaussian_filter1d(rng.normal(0, 1, n), min(10 ** rng.uniform(-0.15, 1.8), n / 8))
    else:
        wave = np.fft.rfft(rng.normal(0, 1, 2 * n))
        noise = np.fft.irfft(wave * np.maximum(np.arange(len(wave)), 2.0) ** (-rng.uniform(0.3, 3) / 2))[:n]
    amplitude = 10 ** rng.uniform(-2, 0)
    white = amplitude * 10 ** rng.uniform(-1.5, 0.5)
    stated = rng.choice((np.hypot(amplitude, white), white, amplitude * 10 ** rng.uniform(-1, 0.3)))
    flux = np.linspace(1, 2, n) ** rng.uniform(-3, 3) + amplitude * (noise - noise.mean()) / noise.std()
    return flux + rng.normal(0, 1, n) * white * (rng.random() < 0.6), np.full(n, stated)


def _one_spike(rng, n):
    flux = rng.normal(0, 1, n)
    flux[rng.integers(n // 4, 3 * n // 4)] = 10 ** rng.uniform(-3, 3)
    return flux, np.ones(n)


def _smoothed(rng, n, width):
    flux = gaussian_filter1d(rng.normal(0, 1, n), width)
    return flux, np.full(n, flux.std())


NULLS = {
    "flux 0, errors 1": lambda rng, n: (np.zeros(n), np.ones(n)),
    "flux 0 but one pixel": lambda rng, n: (10.0 ** rng.uniform(-4, 2) * (np.arange(n) == n // 2), np.ones(n)),
    "constant": lambda rng, n: (np.full(n, 10.0 ** rng.uniform(-2, 2)), np.ones(n)),
    "constant, no errors": lambda rng, n: (np.full(n, 3.0), None),
    "white noise": lambda rng, n: (rng.normal(0, 1, n), np.ones(n)),
    "white noise, no errors": lambda rng, n: (rng.normal(0, 1, n), None),
    "white noise on a level": lambda rng, n: (10 + rng.normal(0, 1, n), np.ones(n)),
    "white noise on a level, S/N 5": lambda rng, n: (5 + rng.normal(0, 1, n), np.ones(n)),
    "white noise on a slope, S/N 1 to 30": _featureless,
    "noise, one spike": _one_spike,
    "correlated noise": lambda rng, n: _smoothed(rng, n, rng.uniform(1, 5)),
    "correlated noise, no errors": lambda rng, n: (_smoothed(rng, n, rng.uniform(1, 5))[0], None),
    "red noise on a level": lambda rng, n: (10 + 5 * _smoothed(rng, n, 8)[0], np.full(n, 0.3)),
    "red noise of all lengths and slopes": _red,
    "noise, errors x 0.01": lambda rng, n: (rng.normal(0, 1, n), np.full(n, 0.01)),
    "noise on a level, errors x 0.01": lambda rng, n: (10 + rng.normal(0, 1, n), np.full(n, 0.01)),
    "power law": lambda rng, n: (lambda f: (f + rng.normal(0, 0.03, n), np.full(n, 0.03)))(
        np.linspace(1, 2, n) ** rng.uniform(-2, 1)
    ),
}  # fmt: skip


def _populations(path, rng, limit):
    """Stellar populations at rest, of other families than those that rules were fitted to, at S/N 10 to 100."""
    spectra, columns = load_set(path)
    out = []
    for i in rng.permutation(len(spectra))[:limit].tolist():
        wavelength, flux = (np.asarray(x, float) for x in spectra[i][:2])
        sigma = np.median(flux) / 10 ** rng.uniform(1, 2)
        flux = flux + rng.normal(0, sigma, len(flux))
        medium = "air" if "air" in str(columns["origin"][i]) else "vacuum"
        out.append(Case(wavelength, flux, np.full(len(flux), sigma), medium, "GALAXY"))
    return out


def _galaxy_seds(path, rng, limit):
    """Templates of galaxies from the far ultraviolet to the infrared, as they are stored: at rest."""
    spectra, columns = load_set(path)
    rows = np.flatnonzero(columns["cls"] == "GALAXY")
    out = []
    for i in rng.permutation(rows)[:limit].tolist():
        wavelength, flux = (np.asarray(x, float) for x in spectra[i][:2])
        seen = (wavelength > SED_RANGE[0]) & (wavelength < SED_RANGE[1])
        sigma = np.abs(flux[seen]) / 10 ** rng.uniform(1, 2) + 1e-6 * np.max(np.abs(flux[seen]))
        noisy = flux[seen] + rng.normal(0, 1, len(sigma)) * sigma
        out.append(Case(wavelength[seen], noisy, sigma, "vacuum", "GALAXY"))
    return out


def _move_to_rest(folder, rng, limit):
    """Galaxies of surveys shifted to rest, as people do before they store them: a galaxy by its class alone."""
    out = []
    for survey in SURVEYS:
        if survey.name in AT_REST and (folder / f"{survey.name}.npz").is_file():
            cases = _read(folder, survey, SETS[survey.name], rng, 10**6)
            out += [_with(x, wavelength=x.wavelength / (1 + x.z), z=np.nan) for x in cases if x.spectype == "GALAXY"]
    return [out[i] for i in np.sort(rng.permutation(len(out))[:limit])]


def _kind(name, stars, rng, limit):
    spectype = KINDS[name][1]
    return [Case(*spectrum, "vacuum", spectype) for spectrum in draw_kind(name, stars, rng, limit)]


def _read(folder, survey, medium, rng, limit, *, spectype=None):
    """Cases of a stored set, all of class ``spectype`` if it is given."""
    spectra, columns = load_set(folder / f"{survey.name}.npz")
    rows = np.flatnonzero(survey.select(columns))
    rows = np.sort(rng.permutation(rows)[:limit])
    z = columns.get("z_true", columns.get("z", np.full(len(spectra), np.nan))).astype(float)
    if "z" not in columns and "z_true" not in columns and "rv" in columns:
        z = columns["rv"].astype(float) / 299792.458
    cases = []
    for i in rows:
        wavelength, flux, ivar = (np.asarray(x, float) for x in spectra[i])
        good = (ivar > 0) & np.isfinite(flux)
        if np.count_nonzero(good) < 32:
            continue
        cls = str(columns["cls"][i]) if spectype is None else spectype
        sigma = None
        flux = np.where(good, flux, np.nan)
        if has_errors(ivar, good):
            sigma = np.full(len(ivar), np.inf)
            sigma[good] = ivar[good] ** -0.5
        teff = float(columns["teff"][i]) if "teff" in columns else np.nan
        cases.append(
            Case(wavelength, flux, sigma, medium, cls if cls in CLASSES else "", z[i], survey.wide, teff)
        )  # fmt: skip
    return cases


def _known(case):
    """The case with errors, estimated where none were stated."""
    if case.sigma is not None:
        return case
    good = np.isfinite(case.flux)
    sigma, kept = estimate_noise(np.where(good, case.flux, 0.0), good)
    return _with(case, sigma=np.where(kept & good, sigma, np.inf))


def _with(case, **changes):
    return Case(**{**vars(case), **changes})


def _window(case, rng, width):
    good = np.flatnonzero(np.isfinite(case.flux))
    start = rng.integers(good[0], max(good[-1] - width, good[0] + 1))
    cut = slice(start, start + width)
    sigma = None if case.sigma is None else case.sigma[cut]
    return _with(case, wavelength=case.wavelength[cut], flux=case.flux[cut], sigma=sigma)


def _oversample(case, k, *, errors):
    """The pixels of a spectrum interpolated k times as finely, with the errors of the pixels or with none."""
    good = np.isfinite(case.flux)
    x = np.interp(np.arange(len(good) * k) / k, np.arange(len(good)), case.wavelength)
    flux = np.interp(x, case.wavelength[good], case.flux[good])
    sigma = np.interp(x, case.wavelength[good], _known(case).sigma[good]) if errors else None
    return _with(case, wavelength=x, flux=flux, sigma=sigma)


def _correlate(case, width):
    """Smoothed over ``width`` pixels; each pixel's error is stated right, the pixels are not independent."""
    case = _known(case)
    good = np.isfinite(case.flux) & np.isfinite(case.sigma)
    flux = np.where(good, case.flux, np.nan)
    flux[good] = gaussian_filter1d(case.flux[good], width)
    kernel = gaussian_filter1d(np.eye(1, 201, 100)[0], width)
    return _with(case, flux=flux, sigma=case.sigma * np.sqrt(np.sum(kernel**2)))


def _noise(case, rng, width):
    """Correlated noise instead of what is there: white noise of the stated errors, smoothed, is added once more."""
    case = _known(case)
    good = np.isfinite(case.flux) & np.isfinite(case.sigma)
    extra = gaussian_filter1d(rng.normal(0, 1, len(good)), width)
    extra *= 2 * np.where(good, case.sigma, 0.0) / extra.std()
    return _with(case, flux=case.flux + extra, sigma=case.sigma * np.sqrt(5.0))


WRONG = {
    "errors x 0.01": lambda case, rng: _with(case, sigma=0.01 * _known(case).sigma),
    "errors x 0.2": lambda case, rng: _with(case, sigma=0.2 * _known(case).sigma),
    "errors x 100": lambda case, rng: _with(case, sigma=100 * _known(case).sigma),
    "variance as error": lambda case, rng: _square(_known(case)),
    "relative as absolute": lambda case, rng: _with(
        _known(case), sigma=np.abs(_known(case).sigma / np.nanmedian(np.abs(case.flux)))
    ),
}


def _square(case):
    """In a unit in which the flux is 1e-15, as calibrated spectra have it."""
    scale = 1e-15 / np.nanmedian(np.abs(case.flux))
    return _with(case, flux=case.flux * scale, sigma=(case.sigma * scale) ** 2)


SAMPLED = {
    "oversampled x 8, no errors": lambda case, rng: _oversample(case, 8, errors=False),
    "oversampled x 4": lambda case, rng: _oversample(case, 4, errors=True),
    "smoothed by 2 pixels": lambda case, rng: _correlate(case, 2.0),
    "correlated noise added": lambda case, rng: _noise(case, rng, 4.0),
}
FILLS = (9.96921e36, -999.0, 1e20, -32768.0)


def _fill(case, rng):
    """Every tenth pixel, and a stretch, hold a fill value."""
    fill = np.zeros(len(case.flux), bool)
    fill[rng.integers(0, 10) :: 10] = True
    start = rng.integers(0, len(fill) - 60)
    fill[start : start + 60] = True
    return _with(case, flux=np.where(fill, rng.choice(FILLS), case.flux))


def _change(cases, change, rng):
    return [change(case, rng) for case in cases]


def list_sets(data, *, limit, train=False):
    """All sets: (group, name, function that gives the cases).

    Parameters
    ----------
    data : `~pathlib.Path`
        Directory with the folders ``test`` and ``train``.
    limit : int
        Most cases of each.
    train : bool, optional
        Whether to read the folder ``train``, for thresholds to be fitted on, with simulated galaxies and quasars.

    Yields
    ------
    group, name : str
        The group is 'null', 'window', 'other kind', 'made-up kind', 'sampling', 'errors', 'good'.
    draw : callable
        Without arguments; a list of `Case`.
    """

    def rng(name):
        return np.random.default_rng([SEED, train, *name.encode()])

    folder = data / ("train" if train else "test")
    for name, make in NULLS.items():
        yield "null", name, partial(_null(make), rng(name), max(limit // 4, min(limit, 15)))
    base = partial(_list_good, folder, train, data)
    few = max(limit // 8, 4)
    for width in WINDOWS:
        name = f"windows of {width} pixels"
        yield (
            "window",
            name,
            lambda name=name, width=width: [
                _window(case, rng(f"{name}{k}"), width) for k, case in enumerate(base(few, rng(name)))
            ],
        )
    others = TRAIN if train else dict.fromkeys(("sn_superfit_real", "ozdes_sn_real", "sdss_sky_real"), "vacuum")
    for name, medium in others.items():
        if (folder / f"{name}.npz").exists():
            survey = Survey(name, lambda c: ~np.isin(c["cls"], CLASSES))
            # of a supernova what is right is the galaxy that it is in
            kind = "" if "sky" in name else "GALAXY"
            yield "other kind", name, partial(_read, folder, survey, medium, rng(name), limit, spectype=kind)
    path, name = data / "train" / "ssp_galaxy_templates.npz", "stellar populations at rest"
    if path.exists():
        yield "other kind", name, partial(_populations, path, rng(name), limit)
    path, name = data / "train" / "galaxy_qso_seds.npz", "galaxy SEDs at rest"
    if path.exists():
        yield "other kind", name, partial(_galaxy_seds, path, rng(name), limit)
    if not train:
        yield "other kind", "real galaxies moved to rest", partial(_move_to_rest, folder, rng("rest"), limit)
    stars = Library(data / "train")
    for name in KINDS if len(stars) else ():
        yield "made-up kind", name, partial(_kind, name, stars, rng(name), max(limit // 3, 4))
    for group, changes in (("sampling", SAMPLED), ("errors", WRONG | {"fill values": _fill})):
        for name, change in changes.items():
            yield group, name, lambda name=name, change=change: _change(base(few, rng(name)), change, rng(name))
    if train:
        for name, medium in TRAIN_GOOD.items():
            yield "good", name, partial(_read, folder, Survey(name, wide="splat" in name), medium, rng(name), limit)
        yield "good", "simulated", lambda: _simulate(data, rng("sim"), 4 * limit)
        return
    for survey in SURVEYS:
        if survey.name not in ("sdss_sky_real", "ozdes_sn_real"):
            yield "good", survey.name, partial(_read, folder, survey, SETS[survey.name], rng(survey.name), limit)


def _list_good(folder, train, data, few, rng):
    """A few of each good set, of all classes."""
    if train:
        out = _simulate(data, rng, 6 * few)
        for name in ("miles_real_stars", "stelib_real_stars"):
            out += _read(folder, Survey(name), TRAIN_GOOD[name], rng, few)
        return out
    names = ("lamost_real", "sdss_more_real", "rodot_qso_real", "desi_andes_real", "sixdf_real", "sim_redrock",
             "miles_real_stars", "vandels_real")  # fmt: skip
    surveys = [survey for survey in SURVEYS if survey.name in names]
    return [case for survey in surveys for case in _read(folder, survey, SETS[survey.name], rng, few)]


def _simulate(data, rng, n):
    """Simulated objects of all classes as instruments of all kinds see them, as real noise makes them."""
    from _simulated import to_spectra

    from astro_spectok.simulate import Survey as Simulator

    families = ("galaxies", "quasars", "stars")
    groups = Simulator(data / "train", families=families).draw(n, [SEED, 3, int(rng.integers(1000))], snr=(1, 100))
    cases = []
    for group in groups:
        objects = group.objects
        for k, (wavelength, flux, ivar) in enumerate(to_spectra(group.observations[0])):
            if int(objects.cls[k]) < 0 or not bool(objects.measurable[k]):
                continue
            good = ivar > 0
            sigma = np.where(good, np.where(good, ivar, 1.0) ** -0.5, np.inf).astype(float)
            resolution = np.median(group.instruments[0][k].resolution)
            cases.append(
                Case(wavelength.astype(float), flux.astype(float), sigma, "vacuum", CLASSES[int(objects.cls[k])],
                     float(objects.z[k]), bool(resolution < 600))
            )  # fmt: skip
    return cases
