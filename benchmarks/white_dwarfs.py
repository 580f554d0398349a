# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""White dwarfs through `StellarParameterEstimator`: those of CALSPEC, simulated ones, and what has no such lines.

    python benchmarks/white_dwarfs.py --train DIR [--weights NAME|PATH] [--json FILE] [-n N]

``--train`` is the directory of the public template sets. Temperatures of CALSPEC's stars follow from their spectral
types in its list. Simulated ones are of the network of hydrogen atmospheres that the models are made of, with dust,
velocities and noise: they show what noise and resolution cost, not what is wrong with the models. The JSON file holds
``weights``, ``sha256``, ``version``, ``n``; ``stars``: rows of ``name, known, teff, teff_err, logg, logg_err, warn``;
``scores``: rows of ``set, label, n, given, scatter, offset, pull, error``, labels being ``percent`` of the temperature
and ``logg``; and ``others``: rows of ``set, type, n, labelled`` (with temperature and no flag, as a white dwarf).
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from _stellar_scores import estimate_stars, score_parameters
from _stellar_sets import draw_stars, make_instrument
from real_spectra import make_plain, report_rows

import astro_spectok
from astro_spectok.estimators import StellarParameterEstimator
from astro_spectok.simulate.public_sets import load_set
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.simulate.white_dwarfs import WhiteDwarfs
from astro_spectok.stellar.white_dwarfs import load_white_dwarf_models, make_continua
from astro_spectok.weights import load_weights

#: far from the seeds of training and of the other benchmarks
SEED = 8107
#: temperature index of the spectral type in the list of CALSPEC's stars (STScI), 50,400 K over the temperature, by how
#: the name of a spectrum begins: good to 0.05, which is 1 to 3 per cent; beyond 40,000 K there are no models
PUBLISHED = {
    "g191b2b": 0.8, "grw_70d5824": 2.4, "hz4_": 3.4, "wd0148": 3.6, "wd0227": 2.5, "wd1105_048": 3.0, "wd1105_340": 3.6,
    "wd1202": 5.7, "wd1327": 3.5, "wd1544": 4.8, "wd1713": 3.2, "wd1919": 3.3, "wd2039": 3.0, "wd2117": 3.4,
    "wd2126": 3.1, "wd2149": 2.8, "wd2341": 3.8,
}  # fmt: skip
UNIT = 50400.0
#: log10(Teff) and logg of simulated ones, and standard deviation of the latter
LOG_TEFF, LOGG, SPREAD = (3.87, 4.55), 8.0, 0.3
#: resolving powers and S/N per pixel that they are seen with
CELLS = ((2000, 5), (2000, 10), (2000, 20), (2000, 100), (500, 20), (5000, 20))
#: what must have no labels of a white dwarf: sets, how names or types begin, and what they are
OTHERS = {
    ("calspec_real_stars", "id"): {
        "hot subdwarfs": (
            "agk_81", "bd_25d4655", "bd_28d4211", "bd_75d325", "feige110", "feige34", "feige66", "feige67", "gd108",
            "hz44",
        ),
        "white dwarfs without hydrogen": ("gj7541a", "hz21", "lds749b", "ltt9491", "wd0308"),
        "hydrogen, beyond the models": ("g191b2b", "gd50", "hz43", "ngc7293"),
        "A and B stars": ("alpha_lyr", "sirius", "bd_33d2642", "etauma", "hd116405", "ksi2ceti"),
    },
    ("redrock_archetypes", "sptype"): {
        "white dwarfs without hydrogen": ("WD:DB", "CalciumWD"), "magnetic": ("WDmagnetic",), "CV": ("CV",),
        "A and B stars": ("A", "B"),
    },
    ("idlspec2d_templates", "sptype"): {
        "white dwarfs without hydrogen": ("CalciumWD",), "magnetic": ("WDmagnetic",),
        "A and B stars": ("A0", "B5", "B9"),
    },
}  # fmt: skip
#: vacuum Angstrom of an instrument, and of what is taken of real spectra
RANGE, OPTICAL = (3870.0, 7300.0), (3600.0, 9500.0)


class HydrogenStars(WhiteDwarfs):
    """White dwarfs of the network alone, on the continuum that goes with their temperature, with dust."""

    uses = ()

    def draw(self, n, random):
        """Draw ``n`` stars."""
        log_teff = random.uniform(*LOG_TEFF, n)
        logg = (LOGG + SPREAD * random.normal(0.0, 1.0, n)).clamp(7.2, 8.8)
        continuum = make_continua(self.grid.ln_wavelength().numpy(), log_teff.numpy())
        flux = self.compute(log_teff, logg) * torch.from_numpy(continuum).float()
        flux = torch.where(self.is_known, flux, torch.nan)
        labels = torch.full((n, 4), torch.nan)
        labels[:, 0], labels[:, 1] = log_teff, logg
        return self.effects.apply(
            flux, random, kind=["white dwarf"] * n, log_teff=log_teff, template_sigma=torch.full((n,), 2e-4),
            labels=labels,
        )  # fmt: skip


def score_calspec(estimator, train):
    """The white dwarfs of CALSPEC with published temperatures, and scores of those within the models.

    Parameters
    ----------
    estimator : `~astro_spectok.estimators.StellarParameterEstimator`
    train : `~pathlib.Path`
        Directory of the template sets.

    Returns
    -------
    stars, scores : list of dict
        As the JSON file has them.
    """
    spectra, columns = load_set(train / "calspec_real_stars.npz")
    names = [str(name) for name in columns["id"]]
    rows = [next(i for i, name in enumerate(names) if name.startswith(start)) for start in PUBLISHED]
    found = estimate_stars(estimator, [_cut(spectra[i]) for i in rows])
    truth = UNIT / np.array(list(PUBLISHED.values()))
    columns = ("teff", "teff_err", "logg", "logg_err", "warn")
    stars = [
        {"name": names[i], "known": float(known)} | {name: float(found[name][k]) for name in columns}
        for k, (i, known) in enumerate(zip(rows, truth, strict=True))
    ]
    inside = truth < 10 ** load_white_dwarf_models().log_teff[-1]
    part = {name: values[inside] for name, values in found.items()}
    return stars, _score(part, truth[inside], None, "CALSPEC")


def _score(found, teff, logg, name):
    """Rows of ``scores``, of stars that have labels of a white dwarf and no flag."""
    clear = _is_labelled(found)
    used = {
        "percent": np.where(clear, 100 * (found["teff"] / teff - 1), np.nan),
        "percent_err": 100 * found["teff_err"] / found["teff"],
        "logg": np.where(clear, found["logg"], np.nan), "logg_err": found["logg_err"],
    }  # fmt: skip
    known = {"percent": np.zeros(len(teff))} | ({} if logg is None else {"logg": logg})
    return score_parameters(used, known, tuple(known), set=name)


def _is_labelled(found):
    """Whether stars have labels of a white dwarf, and no flag."""
    return np.isfinite(found["teff"]) & (found["warn"] == 0) & (found["stellar_type"] == "WD")


def _cut(spectrum):
    """The optical part of a spectrum."""
    return tuple(x[(spectrum[0] > OPTICAL[0]) & (spectrum[0] < OPTICAL[1])] for x in spectrum)


def score_simulated(estimator, store, n, report):
    """Scores of simulated white dwarfs by resolving power and S/N: rows of ``scores``."""
    family, rows = HydrogenStars(store), []
    for number, (resolution, snr) in enumerate(CELLS):
        instrument = make_instrument(*RANGE, float(resolution))
        spectra, truth = draw_stars(family, n, instrument, float(snr), [SEED, number], labelled=False)
        found = estimate_stars(estimator, spectra, resolution=resolution)
        name = f"simulated, R {resolution}, S/N {snr}"
        rows += _score(found, truth["teff"], truth["logg"], name)
        report(name)
    return rows


def count_others(estimator, train):
    """How much of what has no such lines gets labels of a white dwarf: rows of ``others``."""
    rows = []
    for (name, column), kinds in OTHERS.items():
        spectra, columns = load_set(train / f"{name}.npz")
        for kind, starts in kinds.items():
            chosen = [i for i, text in enumerate(columns[column]) if str(text).startswith(starts) and text != "BAL"]
            found = estimate_stars(estimator, [_cut(spectra[i]) for i in chosen])
            rows.append({"set": name, "type": kind, "n": len(chosen), "labelled": int(_is_labelled(found).sum())})
    return rows


def main(argv=None):
    """Read the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True, type=Path, help="directory of the public template sets")
    parser.add_argument("--weights")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-n", type=int, default=60, help="simulated stars for each cell (default: 60)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args(argv)
    estimator, loaded = StellarParameterEstimator(args.weights, args.device), load_weights(args.weights)
    stars, scores = score_calspec(estimator, args.train)
    report_rows("stars", stars, print)
    others = count_others(estimator, args.train)
    report_rows("others", others, print)
    scores += score_simulated(estimator, TemplateStore(args.train), args.n, print)
    report_rows("scores", scores, print)
    if args.json:
        content = {
            "weights": loaded.name, "sha256": loaded.sha256, "version": astro_spectok.__version__, "n": args.n,
            "stars": stars, "scores": scores, "others": others,
        }  # fmt: skip
        args.json.write_text(json.dumps(make_plain(content), indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
