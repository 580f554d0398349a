# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Tokens of stars in place of their spectra: what the stellar estimator makes of them."""

from dataclasses import dataclass, fields

import numpy as np

from astro_spectok.engine.outputs import Measured
from astro_spectok.interface.containment import Containment
from astro_spectok.redshift.measure import Prepared, prepare
from astro_spectok.spectra import InputFlag
from astro_spectok.stellar.measure import find_stellar_head
from astro_spectok.tokens import SpectralTokens
from astro_spectok.tokens.shown_spectra import show_spectra

__all__ = ["PreparedTokens", "prepare_tokens"]


@dataclass(frozen=True)
class PreparedTokens(Prepared):
    """Tokens and weights, checked and ready.

    Classes and redshifts are those that the tokens themselves allow: the network has not learned from spectra as tokens
    show them, from which noise is taken out.

    Attributes
    ----------
    tokens : tuple of `~astro_spectok.SpectralTokens`
    """

    tokens: tuple = ()

    def measure(self, progress=None):
        """As of `~astro_spectok.redshift.measure.Prepared`."""
        from astro_spectok.engine.token_scores import score_tokens

        types = {} if self.type_head is None else dict(self._read_types(progress))
        for i in np.flatnonzero(self.batch.lengths).tolist():
            found, one = None, self.tokens[i]
            with self.contained.member(i):
                scores = score_tokens(self.runner, self.head, one.values, one.geometry, ~one.mask)
                found = self._find_posterior(i, Measured({self.head: scores}, None))
            if found is not None:
                yield i, *found, types.get(i, {})

    def _read_types(self, progress):
        """Probabilities of the types of stars of each spectrum."""
        heads = [self.type_head]
        for i, read in self.contained.run(lambda batch, _: self.runner.measure(batch, heads, progress=progress)):
            yield i, {name: float(p) for name, p in read.heads[self.type_head].items()}


def prepare_tokens(redshifts, obj, medium, resolution):
    """Tokens and weights, checked.

    Parameters
    ----------
    redshifts : `~astro_spectok.estimators.RedshiftEstimator`
    obj : `~astro_spectok.SpectralTokens` or sequence of these
    medium, resolution
        None: tokens know both.

    Returns
    -------
    `PreparedTokens`

    Raises
    ------
    ValueError
        ``medium`` or ``resolution`` is given, or tokens are not of these weights, or of a file of an earlier version;
        a single spectrum has no tokens.
    WeightsError
        The weights give no stellar parameters.
    """
    from astro_spectok.engine import Runner

    for name, value in (("medium", medium), ("resolution", resolution)):
        if value is not None:
            msg = f"{name} must be left out where tokens are given, which know it; got {value!r}"
            raise ValueError(msg)
    single = isinstance(obj, SpectralTokens)
    tokens = [obj] if single else list(obj)
    if single and not len(obj):
        msg = f"there are no tokens to measure: {obj.message or 'the spectrum could not be used'}"
        raise ValueError(msg)
    runner = Runner(redshifts.weights, redshifts.device, batch_tokens=redshifts.batch_tokens)
    for one in tokens:
        made = one.meta.get("weights_sha256", "") if len(one) else runner.loaded.sha256
        if made != runner.loaded.sha256:
            msg = (
                f"tokens must be of the weights of the estimator, {runner.loaded.sha256[:12]}; got some of "
                f"{made[:12] or 'unknown weights'}; give the estimator the weights that made them"
            )
            raise ValueError(msg)
    batch = show_spectra(tokens, runner.network.config)
    prepared = prepare(redshifts, batch, medium=None, resolution=None)
    find_stellar_head(prepared.runner)
    # what is filtered looks oversampled, as pixels do that were interpolated: it is read as it is all the same
    flags = prepared.flags & (batch.flags | ~int(InputFlag.PIXELS_AVERAGED))
    known = {one.name: getattr(prepared, one.name) for one in fields(prepared)}
    known |= {"single": single, "batch": batch, "flags": flags}
    known["filtered"] = np.array([one.unfiltered is None for one in tokens])
    known["contained"] = Containment(batch, flags, single=single)
    return PreparedTokens(**known, tokens=tuple(tokens))
