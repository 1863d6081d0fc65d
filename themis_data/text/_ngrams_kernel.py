"""The compiled part of `ngrams`: bytes of many texts in, hashes of their n-grams or the places of known ones out.

No Python object is made for an n-gram. A text of ASCII is hashed word by word as it is read, and a rolling hash over
these gives every n-gram's; bits of it are looked up in a filter that fits a processor's cache, then in an open table.
Only texts with a hit there are read once more: a second hash of their words, which has nothing in common with the
first, confirms each n-gram.

Only what is called from outside is cached on disk, with all it calls; and all of that is in this one file, since the
cache notices a change of a function's own file alone. Signed and unsigned 64-bit integers together give floats in
numba: hence the many conversions.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_LOWER = np.zeros(256, np.uint8)  # 0 for what is no letter or digit of ASCII
for _byte in b"abcdefghijklmnopqrstuvwxyz0123456789":
    _LOWER[_byte] = _byte
for _byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ":
    _LOWER[_byte] = _byte + 32
_OF_BYTES = np.uint64(0xA0761D6478BD642F)  # odd factors of the two polynomials: of a word's bytes, of an n-gram's words
_OF_WORDS = np.uint64(0x9E3779B97F4A7C15)
_FILTER_BITS = 16  # bits of the filter for each n-gram, at least


@njit()
def _mix(h: np.uint64) -> np.uint64:
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@njit()
def _mix_other(h: np.uint64) -> np.uint64:
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@njit()
def _hash_words(data: Bytes, start: int, stop: int, hashes: Hashes) -> int:
    """Number of words of data[start:stop], which is ASCII, and the hash of each.

    Without a branch, since where words end is what no processor foresees.
    """
    h, count, before = np.uint64(0), 0, 0
    for at in range(start, stop):
        low = _LOWER[data[at]]
        is_word = int(low != 0)
        h = (h * _OF_BYTES + np.uint64(low)) & (np.uint64(0) - np.uint64(is_word))
        count += before & (is_word ^ 1)
        hashes[count] = h
        before = is_word
    return count + before


@njit()
def _words(data: Bytes, start: int, stop: int, alnum: Flags, hashes: Hashes, others: Hashes) -> int:
    """As `_hash_words`, of any text whose letters beyond ASCII are in lower case, with a second hash of each word.

    That one is no polynomial, for there are long words that all polynomials take for one. `alnum` has a place for every
    number of 21 bits, which is what four bytes of UTF-8 can hold.
    """
    count, before, at = 0, 0, start
    first, second = np.uint64(0), np.uint64(0)
    while at < stop:
        byte = data[at]
        width, is_word = 1, int(_LOWER[byte] != 0)
        if byte >= 0x80:
            width = 2 if byte < 0xE0 else (3 if byte < 0xF0 else 4)
            code = np.int64(byte) & (0xFF >> (width + 1))
            for k in range(1, width):
                code = (code << 6) | (np.int64(data[min(at + k, stop - 1)]) & 0x3F)
            is_word = int(alnum[code])
        if is_word:
            for k in range(at, min(at + width, stop)):
                low = np.uint64(data[k] if byte >= 0x80 else _LOWER[byte])
                first = first * _OF_BYTES + low
                second = (second ^ low) * np.uint64(0xD6E8FEB86659FD93)
                second ^= second >> np.uint64(32)
            hashes[count], others[count] = first, second
        elif before:
            count += 1
            first, second = np.uint64(0), np.uint64(0)
        before = is_word
        at += width
    return count + before


@njit()
def _roll(words: Hashes, count: int, n: int, ngrams: Hashes) -> int:
    """Number of n-grams of some words, and the hash of each; fewer words than n are one n-gram. `words` is changed.

    Never zero, which in a table stands for an empty place.
    """
    power = np.uint64(1)
    for _ in range(n):
        power = power * _OF_WORDS
    rolling, width = np.uint64(0), min(n, count)
    for w in range(count):
        words[w] = _mix(words[w])
    for w in range(width):
        rolling = rolling * _OF_WORDS + words[w]
    ngrams[0] = max(_mix(rolling), np.uint64(1))
    for w in range(width, count):
        rolling = rolling * _OF_WORDS + words[w] - power * words[w - n]
        ngrams[w + 1 - n] = max(_mix(rolling), np.uint64(1))
    return count + 1 - width


@njit()
def _roll_others(words: Hashes, count: int, n: int, ngrams: Hashes) -> None:
    """As `_roll`, of the second hashes, with another factor and another mix."""
    factor, power = np.uint64(0x2545F4914F6CDD1D), np.uint64(1)
    for _ in range(n):
        power = power * factor
    rolling, width = np.uint64(0), min(n, count)
    for w in range(count):
        words[w] = _mix_other(words[w])
    for w in range(width):
        rolling = rolling * factor + words[w]
    ngrams[0] = _mix_other(rolling + np.uint64(width))
    for w in range(width, count):
        rolling = rolling * factor + words[w] - power * words[w - n]
        ngrams[w + 1 - n] = _mix_other(rolling + np.uint64(width))


@njit()
def _longest(offsets: Ints) -> int:
    longest = 0
    for i in range(offsets.size - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    return longest


_READONLY = "Array({}, 1, 'C', readonly=True)"
_BYTES, _INTS, _INTS32, _HASHES = (_READONLY.format(kind) for kind in ("uint8", "int64", "int32", "uint64"))


@njit(
    f"Tuple((int64[::1], uint64[::1], uint64[::1]))({_BYTES}, {_INTS}, int64, int64, boolean[::1])",
    cache=True,
    nogil=True,
)
def hashes(data: Bytes, offsets: Ints, n: int, min_words: int, alnum: Flags) -> tuple[Ints, Hashes, Hashes]:
    """Offsets [N + 1], and both hashes of every n-gram of the texts data[offsets[i] : offsets[i + 1]], in order.

    `min_words` is 1 to n.
    """
    texts, most = offsets.size - 1, _longest(offsets) + 2
    words, others = np.empty(most, np.uint64), np.empty(most, np.uint64)
    own_firsts, own_seconds = np.empty(most, np.uint64), np.empty(most, np.uint64)
    ends = np.zeros(texts + 1, np.int64)
    room = (offsets[texts] - offsets[0]) // 2 + texts + 1  # a word and what ends it are two bytes at least
    firsts, seconds = np.empty(room, np.uint64), np.empty(room, np.uint64)
    filled = 0
    for i in range(texts):
        count = _words(data, offsets[i], offsets[i + 1], alnum, words, others)
        if count >= min_words:
            number = _roll(words, count, n, own_firsts)
            _roll_others(others, count, n, own_seconds)
            firsts[filled : filled + number] = own_firsts[:number]
            seconds[filled : filled + number] = own_seconds[:number]
            filled += number
        ends[i + 1] = filled
    return ends, firsts[:filled].copy(), seconds[:filled].copy()


@njit(f"Tuple((uint64[::1], int32[::1], uint64[::1]))({_HASHES})", cache=True, nogil=True)
def table(firsts: Hashes) -> tuple[Hashes, npt.NDArray[np.int32], Hashes]:
    """An open table of first hashes, at most half full; which of them stands at each place; and the filter's bits."""
    bits = 6
    while (1 << bits) < 2 * firsts.size:
        bits += 1
    keys, entries = np.zeros(1 << bits, np.uint64), np.zeros(1 << bits, np.int32)
    mask, shift = (1 << bits) - 1, np.uint64(64 - bits)
    while (1 << bits) < _FILTER_BITS * firsts.size:
        bits += 1
    filter_bits, filter_shift = np.zeros((1 << bits) // 64, np.uint64), np.uint64(64 - bits)
    for entry in range(firsts.size):
        place = np.int64(firsts[entry] >> shift)
        while keys[place] != 0:
            place = (place + 1) & mask
        keys[place] = firsts[entry]
        entries[place] = entry
        bit = firsts[entry] >> filter_shift
        filter_bits[np.int64(bit >> np.uint64(6))] |= np.uint64(1) << (bit & np.uint64(63))
    return keys, entries, filter_bits


@njit()
def _shift(size: int) -> np.uint64:
    """By how much a hash is moved to be a place in a table of that size, a power of two."""
    bits = 0
    while (1 << bits) < size:
        bits += 1
    return np.uint64(64 - bits)


@njit(
    f"Tuple((int64[::1], int64[::1], int64[::1]))({_BYTES}, {_INTS}, {_INTS}, boolean, int64, int64, boolean[::1], "
    f"{_HASHES}, {_INTS32}, {_HASHES}, {_HASHES})",
    cache=True,
    nogil=True,
)
def find(
    data: Bytes,
    offsets: Ints,
    which: Ints,
    is_ascii: bool,
    n: int,
    min_words: int,
    alnum: Flags,
    keys: Hashes,
    entries: npt.NDArray[np.int32],
    filter_bits: Hashes,
    seconds: Hashes,
) -> tuple[Ints, Ints, Ints]:
    """Text, first word and entry of every known n-gram of the texts data[offsets[i] : offsets[i + 1]], i of `which`."""
    most = _longest(offsets) + 2
    words, others = np.empty(most, np.uint64), np.empty(most, np.uint64)
    firsts, own_seconds = np.empty(most, np.uint64), np.empty(most, np.uint64)
    likely = np.empty(most, np.int64)
    found = np.empty((3, 64), np.int64)
    mask, shift, filter_shift = keys.size - 1, _shift(keys.size), _shift(filter_bits.size * 64)
    filled = 0
    for i in which:
        if is_ascii:
            count = _hash_words(data, offsets[i], offsets[i + 1], words)
        else:
            count = _words(data, offsets[i], offsets[i + 1], alnum, words, others)
        if count < min_words:
            continue
        num_likely = 0
        for w in range(_roll(words, count, n, firsts)):
            bit = firsts[w] >> filter_shift
            likely[num_likely] = w
            num_likely += int((filter_bits[np.int64(bit >> np.uint64(6))] >> (bit & np.uint64(63))) & np.uint64(1))
        has_seconds = False
        for m in range(num_likely):
            w = likely[m]
            place = np.int64(firsts[w] >> shift)
            while keys[place] != 0:
                if keys[place] == firsts[w]:
                    if not has_seconds:
                        if is_ascii:
                            _words(data, offsets[i], offsets[i + 1], alnum, words, others)
                        _roll_others(others, count, n, own_seconds)
                        has_seconds = True
                    if seconds[entries[place]] == own_seconds[w]:
                        if filled == found.shape[1]:
                            more = np.empty((3, 2 * filled), np.int64)
                            more[:, :filled] = found
                            found = more
                        found[0, filled], found[1, filled], found[2, filled] = i, w, entries[place]
                        filled += 1
                        break
                place = (place + 1) & mask
    return found[0, :filled].copy(), found[1, :filled].copy(), found[2, :filled].copy()
