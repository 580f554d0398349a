# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Closed forms of the parts of the embedding: components of what is known in part, and maps that whiten differences."""

import torch

__all__ = ["fit_components", "fit_discriminants", "fit_local", "whiten_differences"]

#: rounds in which what is not known of a spectrum is filled in from the components of the last round
ROUNDS = 8
#: least standard deviation of what components leave of a bin, and that of bins which are known of too few
LEAST_SIGMA, UNKNOWN = 0.02, 1.0
#: spectra of which components are made at least
FEW = 2
#: variance beside that of each direction of a vector, over the mean of all, in its whitening
RIDGE = 1e-3
#: components of a kernel that are left out, over the largest: landmarks that are alike tell nothing apart
LEAST_SIZE = 1e-5


def fit_components(components, sets):
    """Fill mean, basis and sigma of `~astro_spectok.heads.spectral_components.SpectralComponents`.

    Parameters
    ----------
    components : `~astro_spectok.heads.spectral_components.SpectralComponents`
    sets : list of (views, int)
        Spectra, and how many components describe what those before have left of them. The mean is that of the first.
    """
    components.mean.zero_()
    start, left, known = 0, 0.0, 0.0
    for views, number in sets:
        values, weight = views.values, views.weight
        if not start:
            known = weight.sum(0)
            components.mean.copy_((values * weight).sum(0) / known.clamp_min(1))
        values = (values - components.mean) * weight
        if start:
            values = values - _project(values, weight, components.basis[:start]) * weight
        basis, rest = _find_basis(values, weight, number)
        components.basis[start : start + len(basis)] = basis
        left, start = left if start else rest, start + number
    components.sigma.copy_(torch.where(known >= FEW, (left + LEAST_SIGMA**2).sqrt(), torch.tensor(UNKNOWN)))
    components._products = None


def _project(values, weight, basis):
    """What components say of values, everywhere, where these are known in part."""
    number = len(basis)
    normal = torch.einsum("bn,kn,ln->bkl", weight, basis, basis) + 1e-4 * torch.eye(number)
    return torch.linalg.solve(normal, (values * weight) @ basis.T) @ basis


def _find_basis(values, weight, number):
    """Components (K, N) over the standard deviation of their coefficients, and the mean square of what they leave."""
    number = min(number, len(values) - 1)
    filled = values * weight
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for step in range(ROUNDS + 1):
            k = number if step == ROUNDS else max(1, round(number * (step + 1) / ROUNDS))
            u, size, v = torch.svd_lowrank(filled, q=min(k + 8, *filled.shape), niter=3)
            guess = (u[:, :k] * size[:k]) @ v[:, :k].T
            if step < ROUNDS:
                filled = torch.where(weight > 0, values, guess)
    basis = v[:, :k].T * (size[:k, None] / len(values) ** 0.5)
    left = ((values - guess) ** 2 * weight).sum(0) / weight.sum(0).clamp_min(1)
    return basis, left


def whiten_differences(real, simulated, share, floor):
    """Map (K, K) of coefficients that makes differences within pairs alike in all directions.

    Parameters
    ----------
    real : list of (tensor, tensor), shape (n, K), or None
        Coefficients of pairs: the mean difference, which two libraries have, is a difference too.
    simulated : list of (tensor, tensor), shape (n, K)
    share : float
        Of simulated pairs, where there are real ones.
    floor : float
        Variance of coefficients that is added, in parts of that between objects.

    Returns
    -------
    tensor, shape (K, K)
    """
    within = sum(_scatter(*pair) for pair in simulated) / max(len(simulated), 1)
    if real is not None:
        within = share * within + sum(_scatter(*pair) for pair in real)
    # as in probabilistic linear discriminant analysis: a direction that differs within pairs as much as between objects
    # says less than its spread alone would have it
    size, axes = torch.linalg.eigh((within / 2 + floor / 2 * torch.eye(len(within))).double())
    return (axes / (size * (size + 2)).sqrt()).float()


def fit_local(local, coefficients, project, *, power=0.5):
    """Fill landmarks and map of a `~astro_spectok.heads.local_features.LocalFeatures`.

    Parameters
    ----------
    local : `~astro_spectok.heads.local_features.LocalFeatures`
    coefficients : tensor, shape (n, K)
        Of its landmarks or fewer, before they are projected: the map is that of the projection as it is now.
    project : callable
    power : float, optional
        Of the size of a component of the kernel that it is divided by: 1/2 for the kernel as it is, more for a spread
        that is more even, in which what is unusual counts more.
    """
    n = len(coefficients)
    local.landmarks.zero_()[:n] = coefficients
    vectors = project(coefficients)
    size, axes = torch.linalg.eigh(local.compare(vectors, vectors).double())
    number = min(local.map.shape[1], n)
    size, axes = size[-number:].flip(0), axes[:, -number:].flip(1)
    # eigenvectors have no sign of their own: the same on every processor
    axes = axes * torch.sign(axes.gather(0, axes.abs().argmax(0, keepdim=True)))
    kept = size > LEAST_SIZE * size[0]
    local.map.zero_()[:n, :number] = torch.where(kept, axes / size.clamp_min(1e-12) ** power, 0.0).float()


def _scatter(one, other):
    return (one - other).T @ (one - other) / len(one)


def fit_discriminants(pairs, number):
    """Mean (E,) of vectors, and the map (E, number) to the directions that separate objects best.

    Linear discriminant analysis with a class for each object (Fisher 1936, Ann. Eugen. 7, 179).

    Parameters
    ----------
    pairs : list of (tensor, tensor), shape (n, E)
    number : int
    """
    one, other = (torch.cat([pair[k] for pair in pairs]).double() for k in (0, 1))
    both = torch.cat([one, other])
    mean = both.mean(0)
    total = (both - mean).T @ (both - mean) / len(both)
    size, axes = torch.linalg.eigh(total + RIDGE * total.diagonal().mean() * torch.eye(len(total)))
    sphere = axes / size.sqrt()  # (E, E): all directions of unit variance
    within = _scatter(one @ sphere, other @ sphere) / 2
    size, axes = torch.linalg.eigh(within)
    size = size[:number].clamp_min(1e-3)
    between = (1 - size).clamp_min(1e-3)
    return mean.float(), (sphere @ axes[:, :number] * (between / (size * (size + 2 * between))).sqrt()).float()
