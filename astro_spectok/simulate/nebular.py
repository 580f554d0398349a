# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Emission lines of galaxies: ratios of photo-ionised gas from Cloudy models, of narrow-line active nuclei, LINERs."""

import numpy as np
import torch

__all__ = ["LINES", "NebularLines"]

#: vacuum wavelength (Angstrom) and flux over H-beta in a typical star-forming galaxy, by name; in place of the
#: wavelengths of the Cloudy list of FSPS, of which those beyond 2000 Angstrom lie 4.4 km/s too far to the red
LINES = {
    "[NeV]3346": (3346.79, 0.0), "[NeV]3426": (3426.86, 0.0), "[OII]3726": (3727.092, 1.0),
    "[OII]3729": (3729.875, 1.35), "H11": (3771.70, 0.040), "H10": (3798.98, 0.053), "H9": (3836.47, 0.073),
    "[NeIII]3869": (3869.86, 0.25), "H8+HeI": (3890.16, 0.19), "[NeIII]3968": (3968.59, 0.075),
    "Hepsilon": (3971.20, 0.159), "[SII]4069": (4069.75, 0.015), "Hdelta": (4102.892, 0.259),
    "Hgamma": (4341.684, 0.468), "[OIII]4363": (4364.435, 0.02), "HeI4471": (4472.73, 0.04),
    "HeII4686": (4687.02, 0.0), "[ArIV]4740": (4741.45, 0.0), "Hbeta": (4862.683, 1.0),
    "[OIII]4959": (4960.295, 0.67), "[OIII]5007": (5008.240, 2.0), "[NI]5200": (5201.70, 0.01),
    "[NII]5755": (5756.19, 0.005), "HeI5876": (5877.25, 0.12), "[FeVII]6087": (6088.66, 0.0),
    "[OI]6300": (6302.046, 0.08), "[SIII]6312": (6313.81, 0.015), "[OI]6364": (6365.536, 0.026),
    "[NII]6548": (6549.85, 0.28), "Halpha": (6564.614, 2.87), "[NII]6583": (6585.27, 0.85),
    "HeI6678": (6680.00, 0.03), "[SII]6716": (6718.29, 0.40), "[SII]6731": (6732.67, 0.30),
    "HeI7065": (7067.14, 0.02), "[ArIII]7136": (7137.77, 0.08), "[OII]7320": (7321.6, 0.02),
    "[OII]7330": (7332.4, 0.02), "[ArIII]7751": (7753.24, 0.02), "[SIII]9069": (9071.1, 0.25),
    "[SIII]9531": (9533.2, 0.62), "Padelta": (10052.13, 0.055), "Pagamma": (10941.09, 0.090),
    "HeI10830": (10833.22, 0.20), "[FeII]12567": (12570.2, 0.02), "Pabeta": (12821.59, 0.162),
    "[FeII]16436": (16439.9, 0.02), "Paalpha": (18756.13, 0.33), "Brgamma": (21661.2, 0.027),
}  # fmt: skip
CLOUDY_OFFSET = 1.45e-5
#: where the list of Cloudy has what is known better by name, if not within 18 km/s
ALIASES = {"H8+HeI": (3889.793, 3890.213), "[OII]7320": (7325.129,), "[OII]7330": (7334.131, 7334.281)}
#: pairs from one upper level: stronger, weaker, ratio (Storey & Zeippen 2000 and atomic data)
FIXED = (("[OIII]5007", "[OIII]4959", 2.98), ("[NII]6583", "[NII]6548", 3.05), ("[OI]6300", "[OI]6364", 3.10),
         ("[SIII]9531", "[SIII]9069", 2.47), ("[NeIII]3869", "[NeIII]3968", 3.32),
         ("[NeV]3426", "[NeV]3346", 2.73), ("[FeII]12567", "[FeII]16436", 1.36), ("H10", "H11", 1.33))  # fmt: skip
#: median of log10 of the electron density (cm-3) in H II regions and in active nuclei, and its scatter: [OII] 3729 over
#: 3726 is 1.35 in the median, as in the star-forming eigenspectrum of SDSS (Bolton et al. 2012: 1.34, where the
#: Balmer lines set the zero point); 26 cm-3 in galaxies nearby, 250 at z = 2.3 (Sanders et al. 2016)
DENSITY, NUCLEAR_DENSITY, DENSITY_SCATTER = 1.85, 2.5, 0.45
#: pairs that measure the density n: second over first is a (b + n) / (c + n), with a, b, c (Sanders et al. 2016)
DOUBLETS = (("[OII]3726", "[OII]3729", (0.3771, 2468.0, 638.4)), ("[SII]6731", "[SII]6716", (0.4315, 2107.0, 627.1)))
#: flux over H-beta in Seyfert nuclei and in LINERs, each log-uniform between two values
SEYFERT = {
    "[OIII]5007": (3.0, 15.0), "[NII]6583": (1.4, 9.0), "[OI]6300": (0.2, 1.4), "[NeIII]3869": (0.4, 1.6),
    "[NeV]3426": (0.15, 1.5), "HeII4686": (0.1, 0.4), "[FeVII]6087": (0.02, 0.2), "[SII]": (0.9, 3.6),
    "[OII]": (1.0, 6.0), "[SIII]9531": (0.5, 2.0), "[OIII]4363": (0.05, 0.3), "[ArIV]4740": (0.02, 0.1),
    "[NI]5200": (0.03, 0.2), "HeI10830": (0.3, 2.0), "[FeII]12567": (0.05, 0.5),
}  # fmt: skip
LINER = {
    "[OIII]5007": (1.0, 3.0), "[NII]6583": (2.0, 9.0), "[OI]6300": (0.4, 2.0), "[NeIII]3869": (0.2, 1.0),
    "[SII]": (1.5, 5.0), "[OII]": (2.0, 10.0), "[SIII]9531": (0.2, 1.0), "[NI]5200": (0.1, 0.4),
}  # fmt: skip
#: the lines that an outflow shows
WING = ("[OIII]5007", "[OIII]4959", "Hbeta", "Halpha", "[NII]6583", "[NII]6548")


class NebularLines:
    """Random ratios of emission lines.

    Parameters
    ----------
    store : `~astro_spectok.simulate.templates.TemplateStore`
        Cloudy models (Byler et al. 2017) from it; without, the ratios of `LINES`.
    device : str or `torch.device`

    Attributes
    ----------
    ln_wavelength : float64 tensor, shape (L,)
        Vacuum, increasing, 3000 to 28000 Angstrom; the ultraviolet is another room.
    index : dict of str to int
        Where the lines of `LINES` stand.

    References
    ----------
    Byler et al. 2017, ApJ 840, 44; Kewley et al. 2006, MNRAS 372, 961 for the ranges of active nuclei; Sanders et al.
    2016, ApJ 816, 23 for electron densities; Zhang et al. 2013, MNRAS 430, 2605 for those of active nuclei.
    """

    def __init__(self, store, device="cpu"):
        self.device = device
        names, known = list(LINES), np.array([value[0] for value in LINES.values()])
        ratios = np.array([[value[1] for value in LINES.values()]])
        wavelength, self.parameters = known, None
        if store.has("fsps_nebular_lines"):
            data = store.read("fsps_nebular_lines")
            wavelength, ratios = _merge(known, data["line_wave"], data["lum"])
            self.parameters = torch.tensor(data["params"], dtype=torch.float32, device=device)
        order = np.argsort(wavelength)
        self.ln_wavelength = torch.tensor(np.log(wavelength[order]), device=device)
        self.ratios = torch.tensor(ratios[:, order], dtype=torch.float32, device=device)
        place = np.argsort(order)
        self.index = {name: int(place[i]) for i, name in enumerate(names)}

    def draw_ratios(self, metallicity, random):
        """Line ratios of H II regions.

        Parameters
        ----------
        metallicity : float32 tensor, shape (B,)
            [M/H] of the stars, which the gas follows with a scatter.
        random : `~astro_spectok.simulate.randomness.Randomness`

        Returns
        -------
        float32 tensor, shape (B, L)
            Flux over H-beta, without dust.
        """
        n = len(metallicity)
        if self.parameters is None:
            ratios = self.ratios.expand(n, -1).clone()
            ionisation = random.normal(0, 0.3, n)
            for name in ("[OIII]5007", "[NeIII]3869", "[OIII]4363"):
                ratios[:, self.index[name]] *= 10 ** (ionisation - 0.3 * metallicity)
            for name in ("[NII]6583", "[SII]6716", "[SII]6731"):
                ratios[:, self.index[name]] *= 10 ** (-0.3 * ionisation + 0.5 * metallicity)
        else:
            log_z = (metallicity + random.normal(0.1, 0.2, n)).clamp(-1.98, 0.2)
            # poorer gas is more highly ionised (Dopita et al. 2006)
            log_u = (-2.9 - 0.5 * log_z + random.normal(0, 0.4, n)).clamp(-4, -1)
            years = 10 ** random.uniform(5.7, 6.8, n)
            distance = (
                ((self.parameters[:, 0] - log_z[:, None]) / 0.1).square()
                + ((self.parameters[:, 1].log10() - years.log10()[:, None]) / 0.15).square()
                + ((self.parameters[:, 2] - log_u[:, None]) / 0.25).square()
            )
            # a few neighbours mixed: more than one region shines
            ratios = torch.softmax(-0.5 * distance, 1) @ self.ratios
        scatter = 10 ** random.normal(0, 0.1, n, self.ratios.shape[1])
        ratios = ratios * torch.where(self._is_hydrogen(), scatter**0.1, scatter)
        return self.settle_doublets(ratios, random)

    def _is_hydrogen(self):
        names = [name for name in LINES if name.startswith(("H", "Pa", "Br")) and not name.startswith("HeI")]
        flags = torch.zeros(len(self.ln_wavelength), dtype=torch.bool, device=self.device)
        flags[[self.index[name] for name in names]] = True
        return flags

    def excite(self, ratios, rows, ranges, random):
        """Overwrite the ratios of some rows by those of an active nucleus, `SEYFERT` or `LINER`, in place."""
        n = int(rows.sum())
        if n == 0:
            return ratios
        new = ratios[rows]
        for name, (low, high) in ranges.items():
            value = low * (high / low) ** random.uniform(0, 1, n)
            if name == "[SII]":
                names, shares = ("[SII]6716", "[SII]6731"), (0.52, 0.48)
            elif name == "[OII]":
                names, shares = ("[OII]3726", "[OII]3729"), (0.45, 0.55)
            else:
                names, shares = (name,), (1.0,)
            for member, share in zip(names, shares, strict=True):
                new[:, self.index[member]] = share * value
        new[:, self.index["Halpha"]] = 3.1  # collisions add to recombination
        ratios[rows] = self.settle_doublets(new, random, density=NUCLEAR_DENSITY)
        return ratios

    def settle_doublets(self, ratios, random, *, density=DENSITY):
        """Give pairs of lines the ratios of atomic physics, at random densities of median 10**density, in place."""
        for strong, weak, value in FIXED:
            ratios[:, self.index[weak]] = ratios[:, self.index[strong]] / value
        electrons = 10 ** random.normal(density, DENSITY_SCATTER, len(ratios))
        for *pair, (a, b, c) in DOUBLETS:
            first, second = (self.index[name] for name in pair)
            total = ratios[:, first] + ratios[:, second]
            ratio = a * (b + electrons) / (c + electrons)
            ratios[:, second], ratios[:, first] = (total * x / (1 + ratio) for x in (ratio, 1.0))
        return ratios


def _merge(known, cloudy_wavelength, luminosity):
    """Lines with known wavelengths first, then those that only the models list and that are strong enough to see."""
    corrected = cloudy_wavelength * (1 - CLOUDY_OFFSET)
    used = np.zeros(len(cloudy_wavelength), bool)
    ratios = np.zeros((len(luminosity), len(known)))
    for i, (name, wavelength) in enumerate(zip(LINES, known, strict=True)):
        near = np.abs(corrected / wavelength - 1) < 6e-5
        for alias in ALIASES.get(name, ()):
            near |= np.abs(cloudy_wavelength - alias) < 0.05
        ratios[:, i] = luminosity[:, near].sum(1)
        used |= near
    extra = ~used & (cloudy_wavelength > 3000) & (cloudy_wavelength < 28000) & (luminosity.max(0) > 0.01)
    return np.concatenate([known, corrected[extra]]), np.concatenate([ratios, luminosity[:, extra]], 1)
