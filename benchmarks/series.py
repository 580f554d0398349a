# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Real spectra of one object at several times: velocities of stars, changes of quasars, and one redshift for all.

    python benchmarks/series.py --data DIR [--weights NAME|PATH] [--limit N] [--json FILE]

``--data`` is the folder of the test sets. *Visits of LAMOST*: stars that were observed twice or more. How their
velocities scatter beside their errors, for how many ``p_variable`` says that they vary, and for how many it does if one
visit is shifted by 10 to 50 km/s; how often `~astro_spectok.transients.find_changes` claims a change, which a star
should not show. *Pairs of SDSS*: galaxies and quasars observed twice, years apart, most of them because a broad line
came or went. How many pairs have changed, and in how many of these at a broad line; the same for two copies of the
first spectrum with noise added to each, as they are and with a line in the second of 20 and 40 % of the flux, 5300 km/s
wide. *One answer*: class and redshift of the series and of its spectra, beside the catalogue. *Supernovae of superfit*:
those of the test set with two known phases or more, at a redshift of 0.05 and with the dates that their phases say:
groups of types, redshifts and phases of the series, and of its spectra.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from _transient_sets import group_type
from astropy import units as u
from astropy.nddata import InverseVariance
from astropy.stats import mad_std
from astropy.time import Time
from specutils import Spectrum

import astro_spectok
from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator, TransientEstimator
from astro_spectok.exceptions import SpectokWarning
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.spectra import SpectrumSeries
from astro_spectok.transients import find_changes
from astro_spectok.utils.constants import LIGHT_SPEED
from astro_spectok.weights import load_weights

#: shifts of one visit in km/s, and the probability from which a star is called variable
SHIFTS, VARIABLE = (0.0, 10.0, 20.0, 50.0), 0.9
#: rest wavelengths in Angstrom of broad lines, and how far from them in km/s a change is theirs
BROAD = {"Mg II": 2799.0, "H gamma": 4341.7, "H beta": 4862.7, "H alpha": 6564.6}
REACH = 12000.0
#: lines that are added: peaks over the flux, range of wavelengths in Angstrom, and width in ln(wavelength)
LINES, ADDED, WIDTH = (0.0, 0.2, 0.4), (4500.0, 6700.0), 0.0075
#: redshift that supernovae are seen at, which are stored at rest, and most days from maximum
SEEN_AT, MOST_DAYS = 0.05, 70.0


def read_groups(path, key, limit=None):
    """Objects with several spectra.

    Parameters
    ----------
    path : path-like
        Of a test set.
    key : str
        Column that names the object.
    limit : int, optional
        Most objects.

    Returns
    -------
    list of (list of `~specutils.Spectrum`, dict of str to ndarray)
        Spectra of each, and their ``cls`` and ``z``.
    """
    spectra, columns = load_set(path)
    names = columns[key].astype(str)
    usable = [name for name in dict.fromkeys(names) if name and np.count_nonzero(names == name) > 1]
    out = []
    for name in usable[:limit]:
        rows = np.flatnonzero(names == name)
        out.append(([to_spectrum(*spectra[i]) for i in rows], {c: columns[c][rows] for c in ("cls", "z")}))
    return out


def to_spectrum(wavelength, flux, ivar):
    """A `~specutils.Spectrum` in vacuum."""
    return Spectrum(
        spectral_axis=wavelength * u.AA, flux=flux * u.Jy, uncertainty=InverseVariance(ivar), mask=ivar <= 0,
        meta={"medium": "vacuum"},
    )  # fmt: skip


def shift(spectrum, velocity):
    """The spectrum as of a star that recedes faster by a velocity in km/s."""
    axis = spectrum.spectral_axis * np.sqrt((1 + velocity / LIGHT_SPEED) / (1 - velocity / LIGHT_SPEED))
    return change(spectrum, spectral_axis=axis)


def change(spectrum, **parts):
    """The spectrum with some of its parts replaced."""
    own = {name: getattr(spectrum, name) for name in ("spectral_axis", "flux", "uncertainty", "mask", "meta")}
    return Spectrum(**own | parts)


def measure_velocities(estimator, stars):
    """Rows for each shift of the last visit: dicts."""
    rows = []
    for velocity in SHIFTS:
        pulls, variable, errors = [], [], []
        for spectra, _ in stars:
            series = SpectrumSeries([*spectra[:-1], shift(spectra[-1], velocity)])
            table = estimator.estimate_velocities(series)
            rv, error = (table[name].to_value("km/s") for name in ("rv", "rv_err"))
            if not np.isfinite(rv).all() or not np.isfinite(table.meta["p_variable"]):
                continue
            mean = np.sum(rv / error**2) / np.sum(error**-2.0)
            # of n values around their own mean, as wide as without it
            pulls.extend((rv - mean) / error * np.sqrt(len(rv) / (len(rv) - 1)))
            errors.extend(error)
            variable.append(table.meta["p_variable"] > VARIABLE)
        rows.append({
            "shift": velocity, "n": len(variable), "variable": float(np.mean(variable)),
            "pulls": float(mad_std(pulls)), "error": float(np.median(errors)),
        })  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def add_noise(spectrum, rng):
    """The spectrum with as much noise again."""
    ivar = np.where(spectrum.mask, 0.0, spectrum.uncertainty.array)
    noise = rng.normal(size=len(ivar)) * np.where(ivar > 0, ivar, np.inf) ** -0.5
    return change(spectrum, flux=spectrum.flux + noise * spectrum.flux.unit, uncertainty=InverseVariance(ivar / 2))


def is_broad(ranges, z):
    """Whether one of some ranges in Angstrom has a broad line at a redshift."""
    for low, high in ranges:
        for rest in BROAD.values():
            line, reach = rest * (1 + z), rest * (1 + z) * REACH / LIGHT_SPEED
            if low < line + reach and high > line - reach:
                return True
    return False


def add_line(spectrum, peak, rng):
    """The spectrum with an emission line."""
    centre = np.log(rng.uniform(*ADDED))
    profile = np.exp(-0.5 * ((np.log(spectrum.spectral_axis.value) - centre) / WIDTH) ** 2)
    return change(spectrum, flux=spectrum.flux * (1 + peak * profile))


def copy_first(groups, peak, seed=5):
    """Of each object the first spectrum twice, each with noise of its own, the second with a line."""
    rng = np.random.default_rng(seed)
    out = []
    for spectra, truth in groups:
        first, second = (add_noise(spectra[0], rng) for _ in range(2))
        out.append(([first, add_line(second, peak, rng)], truth))
    return out


def measure_changes(groups):
    """How many objects changed, and how many of these at a broad line: dict."""
    changed, broad = 0, 0
    for spectra, truth in groups:
        found = find_changes(SpectrumSeries(spectra))
        ranges = [one for epoch in found.ranges for one in epoch]
        changed += bool(ranges)
        broad += is_broad(ranges, float(np.median(truth["z"])))
    return {"n": len(groups), "changed": changed, "at_broad_line": broad}


def measure_answers(estimator, groups):
    """Redshifts of series and of single spectra, beside the catalogue: dict."""
    rows = {"series": [], "single": []}
    disagree = 0
    for spectra, truth in groups:
        z = float(np.median(truth["z"]))
        joint = estimator.estimate(SpectrumSeries(spectra))
        disagree += bool(joint.zwarn.name and "EPOCHS_DISAGREE" in joint.zwarn.name)
        rows["series"].append((abs(joint.z - z) / (1 + z) < 0.01, int(joint.zwarn) == 0))
        for one in estimator.estimate(spectra):
            rows["single"].append((abs(one["z"] - z) / (1 + z) < 0.01, int(one["zwarn"]) == 0))
    out = {"disagree": disagree, "objects": len(groups)}
    for name, values in rows.items():
        right, sure = np.array(values).T
        out[name] = {"n": len(right), "right": float(right.mean()), "sure": float(sure.mean()),
                     "wrong": int((sure & ~right).sum())}  # fmt: skip
    return out


def read_supernovae(path, limit=None):
    """Series of supernovae with their types and phases: list of (SpectrumSeries, str, ndarray)."""
    spectra, columns = load_set(path)
    names, phases, out = columns["origin"].astype(str), columns["age"].astype(float), []
    for name in dict.fromkeys(names):
        rows = np.flatnonzero((names == name) & (np.abs(phases) < MOST_DAYS))
        rows = rows[np.argsort(phases[rows])]
        if len(rows) < 2:
            continue
        seen = [
            Spectrum(
                flux=spectra[i][1] * u.Jy, spectral_axis=spectra[i][0] * (1 + SEEN_AT) * u.AA, mask=spectra[i][2] <= 0,
                meta={"medium": "vacuum"},
            )
            for i in rows
        ]  # fmt: skip
        times = Time(60000 + phases[rows] * (1 + SEEN_AT), format="mjd")
        out.append((SpectrumSeries(seen, times), str(columns["subclass"][rows[0]]), phases[rows]))
    return out[:limit]


def measure_transients(estimator, supernovae):
    """Groups, redshifts and phases of series and of single spectra: dict."""
    rows = {"series": [], "single": []}
    for series, kind, phases in supernovae:
        joint = estimator.estimate(series)
        rows["series"].append((joint.type, joint.z, joint.phase.value, kind, phases[0]))
        table = estimator.estimate(list(series))
        for one, phase in zip(table, phases, strict=True):
            rows["single"].append((str(one["type"]), float(one["z"]), one["phase"].value, kind, phase))
    out = {}
    for name, values in rows.items():
        found, z, phase, kind, truth = (np.array(x) for x in zip(*values, strict=True))
        known = np.array([bool(group_type(x)) for x in kind])
        group = np.array([group_type(x) == group_type(y) for x, y in zip(found, kind, strict=True)])
        off = np.abs(phase - truth)[group & np.isfinite(phase)]
        out[name] = {
            "n": len(z), "known": int(known.sum()), "group": float(group[known].mean()),
            "z": float((np.abs(z - SEEN_AT) < 0.01 * (1 + SEEN_AT)).mean()), "phase": float(np.median(off)),
        }  # fmt: skip
    return out


def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the test sets")
    parser.add_argument("--weights", help="registry name or path")
    parser.add_argument("--limit", type=int, help="most objects of each set")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore", SpectokWarning)
    stars = read_groups(options.data / "lamost_real.npz", "object", options.limit)
    pairs = read_groups(options.data / "sdss_more_real.npz", "group", options.limit)
    supernovae = read_supernovae(options.data / "sn_superfit_real.npz", options.limit)
    redshift = RedshiftEstimator(options.weights, "cpu")
    content = {
        "version": astro_spectok.__version__,
        "sha256": load_weights(options.weights or "small").sha256,
        "velocities": measure_velocities(StellarParameterEstimator(options.weights, "cpu"), stars),
        "changes": {
            "visits of LAMOST": measure_changes(stars),
            "pairs of SDSS": measure_changes(pairs),
            **{
                f"the first of each pair twice, with a line of {100 * peak:.0f} %": measure_changes(
                    copy_first(pairs, peak)
                )
                for peak in LINES
            },
        },
        "answers": {
            "visits of LAMOST": measure_answers(redshift, stars),
            "pairs of SDSS": measure_answers(redshift, pairs),
        },
        "supernovae": measure_transients(TransientEstimator(options.weights, "cpu"), supernovae),
    }
    print(json.dumps({name: content[name] for name in ("changes", "answers", "supernovae")}, indent=1))
    if options.json:
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
