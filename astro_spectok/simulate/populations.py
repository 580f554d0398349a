# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Stellar populations: templates by age and metallicity on one grid, and random star-formation histories over them."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from astro_spectok.simulate.analytic_populations import make_populations
from astro_spectok.simulate.constants import LIGHT_SPEED
from astro_spectok.simulate.objects import RestGrid
from astro_spectok.simulate.profiles import find_bins, smooth_flux
from astro_spectok.simulate.templates import lay_on_grid
from astro_spectok.spectra import convert_to_vacuum

__all__ = ["HISTORIES", "REST_GRID", "Family", "Populations", "compute_cosmic_age", "draw_histories"]

#: the rest-frame grid of galaxies and quasars
REST_GRID = RestGrid(math.log(600.0), 1e-4, 38430)
HISTORIES = ("exponential", "delayed", "constant", "burst", "post-starburst", "old", "quenched")
#: E-MILES, MILES and MIUSCAT lie 3.4 km/s redward of BC03, BPASS and MaStar, which agree among themselves to 0.3 km/s,
#: and of the SDSS composites (cross-correlation of 10 Gyr, solar, 4000-6800 Angstrom): in ln(wavelength)
MILES_OFFSET = 3.4 / LIGHT_SPEED
#: ages in Gyr below the youngest of E-MILES, how much bluer (power of the wavelength) and how strong the lines left
YOUNG = ((0.004, -0.45, 0.3), (0.012, -0.3, 0.5), (0.035, -0.1, 0.8))
#: Gaussian width in ln(wavelength) that the templates have, near 5000 Angstrom
EMILES_SIGMA = 2.1e-4
#: ages of the first stars of galaxies that formed early, over that of the universe
EARLY = (0.75, 0.98)
FAMILY_SIGMA = {"bpass_vacuum?": 1e-4, "mastar_ssp_vacuum": 2.3e-4, "bc03_air": 2.6e-4}


@dataclass
class Family:
    """Another library of populations on a part of the grid, matched to the ages and metallicities of the main one.

    Attributes
    ----------
    bins : slice
    spectra : float32 tensor, shape (n, bins)
    nearest : int64 tensor, shape (T,)
        For each population of the main library, the row of ``spectra`` that is most like it.
    youngest : float
        Age in Gyr below which it has none.
    sigma : float
        Its Gaussian width in ln(wavelength).
    """

    bins: slice
    spectra: torch.Tensor
    nearest: torch.Tensor
    youngest: float
    sigma: float


class Populations:
    """Spectra of single stellar populations, each 1 at 5500 Angstrom.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        E-MILES (Vazdekis et al. 2016) from it; without, populations made of black bodies and a list of lines.
    device : str or `torch.device`
    families : bool
        Whether to prepare the other libraries as well.

    Attributes
    ----------
    grid : `~astro_spectok.simulate.objects.RestGrid`
    age, metallicity : float32 tensor, shape (T,)
        Gyr and [M/H].
    spectra : float32 tensor, shape (T, N)
        From 600 Angstrom: below 1700 and above 26000 power laws, to be given features by others.
    families : list of `Family`
    """

    def __init__(self, store, device="cpu", *, families=True):
        self.grid = REST_GRID
        if store.has("emiles_ssp"):
            age, metallicity, spectra = _read_emiles(store, self.grid)
        else:
            age, metallicity, spectra = make_populations(self.grid)
        self.age = torch.tensor(age, dtype=torch.float32, device=device)
        self.metallicity = torch.tensor(metallicity, dtype=torch.float32, device=device)
        self.spectra = spectra.to(device)
        self.families = []
        if families and store.has("emiles_ssp", "ssp_galaxy_templates"):
            self.families = _read_families(store, self.grid, age, metallicity, device)

    def mix(self, shares, random, *, family_chance=0.25):
        """Spectra of mixtures.

        Parameters
        ----------
        shares : float32 tensor, shape (B, T)
            Share of the light at 5500 Angstrom.
        random : `~astro_spectok.simulate.randomness.Randomness`
        family_chance : float
            How often the optical range is that of another library.

        Returns
        -------
        flux : float32 tensor, shape (B, N)
        sigma : float32 tensor, shape (B,)
            Gaussian width in ln(wavelength) that it has.
        """
        flux = shares @ self.spectra
        sigma = torch.full((len(shares),), EMILES_SIGMA, device=flux.device, dtype=torch.float32)
        if not self.families:
            return flux, sigma
        choice = random.host.integers(len(self.families), size=len(shares))
        choice[random.host.random(len(shares)) >= family_chance] = -1
        for k in np.unique(choice[choice >= 0]):
            family = self.families[k]
            too_young = shares[:, self.age < 0.8 * family.youngest].sum(1) > 0.05
            rows = torch.from_numpy(choice == k).to(flux.device) & ~too_young
            flux[rows] = self._exchange(flux[rows], shares[rows], family)
            sigma[rows] = family.sigma
        return flux, sigma

    @staticmethod
    def _exchange(flux, shares, family):
        """Put the spectrum of another library into its range, and scale what lies outside to meet it."""
        weights = shares.new_zeros(len(shares), len(family.spectra))
        weights.index_add_(1, family.nearest, shares)
        inner = weights @ family.spectra
        low, high, width = family.bins.start, family.bins.stop, 200
        for outside, inside, part in (
            (flux[:, low : low + width], inner[:, :width], flux[:, :low]),
            (flux[:, high - width : high], inner[:, -width:], flux[:, high:]),
        ):
            part *= inside.mean(1, keepdim=True) / outside.mean(1, keepdim=True)
        flux[:, low:high] = inner
        return flux


def _read_emiles(store, grid):
    """Ages, metallicities and spectra of E-MILES, with the gaps of the youngest filled and younger ones added."""
    data = store.read("emiles_ssp")
    every_second = np.isin(data["age"], np.unique(data["age"])[::2])  # 0.1 dex apart is close enough
    wavelength, log_flux = data["wave"], data["log_flux"][every_second].astype(np.float32)
    age, metallicity = data["age"][every_second], data["feh"][every_second]
    valid = log_flux > -18.4  # the floor marks what is not known
    red, join = wavelength > 8900, (wavelength > 8600) & (wavelength < 8900)
    for i in np.nonzero(~valid[:, -20])[0]:
        same = (metallicity == metallicity[i]) & valid[:, -20]
        donor = np.nonzero(same)[0][np.argmin(age[same])]  # the youngest that reaches the infra-red
        log_flux[i, red] = log_flux[donor, red] + np.mean(log_flux[i, join] - log_flux[donor, join])
    keep = (wavelength > 1690) & (wavelength < 25990)
    spectra = lay_on_grid(np.log(wavelength[keep]) - MILES_OFFSET, np.exp(log_flux[:, keep]), grid)
    spectra = _extend(spectra, grid, age)
    young, young_age, young_metallicity = [], [], []
    x = (grid.ln_wavelength() - math.log(5500.0)).float()
    for value in np.unique(metallicity):
        i = np.nonzero((metallicity == value) & (age == age.min()))[0][0]
        smooth = smooth_flux(spectra[i], 150)
        for years, slope, strength in YOUNG:
            young.append(smooth * torch.exp(slope * x) * (spectra[i] / smooth) ** strength)
            young_age.append(years)
            young_metallicity.append(value)
    spectra = torch.cat([spectra, torch.stack(young)])
    middle = find_bins(grid, 5450, 5550)
    spectra /= spectra[:, middle].mean(1, keepdim=True)
    return np.concatenate([age, young_age]), np.concatenate([metallicity, young_metallicity]), spectra


def _extend(spectra, grid, age):
    """Continue spectra as power laws to both ends of the grid."""
    # without O and B stars the far ultraviolet falls: a Gyr after the last of them by all of it
    bluest = torch.tensor(np.clip(-2.5 + 3 * np.log10(age / 0.06), -2.5, 4.0), dtype=torch.float32)[:, None]
    ln_wavelength = grid.ln_wavelength().float()
    for low, high, first, last in ((1700, 2300, None, True), (17000, 25000, True, None)):
        bins = find_bins(grid, low, high)
        x, y = ln_wavelength[bins], spectra[:, bins].clamp(min=1e-6).log()
        x_mean, y_mean = x.mean(), y.mean(1, keepdim=True)
        slope = ((x - x_mean) * (y - y_mean)).sum(1, keepdim=True) / (x - x_mean).square().sum()
        slope = slope.clamp(max=6.0)
        slope = torch.maximum(slope, bluest) if last else slope.clamp(min=-4.5)
        edge = find_bins(grid, low, low * 1.03) if first is None else find_bins(grid, high, high * 1.03)
        level = spectra[:, edge].clamp(min=1e-6).log().mean(1, keepdim=True)
        fill = torch.exp(level + slope * (ln_wavelength - ln_wavelength[edge].mean()))
        missing = torch.isnan(spectra) & (ln_wavelength < x_mean if last else ln_wavelength > x_mean)
        spectra = torch.where(missing, fill, spectra)
    return spectra


def _read_families(store, grid, age, metallicity, device):
    data = store.read("ssp_galaxy_templates")
    families = []
    for name in np.unique(data["origin"]):
        rows = np.nonzero(data["origin"] == name)[0]
        spectra = []
        for i in rows:
            pixels = slice(data["offsets"][i], data["offsets"][i + 1])
            wavelength = data["wave"][pixels].astype(float)
            ln_wavelength = np.log(convert_to_vacuum(wavelength) if name.endswith("air") else wavelength)
            if name.startswith("mi"):  # MILES and MIUSCAT
                ln_wavelength = ln_wavelength - MILES_OFFSET
            spectra.append(lay_on_grid(ln_wavelength, data["flux"][pixels], grid))
        spectra = torch.stack(spectra)
        known = torch.nonzero(torch.isfinite(spectra).all(0))[:, 0]
        bins = slice(int(known[0]) + 20, int(known[-1]) - 20)
        spectra = spectra / spectra[:, find_bins(grid, 5450, 5550)].mean(1, keepdim=True)
        ages, metals = data["age"][rows], data["feh"][rows]
        distance = (np.log10(age[:, None] / ages) / 0.1) ** 2 + ((metallicity[:, None] - metals) / 0.15) ** 2
        families.append(
            Family(
                bins,
                spectra[:, bins].contiguous().to(device),
                torch.from_numpy(distance.argmin(1)).to(device),
                float(ages.min()),
                FAMILY_SIGMA.get(str(name), EMILES_SIGMA),
            )
        )
    return families


def compute_cosmic_age(z):
    """Age of a flat universe (H0 = 70 km/s/Mpc, matter 0.3) in Gyr at redshift ``z``, a tensor."""
    ratio = 0.7 / 0.3
    return 13.968 * 2 / (3 * math.sqrt(0.7)) * torch.asinh(math.sqrt(ratio) * (1 + z) ** -1.5)


def draw_histories(populations, history, z, young, random, early=None):
    """Shares of the light at 5500 Angstrom under random star-formation histories.

    Parameters
    ----------
    populations : `Populations`
    history : int64 tensor, shape (B,)
        Index into `HISTORIES`.
    z : float64 tensor, shape (B,)
        No population is older than the universe was.
    young : float32 tensor, shape (B,)
        Share of the light that stars younger than 20 Myr give.
    random : `~astro_spectok.simulate.randomness.Randomness`
    early : bool tensor, shape (B,), optional
        Those whose first stars are of the first quarter of cosmic time, as in the most massive galaxies.

    Returns
    -------
    shares : float32 tensor, shape (B, T)
        Each row sums to 1.
    labels : dict of str to float32 tensor, shape (B,)
        ``age`` (mean log10 of Gyr, weighted by light) and ``metallicity``.
    """
    n, age = len(z), populations.age
    cosmic = compute_cosmic_age(z).float()
    oldest = (cosmic * random.uniform(0.5, 0.98, n)).clamp(0.15, 13.5)[:, None]
    start = torch.where((history == 5)[:, None], oldest * random.uniform(0.2, 1, n, 1), oldest)
    if early is not None:
        first = (cosmic * random.uniform(*EARLY, n)).clamp(max=13.5)[:, None]
        oldest, start = (torch.where(early[:, None], first, one) for one in (oldest, start))
    since = (start - age).clamp(min=0)  # (B, T) time since the first stars
    tau = 10 ** random.uniform(-0.7, 1.2, n, 1)
    quench = 10 ** random.uniform(-1, 0, n, 1) * start.clamp(max=1.0)
    burst_age, burst = 10 ** random.uniform(-1.6, -0.5, n, 1), 10 ** random.uniform(-2, -0.5, n, 1)
    old = (since > 0) * torch.exp(-since / tau)
    recent = (age < burst_age) * burst / burst_age * start
    width = random.uniform(0.03, 0.2, n, 1)
    rates = torch.stack(
        [
            old, since * old, (since > 0).float(), old / tau.clamp(max=2) + recent,
            (since > 0) * (age > quench) * (1 + random.uniform(0, 30, n, 1) * (age < 2 * quench)),
            torch.exp(-0.5 * (torch.log10(age / start) / width) ** 2) / age,
            (age > 0.3) * (since > 0) * torch.exp(-since / (0.07 * start + 0.05 * tau)),
        ]
    )  # fmt: skip
    rate = rates.gather(0, history[None, :, None].expand(1, n, len(age)))[0]
    # the ages are even in the logarithm: mass is rate times age; light of a mass fades about as age^-0.8
    light = rate * age.clamp(min=0.01) ** 0.2
    light = torch.where(age < 0.02, 0, light)
    light = light / light.sum(1, keepdim=True).clamp(min=1e-20)
    fresh = (age < 0.02) * random.uniform(0.2, 1, n, len(age))
    fresh = fresh / fresh.sum(1, keepdim=True).clamp(min=1e-20)
    mean = _draw_metallicity(history, cosmic, random)
    scatter = random.uniform(0.05, 0.3, n, 1)
    trend = random.normal(0, 0.1, n, 1) * torch.log10(age)
    metals = torch.exp(-0.5 * ((populations.metallicity - mean[:, None] - trend) / scatter) ** 2) + 1e-12
    # each age has its own metallicities; their number is the same for all
    shares = ((1 - young[:, None]) * light + young[:, None] * fresh) * metals
    by_young = torch.stack([shares * (age >= 0.02), shares * (age < 0.02)])
    target = torch.stack([1 - young, young])[..., None]
    shares = (by_young * target / by_young.sum(2, keepdim=True).clamp(min=1e-30)).sum(0)
    shares = shares / shares.sum(1, keepdim=True)
    labels = {"age": shares @ torch.log10(age), "metallicity": shares @ populations.metallicity}
    return shares, labels


def _draw_metallicity(history, cosmic, random):
    """Mean [M/H]: old galaxies near solar, the young universe poorer."""
    n = len(history)
    passive = history >= HISTORIES.index("post-starburst")
    mean = torch.where(passive, random.normal(-0.05, 0.2, n), random.normal(-0.3, 0.35, n))
    return (mean - 0.5 * torch.exp(-cosmic / 2)).clamp(-2.2, 0.22)
