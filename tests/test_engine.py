# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Devices, batches and progress: how a network is run changes no result."""

import io
import pickle

import numpy as np
import pytest
import torch
from _stellar import add_stellar_head
from conftest import SAME_EMBEDDING, assert_same_vectors, make_spectrum
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from astro_spectok import conf, embed, tokenize
from astro_spectok.engine import Runner, TokenDecoder, choose_device, choose_dtype, plan_batches, progress
from astro_spectok.engine import device as device_module
from astro_spectok.engine import requested as requested_module
from astro_spectok.engine import runner as runner_module
from astro_spectok.engine.batching import CPU_BATCH_TOKENS, choose_budget
from astro_spectok.engine.progress import show_progress
from astro_spectok.exceptions import WeightsError
from astro_spectok.spectra import to_batch


class TestPlanBatches:
    @given(lengths=hnp.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 300)), budget=st.integers(1, 2000))
    def test_properties(self, lengths, budget):
        """Each spectrum that has tokens comes once; no group exceeds the budget but one of a single spectrum."""
        groups = plan_batches(lengths, budget)
        members = np.concatenate([np.zeros(0, np.int64), *groups])
        np.testing.assert_array_equal(np.sort(members), np.flatnonzero(lengths))
        for group in groups:
            assert len(group) == 1 or lengths[group].max() * len(group) <= budget
        assert (np.diff(lengths[members]) <= 0).all()

    @given(lengths=hnp.arrays(np.int64, st.integers(2, 60), elements=st.integers(1, 300)), budget=st.integers(1, 2000))
    def test_groups_are_not_small(self, lengths, budget):
        """Twice as many spectra would exceed the budget."""
        groups = plan_batches(lengths, budget)
        for group in groups[:-1]:
            assert lengths[group].max() * 2 * len(group) > budget

    @pytest.mark.parametrize(("overhead", "sizes"), [(None, [5]), (200, [5]), (199, [3, 2])])
    def test_groups_are_divided_where_padding_costs_more(self, overhead, sizes):
        """Two spectra of 100 tokens less cost 200 as long as they are padded."""
        groups = plan_batches([300, 295, 200, 295, 200], 2000, overhead=overhead)
        assert [len(group) for group in groups] == sizes


class TestDevice:
    @pytest.mark.parametrize(
        ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
    )
    def test_auto(self, monkeypatch, cuda, mps, expected):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        assert choose_device() == torch.device(expected)

    def test_explicit(self):
        assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")

    @pytest.mark.parametrize("name", ["gpu", "meta", "xla", "cuda:x", "", 1.5, None])
    def test_unknown(self, name):
        with pytest.raises(ValueError, match="device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got"):
            choose_device(name)

    @pytest.mark.parametrize(
        ("name", "module"), [("cuda", torch.cuda), ("cuda:3", torch.cuda), ("mps", torch.backends.mps)]
    )
    def test_absent(self, monkeypatch, name, module):
        monkeypatch.setattr(module, "is_available", lambda: False)
        with pytest.raises(ValueError, match=f"device '{name}' is not available on this machine; use device='auto'"):
            choose_device(name)


class TestPrecision:
    @pytest.mark.parametrize(
        ("capability", "expected"), [((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), None)]
    )
    def test_auto_on_cuda(self, monkeypatch, capability, expected):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        assert choose_dtype(torch.device("cuda")) is expected

    @pytest.mark.parametrize("native", [True, False])
    def test_auto_on_cpu(self, monkeypatch, native):
        """Results on a CPU do not depend on which; training may be faster on some."""
        monkeypatch.setattr(device_module, "_cpu_has_bfloat16", lambda: native)
        assert choose_dtype(torch.device("cpu")) is None
        assert choose_dtype(torch.device("cpu"), training=True) is (torch.bfloat16 if native else None)

    def test_explicit(self):
        assert choose_dtype(torch.device("cuda"), "float32") is None
        assert choose_dtype(torch.device("cpu"), "bfloat16") is torch.bfloat16

    def test_unknown(self):
        with pytest.raises(ValueError, match="precision must be one of auto, float32, bfloat16, got 'float16'"):
            choose_dtype(torch.device("cpu"), "float16")

    @pytest.mark.parametrize(("flags", "expected"), [("sse avx512_bf16", True), ("sse avx2", False), (None, False)])
    def test_cpu(self, monkeypatch, flags, expected):
        """What Linux says of the CPU; other systems say nothing."""

        def read_text(path):
            if flags is None:
                raise FileNotFoundError(path)
            return f"flags : {flags}\n"

        monkeypatch.setattr(device_module.Path, "read_text", read_text)
        device_module._cpu_has_bfloat16.cache_clear()
        try:
            assert device_module._cpu_has_bfloat16() is expected
        finally:
            device_module._cpu_has_bfloat16.cache_clear()

    def test_setting_is_used(self, tiny_weights):
        """bfloat16 is near float32, and neither is what the other left behind in the shared network."""
        exact = embed(make_spectrum(), weights=tiny_weights, device="cpu")
        with conf.set_temp("precision", "bfloat16"):
            rough = embed(make_spectrum(), weights=tiny_weights, device="cpu")
        assert rough.dtype == np.float32
        assert 1e-4 < np.linalg.norm(rough - exact) / np.linalg.norm(exact) < 0.1
        np.testing.assert_array_equal(embed(make_spectrum(), weights=tiny_weights, device="cpu"), exact)


class TestProgress:
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    @pytest.mark.parametrize(
        ("terminal", "wanted", "patience", "drawn"),
        [
            (True, None, 0.0, True),
            (True, None, 1e9, False),
            (True, True, 1e9, True),
            (True, False, 0.0, False),
            (False, None, 0.0, False),
        ],
    )
    def test_when(self, monkeypatch, terminal, wanted, patience, drawn):
        """By default only on a terminal, and only for long work."""
        stream = self.Terminal() if terminal else io.StringIO()
        monkeypatch.setattr(progress.sys, "stderr", stream)
        monkeypatch.setattr(progress, "PATIENCE", patience)
        assert list(show_progress(range(5), "encode", wanted)) == [0, 1, 2, 3, 4]
        assert ("encode" in stream.getvalue()) is drawn
        assert ("100" in stream.getvalue()) is drawn

    def test_nothing_to_do(self, monkeypatch):
        monkeypatch.setattr(progress.sys, "stderr", self.Terminal())
        assert list(show_progress([], "encode", True)) == []

    def test_standard_output_stays_clean(self, tiny_weights, capsys):
        embed([make_spectrum()] * 3, weights=tiny_weights, progress=True, batch_tokens=1)
        out, err = capsys.readouterr()
        assert out == ""
        assert "embed" in err


class TestRunner:
    def test_encode_yields_each_usable_once(self, tiny_weights):
        batch = to_batch([make_spectrum(300), make_spectrum(5), make_spectrum(700)])
        found = dict(Runner(tiny_weights, "cpu", batch_tokens=1).encode(batch))
        assert sorted(found) == [0, 2]
        assert [len(found[i].values) for i in (0, 2)] == [10, 22]

    @pytest.mark.parametrize("budget", [1, 64, 1000, 10**9])
    def test_budget_changes_nothing(self, weights, budget):
        spectra = [make_spectrum(n, seed=n) for n in (64, 700, 300, 33, 1500)]
        expected = embed(spectra, weights=weights)
        # redshifts and velocities in the embedding, and lines at these, follow the rounding of the tokens
        assert_same_vectors(embed(spectra, weights=weights, batch_tokens=budget), expected, rtol=SAME_EMBEDDING)

    def test_default_of_budget(self, tiny_weights):
        """The setting; a CPU takes less unless asked for more."""
        assert Runner(tiny_weights, "cpu").batch_tokens == CPU_BATCH_TOKENS < conf.batch_tokens
        assert Runner(tiny_weights, "cpu", batch_tokens=np.int64(10**6)).batch_tokens == 10**6
        assert choose_budget(None, torch.device("cuda")) == conf.batch_tokens
        with conf.set_temp("batch_tokens", 77):
            assert Runner(tiny_weights, "cpu").batch_tokens == 77
            assert Runner(tiny_weights, "cpu", batch_tokens=5).batch_tokens == 5

    @pytest.mark.parametrize(("budget", "error"), [(True, TypeError), ("9", TypeError), (0, ValueError)])
    def test_refused(self, tiny_weights, budget, error):
        with pytest.raises(error, match="batch_tokens must be a positive integer or None, got"):
            Runner(tiny_weights, "cpu", batch_tokens=budget)

    def test_chunks_of_a_long_axis(self, weights, monkeypatch):
        """A 100,000-pixel axis decoded in parts is what it is in one; borders between parts do not show."""
        tokens = tokenize(make_spectrum(), weights=weights, device="cpu")
        spacing = np.linspace(np.log(3500), np.log(8000), 100_000)
        arguments = (tokens.values, tokens.geometry, ~tokens.mask, spacing)
        results = []
        for size in (10**6, 1000):
            monkeypatch.setattr(requested_module, "DECODE_PATCHES", size)
            results.append(tokens.decoder.decode(*arguments))
        (flux, sigma), (flux_in_parts, sigma_in_parts) = results
        np.testing.assert_allclose(flux_in_parts, flux, rtol=1e-4, atol=1e-5 * np.abs(flux).max())
        np.testing.assert_allclose(sigma_in_parts, sigma, rtol=1e-4)

    def test_embedding_of_tokens(self, weights):
        tokens = tokenize(make_spectrum(), weights=weights)
        again = tokens.decoder.embed(tokens.values, tokens.geometry, ~tokens.mask, "learned")
        assert_same_vectors(again, tokens.embed("learned"))
        nothing = tokens.decoder.embed(tokens.values[:0], tokens.geometry[:0], ~tokens.mask[:0], "learned")
        assert nothing.shape == again.shape
        assert np.isnan(nothing).all()

    def test_measures_what_is_wanted(self, redshift_weights):
        """What is left out changes nothing in the rest."""
        runner, batch = Runner(redshift_weights, "cpu"), to_batch([make_spectrum(300), make_spectrum(700)])
        whole, part = dict(runner.measure(batch, embedding=True)), dict(runner.measure(batch, ["redshift"]))
        assert sorted(part) == sorted(whole) == [0, 1]
        for i, one in part.items():
            assert one.embedding is None
            assert whole[i].embedding.shape == (runner.network.config.embedding_size,)
            assert list(one.heads) == list(whole[i].heads) == ["redshift"]
            for name, scores in one.heads["redshift"].items():
                np.testing.assert_array_equal(scores, whole[i].heads["redshift"][name])

    def test_threads_and_random_numbers_are_left_alone(self, tiny_weights):
        before = torch.get_num_threads(), torch.get_num_interop_threads(), torch.random.get_rng_state()
        tokenize(make_spectrum(), weights=tiny_weights).decode(make_spectrum().spectral_axis)
        assert (torch.get_num_threads(), torch.get_num_interop_threads()) == before[:2]
        assert torch.equal(torch.random.get_rng_state(), before[2])

    def test_no_gradients(self, tiny_weights):
        runner = Runner(tiny_weights, "cpu")
        embed(make_spectrum(), weights=tiny_weights)
        assert all(p.grad is None for p in runner.network.parameters())
        assert not runner.network.training


class TestTokenDecoder:
    def test_pickles_as_a_name(self, tiny_weights):
        decoder = tokenize(make_spectrum(), weights=tiny_weights).decoder
        content = pickle.dumps(decoder)
        assert len(content) < 1000
        again = pickle.loads(content)
        assert again.runner.loaded.sha256 == decoder.sha256

    def test_weights_that_changed(self, tiny_weights):
        decoder = TokenDecoder(str(tiny_weights), "0" * 64)
        with pytest.raises(WeightsError, match=r"sha256 000000000000\.\.\..*tokenize the spectrum again, or say where"):
            decoder.runner  # noqa: B018

    def test_weights_that_are_gone(self, tmp_path):
        decoder = TokenDecoder(str(tmp_path / "gone.safetensors"), "0" * 64)
        with pytest.raises(WeightsError, match=r"say where they are with SpectralTokens.read\(path, weights=\.\.\.\)"):
            decoder.runner  # noqa: B018


class TestStars:
    def test_few_at_a_time_and_only_those_with_a_velocity(self, redshift_weights, monkeypatch):
        """Short spectra need as much memory as long ones; results are those of each alone."""
        add_stellar_head(monkeypatch, redshift_weights, by_tokens=0.3)
        monkeypatch.setattr(runner_module, "MOST_MEASURED", 2)
        runner, sizes = Runner(redshift_weights, "cpu"), []
        encode = runner.network.encode

        def count(patches, *, learned, detail):
            assert (learned, detail) == (False, True)  # the transformer is not needed
            sizes.append(len(patches.mask))
            return encode(patches, learned=learned, detail=detail)

        monkeypatch.setattr(runner.network, "encode", count)

        def measure(velocity):
            return dict(runner.measure(batch, ["stellar"], given={"ln_doppler": velocity}))

        batch = to_batch([make_spectrum(100 + 40 * k, seed=k) for k in range(7)], medium="vacuum")
        velocity = np.where(np.arange(7) % 3 == 1, np.nan, 1e-4)
        found = {i: one.heads["stellar"] for i, one in measure(velocity).items()}
        assert sorted(found) == [0, 2, 3, 5, 6]
        assert max(sizes) == 2
        assert sum(sizes) == 5
        for i, one in found.items():
            alone = np.where(np.arange(7) == i, velocity, np.nan)
            (expected,) = measure(alone).values()
            np.testing.assert_allclose(one["mean"], expected.heads["stellar"]["mean"], atol=1e-5)
            np.testing.assert_allclose(one["covariance"], expected.heads["stellar"]["covariance"])
