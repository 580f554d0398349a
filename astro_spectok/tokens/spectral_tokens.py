# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SpectralTokens`: what `tokenize` returns, in the terms of the spectrum it was given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Self

import numpy as np
from astropy import units as u
from astropy.nddata import StdDevUncertainty
from astropy.table import QTable
from specutils import SpectralAxis, Spectrum

from astro_spectok.spectra import InputFlag, SpectrumInfo, convert_to_air, find_flux_conversion
from astro_spectok.tokens.sequence_axis import decode_sequence, find_axis
from astro_spectok.tokens.token_axis import check_resolution, express_wavelength, fill_slots, is_in_air, read_request
from astro_spectok.tokens.token_files import read_tokens, write_tokens
from astro_spectok.utils.host import own_state
from astro_spectok.utils.html import make_html_table, make_sparkline
from astro_spectok.utils.parts import PHOTOMETRY, check_parts

__all__ = ["SpectralTokens"]


@dataclass(frozen=True, eq=False, repr=False)
class SpectralTokens:
    """The tokens of one spectrum: one vector for each patch of its native pixels.

    Made by `~astro_spectok.tokenize`; `decode` turns them back into flux. Instances can be copied and pickled, and
    written to files.

    Attributes
    ----------
    values : ndarray of float32, shape (T, D)
        The tokens, in order of increasing wavelength; zero where `mask` is True.
    geometry : ndarray of float64, shape (T, 3)
        Where each patch lies: centre in ln(vacuum wavelength / Angstrom), width per pixel, curvature.
    mask : ndarray of bool, shape (T,)
        True for patches without a good pixel.
    scale : float
        Flux per unit wavelength that the decoder's unit stands for; the tokens themselves know no scale.
    info : `~astro_spectok.spectra.SpectrumInfo`
        Units and medium of the spectrum as given.
    meta : dict
        Names the weights (``weights``, ``weights_sha256``, and ``weights_source``, the name or path that finds them),
        versions, date (UTC) and call, the pixels of a token (``patch``), what was noticed about the input (``warn``)
        its medium (``medium``, ``medium_source``), and the sizes of the parts of the embedding (``embedding_parts``).
    decoder : object
        Has ``decode`` and ``embed``; see `~astro_spectok.engine.TokenDecoder`.
    good_pixels : ndarray of bool, shape (T, P), or None
        Places of each patch in which a good pixel stood. None, as what follows, for tokens of a file that does not
        hold it, as earlier versions wrote them: `decode` then infers less where nothing was shown.
    noise : ndarray of float32, shape (T,), or None
        Standard deviation of a good pixel of each patch, 1 / sqrt(mean of the inverse variance), over ``scale``; NaN
        where there is none.
    resolution : ndarray of float32, shape (T,), or None
        Resolving power, NaN where it was not known.
    solutions : tuple of (str, float, float)
        Class, ln(1 + z) and probability of the redshifts that the tokens allow, the most probable first: coarser than
        those of `~astro_spectok.estimators.RedshiftEstimator`, which reads the pixels too. () where the weights find
        none.
    unfiltered : ndarray of float32, shape (T, M), or None
        The DCT coefficients of each patch, the last of its ``values``, without their filter, which takes weak lines
        away with the noise: `~astro_spectok.estimators.StellarParameterEstimator` reads these, and `decode` infers
        what was not shown from them. None for tokens of a file that does not hold them.

    Examples
    --------
    A token for each patch of 32 pixels of a galaxy at redshift 0.0857, and H-alpha where they say it is:

    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok.example import read_example
    >>> tokens = read_example().tokenize(device="cpu")
    >>> tokens.shape, tokens.embedding.shape
    ((126, 176), (376,))
    >>> print(tokens.wavelength[[0, -1]].round())
    [3663. 9201.] Angstrom
    >>> model = tokens.decode(np.arange(7000, 7300) * u.AA)
    >>> peak = model.wavelength[model.flux.argmax()] / 1.0857
    >>> bool(abs(peak - 6564.6 * u.AA) < 5 * u.AA)
    True
    """

    values: np.ndarray
    geometry: np.ndarray
    mask: np.ndarray
    scale: float = 1.0
    info: SpectrumInfo = field(default_factory=SpectrumInfo)
    meta: dict = field(default_factory=dict)
    decoder: Any = None
    _embedding: np.ndarray | None = None
    good_pixels: np.ndarray | None = None
    noise: np.ndarray | None = None
    resolution: np.ndarray | None = None
    solutions: tuple[tuple[str, float, float], ...] = ()
    unfiltered: np.ndarray | None = None

    def __len__(self):
        return len(self.values)

    @property
    def name(self) -> str:
        """Of the spectrum, where it has one: str."""
        return self.info.name

    @property
    def message(self) -> str:
        """Why there are no tokens; '' where there are: str."""
        return self.info.message

    @property
    def warn(self) -> InputFlag:
        """Flags of the spectrum: `~astro_spectok.spectra.InputFlag`."""
        return InputFlag(self.meta.get("warn", 0))

    @property
    def shape(self) -> tuple[int, int]:
        """Number and size of the tokens, (T, D)."""
        return self.values.shape

    @property
    def wavelength(self) -> u.Quantity:
        """Centre of each patch, `~astropy.units.Quantity` of shape (T,), in the unit and medium of the spectrum."""
        axis = find_axis(self)
        if not axis.is_light:
            return axis.to_native(self.geometry[:, 0]) * self.info.spectral_unit
        return express_wavelength(np.exp(self.geometry[:, 0]), self.info)

    @property
    def embedding(self) -> np.ndarray:
        """The spectrum as one vector, ndarray of float32, shape (E,); NaN if there is no token.

        That of the spectrum which the tokens were made from: where they are changed, it stays.
        """
        found = self._embedding
        if found is None:
            found = self.decoder.embed(self.values, self.geometry, ~self.mask)
            object.__setattr__(self, "_embedding", found)
        return found

    @own_state
    def embed(self, parts: str | Sequence[str] | None = None) -> np.ndarray:
        """The spectrum as one vector, of the parts that are asked for.

        Parameters
        ----------
        parts : str or sequence of str, optional
            As for `~astro_spectok.embed`; all if not given, as in ``embedding``.

        Returns
        -------
        ndarray of float32, shape (E,)
            NaN if there is no token.

        Raises
        ------
        TypeError, ValueError
            ``parts`` is no name of a part, or the weights have no head for it; or the embedding is not kept with the
            tokens, and the part is read from pixels.

        Examples
        --------
        >>> from astro_spectok.example import read_example
        >>> tokens = read_example().tokenize(device="cpu")
        >>> tokens.embed("learned").shape == (tokens.meta["embedding_parts"]["learned"],)
        True
        """
        asked = check_parts(parts)
        if asked is None:
            return self.embedding
        sizes = self.meta.get("embedding_parts")
        if sizes is None or self._embedding is None or PHOTOMETRY in asked:
            return self.decoder.embed(self.values, self.geometry, ~self.mask, asked)
        if missing := [part for part in asked if part not in sizes]:
            msg = f"parts must be among {', '.join(sizes)}, which the weights have; got {missing[0]!r}; leave it out"
            raise ValueError(msg)
        ends = np.cumsum(list(sizes.values()))
        chosen = [
            self.embedding[end - sizes[name] : end] for name, end in zip(sizes, ends, strict=True) if name in asked
        ]
        return np.concatenate(chosen)

    @own_state
    def decode(self, spectral_axis: u.Quantity, *, resolution: Any = None) -> Spectrum | QTable:
        """Turn the tokens back into a spectrum, on any spectral axis.

        Between and beyond the pixels that the tokens were made from, and where those were bad, the flux is inferred
        from what spectra of the same kind look like, with the library of spectra at rest in the weights, and its
        uncertainty grows accordingly; with weights that have none it is the network's guess.

        Parameters
        ----------
        spectral_axis : `~astropy.units.Quantity` or `~specutils.SpectralAxis`, shape (N,)
            In any spectral unit and either direction, strictly monotonic; wavelengths are in the medium of the
            original spectrum.
        resolution : float, array_like or `~astropy.units.Quantity`, optional
            Resolving power R wanted, or a FWHM with unit: one value or one for each pixel. By default that of the
            spectrum.

        Returns
        -------
        `~specutils.Spectrum`
            In the flux unit of the original spectrum (for magnitudes: of the flux they stand for), with a
            `~astropy.nddata.StdDevUncertainty`: the predicted error of the model as an estimate of the noise-free
            spectrum. Of a sequence along another axis (:ref:`sequences`) a `~astropy.table.QTable` with the columns
            ``axis``, ``values`` and ``errors``.

        Raises
        ------
        TypeError
            ``spectral_axis`` has no unit.
        `~astropy.units.UnitsError`
            Its unit is not spectral, or a velocity without rest value; or that of ``resolution`` is no width.
        ValueError
            It is empty or not strictly monotonic, ``resolution`` is not positive or does not fit it, or there are no
            tokens to decode.

        Examples
        --------
        >>> import numpy as np
        >>> from astropy import units as u
        >>> from astro_spectok import tokenize
        >>> wavelength = np.linspace(4000, 7000, 640) * u.AA
        >>> tokens = tokenize((wavelength, (1 + 0.1 * np.sin(np.arange(640))) * u.Jy), device="cpu")
        >>> model = tokens.decode(np.linspace(500, 600, 50) * u.nm)
        >>> model.shape, model.flux.unit
        ((50,), Unit("Jy"))
        """
        if not len(self):
            msg = f"there are no tokens to decode: {self.info.message or 'the spectrum could not be used'}"
            raise ValueError(msg)
        if not (axis := find_axis(self)).is_light:
            return decode_sequence(self, axis, spectral_axis, resolution)
        wavelength, order = read_request(spectral_axis, self.info)
        resolution = check_resolution(resolution, wavelength[order], spectral_axis)
        flux, sigma = self.decoder.decode(
            self.values,
            self.geometry,
            ~self.mask,
            np.log(wavelength),
            None if resolution is None else resolution[order],
            **self._explicit(),
        )
        given = convert_to_air(wavelength) if is_in_air(self.info) else wavelength
        unit = self.info.flux_unit
        factor = self.scale / find_flux_conversion(unit).evaluate(given)
        flux, sigma = (np.asarray(x, np.float64) * factor for x in (flux, sigma))
        doppler = {}
        if not isinstance(spectral_axis, SpectralAxis) and self.info.doppler_rest is not None:
            doppler = {"rest_value": self.info.doppler_rest, "velocity_convention": self.info.doppler_convention}
        return Spectrum(
            flux=u.Quantity(flux[order], unit),
            spectral_axis=spectral_axis,
            uncertainty=StdDevUncertainty(sigma[order], unit=unit),
            meta=dict(self.meta),
            **doppler,
        )

    def _explicit(self):
        """What else the decoder is given: which pixels were shown, and the redshifts that the tokens allow."""
        if self.good_pixels is None:
            return {}
        from astro_spectok.engine import ShownPixels

        known = self._embedding
        # the decoder takes the network's own vector, which is not among the parts of an embedding
        whole = set(self.meta.get("embedding_parts", ("learned",))) == {"learned"}
        return {
            "shown": ShownPixels(self.good_pixels, self.noise, self.resolution, self.unfiltered),
            "solutions": self.solutions,
            "embedding": known if whole and known is not None and np.isfinite(known).all() else None,
        }  # fmt: skip

    def own_axis(self) -> u.Quantity:
        """The spectral axis of the pixels that the tokens stand for, without those of masked tokens.

        Pixels missing in the spectrum are filled in where they lie inside a patch, and the last patch is filled up;
        where one patch so reaches into the next, the next one counts.

        Returns
        -------
        `~astropy.units.Quantity`, shape (N,)
            Strictly monotonic, in order of increasing wavelength, in the unit and medium of the spectrum.
        """
        slots, axis = fill_slots(self.geometry[~self.mask], self.meta.get("patch", 32)), find_axis(self)
        if not axis.is_light:
            return axis.to_native(slots) * self.info.spectral_unit
        return express_wavelength(np.exp(slots), self.info)

    def plot(self, axes: Any = None) -> np.ndarray:
        """Plot the tokens over wavelength, under the spectrum they decode to.

        Parameters
        ----------
        axes : sequence of two `~matplotlib.axes.Axes`, optional
            For the spectrum and for the tokens; a new figure by default.

        Returns
        -------
        ndarray of `~matplotlib.axes.Axes`

        Raises
        ------
        ValueError
            They are of a sequence along another axis than that of wavelengths.
        """
        from astro_spectok.plotting.spectra import plot_tokens

        if not (axis := find_axis(self)).is_light:
            msg = f"plot must be asked of tokens of spectra; these lie along a {axis.describe()} axis: plot decode()"
            raise ValueError(msg)
        return plot_tokens(self, axes)

    def write(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the tokens to an ECSV, FITS or Parquet table, from which `read` makes them again.

        Parameters
        ----------
        path : str or path-like
            The format follows from the name: ``.ecsv``, ``.fits`` or ``.parquet``.
        overwrite : bool
            Whether to replace a file that exists.

        Raises
        ------
        ValueError
            The name has none of these endings.
        OSError
            The file exists and ``overwrite`` is False, or its directory does not exist.
        """
        write_tokens([self], path, overwrite=overwrite)

    @classmethod
    def read(
        cls, path: str | PathLike[str], *, weights: str | PathLike[str] | None = None, device: str = "auto"
    ) -> Self:
        """Read what `write` wrote: one `SpectralTokens`.

        Parameters
        ----------
        path : str or path-like
            The file.
        weights : str or path-like, optional
            Registry name or path of the weights that made the tokens; by default where they were when that was done.
            They are loaded when `decode` first needs them.
        device : str
            To decode on, as for `~astro_spectok.tokenize`.

        Returns
        -------
        SpectralTokens

        Raises
        ------
        ValueError
            The file holds no tokens, or those of several spectra (read these with `SpectralTokensList.read`).
        """
        tokens = read_tokens(path, weights=weights, device=device)
        if len(tokens) != 1:
            msg = f"path: {path} holds the tokens of {len(tokens)} spectra; read it with SpectralTokensList.read"
            raise ValueError(msg)
        return cls(**tokens[0])

    def _facts(self):
        """Entries of the representations, as (name, text)."""
        if len(self):
            wavelength = self.wavelength
            low, high = wavelength.min().value, wavelength.max().value
            axis = find_axis(self)
            reach = f"{low:.6g} to {high:.6g} {wavelength.unit} ({self.info.medium if axis.is_light else axis.kind})"
        else:
            reach = "none"
        return [
            *([("name", self.name)] if self.name else []),
            ("tokens", f"{self.shape[0]} of {self.shape[1]} values, {int(self.mask.sum())} masked"),
            ("wavelength", reach),
            ("weights", f"{self.meta.get('weights', 'unknown')} ({str(self.meta.get('weights_sha256', ''))[:12]})"),
            *([("message", self.message)] if self.message else []),
        ]

    def __repr__(self):
        return f"<SpectralTokens: {'; '.join(f'{name} {text}' for name, text in self._facts())}>"

    def _repr_html_(self):
        pictures = []
        if len(self) and not self.mask.all():
            # the first value of a token is the arcsinh of the mean flux of its patch: no network is needed for it
            level = np.where(self.mask, np.nan, np.sinh(self.values[:, 0]))
            pictures = [("mean flux", make_sparkline(self.wavelength.value, level, label="mean flux of each token"))]
        return make_html_table("SpectralTokens", self._facts(), pictures)
