# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The parts of an embedding: each alone and all together, from every way in, and what is refused."""

import numpy as np
import pytest
from _embedding_parts import SIZES, write_parts
from astropy import units as u
from astropy.table import QTable
from conftest import assert_same_vectors, make_spectrum, rewrite
from specutils import Spectrum, SpectrumList

from astro_spectok import SpectralTokens, SpectralTokensList, embed, embed_files, embed_table, tokenize
from astro_spectok.cli import main
from astro_spectok.exceptions import FlaggedSpectraWarning

ENDS = dict(zip(SIZES, np.cumsum(list(SIZES.values())), strict=True))


def cut(vectors, *parts):
    """Some parts out of whole vectors."""
    return np.concatenate([vectors[..., ENDS[part] - SIZES[part] : ENDS[part]] for part in parts], axis=-1)


@pytest.fixture(scope="module")
def parts_weights(tmp_path_factory):
    return write_parts(tmp_path_factory.mktemp("weights") / "parts.safetensors")


@pytest.fixture(scope="module")
def spectra():
    return [make_spectrum(seed=seed, n=600 + 50 * seed) for seed in range(3)]


@pytest.fixture(scope="module")
def whole(parts_weights, spectra):
    """All parts of all spectra."""
    return embed(spectra, weights=parts_weights)


class TestParts:
    def test_sizes_and_lengths(self, whole):
        """Lines, colours and learned are of one length each, the redshift of at most one."""
        assert whole.shape == (3, sum(SIZES.values()))
        shares = {"lines": 1.0, "colours": 0.3, "learned": 0.4}
        for part, share in shares.items():
            np.testing.assert_allclose(np.linalg.norm(cut(whole, part), axis=1), share, rtol=1e-5)
        assert (np.linalg.norm(cut(whole, "redshift"), axis=1) <= 1 + 1e-5).all()

    @pytest.mark.parametrize("parts", ["lines", "colours", "redshift", "learned", ("learned", "lines")])
    def test_part_is_part_of_whole(self, parts_weights, spectra, whole, parts):
        """One that is asked for alone is what stands in the whole, in the order of the whole."""
        asked = [parts] if isinstance(parts, str) else [part for part in SIZES if part in parts]
        assert_same_vectors(embed(spectra, weights=parts_weights, parts=parts), cut(whole, *asked))

    def test_flux_that_does_not_matter(self, parts_weights):
        """Neither unit, nor sign of the axis, nor what stands in bad pixels."""
        spectrum = make_spectrum()
        sigma, flux = spectrum.uncertainty.quantity.copy(), spectrum.flux.copy()
        sigma[100:110], flux[100:110] = np.inf, 1e5 * flux.unit
        other = rewrite(spectrum, flux=flux, sigma=sigma)
        flux[100:110] = np.nan
        expected = embed(rewrite(spectrum, flux=flux, sigma=sigma), weights=parts_weights)
        assert_same_vectors(embed(other, weights=parts_weights), expected)
        scaled = rewrite(spectrum, flux=flux * 7e5, sigma=sigma * 7e5)
        assert_same_vectors(embed(scaled, weights=parts_weights), expected)
        assert np.abs(expected - embed(spectrum, weights=parts_weights)).max() > 1e-3

    def test_company_does_not_matter(self, parts_weights, spectra, whole):
        assert_same_vectors(embed(spectra[1], weights=parts_weights), whole[1])

    def test_calibration_changes_colours_and_not_lines(self, parts_weights):
        spectrum = make_spectrum(n=1500, low=3900, high=7300)
        curve = np.linspace(0.7, 1.3, 1500)
        warped = rewrite(spectrum, flux=spectrum.flux * curve, sigma=spectrum.uncertainty.quantity * curve)
        one, other = (embed(x, weights=parts_weights, redshift=0) for x in (spectrum, warped))
        cosines = {part: cut(one, part) @ cut(other, part) / np.linalg.norm(cut(one, part)) ** 2
                   for part in ("lines", "colours")}  # fmt: skip
        assert cosines["lines"] > 0.999
        assert cosines["colours"] < cosines["lines"]

    def test_out_of_reach_is_zero(self, parts_weights):
        """A spectrum in the H band has colours, and no lines of the optical."""
        vector = embed(make_spectrum(low=15200, high=16900), weights=parts_weights, redshift=0)
        assert not cut(vector, "lines").any()
        assert np.linalg.norm(cut(vector, "colours")) > 0.29

    def test_noise_that_is_stated_does_not_become_lines(self, parts_weights):
        """Half of a spectrum under noise says what the other half does."""
        clean, rng = make_spectrum(n=1500, low=3900, high=7300), np.random.default_rng(3)
        noise = np.where(np.arange(1500) > 750, 3.0, 0.01)
        noisy = clean.flux + rng.normal(0, noise) * clean.flux.unit
        copies = [clean, *(rewrite(clean, flux=noisy, sigma=sigma * clean.flux.unit)
                           for sigma in (noise, np.full(1500, 0.05)))]  # fmt: skip
        one, stated, silent = embed(copies, weights=parts_weights, parts="lines", redshift=0)
        assert one @ stated > one @ silent + 0.05


class TestRedshift:
    def test_lines_are_at_rest(self, parts_weights):
        spectrum = make_spectrum(n=1500, low=3900, high=7300)
        moved = rewrite(spectrum, axis=u.Quantity(spectrum.spectral_axis) * 1.2)
        one, other = (
            embed(x, weights=parts_weights, parts=("lines", "colours"), redshift=z)
            for x, z in ((spectrum, 0.0), (moved, 0.2))
        )
        assert_same_vectors(other, one, rtol=1e-3)
        still = embed(moved, weights=parts_weights, parts="lines", redshift=0)
        assert one[: SIZES["lines"]] @ still < 0.95

    def test_found_where_not_given(self, parts_weights, spectra, whole):
        given = embed(spectra, weights=parts_weights, redshift=[np.nan, 0.3, np.nan])
        assert_same_vectors(given[::2], whole[::2])
        assert not np.allclose(cut(given[1], "lines"), cut(whole[1], "lines"), atol=1e-3)
        np.testing.assert_allclose(cut(given, "redshift", "learned"), cut(whole, "redshift", "learned"), atol=1e-4)

    @pytest.mark.parametrize("redshift", [-1.0, np.inf, [0.1, 0.2], "high", 3 * u.km / u.s])
    def test_refused(self, parts_weights, spectra, redshift):
        with pytest.raises(ValueError, match="redshift must be a number above -1, or 3 of them"):
            embed(spectra, weights=parts_weights, redshift=redshift)


class TestWaysIn:
    """The same from accessors, tables, files, tokens and the shell."""

    def test_accessors_and_tables(self, parts_weights, spectra, whole):
        asked = {"weights": parts_weights, "parts": ["colours", "lines"]}
        expected = cut(whole, "lines", "colours")
        assert_same_vectors(spectra[0].embed(**asked), expected[0])
        assert_same_vectors(SpectrumList(spectra).embed(**asked), expected)
        table = embed_table(spectra, **asked)
        assert_same_vectors(table["embedding"], expected)
        assert table.meta["embedding_parts"] == "lines 8, colours 6"

    def test_files_and_shell(self, parts_weights, spectra, whole, tmp_path):
        path = tmp_path / "one.fits"
        spectra[0].write(path, format="tabular-fits")
        table = embed_files([path], parts="lines", weights=parts_weights, medium="vacuum")
        assert_same_vectors(table["embedding"][0], cut(whole[0], "lines"))
        out = tmp_path / "vectors.ecsv"
        command = ["embed", str(path), "-o", str(out), "--parts", "lines,learned", "--weights", str(parts_weights)]
        assert main([*command, "--medium", "vacuum", "--quiet"]) == 0
        assert_same_vectors(QTable.read(out)["embedding"][0], cut(whole[0], "lines", "learned"))

    def test_tokens(self, parts_weights, spectra, whole, tmp_path):
        """Tokens keep the embedding of the spectrum that they were made of, in files too."""
        tokens = tokenize(spectra, weights=parts_weights)
        assert_same_vectors(tokens.embedding, whole)
        assert_same_vectors(tokens.embed(("lines", "redshift")), cut(whole, "lines", "redshift"))
        for name in ("tokens.fits", "tokens.ecsv"):
            tokens.write(tmp_path / name)
            again = SpectralTokensList.read(tmp_path / name)
            np.testing.assert_array_equal(again.embedding, tokens.embedding)
            np.testing.assert_array_equal(again[2].embed("colours"), tokens[2].embed("colours"))

    def test_tokens_without_their_embedding(self, parts_weights, spectra, whole):
        """They do not hold pixels: what is read from these is refused, and the rest is there."""
        tokens = tokenize(spectra[0], weights=parts_weights)
        bare = SpectralTokens(
            tokens.values, tokens.geometry, tokens.mask, tokens.scale, tokens.info, tokens.meta, tokens.decoder
        )
        assert_same_vectors(bare.embed(["redshift", "learned"]), cut(whole[0], "redshift", "learned"))
        with pytest.raises(ValueError, match="without lines and colours here, which are read from pixels"):
            _ = bare.embedding

    def test_bad_spectra_are_nan_with_a_flag(self, parts_weights, spectra):
        short = Spectrum(flux=np.ones(3) * u.Jy, spectral_axis=[1, 2, 3] * u.um)
        with pytest.warns(FlaggedSpectraWarning):
            table = embed_table([spectra[0], short], weights=parts_weights, parts="lines")
        assert np.isfinite(table["embedding"][0]).all()
        assert np.isnan(table["embedding"][1]).all()
        assert table["warn"][1]
        assert table["message"][1]


class TestRefused:
    @pytest.mark.parametrize(
        ("parts", "error", "message"),
        [("line", ValueError, "parts must be out of lines, colours, redshift, learned, stars, photometry; got 'line'"),
         ([], ValueError, "got none"), (3, TypeError, "parts must be a name, several names"),
         (["lines", 1], TypeError, "parts must be a name")],
    )  # fmt: skip
    def test_no_part(self, parts_weights, spectra, parts, error, message):
        for call in (embed, embed_table):
            with pytest.raises(error, match=message):
                call(spectra, weights=parts_weights, parts=parts)

    def test_part_that_weights_lack(self, tiny_weights, spectra):
        """Weights without the head have their own vector, as it always was, and say what they do not have."""
        tokens = tokenize(spectra[0], weights=tiny_weights)
        learned = embed(spectra[0], weights=tiny_weights, parts="learned")
        assert_same_vectors(learned, embed(spectra[0], weights=tiny_weights))
        assert_same_vectors(learned, tokens.decoder.embed(tokens.values, tokens.geometry, ~tokens.mask))
        with pytest.raises(ValueError, match="those of these weights, learned; got 'lines', for which they have no"):
            embed(spectra[0], weights=tiny_weights, parts="lines")
        with pytest.raises(ValueError, match="parts must be among learned"):
            tokens.embed("colours")
