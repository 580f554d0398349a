# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Numbers that were fitted to the weights ``small`` and that their file, of format 1, does not hold.

Reading a file of format 1 puts them into its heads; a new head begins with them, until some are fitted to it. Nothing
else reads them: code holds rules, heads hold numbers. Their meaning is documented where they are used, in
`~astro_spectok.redshift.rules.RedshiftRules`, `~astro_spectok.stellar.rules.StellarRules` and
`~astro_spectok.stellar.domain.StellarTraining`.
"""

__all__ = ["REDSHIFT_RULES", "STELLAR_DOMAIN", "STELLAR_RULES"]

REDSHIFT_RULES = {
    "extrapolated": 0.3,
    "vicinity": 0.01,
    "comparable": 0.2,
    "edge": 3e-4,
    "rest_red_end": {"GALAXY": 1300.0, "QSO": 1230.0},
    "least_information": 1.0,
    "least_evidence": 6.0,
    "stellar_evidence": -5.0,
    "sure": 0.96,
    "waves": 0.1,
    "brightest": 60.0,
    "faintest_star": 2.0,
    "unexplained": 0.07,
    "unlike": {
        "GALAXY": {"share": 0.75, "sure": 0.95, "bright": 10.0},
        "QSO": {"share": 0.5, "sure": 0.97, "bright": 6.0, "information": 6.5, "pixel": 2e-3},
        "STAR": {"share": 0.85, "information": 3.5, "type": 0.4},
    },
    "confident": 0.8,
    "least_width": 2.0,
    "disagreement": {"GALAXY": 1e-5, "QSO": 5e-5, "STAR": 1e-5},
    "sharpest": 0.2,
    "floor": 1e-5,
}

STELLAR_RULES = {
    "flagged": 0.8,
    "refused": 0.5,
    "suspect": 0.2,
    "certain": 0.5,
    "least_snr": 5.0,
    "least_share": 0.5,
    "tail": 0.5,
    "shared_type": 0.2,
    "possible": 0.05,
    "least_gain": 25.0,
    "least_line_share": 0.15,
    "informative": 0.75,
    "velocity_scale": 1.2,
    "velocity_floor": 5.7e-7,
}

_H_BAND = [[15150.0, 16960.0]]
#: hull: log10 Teff, lowest and highest logg, lowest and highest [Fe/H] of the MILES library (Cenarro+2007), read off
#: and smoothed
_MILES = (
    (3.50, 0.0, 5.2, -0.7, 0.3),
    (3.55, 0.1, 5.0, -1.5, 0.5),
    (3.60, 0.1, 4.9, -2.2, 0.5),
    (3.65, 0.2, 4.8, -2.6, 0.5),
    (3.70, 0.3, 4.8, -2.6, 0.6),
    (3.75, 0.4, 4.8, -2.6, 0.6),
    (3.80, 0.4, 4.7, -2.9, 0.5),
    (3.85, 0.9, 4.6, -2.6, 0.5),
    (3.90, 1.4, 4.5, -2.0, 0.8),
    (4.00, 1.8, 4.5, -1.2, 0.8),
    (4.10, 2.3, 4.5, -1.1, 0.5),
    (4.25, 2.6, 4.4, -0.5, 0.5),
    (4.48, 3.3, 4.4, -0.5, 0.5),
)
STELLAR_DOMAIN = {
    "hull": {
        "log_teff": [row[0] for row in _MILES],
        "logg": [list(row[1:3]) for row in _MILES],
        "fe_h": [list(row[3:5]) for row in _MILES],
    },
    "wavelength": [[3600.0, 7390.0], [8390.0, 8910.0], *_H_BAND],
    "resolution": [100.0, 30000.0],
    "types": ["O", "B", "A", "F", "G", "K", "M"],
    # real optical spectra have no labels of alpha elements
    "label_wavelength": {"alpha_fe": _H_BAND},
    # below it labels of simulated stars in the H band are off by far more than they say
    "range_resolution": {"15150-16960": 3000.0},
}
