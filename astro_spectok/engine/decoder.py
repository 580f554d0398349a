# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Decoder of tokens: a set of weights by name, loaded when first needed."""

from astro_spectok.engine.runner import Runner
from astro_spectok.exceptions import WeightsError

__all__ = ["TokenDecoder"]


class TokenDecoder:
    """Decodes tokens with the weights that made them.

    Pickles as the name of the weights; the network is loaded again where it is needed.

    Parameters
    ----------
    weights : str or path-like
        Registry name or path, that finds them in another process too.
    sha256 : str
        Of the weights that made the tokens; others are refused.
    device, precision
        As for `Runner`.
    runner : `Runner`, optional
        One that is loaded already.

    Examples
    --------
    What `~astro_spectok.SpectralTokens` has for itself:

    >>> import pickle
    >>> from astro_spectok.example import read_example
    >>> tokens = read_example().tokenize(device="cpu")
    >>> decoder = pickle.loads(pickle.dumps(tokens.decoder))
    >>> decoder.weights, decoder.sha256 == tokens.meta["weights_sha256"]
    ('small', True)
    >>> learned = decoder.embed(tokens.values, tokens.geometry, ~tokens.mask, "learned")
    >>> learned.shape == tokens.embed("learned").shape
    True
    """

    def __init__(self, weights, sha256, device="auto", precision=None, runner=None):
        self.weights, self.sha256, self.device, self.precision = weights, sha256, device, precision
        self._runner = runner

    @property
    def runner(self):
        """The `Runner`, loaded when first needed; `~astro_spectok.exceptions.WeightsError` if that is not possible."""
        if self._runner is None:
            try:
                runner = Runner(self.weights, self.device, precision=self.precision)
            except WeightsError as error:
                msg = (
                    "the weights that made these tokens are needed to decode them and cannot be loaded; say where they "
                    f"are with SpectralTokens.read(path, weights=...). {error}"
                )
                raise WeightsError(msg) from error
            if runner.loaded.sha256 != self.sha256:
                msg = (
                    f"these tokens were made with the weights {self.weights!r} of sha256 {self.sha256[:12]}..., "
                    f"which are {runner.loaded.sha256[:12]}... now; tokenize the spectrum again, or say where the "
                    "right weights are with SpectralTokens.read(path, weights=...)"
                )
                raise WeightsError(msg)
            self._runner = runner
        return self._runner

    def decode(
        self, values, geometry, good, ln_wavelength, resolution=None, *, shown=None, solutions=(), embedding=None
    ):
        """Flux and its uncertainty, over the scale of the spectrum, on any pixels.

        Parameters
        ----------
        values, geometry, good, ln_wavelength, resolution, shown, solutions, embedding
            As for `Runner.decode`.

        Returns
        -------
        flux, sigma : ndarray of float32, shape (N,)
        """
        return self.runner.decode(
            values, geometry, good, ln_wavelength, resolution, shown=shown, solutions=solutions, embedding=embedding
        )

    def embed(self, values, geometry, good, parts=None):
        """The embedding of the tokens of one spectrum.

        Parameters
        ----------
        values, geometry, good, parts
            As for `Runner.embed`, whose errors are raised here too.

        Returns
        -------
        ndarray of float32, shape (E,)
        """
        return self.runner.embed(values, geometry, good, parts)

    def __getstate__(self):
        return self.__dict__ | {"_runner": None}
