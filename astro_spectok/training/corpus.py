# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The public spectra and templates that the network is pretrained on, as one source of random spectra."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astro_spectok.spectra import convert_to_vacuum

__all__ = ["Corpus", "Source", "find_sets"]

log = logging.getLogger(__name__)

#: sets of spectra stored one after the other: weight in the draw, and the kind of `Source` they are
STORED = {
    "btsettl_ultracool": (0.4, "star"),
    "calspec_real_stars": (1.2, "star"),
    "desi_real_unlabelled": (0.6, "observed"),
    "galaxy_qso_seds": (0.8, "galaxy"),
    "idlspec2d_templates": (1.0, "star"),
    "kast_optical_standards_real": (0.8, "star"),
    "kurucz93_lowres": (0.4, "star"),
    "kurucz_sdss_stds": (0.5, "star"),
    "marz_redshift_templates": (0.7, "galaxy"),
    "miles_real_stars": (1.5, "star"),
    "pickles_stars": (0.6, "star"),
    "pyhammer_sdss_stars": (1.2, "star"),
    "redrock_archetypes": (2.0, "galaxy"),
    "sdss_sky_real": (0.8, "observed"),
    "sn_superfit_real": (1.2, "galaxy"),
    "splat_spex_real": (1.5, "observed"),
    "ssp_galaxy_templates": (1.0, "galaxy"),
    "stelib_real_stars": (1.0, "star"),
}
#: sets, or origins within a set, whose wavelengths are in air
IN_AIR = {"miles_real_stars", "stelib_real_stars", "Marz templates.js AIR", "bc03_air", "miles_vazdekis_air",
          "miuscat_air"}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One spectrum of the corpus.

    Attributes
    ----------
    ln_wavelength : ndarray of float64, shape (N,)
        Vacuum, increasing.
    flux : ndarray of float32, shape (N,)
    ivar : ndarray of float32, shape (N,), or None
        None where no errors are known: the spectrum is taken as free of noise.
    kind : {'star', 'galaxy', 'observed'}
        Stars get radial velocities, galaxies any redshift, observed ones stay where they are.
    name : str
        Of the set.
    """

    ln_wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray | None
    kind: str
    name: str


def _extinction_curve(wavelength):
    """A(lambda) / A(V) of Calzetti et al. (2000), ``wavelength`` in Angstrom."""
    x = 1e4 / np.clip(wavelength, 1200, 22000)
    blue = 2.659 * (-2.156 + 1.509 * x - 0.198 * x**2 + 0.011 * x**3) + 4.05
    red = 2.659 * (-1.857 + 1.040 * x) + 4.05
    return np.clip(np.where(x > 1 / 0.63, blue, red), 0, None) / 4.05


def find_sets(directory):
    """Find the known sets in a directory, without reading them.

    Parameters
    ----------
    directory : str or path-like

    Returns
    -------
    dict of str to list of `~pathlib.Path`
        The files of each set that is complete, by its name.

    Raises
    ------
    FileNotFoundError
        There is no such directory, or none of the known sets in it.
    """
    directory = Path(directory)
    needs = {name: (name,) for name in STORED} | {name: needed for name, (_, _, needed) in MADE.items()}
    paths = {name: [directory / f"{need}.npz" for need in needed] for name, needed in needs.items()}
    found = {name: files for name, files in paths.items() if all(file.is_file() for file in files)}
    if not found:
        what = f"holds none of the known sets ({', '.join(sorted(paths)[:4])}, ...)"
        msg = (
            f"data: {directory} {what if directory.is_dir() else 'is no directory'}; "
            "give the directory of the training spectra, see the documentation on training"
        )
        raise FileNotFoundError(msg)
    return found


class Corpus:
    """Spectra and templates in a directory of ``.npz`` files, drawn at random.

    Parameters
    ----------
    directory : str or path-like
        Where the files lie; those that are absent are left out.

    Attributes
    ----------
    names : list of str
        The sets that were found.

    Raises
    ------
    FileNotFoundError
        None of the known files is there.
    """

    def __init__(self, directory):
        paths = find_sets(directory)
        self._draws = [
            _StoredSet(*paths[name], STORED[name][1]) if name in STORED else MADE[name][1](*paths[name])
            for name in paths
        ]
        weights = [(STORED | MADE)[name][0] for name in paths]
        self.names = [draw.name for draw in self._draws]
        self._probability = np.array(weights) / np.sum(weights)
        log.info("training corpus: %s", ", ".join(self.names))

    def draw(self, rng):
        """One random `Source`."""
        return self._draws[rng.choice(len(self._draws), p=self._probability)].draw(rng)


class _StoredSet:
    """The spectra of one file as they are."""

    def __init__(self, path, kind):
        self.name, self.kind = path.stem, kind
        with np.load(path) as data:
            arrays = {key: data[key] for key in data.files}
        self.flux, self.ivar, offsets = arrays["flux"], arrays["ivar"], arrays["offsets"]
        shared = arrays.get("wave_shared")
        origin = arrays.get("origin", np.full(len(offsets) - 1, ""))
        eigen = np.char.startswith(arrays.get("sptype", np.full(len(offsets) - 1, "")), "EIGENVECTOR")
        self.slices, self.ln_wavelength = [], []
        grids = {}
        for i in np.nonzero(~eigen)[0]:
            pixels = slice(int(offsets[i]), int(offsets[i + 1]))
            in_air = self.name in IN_AIR or str(origin[i]) in IN_AIR
            key = in_air if shared is not None else i
            if key not in grids:
                wavelength = (arrays["wave"][pixels] if shared is None else shared).astype(float)
                grids[key] = np.log(convert_to_vacuum(wavelength) if in_air else wavelength)
            self.slices.append(pixels)
            self.ln_wavelength.append(grids[key])

    def draw(self, rng):
        i = rng.integers(len(self.slices))
        flux, ivar = self.flux[self.slices[i]], self.ivar[self.slices[i]]
        good = np.isfinite(flux) & (ivar > 0)
        known = np.count_nonzero(ivar[good] != 1) > 0.5 * np.count_nonzero(good)
        x = self.ln_wavelength[i]
        keep = good if not known else np.ones(len(flux), bool)
        keep[1:] &= np.diff(x) > 0
        return Source(x[keep], np.where(good, flux, 0)[keep], np.where(good, ivar, 0)[keep] if known else None,
                      self.kind, self.name)  # fmt: skip


class _GalaxyMixture:
    """Mixtures of E-MILES populations behind dust, with nebular lines of Cloudy models (Byler et al. 2017)."""

    name = "emiles_mixture"

    def __init__(self, populations, lines):
        with np.load(populations) as data:
            self.wavelength, self.log_flux, self.metallicity = data["wave"], data["log_flux"], data["feh"]
        with np.load(lines) as data:
            self.line_wavelength, self.line_ratios = data["line_wave"], data["lum"]
        self.ln_wavelength = np.log(self.wavelength)
        self.curve = _extinction_curve(self.wavelength)

    def draw(self, rng):
        same = np.nonzero(self.metallicity == rng.choice(self.metallicity))[0]
        members = rng.choice(same, rng.integers(1, 4))
        share = rng.dirichlet(np.ones(len(members)))
        parts = np.exp(self.log_flux[members].astype(np.float32))
        flux = share @ (parts / np.median(parts, axis=1, keepdims=True))
        attenuation = abs(rng.normal(0, 0.6))
        flux = flux * 10 ** (-0.4 * attenuation * self.curve)
        if rng.random() < 0.75:
            flux = flux + self._lines(rng, flux, attenuation)
        return Source(self.ln_wavelength, flux.astype(np.float32), None, "galaxy", self.name)

    def _lines(self, rng, flux, attenuation):
        ratios = self.line_ratios[rng.integers(len(self.line_ratios))]
        ratios = ratios * 10 ** rng.normal(0, 0.15, len(ratios))
        h_alpha = np.argmin(abs(self.line_wavelength - 6564.6))
        width = 10 ** rng.uniform(1.6, 2.6) / 299792.458  # sigma in ln(wavelength)
        # E-MILES is sampled at 0.9 Angstrom: lines no narrower than that can be drawn
        width = np.maximum(width, 0.9 / self.line_wavelength)
        continuum = np.interp(6564.6, self.wavelength, flux)
        screen = 10 ** (-0.4 * 1.5 * attenuation * np.interp(self.line_wavelength, self.wavelength, self.curve))
        strength = ratios * screen / (ratios[h_alpha] * screen[h_alpha]) * 10 ** rng.uniform(-0.5, 3.2) * continuum
        out = np.zeros(len(flux))
        for centre, sigma, line_flux in zip(np.log(self.line_wavelength), width, strength, strict=True):
            low, high = np.searchsorted(self.ln_wavelength, [centre - 5 * sigma, centre + 5 * sigma])
            if high > low:
                profile = np.exp(-0.5 * ((self.ln_wavelength[low:high] - centre) / sigma) ** 2)
                out[low:high] += line_flux / (np.exp(centre) * sigma * np.sqrt(2 * np.pi)) * profile
        return out


class _RedrockStars:
    """Stars from the coefficients of real ones over the bases of redrock."""

    name = "redrock_star"

    def __init__(self, path):
        with np.load(path) as data:
            types = [key[6:] for key in data.files if key.startswith("coeff_")]
            self.members = [(data[f"coeff_{t}"], data[f"basis_{t}"]) for t in types]
            self.ln_wavelength = np.log(data["wave"])

    def draw(self, rng):
        coefficients, basis = self.members[rng.integers(len(self.members))]
        flux = coefficients[rng.integers(len(coefficients))] @ basis
        return Source(self.ln_wavelength, flux, None, "star", self.name)


class _RedrockQuasars:
    """Quasars from redrock's eigenvectors, with slopes and dust beyond theirs."""

    name = "redrock_quasar"

    def __init__(self, path):
        self.members = []
        with np.load(path) as data:
            for name in ("LOZ", "HIZ"):
                basis = data[f"qso_basis_{name}"]
                basis = basis / np.abs(basis).mean(axis=1, keepdims=True)
                basis[0] *= np.sign(np.median(basis[0]))
                wavelength = data[f"qso_wave_{name}"]
                self.members.append((np.log(wavelength), basis, _extinction_curve(wavelength), wavelength))

    def draw(self, rng):
        ln_wavelength, basis, curve, wavelength = self.members[rng.integers(len(self.members))]
        flux = np.concatenate([[1.0], rng.normal(0, [0.25, 0.15, 0.1])]) @ basis
        flux = flux * (wavelength / 3000) ** rng.normal(0, 0.4) * 10 ** (-0.4 * abs(rng.normal(0, 0.3)) * curve)
        return Source(ln_wavelength, flux.astype(np.float32), None, "galaxy", self.name)


class _ApogeeEmulator:
    """Continuum-normalised APOGEE dwarfs from the network of El-Badry et al. (2018)."""

    name = "apogee_emulator"

    def __init__(self, path):
        with np.load(path) as data:
            self.layers = [data[f"norm_{key}"] for key in ("w_array_0", "b_array_0", "w_array_1", "b_array_1")]
            self.ln_wavelength = np.log(data["wavelength"])

    def draw(self, rng):
        weight, bias, out_weight, out_bias = self.layers
        hidden = 1 / (1 + np.exp(-(weight @ rng.uniform(-0.5, 0.5, weight.shape[2]) + bias)))
        flux = np.sum(out_weight * hidden, axis=1) + out_bias
        return Source(self.ln_wavelength, flux.astype(np.float32), None, "star", self.name)


#: sets whose spectra are computed when drawn: weight in the draw, what makes them, the files it needs
MADE = {
    "emiles_mixture": (4.0, _GalaxyMixture, ("emiles_ssp", "fsps_nebular_lines")),
    "redrock_star": (2.0, _RedrockStars, ("redrock_bases",)),
    "redrock_quasar": (2.0, _RedrockQuasars, ("redrock_bases",)),
    "apogee_emulator": (1.0, _ApogeeEmulator, ("apogee_emulator_binspec",)),
}
