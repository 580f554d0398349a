# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A stand-in for the stellar head: labels that are a known function of tokens and velocity."""

from typing import ClassVar

import torch

NAMES = ("teff", "logg", "fe_h", "alpha_fe", "log_vbroad")
SPREAD = (0.2, 1.0, 0.6, 0.2, 0.5)
#: labels of the Sun, and standard deviations well below the spread
SUN = (3.7617, 4.44, 0.0, 0.02, 0.4)
SIGMA = (0.002, 0.05, 0.03, 0.02, 0.05)
#: correlation of temperature and gravity
CORRELATION = 0.6
#: of a table of stellar parameters
COLUMNS = [
    "name", "teff", "teff_err", "logg", "logg_err", "fe_h", "fe_h_err", "alpha_fe", "alpha_fe_err", "rv", "rv_err",
    "vbroad", "vbroad_err", "p_star", "stellar_type", "p_stellar_type", "snr", "warn", "medium",
    "errors", "message",
]  # fmt: skip


def make_tril(sigma=SIGMA, correlation=CORRELATION):
    """Cholesky factor (5, 5) of a covariance with correlated temperature and gravity."""
    covariance = torch.diag(torch.tensor(sigma, dtype=torch.float64) ** 2)
    covariance[0, 1] = covariance[1, 0] = correlation * sigma[0] * sigma[1]
    return torch.linalg.cholesky(covariance)


def add_stellar_head(monkeypatch, weights, *, mean=SUN, sigma=SIGMA, by_tokens=0.0, second=None):
    """Give the network of these weights a stellar head, and return the list of the velocities that it is asked for.

    ``by_tokens`` times the mean level of the tokens is added to [Fe/H]; ``second`` is what is found of a second star.
    """
    from astro_spectok.heads import Head
    from astro_spectok.heads.small_numbers import STELLAR_DOMAIN, STELLAR_RULES
    from astro_spectok.weights import load_network

    network, asked = load_network(weights, "cpu"), []

    class KnownLabels(Head):
        kind, needs, given = "stellar", ("detail", "patches"), ("ln_doppler",)
        begins_with: ClassVar[dict] = {"domain": STELLAR_DOMAIN, "rules": STELLAR_RULES}
        names, spread = NAMES, torch.tensor(SPREAD)

        def forward(self, inputs):
            tokens, mask, ln_doppler = inputs.tokens, inputs.mask, inputs.given["ln_doppler"]
            assert tokens.shape[:2] == mask.shape == inputs.geometry.shape[:2]
            assert ln_doppler.dtype == inputs.geometry.dtype == torch.float64
            asked.extend(ln_doppler.tolist())
            level = (tokens[..., 0] * mask).sum(1) / mask.sum(1)  # (B,)
            out = torch.tensor(mean).repeat(len(tokens), 1)
            out[:, 2] += by_tokens * level
            tril = make_tril(sigma).float().repeat(len(tokens), 1, 1).double()
            return {"mean": out.double(), "covariance": tril @ tril.mT}

    heads = torch.nn.ModuleDict({**network.heads, "stellar": KnownLabels(Head.config_class())})
    monkeypatch.setitem(network._modules, "heads", heads)
    monkeypatch.setattr("astro_spectok.stellar.measure.find_second_star", lambda *args, **kwargs: second)
    return asked
