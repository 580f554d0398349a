# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sequences along other axes than that of wavelengths: read, trained on, embedded, decoded, learned from, refused."""

import warnings

import numpy as np
import pytest
import torch
from astropy import units as u
from astropy.table import QTable, Table
from astropy.time import Time
from astropy.timeseries import TimeSeries
from numpy.testing import assert_allclose, assert_array_equal
from specutils import Spectrum

from astro_spectok import embed, embed_table, tokenize
from astro_spectok.adapt import SpectrumClassifier, SpectrumIndex, SpectrumRegressor, SpectrumSet
from astro_spectok.cli.command import main
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.exceptions import FlaggedSpectraWarning, SpectokWarning, WeightsError
from astro_spectok.network import Axis, NetworkConfig, get_config
from astro_spectok.spectra import InputFlag
from astro_spectok.spectra.sequences import measure_axis, to_sequences
from astro_spectok.tokens import SpectralTokens
from astro_spectok.training import TrainingConfig, pretrain_sequences
from astro_spectok.training.sequences import SETTINGS, SequenceDataset, make_sequence_config
from astro_spectok.weights import load_weights

AXIS = Axis("time", "h", low=0.0, high=100.0, spacing=1.0)
PLACE = np.arange(60.0)
CPU = {"device": "cpu"}


def make_sequences(n=16, *, seed=0):
    """Waves of two periods, of unlike length, sampling and start, with gaps and errors; and their classes."""
    rng, out, y = np.random.default_rng(seed), [], np.tile([0, 1], n // 2)
    for cls in y:
        place = np.sort(rng.choice(120, rng.integers(70, 110), replace=False)) * rng.choice([0.5, 1.0])
        values = 3 + np.sin(place / (2 + 4 * cls)) + rng.normal(0, 0.05, len(place))
        out.append((place * u.h, values * u.m, np.full(len(place), 0.05) * u.m))
    return out, y


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights after three steps."""
    settings = {"steps": 3, "batch_tokens": 64}
    return pretrain_sequences(make_sequences()[0], tmp_path_factory.mktemp("run"), "time", settings=settings, **CPU)


def test_axis_and_coordinate():
    """A linear axis has zero in its middle and is turned back; wavelengths are logarithms, whatever holds them."""
    assert_allclose(AXIS.to_native(AXIS.to_coordinate(PLACE)), PLACE, atol=1e-12)
    assert AXIS.to_coordinate(50.0) == 0
    light = Axis()
    assert light.to_coordinate(5000.0) == light.reference
    assert_array_equal(light.to_coordinate(np.array([4000.0])), np.log([4000.0]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "mass"}, "must be one of"),
        ({"kind": "time", "unit": "m", "high": 1.0, "spacing": 1.0}, "unit of a time axis"),
        ({"kind": "time", "unit": "parrot", "high": 1.0, "spacing": 1.0}, "astropy knows"),
        ({"kind": "position", "unit": "mm", "spacing": 1.0}, "low must be below high"),
        ({"kind": "position", "unit": "mm", "high": np.nan, "spacing": 1.0}, "low must be below high"),
        ({"high": 5.0}, "no range of its own"),
    ],
)
def test_axis_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        Axis(**values)


def test_configuration_records_the_axis():
    """That of wavelengths goes without saying, so that files stay as they were."""
    config = make_sequence_config(AXIS, 100)
    assert NetworkConfig.from_dict(config.to_dict()) == config
    assert config.span == (AXIS.to_coordinate(0.0), AXIS.to_coordinate(100.0))
    assert "axis" not in get_config("small").to_dict()


FORMS = {
    "minutes": ((60 * PLACE) * u.min, PLACE + 1),
    "reversed": (PLACE[::-1] * u.h, PLACE[::-1] + 1),
    "time": (Time(60000 + PLACE / 24, format="mjd"), PLACE + 1),
    "series": TimeSeries(time=Time(60000 + PLACE / 24, format="mjd"), data={"value": PLACE + 1}),
    "points": Table({"time": PLACE * u.h, "value": PLACE + 1}),
    "row": QTable({"time": [PLACE] * u.h, "values": [PLACE + 1]}),
    "dictionary": {"axis": PLACE * u.h, "values": PLACE + 1},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_forms_are_one(form):
    """Every form gives the same batch."""
    batch, wanted = to_sequences(form, AXIS), to_sequences((PLACE * u.h, PLACE + 1), AXIS)
    assert_allclose(batch.wavelength, wanted.wavelength, atol=1e-6)
    assert_allclose(batch.flux, wanted.flux)
    assert_allclose(batch.ivar, wanted.ivar, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::astropy.units.UnitsWarning")
@pytest.mark.parametrize(
    ("item", "flag", "message"),
    [
        ((PLACE, PLACE), InputFlag.BAD_UNITS, "with a unit"),
        ((PLACE * u.m, PLACE), InputFlag.BAD_UNITS, "axis must be a time in a unit as 'h' is; got 'm'"),
        ((PLACE[:5] * u.h, PLACE[:5]), InputFlag.TOO_FEW_PIXELS, "at least 8 good points"),
        ((PLACE[:1] * u.h, PLACE[:1]), InputFlag.TOO_FEW_PIXELS, "at least 8 good points"),
        ((PLACE * u.h, PLACE * np.nan), InputFlag.TOO_FEW_PIXELS, "got 0 of 60"),
        ((PLACE * np.nan * u.h, PLACE), InputFlag.TOO_FEW_PIXELS, "got 0 of 0"),
        ((PLACE * 0 * u.h, PLACE), InputFlag.TOO_FEW_PIXELS, "got 1 of 1"),
        ((PLACE * u.h, PLACE, PLACE * 0), InputFlag.TOO_FEW_PIXELS, "got 0 of 60"),
        (((PLACE + 500) * u.h, PLACE), InputFlag.WHOLLY_OUTSIDE, "from 0 to 100 h"),
        ((PLACE * u.h, PLACE[:9]), InputFlag.BAD_INPUT, "shape"),
        (Table({"when": PLACE, "what": PLACE}), InputFlag.BAD_INPUT, "columns of sequences"),
        (Spectrum(flux=PLACE * u.Jy, spectral_axis=(PLACE + 1) * u.AA), InputFlag.BAD_UNITS, "got 'Angstrom'"),
        (5, InputFlag.BAD_INPUT, "got int"),
    ],
)
def test_bad_sequences_are_flagged(item, flag, message):
    """Each alone; others in the list stay as they are."""
    good = (PLACE * u.h, PLACE + 1)
    batch = to_sequences([good, item, good], AXIS, least=8)
    assert batch.lengths.tolist() == [60, 0, 60]
    assert batch.flags[1] & flag
    assert message in batch.info[1].message
    assert not batch.info[0].message
    with pytest.raises((ValueError, TypeError, u.UnitsError)):
        to_sequences([item], AXIS, least=8, on_error="raise")


def test_order_repeats_and_junk():
    """Points in any order are sorted, those at one place averaged by weight, bad ones without any effect."""
    order = np.random.default_rng(0).permutation(60)
    batch = to_sequences((PLACE[order] * u.h, PLACE[order], np.ones(60)), AXIS)
    assert_array_equal(batch.wavelength, PLACE)
    assert_allclose(batch.flux * batch.scale[0], PLACE, rtol=1e-6)
    assert batch.flags[0] == InputFlag.WAVELENGTH_SORTED
    twice = to_sequences((np.tile(PLACE, 2) * u.h, np.r_[PLACE, PLACE + 3], np.r_[np.ones(60), 2 * np.ones(60)]), AXIS)
    assert_allclose(twice.flux * twice.scale[0], PLACE + 3 / 5, rtol=1e-6)
    assert_allclose(twice.ivar / twice.scale[0] ** 2, 1.25)
    mask = PLACE % 7 == 3
    one, other = (
        to_sequences((PLACE * u.h, np.where(mask, junk, PLACE), np.ones(60), mask), AXIS) for junk in (1e9, np.nan)
    )
    assert_array_equal(one.flux, other.flux)
    assert_array_equal(one.ivar == 0, mask)


def test_errors_that_are_missing():
    """They are estimated and flagged, and are a tenth of the scatter at most: what varies may be what is to be said."""
    values = np.random.default_rng(1).normal(0, 1, 400)
    batch = to_sequences((np.arange(400.0) / 4 * u.h, values), AXIS)
    sigma = batch.scale[0] / np.sqrt(batch.ivar)
    assert sigma.max() <= 0.1001 * values.std()
    assert batch.flags[0] == InputFlag.UNCERTAINTY_ESTIMATED


def test_constants_have_results(weights):
    """Sequences of zeros, or of one number, are dull and no reason for NaN."""
    vectors = embed([(PLACE * u.h, PLACE * 0), (PLACE * u.h, PLACE * 0 + 1e-30), (PLACE * u.h, 1e30 + PLACE)],
                    weights=weights, **CPU)  # fmt: skip
    assert np.isfinite(vectors).all()


def test_axis_is_measured():
    """From the first good point of all to the last, with the usual step; without a unit in words."""
    axis, length = measure_axis([(PLACE * u.h, PLACE), ((PLACE[:30] + 100) * u.h, PLACE[:30])], "time")
    assert (axis.low, axis.high, axis.spacing, axis.unit, length) == (0, 129, 1, "h", 45)
    assert measure_axis([(PLACE * 3600 * u.s, PLACE)], "time", "h")[0].spacing == 1
    with pytest.raises(ValueError, match="axis must be a Quantity"):
        measure_axis([(PLACE, PLACE)], "time")


def test_files_are_read(tmp_path):
    """Tables of points with ids, of a sequence each, or two columns without names; what cannot be read is flagged."""
    ids = np.repeat(["a", "b"], 60)
    Table({"id": ids, "time": np.tile(PLACE, 2), "value": np.tile(PLACE, 2)}).write(tmp_path / "1.csv")
    QTable({"time": PLACE * u.h, "value": PLACE}).write(tmp_path / "2.ecsv")
    np.savetxt(tmp_path / "3.txt", np.c_[PLACE, PLACE])
    (tmp_path / "4.csv").write_text("nothing\n")
    batch = to_sequences(tmp_path, AXIS, axis_unit="h")
    assert [info.name for info in batch.info][:4] == ["a", "b", "2.ecsv", "3.txt"]
    assert batch.lengths.tolist() == [60, 60, 60, 60, 0]
    assert "columns of sequences" in batch.info[4].message
    assert to_sequences(tmp_path / "2.ecsv", AXIS).lengths.tolist() == [60]
    with pytest.raises(FileNotFoundError, match="no such file"):
        to_sequences(tmp_path / "none.csv", AXIS)


def test_shards_are_functions_of_their_number():
    """Two views of each sequence; of one sequence alone nothing is told apart."""
    axis = measure_axis(make_sequences()[0], "time")[0]
    config, model = TrainingConfig(**SETTINGS, max_pixels=110), make_sequence_config(axis, 90)
    dataset = SequenceDataset(to_sequences(make_sequences()[0], axis, least=model.patch), config, model)
    one, again = dataset[3], dataset[3]
    assert_array_equal(one.patches.channels.numpy(), again.patches.channels.numpy())
    assert one.aligned.all()
    assert one.patches.channels.isfinite().all()
    inferred = [dataset[k].inferred for k in range(40)]
    assert 4 <= sum(inferred) <= 22
    alone = SequenceDataset(to_sequences(make_sequences()[0][:1], axis), config, model)[0]
    assert not alone.aligned.any()
    with pytest.raises(ValueError, match="can be used; got 1"):
        SequenceDataset(to_sequences([5], axis), config, model)


def test_weights_hold_the_axis(weights):
    """With what they were trained on; a range of wavelengths they have not."""
    loaded = load_weights(weights)
    axis = loaded.network.config.axis
    assert (axis.kind, axis.unit, axis.low) == ("time", "h", 0.0)
    assert loaded.wavelength_range is None
    assert loaded.metadata["training"]["sets"][0].startswith("16 sequences")


def test_training_is_resumed_and_refused(weights, tmp_path):
    data = make_sequences()[0]
    with pytest.raises(FileExistsError, match="already holds a run"):
        pretrain_sequences(data, weights.parent, "time", **CPU)
    settings = {"steps": 3, "batch_tokens": 64}
    assert pretrain_sequences(data, tmp_path, "time", settings=settings, stop_after=2, **CPU) is None
    again = pretrain_sequences(data, tmp_path, "time", settings=settings, resume=True, **CPU)
    assert again.read_bytes()[-1000:] == weights.read_bytes()[-1000:]
    with pytest.raises(ValueError, match="other settings"):
        pretrain_sequences(data[:12], tmp_path, "time", settings=settings, resume=True, **CPU)


@pytest.mark.parametrize("state", [torch.inference_mode, lambda: torch.autocast("cpu", dtype=torch.bfloat16)])
def test_training_does_not_depend_on_the_program_around(weights, tmp_path, state):
    """Each step is of the weights that the one before it left, and has gradients."""
    with state():
        again = pretrain_sequences(
            make_sequences()[0], tmp_path, "time", settings={"steps": 3, "batch_tokens": 64}, **CPU
        )
    assert again.read_bytes()[-1000:] == weights.read_bytes()[-1000:]


def test_units_order_and_company_do_not_matter(weights):
    """The vector of a sequence is that of the same in minutes and centimetres, whatever is beside it."""
    (place, values, errors), *rest = make_sequences()[0]
    vector = embed((place, values, errors), weights=weights, **CPU)
    others = embed([*rest, (place.to(u.min)[::-1], values.to(u.cm)[::-1], errors[::-1])], weights=weights, **CPU)
    assert_allclose(others[-1], vector, atol=1e-4 * np.abs(vector).max())
    with pytest.raises(ValueError, match="parts must be among"):
        embed((place, values), parts="lines", weights=weights, **CPU)
    table = embed_table(make_sequences()[0][:2], weights=weights, **CPU)
    assert table["axis_max"].unit == u.h
    assert_allclose(table["axis_min"][0].value, place.value.min())


def test_other_axes_are_refused(weights, tmp_path):
    """In one sentence, in both directions; flagged in a list."""
    spectrum = (np.linspace(4000, 7000, 400) * u.AA, np.ones(400) * u.Jy)
    with pytest.raises(u.UnitsError, match="axis must be a time in a unit as 'h' is; got 'Angstrom'"):
        embed(spectrum, weights=weights, **CPU)
    with pytest.raises(u.UnitsError, match="convertible to wavelength"):
        embed(make_sequences()[0][0][:2], **CPU)
    with pytest.raises(u.UnitsError, match="got times"):
        embed(FORMS["time"], **CPU)
    with pytest.raises(ValueError, match="must lie along the axis of the weights"):
        embed(SpectrumSet([spectrum]).batch, weights=weights, **CPU)
    with pytest.raises(ValueError, match="axis of the spectra or sequences"):
        embed(SpectrumSet(make_sequences()[0], weights=weights).batch, **CPU)
    with pytest.warns(SpectokWarning, match="1 of 2"):
        vectors = embed([spectrum, make_sequences()[0][0]], weights=weights, **CPU)
    assert np.isnan(vectors[0]).all()
    assert np.isfinite(vectors[1]).all()
    for name, value in {"medium": "air", "resolution": 1000}.items():
        with pytest.raises(ValueError, match=f"{name} must be left out"):
            embed(make_sequences()[0], weights=weights, **{name: value}, **CPU)
    with pytest.raises(WeightsError, match="no redshift head"):
        RedshiftEstimator(weights=weights, **CPU).estimate(make_sequences()[0])


def test_tokens_lie_along_the_axis(weights, tmp_path):
    """In its unit; decoded to a table, from a file too."""
    place, values, errors = make_sequences()[0][0]
    tokens = tokenize((place, values, errors), weights=weights, **CPU)
    assert tokens.wavelength.unit == u.h
    assert place.min() <= tokens.wavelength[0] < tokens.wavelength[-1] <= place.max()
    assert "(time)" in repr(tokens)
    own = tokens.own_axis()
    assert np.isclose(own[:, None], place).any(0).all()
    model = tokens.decode(place)
    assert model["values"].unit == u.m
    # the explicit part of tokens alone follows a wave
    assert np.corrcoef(model["values"].value, values.value)[0, 1] > 0.8
    assert_allclose(tokens.decode(place[::-1].to(u.min))["values"].value[::-1], model["values"].value, rtol=1e-4)
    tokens.write(tmp_path / "tokens.ecsv")
    again = SpectralTokens.read(tmp_path / "tokens.ecsv", **CPU)
    assert_allclose(again.wavelength.value, tokens.wavelength.value)
    assert_allclose(again.decode(place)["values"].value, model["values"].value, rtol=1e-4)
    for wanted, error in ((place.value, TypeError), (place.value * u.m, u.UnitsError), ([1, 1] * u.h, ValueError)):
        with pytest.raises(error):
            tokens.decode(wanted)
    with pytest.raises(ValueError, match="resolution must be left out"):
        tokens.decode(place, resolution=1000)
    with pytest.raises(ValueError, match="plot must be asked"):
        tokens.plot()


def test_estimators_learn_from_sequences(weights, tmp_path):
    """Classes and numbers, with a flag for what is too short, from a file of what was learned too."""
    pytest.importorskip("sklearn")
    X, y = make_sequences(48)
    weights = str(weights)
    model = SpectrumClassifier(weights=weights, **CPU).fit(X[:32], y[:32])
    assert (model.predict(X[32:]) == y[32:]).mean() > 0.85
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpectokWarning)
        table = model.estimate([X[40], (X[0][0][:3], X[0][1][:3])])
    assert "good points" in table["message"][1]
    assert table["warn"][1] & InputFlag.TOO_FEW_PIXELS
    model.save(tmp_path / "model.safetensors")
    again = SpectrumClassifier.load(tmp_path / "model.safetensors", weights=weights, **CPU)
    assert_array_equal(again.predict(X[32:]), model.predict(X[32:]))
    assert_array_equal(model.predict([(t, v.to(u.cm), e) for t, v, e in X[32:]]), model.predict(X[32:]))
    # a set is read once, and split as arrays are
    spectra = SpectrumSet(X, weights=weights)
    numbers = SpectrumRegressor(weights=weights, **CPU).fit(spectra[:32], y[:32].astype(float))
    assert np.sqrt(np.mean((numbers.predict(spectra[32:]) - y[32:]) ** 2)) < 0.4
    for options, message in (({"frame": "rest"}, "frame must be 'observed'"), ({"adapt": "probe"}, "must be 'linear'")):
        with pytest.raises(ValueError, match=message):
            SpectrumClassifier(weights=weights, **options, **CPU).fit(X[:32], y[:32])
    with pytest.raises(ValueError, match="redshift must be left out"):
        SpectrumClassifier(weights=weights, **CPU).fit(X[:32], y[:32], redshift=0.1)
    found = SpectrumIndex(X, weights=weights, **CPU).search(X[5], k=1)
    assert found["row"][0] == 5
    assert found["likeness"][0] > 0.999


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "sequences must be named"),
        (["DATA", "--axis-unit", "s"], "unit of a wavenumber axis"),
        (["DATA"], "give axis"),
        (["DATA", "--data", "DATA"], "data is for spectra"),
    ],
)
def test_shell_refuses(tmp_path, capsys, arguments, message):
    np.savetxt(tmp_path / "one.txt", np.c_[PLACE, PLACE])
    arguments = [str(tmp_path) if text == "DATA" else text for text in arguments]
    assert main(["pretrain", "--axis", "wavenumber", "--out", str(tmp_path / "run"), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_shell_trains(tmp_path, capsys):
    """From a folder of files without units."""
    for k in range(9):
        place = np.arange(60.0 + k) * 2 + 400
        np.savetxt(tmp_path / f"{k}.txt", np.c_[place, 2 + np.sin(place / 20 + k)])
    arguments = ["--axis-unit", "cm-1", "--steps", "2", "--batch-tokens", "32", "--device", "cpu", "--patch", "8"]
    assert main(["pretrain", "--axis", "wavenumber", "--out", str(tmp_path / "run"), str(tmp_path), *arguments]) == 0
    said = capsys.readouterr().out
    assert "step 2/2" in said
    config = load_weights(said.split()[-1]).network.config
    assert (config.axis.kind, config.axis.high, config.patch) == ("wavenumber", 534.0, 8)


def test_positions_need_no_unit(tmp_path):
    """Neither in training, which says what it leaves out, nor after it; numbers with a unit are another axis then."""
    sequences = [(PLACE, 2 + np.sin(PLACE / 5 + k)) for k in range(3)]
    settings = {"steps": 1, "batch_tokens": 16}
    with pytest.warns(FlaggedSpectraWarning, match="1 of 4 sequences .* at least 4 good points"):
        made = pretrain_sequences(
            [*sequences, (PLACE[:2], PLACE[:2])], tmp_path, "position", settings=settings, patch=4, **CPU
        )
    assert embed(sequences, weights=made, **CPU).shape == (3, 64)
    with pytest.raises(u.UnitsError, match="got 'mm'"):
        embed((PLACE * u.mm, PLACE), weights=made, **CPU)


def test_shell_learns_and_predicts(weights, tmp_path, capsys):
    """From a table that names files of unlike lengths, and for files; those without a unit have that of the weights."""
    pytest.importorskip("sklearn")
    X, y = make_sequences(32)
    for k, (place, values, errors) in enumerate(X):
        table = Table({"time": place.value, "values": values.value, "errors": errors.value})
        if k % 2:
            table["time"] = place.to(u.min)
        table.write(tmp_path / f"{k}{'.ecsv' if k % 2 else '.csv'}")
    names = np.array([f"{k}{'.ecsv' if k % 2 else '.csv'}" for k in range(len(X))])
    Table({"file": names[:24], "shape": np.array(["calm", "rough"])[y[:24]]}).write(tmp_path / "labels.csv")
    (tmp_path / "bad.csv").write_text("time,values\n1,2\n")
    common = ["--weights", str(weights), "--device", "cpu", "--quiet"]
    model, out = str(tmp_path / "model.safetensors"), tmp_path / "out.ecsv"
    labels = ["--class", "shape", "-o", model]
    assert main(["fit", str(tmp_path / "labels.csv"), *labels, *common]) == 0
    files = [str(tmp_path / name) for name in [*names[24:], "bad.csv"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpectokWarning)
        assert main(["predict", model, *files, "-o", str(out), *common]) == 3
        found = Table.read(out)
        assert np.mean(found["class"][:8] == np.array(["calm", "rough"])[y[24:]]) > 0.8
        assert "good points" in found["message"][8]
        assert main(["embed", *files, "-o", str(tmp_path / "vectors.fits"), *common]) == 3
    vectors = QTable.read(tmp_path / "vectors.fits")["embedding"]
    assert_allclose(vectors[:8], embed(X[24:], weights=weights, **CPU), atol=1e-5)
    assert main(["embed", *files, "-o", str(tmp_path / "more.fits"), "--medium", "air", *common]) == 1
    assert "medium must be left out" in capsys.readouterr().err
