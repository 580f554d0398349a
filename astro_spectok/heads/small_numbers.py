# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Numbers that were fitted to the weights ``small`` and that files of weights written earlier do not hold.

Reading a file of format 1 puts them into its heads; a new head begins with them, until some are fitted to it. For files
of format 2 that were written before heads held them, `RECEDING`, `GALAXY_RULES`, `TRANSIENT_RULES` and
`PHOTOMETRY_DOMAIN` hold. Nothing else reads them: code holds rules, heads hold numbers. Their meaning is documented
where they are used, in `~astro_spectok.redshift.rules.RedshiftRules`, `~astro_spectok.stellar.rules.StellarRules`,
`~astro_spectok.stellar.domain.StellarTraining`, `~astro_spectok.galaxies.training.GalaxyTraining`,
`~astro_spectok.redshift.transient_rule.TransientRule` and `~astro_spectok.transients.measure.find_flags`.
"""

__all__ = [
    "GALAXY_RULES",
    "PHOTOMETRY_DOMAIN",
    "RECEDING",
    "REDSHIFT_RULES",
    "RELIABLE",
    "STELLAR_DOMAIN",
    "STELLAR_RULES",
    "TRANSIENT_RULES",
]

#: rules ``reliable`` of the packaged weights, fitted to their answers to supernovae, also in hosts, red noise, real
#: stars and simulated surveys: those of others are not like them, and begin without
RELIABLE = {
    "GALAXY": {
        "offset": 6.316,
        "centre": [
            7.527, 7.279, 9.214, 1.068, 7.757, 0.4526, -0.7626, 0.4447, -1.087, -3.601, 0.4876, 0.7612,
        ],
        "scale": [
            2.44, 2.691, 0.8047, 0.6352, 2.723, 0.4491, 0.3464, 0.3026, 0.3656, 0.4028, 0.1725, 0.6321,
        ],
        "weights": [
            1.562, 0.6628, 0.8224, -1.535, 0.2788, 0.264, -0.3387, 0.01046, -0.4728, 0.3229, -0.6092, 0.2345,
        ],
    },
    "QSO": {
        "offset": 4.61,
        "centre": [
            6.866, 4.81, 7.795, 0.9729, 8.058, 0.6635, -0.6112, 0.4027, -1.006, -3.537, 0.4308, 0.901,
        ],
        "scale": [
            2.602, 2.735, 0.9148, 0.6569, 2.379, 0.6984, 0.3012, 0.2577, 0.339, 0.4156, 0.1741, 0.5745,
        ],
        "weights": [
            1.163, 0.4005, 1.207, -0.6653, 0.2213, -0.05234, -0.2207, -1.053, -0.8994, -0.05365, 0.1084, 0.7107,
            0.4386, -0.01164, -0.3149, 0.2668, -0.2129, 0.366, -0.3197, 0.02162, -0.06425, -0.3875, 0.3667, -0.05624,
            0.3589, -0.03525, -0.0854, -0.2821, 0.04932, -0.1931, -0.172, -0.3121, -0.03619, -0.1782, 0.1234, -0.3883,
            0.2584, 0.1586, -0.2528, 0.412, 0.1138, 0.3674, -0.2274, -0.1464, 0.787, 0.09851, 0.4181, -0.1345, 0.27,
            -0.1997, -0.3857, 0.2199, 0.09256, 0.1989, -0.2821, -0.03343, -0.1638, 0.05799, -0.4323, -0.01014,
            -0.01154, -0.04906, -0.2627, -0.2076, 0.2337, 0.3506, 0.2834, -0.1191, 0.07394, 0.01798, 0.0375, -0.1446,
            -0.09847, 0.006247, 0.2934, 0.2053, 0.08533, -0.1276, 0.05048, -0.4673, -0.06916, 0.144, -0.1883, 0.02954,
            0.7432, -0.05743, 0.2258, 0.3764, 0.2415, -1.616,
        ],
    },
    "STAR": {
        "offset": 5.343,
        "centre": [
            7.716, 7.666, 3.344, 1.402, 6.842, 0.3947, -1.045, 0.4828, -1.262, -3.593, 0.7934, 0.0001764,
        ],
        "scale": [
            2.111, 2.188, 1.056, 0.6814, 2.886, 0.5014, 0.2529, 0.2997, 0.273, 0.4075, 0.1913, 0.001,
        ],
        "weights": [
            1.44, -0.1535, 0.3008, -1.061, 0.8819, 0.3626, -0.1499, -0.09262, -0.01596, -0.04044, 1.289, -0.1018,
        ],
    },
}  # fmt: skip

#: rules ``receding``: 180 km/s
RECEDING = {"velocity": 6e-4, "share": 0.06, "least": 3.0, "most": 20.0}

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
    "resolved": {"pixel": 1.6e-3, "sure": 0.995},
    "correlated": {"least": 1.3, "GALAXY": 12.0, "QSO": 30.0, "STAR": 8.0},
    "class_information": {"QSO": 5.5},
    "waves": 0.1,
    "brightest": 60.0,
    "faintest_star": 2.0,
    "unexplained": 0.07,
    "unlike": {
        "GALAXY": {"share": 0.75, "sure": 0.95, "bright": 10.0},
        "QSO": {"share": 0.5, "sure": 0.97, "bright": 6.0, "information": 6.5, "pixel": 2e-3},
        "STAR": {"share": 0.85, "information": 3.5, "type": 0.4},
    },
    "reliable": {},
    "receding": RECEDING,
    "composite": {},
    "confident": 0.8,
    "least_width": 2.0,
    "disagreement": {"GALAXY": 1e-5, "QSO": 5e-5, "STAR": 1e-5},
    "sharpest": 0.2,
    "floor": 1e-5,
}

GALAXY_RULES = {
    "flagged": 0.8,
    "refused": 0.5,
    "least_snr": 3.0,
    "informative": 0.85,
    "most_dispersion_error": 90.0,
    "broad": 450.0,
    "least_filled": 0.15,
    "misfit": 0.006,
}

#: Angstrom, between which the effective wavelengths of filters lie
PHOTOMETRY_DOMAIN = {"wavelength": [1400.0, 50000.0]}

TRANSIENT_RULES = {
    "sure": {"type": 0.7, "redshift": 0.7, "transient": 0.9, "phase": 15.0},
    "certain": 50.0,
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
