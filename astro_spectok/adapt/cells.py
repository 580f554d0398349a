# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Search among more than a million vectors: cells of faiss, which is an extra, and exact likeness of what they hold."""

import numpy as np

__all__ = ["VectorCells", "import_faiss"]

#: vectors that cells are made from, for each; cells that are looked into, over the square root of their number;
#: candidates for each neighbour that is wanted
TRAINED, LOOKED, CANDIDATES = 64, 4.0, 8
#: vectors that are added at once
BLOCK = 2**16


def import_faiss():
    """The module faiss.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        msg = "search with exact=False needs faiss: pip install 'astro_spectok[faiss]'; exact=True does without"
        raise ImportError(msg) from error
    return faiss


class VectorCells:
    """Vectors of unit length in cells, in half precision.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, E)
        May lie on the disk. Those that are not finite are never found.

    Attributes
    ----------
    n : int

    References
    ----------
    Johnson, Douze & Jegou 2019, IEEE Transactions on Big Data 7, 535 (arXiv:1702.08734).
    """

    def __init__(self, vectors):
        faiss = import_faiss()
        self.n, self._vectors = len(vectors), vectors
        number = max(1, int(np.sqrt(self.n)))
        size = vectors.shape[1]
        quantizer = faiss.IndexFlatIP(size)
        self._index = faiss.IndexIVFScalarQuantizer(
            quantizer, size, number, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index.nprobe = min(number, int(np.ceil(LOOKED * np.sqrt(number))))
        chosen = np.random.default_rng(0).permutation(self.n)[: TRAINED * number]
        shown = np.ascontiguousarray(np.asarray(vectors)[np.sort(chosen)], np.float32)
        self._index.train(shown[np.isfinite(shown).all(1)])
        for start in range(0, self.n, BLOCK):
            part = np.asarray(vectors[start : start + BLOCK], np.float32)
            rows = np.flatnonzero(np.isfinite(part).all(1))
            self._index.add_with_ids(np.ascontiguousarray(part[rows]), (start + rows).astype(np.int64))

    def find(self, queries, k):
        """Number of the query, row and likeness of the nearest ``k`` of each, queries in order; (m,) each."""
        out = [], [], []
        wanted = np.flatnonzero(np.isfinite(queries).all(1))
        if len(wanted):
            asked = np.ascontiguousarray(queries[wanted], np.float32)
            _, found = self._index.search(asked, min(CANDIDATES * k, self.n))
            for number, candidates in zip(wanted, found, strict=True):
                rows = np.sort(candidates[candidates >= 0])
                # half precision is for the cells alone
                likeness = np.asarray(self._vectors[rows], np.float32) @ queries[number]
                best = np.lexsort((rows, -likeness))[:k]
                for values, more in zip(out, (np.full(len(best), number), rows[best], likeness[best]), strict=True):
                    values.append(more)
        empty = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
        return tuple(np.concatenate(parts) if parts else none for parts, none in zip(out, empty, strict=True))
