# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results do not depend on what the program around has set for NumPy and PyTorch, nor on what other threads do."""

import contextlib
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from astropy import units as u
from conftest import make_spectrum

from astro_spectok import embed, embed_table, measure_attention, tokenize
from astro_spectok.adapt import SpectrumRegressor
from astro_spectok.align import PhotometricRedshift, embed_photometry
from astro_spectok.engine import Runner
from astro_spectok.estimators import RedshiftEstimator, StellarParameterEstimator, TransientEstimator
from astro_spectok.example import read_example
from astro_spectok.network.blocks import SelfBlock, _PlainBlock
from astro_spectok.simulate.export import simulate_spectra
from astro_spectok.spectra import to_batch
from astro_spectok.weights import load_weights


@contextlib.contextmanager
def default_dtype(dtype):
    """New tensors are of this kind."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


#: what a program may set, and work in
STATES = {
    "NumPy raises": lambda: np.errstate(all="raise"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference mode": torch.inference_mode,
    "float64 by default": lambda: default_dtype(torch.float64),
    "bfloat16 by default": lambda: default_dtype(torch.bfloat16),
    "another device by default": lambda: torch.device("meta"),
}


#: what is handed in, made where nothing is set
EIGHT = [make_spectrum(320, seed=seed) for seed in range(8)]
ONE, OTHER, SHORT, EXAMPLE = make_spectrum(), make_spectrum(300, seed=2), make_spectrum(320), read_example()


def list_numbers(table):
    """Columns of a table as numbers."""
    return {name: np.asarray(getattr(table[name], "value", table[name])) for name in table.colnames}


def do_tokenize():
    tokens = tokenize(EXAMPLE, device="cpu")
    model = tokens.decode(tokens.wavelength[20:60], resolution=2000)
    again = tokens.decode(tokens.wavelength)
    return {"values": tokens.values, "embedding": tokens.embedding, "flux": model.flux.value, "all": again.flux.value}


def do_embed():
    table = embed_table([ONE, OTHER], medium="vacuum", device="cpu")
    return {"one": embed(ONE, medium="vacuum", device="cpu")} | list_numbers(table)


def do_attention():
    return {"weights": measure_attention(SHORT, medium="vacuum", device="cpu").weights}


def do_redshift():
    estimator = RedshiftEstimator(device="cpu")
    found = estimator.estimate(EXAMPLE)
    one = {"z": found.z.value, "z_err": found.z_err.value, "p": found.p_best}
    return one | list_numbers(estimator.estimate([EXAMPLE, ONE]))


def do_stellar():
    estimator = StellarParameterEstimator(device="cpu", assume_star=True)
    return list_numbers(estimator.estimate([EXAMPLE, ONE], medium="vacuum"))


def do_simulate():
    spectra = simulate_spectra(2, seed=1, families=["stars"], instruments=["sdss"], max_pixels=256)
    return {str(i): spectrum.flux.value for i, spectrum in enumerate(spectra)}


def do_transient():
    return list_numbers(TransientEstimator(device="cpu").estimate([EXAMPLE]))


def do_photometry():
    table = {"g": [21.3, 20.1] * u.ABmag, "g_err": [0.1, 0.05], "r": [20.2, 19.9] * u.ABmag, "r_err": [0.05, 0.05]}
    filters = {"g": "decamDR1-g", "r": "decamDR1-r"}
    return list_numbers(PhotometricRedshift(filters).estimate(table)) | {"vectors": embed_photometry(table, filters)}


def do_learn():
    model = SpectrumRegressor(device="cpu", adapt="lora", options={"epochs": 1, "rank": 2})
    return list_numbers(model.fit(EIGHT, np.arange(8.0), groups=np.arange(8), medium="vacuum").estimate([SHORT]))


DOORS = (
    do_tokenize, do_embed, do_attention, do_redshift, do_stellar, do_transient, do_photometry, do_learn, do_simulate,
)  # fmt: skip


@pytest.fixture(scope="module", params=DOORS, ids=lambda door: door.__name__[3:])
def door(request, packaged_weights):
    """Something that users do, and what comes of it in a program that has set nothing."""
    return request.param, request.param()


@pytest.mark.parametrize("state", STATES)
def test_results_do_not_depend_on_the_program_around(door, state):
    """To the bit."""
    do, expected = door
    with STATES[state]():
        found = do()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("state", STATES)
def test_weights_do_not_depend_on_the_program_around(packaged_weights, state):
    """They are parameters in single precision where they were asked for, which can be trained on."""
    with STATES[state]():
        network = load_weights(shared=False).network
    expected = load_weights().network
    for (name, one), (_, other) in zip(network.named_buffers(), expected.named_buffers(), strict=True):
        assert (one.dtype, one.device) == (other.dtype, other.device), name
        assert torch.equal(one, other), name
    values = expected.state_dict()
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, values[name]), name
        assert (parameter.dtype, parameter.device.type) == (torch.float32, "cpu"), name
        assert not parameter.is_inference(), name
        assert parameter.requires_grad, name


@pytest.fixture
def meanwhile(monkeypatch):
    """Have something done by another thread while this one is between two blocks of an encoder."""
    here, work = threading.get_ident(), []

    def make_interrupted(forward):
        def interrupt(self, *args):
            if threading.get_ident() == here and work:
                other = threading.Thread(target=work.pop())
                other.start()
                other.join()
            return forward(self, *args)

        return interrupt

    # with and without what plain layers may leave out
    for block, name in ((SelfBlock, "forward"), (_PlainBlock, "run_in_place")):
        monkeypatch.setattr(block, name, make_interrupted(getattr(block, name)))
    return work.append


@pytest.mark.parametrize(("precision", "other"), [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_precision_is_that_of_the_runner(packaged_weights, meanwhile, precision, other):
    """A runner computes in its own precision whatever another does with the same network at the same time."""
    batch, done = to_batch(make_spectrum(), medium="vacuum"), []
    runner, second = (Runner(device="cpu", precision=each) for each in (precision, other))
    ((_, expected),), ((_, unlike),) = runner.encode(batch), second.encode(batch)
    assert np.abs(expected.embedding - unlike.embedding).max() > 1e-3
    meanwhile(lambda: done.extend(second.encode(batch)))
    ((_, found),) = runner.encode(batch)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.embedding, expected.embedding)
    np.testing.assert_array_equal(done[0][1].embedding, unlike.embedding)


def test_attention_is_that_of_the_spectrum(packaged_weights, meanwhile):
    """What another thread encodes, or looks at, at the same time is not recorded."""
    spectrum, others = make_spectrum(320), []
    expected = measure_attention(spectrum, medium="vacuum", device="cpu").weights
    assert expected.shape[2:] == (10, 10)

    def work():
        others.append(embed(make_spectrum(), medium="vacuum", device="cpu"))
        others.append(measure_attention(make_spectrum(640), medium="vacuum", device="cpu").weights)

    meanwhile(work)
    found = measure_attention(spectrum, medium="vacuum", device="cpu").weights
    np.testing.assert_array_equal(found, expected)
    assert others[1].shape == (*expected.shape[:2], 20, 20)
    np.testing.assert_array_equal(others[0], embed(make_spectrum(), medium="vacuum", device="cpu"))


def test_nothing_is_written_to_the_shared_network(packaged_weights):
    """All that users do leaves the attributes of its modules as they were."""
    network = load_weights().network
    before = [{name: id(value) for name, value in vars(module).items()} for module in network.modules()]
    for do in DOORS[:-1]:
        do()
    assert load_weights().network is network
    assert [{name: id(value) for name, value in vars(module).items()} for module in network.modules()] == before


def test_import_where_numpy_raises():
    """What modules compute when they are first imported is no concern of the program around; nor are its warnings."""
    code = """
import warnings
import numpy as np
import scipy.signal, specutils, torch  # others may do as they like
np.seterr(all="raise")
warnings.simplefilter("error")
import astro_spectok.align, astro_spectok.estimators, astro_spectok.simulate.export, astro_spectok.transients
"""
    subprocess.run([sys.executable, "-c", code], check=True)
