# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the redshift head says of tokens alone, where the pixels are not at hand."""

import torch

__all__ = ["score_tokens"]


def score_tokens(runner, name, values, geometry, good):
    """Logarithm of the probability of each redshift that the tokens of one spectrum allow, for each class.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    name : str
        Of the head.
    values, geometry, good : ndarray
        As of `~astro_spectok.engine.EncodedSpectrum`.

    Returns
    -------
    dict of str to ndarray
        As of `~astro_spectok.heads.RedshiftHead.interpret`.
    """
    network, exact = runner.network, "cpu" if runner.device.type == "mps" else runner.device
    with runner.computing():
        tokens = torch.as_tensor(values, dtype=torch.float32)[None, :, : network.config.width].to(runner.device)
        mask = torch.as_tensor(good, dtype=torch.bool)[None].to(runner.device)
        places = torch.as_tensor(geometry, dtype=torch.float64)[None].to(exact)
        head = network.heads[name]
        found = head.interpret(head.score_tokens(tokens, mask, places))
        return {key: scores[0].float().cpu().numpy() for key, scores in found.items()}
