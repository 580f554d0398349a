# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Published properties of real spectrographs: range, sampling and resolution, as a literal table."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["DESIGNS", "HELD_OUT", "WEIGHTS", "Arm", "Design"]


class Arm(NamedTuple):
    """One continuous stretch of pixels.

    ``step`` is in Angstrom for 'linear', in ln(wavelength) for 'log', and pixels per FWHM for 'follow', where pixels
    grow with the width of the LSF. The resolving power runs linearly in wavelength from ``r_start`` to ``r_stop``.
    """

    start: float
    stop: float
    sampling: str
    step: float
    r_start: float
    r_stop: float


@dataclass(frozen=True)
class Design:
    """A spectrograph: vacuum Angstrom, and how often its public spectra are calibrated, normalised, given with errors.

    Attributes
    ----------
    settings : tuple of tuple of `Arm`
        Gratings of which one is used at a time, each with its arms in order of wavelength.
    calibrated, normalised, errors : float
        Shares of public spectra.
    ground : bool
        Whether it looks through the atmosphere.
    fibre : bool
        Whether sky is subtracted with other fibres, which leaves larger residuals.
    """

    settings: tuple
    calibrated: float = 0.9
    normalised: float = 0.0
    errors: float = 0.9
    ground: bool = True
    fibre: bool = False


_DEX = 2.302585e-4  # 1e-4 in log10(wavelength)

#: never drawn in training: they show how well unseen instruments do
HELD_OUT = ("galah", "vimos", "weave_lrs", "weave_hrs")

DESIGNS = {
    # Smee+2013 (AJ 146, 32), table 1 and fig. 36: SDSS and BOSS spectrographs, pipelines' 1e-4 dex
    "sdss": Design(
        ((Arm(3805, 6000, "log", _DEX, 1650, 2100), Arm(6000, 9215, "log", _DEX, 1850, 2250)),),
        0.97, 0, 0.9, True, True,
    ),
    "boss": Design(
        ((Arm(3590, 6200, "log", _DEX, 1500, 2270), Arm(6200, 10390, "log", _DEX, 1850, 2650)),),
        0.95, 0, 0.9, True, True,
    ),
    # DESI Collaboration 2022 (AJ 164, 207), table 1; coadds are 0.8 A linear
    "desi": Design(
        ((Arm(3600, 5780, "linear", 0.8, 2000, 3200), Arm(5780, 7570, "linear", 0.8, 3300, 4300),
          Arm(7570, 9824, "linear", 0.8, 4000, 5200)),),
        0.97, 0, 0.85, True, True,
    ),
    # Cui+2012 (RAA 12, 1197): R 1800 with the 2/3 slit; MRS: Liu+2020 (arXiv 2005.07210)
    "lamost_lrs": Design(
        ((Arm(3695, 5850, "log", _DEX, 1400, 2200), Arm(5850, 9095, "log", _DEX, 1500, 2300)),),
        0.8, 0.05, 0.9, True, True,
    ),
    "lamost_mrs": Design(
        ((Arm(4950, 5350, "log", 2.7e-5, 7000, 7600), Arm(6300, 6800, "log", 2.2e-5, 7300, 8000)),),
        0.2, 0.4, 0.9, True, True,
    ),
    # Sharp+2006 (SPIE 6269, 62690G): 580V + 385R joined at 1.03 A, as GAMA and OzDES give it
    "aaomega": Design(
        ((Arm(3740, 5720, "linear", 1.04, 1000, 1550), Arm(5720, 8880, "linear", 1.04, 1050, 1650)),),
        0.5, 0, 0.85, True, True,
    ),
    # Jones+2004 (MNRAS 355, 747), section 2.3: 5-6 A FWHM in V, 9-12 A in R, spliced, counts
    "sixdf": Design(
        ((Arm(3950, 5560, "linear", 1.56, 750, 1050), Arm(5560, 7600, "linear", 1.56, 600, 950)),
         (Arm(3950, 7600, "linear", 1.61, 750, 1100),)),
        0.05, 0, 0.7, True, True,
    ),
    # VIMOS manual, table 2 (1" slits): medium resolution as VANDELS, LR-red as VIPERS, LR-blue
    "vimos": Design(
        ((Arm(4800, 10000, "linear", 2.55, 450, 750),), (Arm(5500, 9500, "linear", 7.14, 190, 270),),
         (Arm(3700, 6700, "linear", 5.3, 150, 220),))
    ),
    # Bacon+2010 (SPIE 7735, 773508)
    "muse": Design(((Arm(4750, 9350, "linear", 1.25, 1770, 3590),),), 0.97),
    # Vernet+2011 (A&A 536, A105), tables 7-9; pipeline's steps, and binned
    "xshooter": Design(
        ((Arm(2990, 5560, "linear", 0.2, 5400, 5400), Arm(5560, 10200, "linear", 0.2, 8900, 8900),
          Arm(10200, 24790, "linear", 0.6, 5600, 5600)),
         (Arm(3000, 5560, "linear", 0.5, 4000, 5000), Arm(5560, 10200, "linear", 0.5, 5500, 6500)),
         (Arm(9940, 24790, "linear", 1.2, 4000, 5500),))
    ),
    # FORS2 manual, table 2.1 (1" slit, 2x2 binning): 300V, 600B, 600RI, 300I
    "fors": Design(
        ((Arm(3600, 9300, "linear", 3.36, 280, 650),), (Arm(3310, 6210, "linear", 1.5, 570, 980),),
         (Arm(5120, 8450, "linear", 1.64, 760, 1250),), (Arm(6000, 10900, "linear", 3.22, 460, 830),))
    ),
    # Gemini web pages, GMOS gratings (1" slit): B600, R400, R150
    "gmos": Design(
        ((Arm(3700, 6700, "linear", 0.94, 650, 1200),), (Arm(5000, 9700, "linear", 1.5, 620, 1250),),
         (Arm(4500, 10400, "linear", 3.9, 200, 440),)),
        0.8,
    ),
    # GTC web pages, OSIRIS grisms (0.6" slit): R1000B, R1000R, R500R, R2500V
    "osiris": Design(
        ((Arm(3650, 7850, "linear", 2.12, 650, 1350),), (Arm(5100, 10000, "linear", 2.62, 700, 1450),),
         (Arm(4800, 10000, "linear", 4.88, 380, 780),), (Arm(4500, 6000, "linear", 0.8, 2100, 2800),)),
        0.8, 0, 0.5,
    ),
    # Newman+2013 (ApJS 208, 5): 1200G of DEEP2; 600ZD of later surveys
    "deimos": Design(
        ((Arm(6500, 9100, "linear", 0.33, 4800, 6800),), (Arm(4800, 9500, "linear", 0.65, 1350, 2700),)), 0.5
    ),
    # Oke+1995 (PASP 107, 375): 400/3400 grism with 400/8500 grating; similar at other telescopes
    "lris": Design(
        ((Arm(3150, 5600, "linear", 1.09, 500, 800), Arm(5600, 10200, "linear", 1.16, 900, 1500)),
         (Arm(3400, 10000, "linear", 1.9, 600, 1200),)),
    ),
    # McLean+2012 (SPIE 8446, 84460J): 0.7" slit, J, H, K
    "mosfire": Design(
        ((Arm(11530, 13520, "linear", 1.3, 3100, 3500),), (Arm(14680, 18040, "linear", 1.63, 3300, 4000),),
         (Arm(19540, 23970, "linear", 2.17, 3300, 3900),)),
        0.85,
    ),
    # ESO web pages, EFOSC2 grism 13 (as PESSTO); NOT/ALFOSC grism 4
    "efosc": Design(
        ((Arm(3650, 9250, "linear", 5.5, 220, 510),), (Arm(3500, 9600, "linear", 3.4, 260, 640),)),
        0.95, 0, 0.5,
    ),
    # Blagorodnova+2018 (PASP 130, 035003): SED machine
    "sedm": Design(((Arm(3780, 9220, "follow", 1.9, 100, 100),),), 0.95, 0, 0.7),
    # Gebhardt+2021 (ApJ 923, 217): VIRUS of HETDEX
    "virus": Design(((Arm(3480, 5530, "linear", 2.0, 700, 1000),),), 0.9, 0, 0.9, True, True),
    # de Jong+2019 (Messenger 175, 3), table 2
    "4most_lrs": Design(
        ((Arm(3700, 5400, "linear", 0.25, 4000, 5800), Arm(5400, 7060, "linear", 0.25, 4700, 6200),
          Arm(7060, 9500, "linear", 0.25, 5300, 7500)),),
        0.95, 0, 0.9, True, True,
    ),
    "4most_hrs": Design(
        ((Arm(3926, 4355, "linear", 0.06, 18000, 20000), Arm(5160, 5730, "linear", 0.08, 18500, 20500),
          Arm(6100, 6790, "linear", 0.095, 18500, 20500)),),
        0.7, 0.4, 0.9, True, True,
    ),
    # Jin+2024 (MNRAS 530, 2688), table 1
    "weave_lrs": Design(
        ((Arm(3660, 5900, "linear", 0.25, 3000, 6000), Arm(5900, 9590, "linear", 0.25, 3900, 7000)),),
        0.95, 0, 0.9, True, True,
    ),
    "weave_hrs": Design(
        ((Arm(4040, 4650, "linear", 0.06, 16000, 22000), Arm(5950, 6850, "linear", 0.09, 17000, 22000)),
         (Arm(4730, 5450, "linear", 0.07, 17000, 22000), Arm(5950, 6850, "linear", 0.09, 17000, 22000))),
        0.7, 0.4, 0.9, True, True,
    ),
    # Tamura+2016 (SPIE 9908, 99081M), table 1
    "pfs": Design(
        ((Arm(3800, 6400, "linear", 0.7, 1900, 2800), Arm(6400, 9550, "linear", 0.9, 2500, 3500),
          Arm(9550, 12600, "linear", 0.8, 4000, 4700)),),
        0.95, 0, 0.9, True, True,
    ),
    # De Silva+2015 (MNRAS 449, 2604): four arms of HERMES
    "galah": Design(
        ((Arm(4715, 4902, "linear", 0.046, 26000, 29000), Arm(5649, 5873, "linear", 0.055, 26000, 29000),
          Arm(6478, 6737, "linear", 0.064, 26000, 29000), Arm(7585, 7887, "linear", 0.074, 26000, 29000)),),
        0.1, 0.7, 0.8, True, True,
    ),
    # Majewski+2017 (AJ 154, 94), Nidever+2015 (AJ 150, 173): 6e-6 dex after combination
    "apogee": Design(
        ((Arm(15150, 15805, "log", 1.3816e-5, 22000, 23500), Arm(15860, 16430, "log", 1.3816e-5, 22000, 23500),
          Arm(16480, 16950, "log", 1.3816e-5, 21500, 23000)),),
        0.7, 0.5, 0.95, True, True,
    ),
    # Katz+2023 (A&A 674, A5); De Angeli+2023 (A&A 674, A2): XP spectra sampled by GaiaXPy
    "gaia_rvs": Design(((Arm(8460, 8700, "linear", 0.1, 11500, 11500),),), 0.9, 0.95, 0.9, False),
    "gaia_xp": Design(
        ((Arm(3360, 6400, "linear", 20, 75, 30), Arm(6400, 10200, "linear", 20, 90, 55)),), 0.98, 0, 0.9, False
    ),
    # Steinmetz+2020 (AJ 160, 82): RAVE; Gilmore+2022 (A&A 666, A120): Giraffe HR10, HR15N, HR21
    "rave": Design(((Arm(8410, 8795, "linear", 0.37, 7500, 7500),),), 0.2, 0.9, 0.7, True, True),
    "giraffe": Design(
        ((Arm(5339, 5619, "linear", 0.05, 21500, 21500),), (Arm(6470, 6790, "linear", 0.05, 19200, 19200),),
         (Arm(8484, 9001, "linear", 0.05, 18000, 18000),)),
        0.1, 0.6, 0.8, True, True,
    ),
    # Rayner+2003 (PASP 115, 362): prism, 0.3"-0.8" slits
    "spex_prism": Design(
        ((Arm(6600, 13000, "follow", 2.6, 75, 110), Arm(13000, 25500, "follow", 2.6, 110, 190)),),
        0.97, 0, 0.6,
    ),
    # Jakobsen+2022 (A&A 661, A80), fig. 14; JWST user documentation, NIRSpec dispersers
    "nirspec_prism": Design(
        ((Arm(6000, 12000, "follow", 2.2, 60, 35), Arm(12000, 53000, "follow", 2.2, 35, 320)),), 0.97, 0, 0.95, False
    ),
    "nirspec_medium": Design(
        ((Arm(7000, 12700, "linear", 6.4, 500, 900),), (Arm(9700, 18400, "linear", 6.4, 690, 1310),),
         (Arm(16600, 30700, "linear", 10.7, 720, 1330),), (Arm(28700, 51000, "linear", 18.0, 730, 1310),)),
        0.95, 0, 0.95, False,
    ),
    "nirspec_high": Design(
        ((Arm(9700, 18200, "linear", 2.35, 1900, 3600),), (Arm(16600, 30500, "linear", 3.96, 1900, 3600),),
         (Arm(28700, 51400, "linear", 6.65, 1900, 3600),)),
        0.95, 0, 0.95, False,
    ),
    # Euclid Collaboration: Jahnke+2025 (A&A 697, A3): red and blue grism of NISP
    "euclid_grism": Design(
        ((Arm(12060, 18920, "linear", 13.4, 400, 600),), (Arm(9260, 13660, "linear", 12.4, 300, 450),)),
        0.95, 0, 0.95, False,
    ),
    # WFC3 instrument handbook, table 8.1: G102, G141
    "wfc3_grism": Design(
        ((Arm(8000, 11500, "linear", 24.5, 170, 240),), (Arm(10750, 17000, "linear", 46.5, 105, 160),)),
        0.95, 0, 0.95, False,
    ),
    # STIS instrument handbook, table 4.1: G140L, G230L, G430L, G750L
    "stis": Design(
        ((Arm(1150, 1730, "linear", 0.6, 960, 1440),), (Arm(1570, 3180, "linear", 1.58, 500, 1010),),
         (Arm(2900, 5700, "linear", 2.73, 530, 1040),), (Arm(5240, 10270, "linear", 4.92, 530, 1040),)),
        0.97, 0, 0.95, False,
    ),
    # INES documentation: IUE low dispersion, SWP and LWP
    "iue": Design(
        ((Arm(1150, 1980, "linear", 1.68, 220, 380),), (Arm(1850, 3350, "linear", 2.67, 300, 520),)),
        0.97, 0, 0.9, False,
    ),
    # COS instrument handbook, table 1.2: G130M, G160M (rebinned by 6), G140L
    "cos": Design(
        ((Arm(1150, 1450, "linear", 0.06, 9000, 12000),), (Arm(1410, 1770, "linear", 0.07, 9000, 12000),),
         (Arm(1100, 2150, "linear", 0.48, 1500, 2800),)),
        0.97, 0, 0.95, False,
    ),
}  # fmt: skip

#: how often training draws them, over those that fit an object; 'random' is any other
WEIGHTS = {
    "sdss": 11.0, "boss": 11.0, "desi": 14.0, "lamost_lrs": 9.0, "lamost_mrs": 1.0, "aaomega": 3.5, "sixdf": 2.5,
    "muse": 1.8, "xshooter": 1.0, "fors": 3.5, "gmos": 1.8, "osiris": 1.8, "deimos": 1.0, "lris": 1.8, "mosfire": 0.5,
    "efosc": 0.7, "sedm": 0.3, "virus": 0.5, "4most_lrs": 1.2, "4most_hrs": 0.5, "pfs": 0.8, "apogee": 1.5,
    "gaia_rvs": 0.7, "gaia_xp": 0.7, "rave": 0.4, "giraffe": 0.4, "spex_prism": 1.2, "nirspec_prism": 1.0,
    "nirspec_medium": 0.8, "nirspec_high": 0.4, "euclid_grism": 0.7, "wfc3_grism": 0.6, "stis": 0.6, "iue": 0.3,
    "cos": 0.3, "vimos": 1.0, "galah": 0.5, "weave_lrs": 1.0, "weave_hrs": 0.5, "random": 24.0,
}  # fmt: skip
