# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Public sequences in wheels, for ``sequences.py``: as they are, and resampled for methods that need one grid."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

#: minutes between two spectra of the fermentation (chemotools' documentation)
MINUTES = 1.25
#: wavenumbers that glucose is read from there
FINGERPRINT = (950.0, 1500.0)
#: places from one channel of the vowels to the next, far enough that each has patches of its own
APART = 64
#: months shown of the temperatures, from and to, share of them missing, and months ahead
SHOWN, MISSING, AHEAD = (24, 48), 0.2, 3
#: last year of the temperatures that are learned from
LAST_YEAR = 1989


@dataclass
class SequenceSet:
    """A task with its training and test side.

    Attributes
    ----------
    name, axis, unit : str
        Of the set; kind of axis, as of `pretrain_sequences`; unit of what is predicted.
    classes : bool
        Whether classes are predicted rather than numbers.
    train, test : list of tuple
        Sequences.
    train_y, test_y : ndarray
    unlabelled : list of tuple
        What pretraining sees.
    grids : (ndarray, ndarray)
        Both sides resampled to one grid, (n, channels, m).
    series : (list or ndarray, list or ndarray)
        Both sides as aeon takes sequences of unlike lengths.
    equal : bool
        Whether these are all of one length.
    """

    name: str
    axis: str
    unit: str
    classes: bool
    train: list
    test: list
    train_y: np.ndarray
    test_y: np.ndarray
    unlabelled: list
    grids: tuple
    series: tuple
    equal: bool

    @property
    def guess(self):
        """What is predicted without looking: the most frequent class, or the mean."""
        if self.classes:
            names, count = np.unique(self.train_y, return_counts=True)
            return np.full(len(self.test_y), names[count.argmax()])
        return np.full(len(self.test_y), self.train_y.mean())


def _differentiate(rows):
    """Spectra as the guide of chemotools prepares them, for all methods: less a straight line between their ends, first
    derivative by a Savitzky-Golay filter of 15 points."""
    from scipy.signal import savgol_filter

    place = np.linspace(0, 1, rows.shape[1])
    rows = rows - (rows[:, :1] * (1 - place) + rows[:, -1:] * place)
    return savgol_filter(rows, 15, 2, deriv=1, axis=1)


def read_fermentation():
    """Glucose from infrared spectra: 21 of calibration, and those at the times of 34 HPLC values."""
    from chemotools.datasets import load_fermentation_test, load_fermentation_train

    spectra, glucose = load_fermentation_train()
    course, hplc = load_fermentation_test()
    place = np.round(hplc["time"].to_numpy() * 60 / MINUTES).astype(int).clip(0, len(course) - 1)
    wavenumber = spectra.columns.to_numpy().astype(float)
    kept = (wavenumber >= FINGERPRINT[0]) & (wavenumber <= FINGERPRINT[1])

    def make(rows):
        return [(wavenumber[kept] * u.cm**-1, values) for values in rows]

    train, whole = (_differentiate(x.to_numpy()[:, kept]) for x in (spectra, course))
    test = whole[place]
    grids = train[:, None], test[:, None]
    return SequenceSet(
        "fermentation", "wavenumber", "g/L", False, make(train), make(test), glucose.to_numpy().ravel(),
        hplc["glucose"].to_numpy(), make(train) + make(whole), grids, grids, True,
    )  # fmt: skip


def _resample(rows, number):
    """Channels (c, m) of unlike lengths on ``number`` points each, (n, c, number)."""
    place = np.linspace(0, 1, number)
    return np.array([[np.interp(place, np.linspace(0, 1, len(x)), x) for x in row] for row in rows])


def _read_aeon(name, axis, number, unit):
    """A problem of aeon with unequal lengths; channels are laid end to end."""
    from aeon import datasets

    load = getattr(datasets, name)
    (train, train_y), (test, test_y) = load(split="train"), load(split="test")

    def make(row):
        place = np.concatenate([k * APART + np.arange(row.shape[1]) for k in range(len(row))])
        return place.astype(float) * unit, np.concatenate(list(row)).astype(float)

    sides = [make(x) for x in train], [make(x) for x in test]
    grids = tuple(_resample(side, number) for side in (train, test))
    series = tuple([np.asarray(x, float) for x in side] for side in (train, test))
    return SequenceSet(
        name.removeprefix("load_"), axis, "", True, *sides, np.asarray(train_y), np.asarray(test_y), sides[0], grids,
        series, False,
    )  # fmt: skip


def read_vowels():
    """Nine speakers from twelve cepstral coefficients over 7 to 29 frames."""
    return _read_aeon("load_japanese_vowels", "position", 29, u.dimensionless_unscaled)


def read_gestures():
    """Ten gestures from the acceleration along one axis over 29 to 361 moments."""
    return _read_aeon("load_pickup_gesture_wiimoteZ", "time", 361, u.s)


def read_elnino():
    """Sea-surface temperature three months after months of it, of unlike number, some missing."""
    from statsmodels.datasets import elnino

    table = elnino.load_pandas().data
    years, values = table.iloc[:, 0].to_numpy(int), table.iloc[:, 1:].to_numpy(float).ravel()
    rng = np.random.default_rng(0)
    sides = {False: ([], [], []), True: ([], [], [])}
    for end in range(SHOWN[1], len(values) - AHEAD):
        number = int(rng.integers(SHOWN[0], SHOWN[1] + 1))
        kept = np.sort(rng.choice(number, round(number * (1 - MISSING)), replace=False))
        month, seen = kept - number + 1.0, values[end - number + 1 : end + 1][kept]
        later = years[(end + AHEAD) // 12] > LAST_YEAR
        if not later or years[(end - SHOWN[1] + 1) // 12] > LAST_YEAR:  # no month is on both sides
            sequences, grids, answers = sides[later]
            sequences.append((month * u.yr / 12, seen))
            grids.append(np.interp(np.arange(1 - SHOWN[0], 1), month, seen))
            answers.append(values[end + AHEAD])
    (train, train_grid, train_y), (test, test_grid, test_y) = sides[False], sides[True]
    grids = np.array(train_grid)[:, None], np.array(test_grid)[:, None]
    series = tuple([values[None] for _, values in side] for side in (train, test))
    return SequenceSet(
        "elnino", "time", "deg C", False, train, test, np.array(train_y), np.array(test_y), train, grids, series, False
    )


SETS = {"fermentation": read_fermentation, "vowels": read_vowels, "gestures": read_gestures, "elnino": read_elnino}
