# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""White dwarfs with labels: a network of hydrogen atmospheres, and stars of redrock's bases that it recognises."""

import logging
import math

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d

from astro_spectok.simulate.objects import STELLAR_LABELS, RestGrid
from astro_spectok.simulate.stellar_effects import StellarEffects
from astro_spectok.simulate.templates import lay_on_grid

__all__ = ["COMPACT", "WhiteDwarfs"]

log = logging.getLogger(__name__)

#: log10(Teff / K) and logg that white dwarfs are given: beyond 40,000 K the network is rough
COMPACT = {"log_teff": (3.82, 4.6), "logg": (7.0, 9.0)}
_GRID = RestGrid(math.log(3552.0), 1e-4, round(math.log(7395.0 / 3552.0) / 1e-4))
#: vacuum Angstrom that spectra of the bases are compared in, steps of ln(wavelength), and width of the continuum
_COMPARED, _COARSE, _CONTINUUM = (3990.0, 6800.0), 6e-4, 0.02
#: temperatures, in steps of log10, and gravities that are compared
_STEPS = (0.01, 0.1)
#: largest difference from the network, over the contrast of a star itself, of one that has hydrogen alone, and least
#: of one that has not
_ALIKE, _UNLIKE = 0.3, 0.7
#: shares of stars of the network, and of the bases: alike, and unlike
_SHARES = (0.45, 0.4, 0.15)
_SIGMA = 2.1e-4
#: stars of the bases that are looked at
_MOST = 6000


class WhiteDwarfs:
    """White dwarfs with temperature and gravity.

    Half of them are drawn from a network of hydrogen atmospheres, where it knows the flux (3865 to 6864 Angstrom, and
    no lines from there to 7395); the others from redrock's bases, which know more of the range: those that a spectrum
    of the network fits have its labels, and those that none fits, without lines or with lines of other elements, any
    labels at all: so that errors of such stars come out as large as they are. [Fe/H] is unknown.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
    device : str or `torch.device`, optional

    References
    ----------
    Koester 2010, MmSAI 81, 921; Chandra et al. 2020, MNRAS 497, 2688, for the network.
    """

    needs = ("wd_da_network",)
    #: what it reads besides where it is there
    uses = ("redrock_bases",)

    def __init__(self, store, device="cpu"):
        data = store.read("wd_da_network")
        self.device, self.grid = device, _GRID
        self.layers = [(torch.from_numpy(data[f"w{k}"]), torch.from_numpy(data[f"b{k}"])) for k in range(4)]
        x, own = np.log(data["lam"]), _GRID.ln_wavelength().numpy()
        self.ln_wavelength, self.inside = x, (own > x[0]) & (own < x[-1])
        self.place = np.interp(own, x, np.arange(len(x)))
        # beyond the last line there is a continuum alone
        self.is_known = torch.from_numpy(own > x[0])
        self.effects = StellarEffects(_GRID, device)
        self.alike = self.unlike = self.labels = None
        if store.has("redrock_bases"):
            self._recognise(store.read("redrock_bases"))

    @classmethod
    def usable(cls, store):
        """Whether the set is there."""
        return store.has(*cls.needs)

    def tabulate(self, log_teff, logg):
        """Flux over the continuum as the network gives it: ln(wavelength) (n,), and ndarray (B, n)."""
        labels = [torch.from_numpy(np.asarray(values, np.float32)) for values in (log_teff, logg)]
        return self.ln_wavelength, self._run(*labels).double().numpy()

    def _run(self, log_teff, logg):
        """The network."""
        values = torch.stack([(10**log_teff - 2500) / 97500, (logg - 5) / 5], 1)
        for number, (weight, bias) in enumerate(self.layers):
            values = values @ weight + bias
            values = torch.relu(values) if number < len(self.layers) - 1 else values
        return values

    def compute(self, log_teff, logg):
        """Flux (B, N) over the continuum on the grid, one where it is not known."""
        values = self._run(log_teff, logg)
        low = torch.from_numpy(self.place).long().clamp(max=values.shape[1] - 2)
        flux = torch.lerp(values[:, low], values[:, low + 1], torch.from_numpy(self.place).float() - low)
        return torch.where(torch.from_numpy(self.inside), flux, flux.new_tensor(1.0))

    def _recognise(self, data):
        """Stars of the bases: coefficients that the network fits, with labels, and those that it does not."""
        self.basis = torch.nan_to_num(lay_on_grid(np.log(data["wave"]), data["basis_WD"], _GRID))
        step = max(1, len(data["coeff_WD"]) // _MOST)
        coefficients = torch.from_numpy(data["coeff_WD"][::step].astype(np.float32))
        flux = coefficients @ self.basis
        good = flux.min(1).values > 0.02 * flux.median(1).values
        coefficients, flux = coefficients[good], flux[good]
        axes = [np.arange(low, high + step / 2, step) for (low, high), step in
                zip(COMPACT.values(), _STEPS, strict=True)]  # fmt: skip
        nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        models = _flatten(self.compute(*torch.from_numpy(nodes).float().T).numpy())
        seen = _flatten(flux.numpy())
        # only where it fits does a node's distance mean anything
        square = np.maximum((seen**2).sum(1)[:, None] + (models**2).sum(1) - 2 * seen @ models.T, 0)
        best = square.argmin(1)
        share = np.sqrt(square.min(1) / np.maximum((seen**2).sum(1), 1e-12))
        edge = np.isclose(nodes[best][:, :1], [[axes[0][0], axes[0][-1]]]).any(1)
        alike, unlike = (share < _ALIKE) & ~edge, share > _UNLIKE
        log.info("white dwarfs of the bases: %d with hydrogen alone, %d without", alike.sum(), unlike.sum())
        self.alike, self.unlike = coefficients[alike], coefficients[unlike]
        self.labels = torch.from_numpy(nodes[best][alike]).float()
        # evenly over temperatures
        _, inverse, count = np.unique((self.labels[:, 0] / 0.05).int().numpy(), return_inverse=True, return_counts=True)
        self.weights = 1 / count[inverse] / len(count)

    def draw(self, n, random):
        """Draw ``n`` stars; see `~astro_spectok.simulate.stars.Stars.draw`."""
        shares = _SHARES if self.labels is not None and len(self.alike) and len(self.unlike) else (1.0, 0.0, 0.0)
        of_network, alike, unlike = np.bincount(random.host.choice(3, n, p=shares), minlength=3)
        labels = torch.stack([random.uniform(*COMPACT[name], n) for name in COMPACT], 1)
        flux = torch.full((n, _GRID.size), torch.nan, dtype=torch.float32)
        made = self.compute(*labels[:of_network].T)
        flux[:of_network] = torch.where(self.is_known, made, torch.nan)
        if alike:
            rows = torch.from_numpy(random.host.choice(len(self.alike), alike, p=self.weights))
            known = slice(of_network, of_network + alike)
            flux[known], labels[known] = self.alike[rows] @ self.basis, self.labels[rows]
            labels[known] += torch.tensor(_STEPS, dtype=torch.float32) * random.uniform(-0.5, 0.5, alike, 2)
        if unlike:
            rows = torch.from_numpy(random.host.choice(len(self.unlike), unlike))
            flux[-unlike:] = self.unlike[rows] @ self.basis
        nothing = torch.full((n, len(STELLAR_LABELS) - 2), torch.nan, dtype=torch.float32)
        objects = self.effects.apply(
            flux.to(self.device), random, kind=["white dwarf"] * n, log_teff=labels[:, 0].to(self.device),
            template_sigma=torch.full((n,), _SIGMA, device=self.device, dtype=torch.float32),
            labels=torch.cat([labels, nothing], 1).to(self.device),
        )  # fmt: skip
        objects.labels["log_vbroad"] = torch.full((n,), torch.nan, device=self.device, dtype=torch.float32)
        return objects


def _flatten(flux):
    """Contrast of spectra (n, N) on the grid in coarse bins of the range that is compared."""
    own = _GRID.ln_wavelength().numpy()
    number = round(_COARSE / _GRID.ln_step)
    size = flux.shape[1] // number * number
    coarse = flux[:, :size].reshape(len(flux), -1, number).mean(2)
    continuum = coarse
    for _ in range(2):
        continuum = uniform_filter1d(continuum, round(_CONTINUUM / _COARSE), axis=1, mode="nearest")
    place = np.exp(own[:size:number])
    return (coarse / continuum - 1)[:, (place > _COMPARED[0]) & (place < _COMPARED[1])]
