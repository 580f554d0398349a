# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Arms of one spectrograph become one spectrum per target."""

import numpy as np
import pytest
from _spectra import SURVEY_UNIT, unpack
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum, SpectrumList

from astro_spectok.spectra import InputFlag, join_arms, to_batch

GRIDS = {"b": 3600 + 0.8 * np.arange(200), "r": 3720 + 0.8 * np.arange(200), "z": 3860 + 0.8 * np.arange(150)}


def make_desi(n=3, seed=0, grids=GRIDS):
    """Three arms as specutils' DESI loader returns them, of n targets."""
    rng = np.random.default_rng(seed)
    arms = SpectrumList()
    for band, wavelength in grids.items():
        shape = (n, len(wavelength))
        ivar = rng.uniform(0.5, 2.0, shape)
        meta = {"band": band, "int_mask": np.zeros(shape, int), "resolution_data": rng.random((n, 11, len(wavelength)))}
        if band == "b":
            meta.update(bands=list(grids), single=True, fibermap=Table({"TARGETID": np.arange(n) + 390}))
        arms.append(
            Spectrum(
                flux=(np.arange(1, n + 1)[:, None] + rng.standard_normal(shape) / np.sqrt(ivar)) * SURVEY_UNIT,
                spectral_axis=wavelength * u.AA,
                spectral_axis_index=1,
                uncertainty=InverseVariance(ivar, unit=SURVEY_UNIT**-2),
                mask=rng.random(shape) < 0.05,
                meta=meta,
            )
        )
    return arms


def test_desi_joined():
    """The arms of three targets are three rows; shared pixels are averaged by inverse variance."""
    arms = make_desi()
    batch = to_batch(arms)
    assert len(batch) == 3
    assert [info.name for info in batch.info] == ["390", "391", "392"]
    grid = np.unique(np.round(np.concatenate(list(GRIDS.values())), 6))
    assert_allclose(batch.wavelength, grid, rtol=1e-12)
    assert batch.info[0].medium_source == "header"
    assert batch.flags.max() == 0
    for row in range(3):
        total, weighted = np.zeros(len(grid)), np.zeros(len(grid))
        for arm in arms:
            at = np.searchsorted(grid + 0.1, arm.spectral_axis.value)
            ivar = np.where(arm.mask[row], 0, arm.uncertainty.array[row])
            total[at] += ivar
            weighted[at] += ivar * arm.data[row]
        _, flux, ivar = unpack(batch, row)
        assert_allclose(ivar * 1e-34, total, rtol=2e-6)
        good = total > 0
        assert_allclose(flux[good] * 1e17, weighted[good] / total[good], rtol=2e-5)
        assert (flux[~good] == 0).all()


def test_desi_order_and_neighbours():
    """The order of the arms does not matter; two files in one list and spectra beside them stay apart."""
    arms, more = make_desi(), make_desi(n=2, seed=1)
    expected, second = to_batch(arms), to_batch(more)
    other = to_batch([arms[2], arms[0], arms[1]])
    # a sum of floats depends on its order
    assert_allclose(other.flux, expected.flux, rtol=1e-5, atol=1e-6)
    plain = Spectrum(flux=np.ones(50) * u.Jy, spectral_axis=np.linspace(4000, 4100, 50) * u.AA)
    both = to_batch([*arms, *more, plain, more[0]])
    assert len(both) == 3 + 2 + 1 + 2
    assert_array_equal(both.flux[both.pixels(4)], second.flux[second.pixels(1)])
    assert both.lengths[-1] == 200


def test_desi_arms_are_joined_by_target():
    """Rows in another order are put in order; other targets, or none at all, are not joined by their place."""
    arms = make_desi()
    targets = arms[0].meta["fibermap"]
    for arm in arms[1:]:
        arm.meta["fibermap"] = targets
    expected = to_batch(arms)
    order = [2, 0, 1]
    shuffled = Spectrum(
        flux=arms[1].flux[order], spectral_axis=arms[1].spectral_axis, spectral_axis_index=1,
        uncertainty=InverseVariance(arms[1].uncertainty.array[order], unit=arms[1].uncertainty.unit),
        mask=arms[1].mask[order], meta=dict(arms[1].meta, fibermap=targets[order]),
    )  # fmt: skip
    joined = to_batch([arms[0], shuffled, arms[2]])
    assert_array_equal(joined.flux, expected.flux)
    assert [info.name for info in joined.info] == ["390", "391", "392"]
    for fibermap, bands in ((Table({"TARGETID": [1, 2, 3]}), None), (None, ["b"])):
        other = Spectrum(
            flux=arms[1].flux, spectral_axis=arms[1].spectral_axis, spectral_axis_index=1,
            uncertainty=arms[1].uncertainty, mask=arms[1].mask, meta=dict(arms[1].meta, fibermap=fibermap),
        )  # fmt: skip
        first = arms[0]
        first.meta["bands"] = bands or ["b", "r", "z"]
        assert len(to_batch([first, other])) == 6
    for arm in arms:
        arm.meta.pop("fibermap")
    assert len(to_batch(arms)) == 9


def test_desi_one_arm_lost():
    """A target that lost one arm keeps the others; one that lost all is flagged alone."""
    arms = make_desi()
    arms[1].mask[0] = True
    for arm in arms:
        arm.mask[2] = True
    batch = to_batch(arms)
    full = to_batch(make_desi())
    assert_array_equal(batch.lengths > 0, [True, True, False])
    assert batch.flags[2] & InputFlag.TOO_FEW_PIXELS
    assert_array_equal(batch.flux[batch.pixels(1)], full.flux[full.pixels(1)])
    good = batch.ivar[batch.pixels(0)] > 0
    grid = batch.wavelength[batch.grid(0)]
    assert not good[(grid > GRIDS["b"][-1] + 0.1) & (grid < GRIDS["z"][0] - 0.1)].any()
    assert good[grid < GRIDS["r"][0]].mean() > 0.9


def make_named(n=3):
    """The arms of `make_desi`, each of which names its targets."""
    arms = make_desi(n)
    for arm in arms:
        arm.meta["fibermap"] = Table({"TARGETID": np.arange(n) + 390})
    return arms


def reorder(arm, rows):
    """The same arm with other rows."""
    meta = {**arm.meta, "fibermap": arm.meta["fibermap"][rows], "resolution_data": arm.meta["resolution_data"][rows]}
    return Spectrum(
        flux=arm.flux[rows], spectral_axis=arm.spectral_axis, spectral_axis_index=1, mask=arm.mask[rows],
        uncertainty=InverseVariance(arm.uncertainty.array[rows], unit=arm.uncertainty.unit), meta=meta,
    )  # fmt: skip


def test_desi_joined_by_target():
    """Arms whose rows come in another order, or lack a target, are joined by TARGETID."""
    whole = to_batch(make_named())
    arms = make_named()
    mixed = to_batch([arms[0], reorder(arms[1], [2, 0, 1]), arms[2]])
    assert [info.name for info in mixed.info] == ["390", "391", "392"]
    assert_array_equal(mixed.flux, whole.flux)
    assert_array_equal(mixed.ivar, whole.ivar)
    lacking = to_batch([reorder(arms[0], [0, 1]), reorder(arms[1], [2, 1, 0]), arms[2]])
    assert [info.name for info in lacking.info] == ["390", "391", "392"]
    assert_array_equal(lacking.flux[lacking.pixels(1)], whole.flux[whole.pixels(1)])
    wavelength = lacking.wavelength[lacking.grid(2)]
    assert not (lacking.ivar[lacking.pixels(2)] > 0)[wavelength < GRIDS["r"][0] - 0.1].any()
    assert (lacking.ivar[lacking.pixels(2)] > 0)[wavelength > GRIDS["b"][-1] + 0.1].mean() > 0.9


def test_desi_never_by_position_alone():
    """Arms without evidence that they hold the same targets are spectra of their own."""
    arms = make_desi()
    assert len(to_batch(arms[1:])) == 6  # the arm that has the fibermap is gone
    named = make_named()
    named[1].meta["fibermap"]["TARGETID"][:] = [7, 7, 390]  # exposures of a target that the other lacks
    assert len(to_batch([named[0], named[1]])) == 6
    exposures = make_named()
    for arm in exposures:
        arm.meta["fibermap"]["TARGETID"][:] = [7, 7, 8]
    batch = to_batch(exposures)
    assert [info.name for info in batch.info] == ["7", "7", "8"]
    assert_array_equal(batch.flux, to_batch(make_named()).flux)


def test_desi_resolution():
    """R comes from the second moment of the resolution matrix."""
    arms = make_desi()
    offset = np.arange(11) - 5
    for arm in arms:
        profile = np.exp(-0.5 * (offset / 1.25) ** 2)
        arm.meta["resolution_data"] = np.tile(profile[None, :, None], (3, 1, arm.data.shape[1]))
    batch = to_batch(arms)
    # at 1.25 pixels of 0.8 Angstrom
    assert_allclose(batch.resolution, batch.wavelength / (2.3548 * 1.25 * 0.8), rtol=2e-3)


def make_arm(wavelength, ivar, value=1.0, seed=0, **options):
    """One arm of one target."""
    noise = np.random.default_rng(seed).standard_normal(len(wavelength)) / np.sqrt(ivar)
    return Spectrum(
        flux=(value + noise) * u.Jy, spectral_axis=wavelength * u.AA, uncertainty=InverseVariance(ivar), **options
    )


def test_join_cuts_different_grids():
    """Arms on different pixels keep their own pixels, cut where the other becomes better."""
    left, right = np.arange(4000, 4100, 1.0), np.arange(4060.3, 4200, 0.7)
    one = make_arm(left, np.linspace(200, 50, len(left)))
    two = make_arm(right, np.linspace(30, 160, len(right)), seed=1)
    for arms in ([one, two], [two, one]):
        joined = join_arms(arms)
        axis = joined.spectral_axis.value
        steps = np.diff(axis)
        assert steps.min() > 0.5 * 0.7
        assert steps.max() < 2
        cut = axis[np.isclose(steps, 0.7).argmax()]
        assert 4060 < cut < 4101
        assert_allclose(axis[axis < cut], left[left < cut])
        from_left = np.isin(axis, left)
        assert_allclose(joined.flux.value[from_left], one.flux.value[: from_left.sum()], rtol=1e-6)
        # nothing better was thrown away: each side is the better one at its end
        assert_allclose(joined.uncertainty.array[0], 200, rtol=1e-6)
        assert_allclose(joined.uncertainty.array[-1], 160, rtol=1e-6)


@pytest.mark.parametrize(("inner", "kept"), [(1.0, False), (1000.0, True)])
def test_join_nested(inner, kept):
    """An arm inside another takes its range only if it is the better one."""
    outer = make_arm(np.arange(4000, 4200, 1.0), np.full(200, 10.0))
    inside = make_arm(np.arange(4050.4, 4100, 0.6), np.full(83, inner))
    axis = join_arms([outer, inside]).spectral_axis.value
    assert bool(np.isin(4052.0, axis)) is not kept
    assert bool(np.isin(4051.6, np.round(axis, 6))) is kept
    assert (np.diff(axis) > 0).all()
    assert axis[0] == 4000
    assert axis[-1] == 4199


def test_join_with_gap():
    """Arms that do not meet, such as APOGEE's chips or GALAH's arms, are put one after the other."""
    arms = [make_arm(np.arange(w, w + 50, 0.5)[::-1], np.full(100, 4.0), seed=w) for w in (6000, 5000, 4000)]
    joined = join_arms(arms)
    assert joined.flux.shape == (300,)
    assert (np.diff(joined.spectral_axis.value) > 0).all()
    assert_allclose(joined.flux.value[:100], arms[2].flux.value[::-1], rtol=1e-6)
    one = to_batch(joined)
    assert_allclose(unpack(one)[1] / unpack(to_batch(arms[0]))[1][-1], unpack(one)[1] / unpack(one)[1][-1], rtol=1e-5)


def test_join_units_and_medium():
    """The result has the units and the medium of the first arm."""
    left, right = np.arange(400.0, 410.0, 0.1), np.arange(415.0, 425.0, 0.1)
    one = Spectrum(flux=np.full(100, 3.0) * u.mJy, spectral_axis=left * u.nm, meta={"medium": "air", "band": "x"})
    two = Spectrum(flux=np.full(100, 0.003) * u.Jy, spectral_axis=(right * 10) * u.AA, meta={"medium": "air"})
    one.uncertainty = StdDevUncertainty(np.full(100, 0.3))
    two.uncertainty = StdDevUncertainty(np.full(100, 0.0003))
    joined = join_arms([one, two])
    assert joined.spectral_axis.unit == u.nm
    assert joined.flux.unit == u.mJy
    # flux per wavelength counts vacuum Angstrom here and air Angstrom there: 3e-4 squared
    assert_allclose(joined.flux.value, 3.0, rtol=1e-6)
    assert_allclose(joined.uncertainty.array, 0.3**-2, rtol=1e-5)
    assert_allclose(joined.spectral_axis.value, np.concatenate((left, right)), rtol=1e-10)
    assert joined.meta["medium"] == "air"
    assert "band" not in joined.meta


def test_join_vector():
    """n targets at once; masked pixels come out masked."""
    arms = make_desi()
    joined = join_arms(arms)
    batch, again = to_batch(arms), to_batch(joined)
    assert joined.flux.shape == (3, batch.lengths[0])
    assert_allclose(again.wavelength, batch.wavelength, rtol=1e-12)
    for row in range(3):
        assert_allclose(unpack(again, row)[1], unpack(batch, row)[1], rtol=1e-6)
        assert_allclose(unpack(again, row)[2], unpack(batch, row)[2], rtol=1e-6)
    assert_allclose(again.resolution, batch.resolution, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: "arms", TypeError, "spectra must be a list of Spectrum.*got str"),
        (list, TypeError, "spectra must be a list of Spectrum"),
        (lambda: [make_desi()[0], 3], TypeError, r"got \['Spectrum', 'int'\]"),
        (lambda: [make_desi()[0], make_desi(n=2)[1]], ValueError, r"same number of rows.*\[2, 3\]"),
        (
            lambda: [
                make_arm(np.arange(4000, 4100, 1.0), np.ones(100)),
                Spectrum(flux=np.ones(50) * u.ct, spectral_axis=np.arange(5000, 5050) * u.AA),
            ],
            u.UnitsError,
            r"flux units convertible.*'Jy', 'ct'",
        ),
    ],
)
def test_join_refuses(make, error, match):
    """What is no set of arms is refused."""
    with pytest.raises(error, match=match):
        join_arms(make())


def test_an_arm_without_a_header_has_the_medium_of_the_others():
    """Only the first of the orders of an echelle may state it; the others were taken for vacuum, 83 km/s off."""

    def make_arm(first, **meta):
        axis = np.linspace(first, first + 300, 200) * u.AA
        error = StdDevUncertainty(np.full(200, 0.1) * u.Jy)
        return Spectrum(flux=np.ones(200) * u.Jy, spectral_axis=axis, uncertainty=error, meta=meta)

    arms = [make_arm(5000), make_arm(5400, medium="air"), make_arm(5800)]
    joined = join_arms(arms)
    assert joined.meta["medium"] == "air"
    assert_allclose(joined.spectral_axis.value, np.concatenate([arm.spectral_axis.value for arm in arms]), rtol=1e-9)
    # nothing states it: it remains unknown
    assert "medium" not in join_arms([arms[0], arms[2]]).meta
