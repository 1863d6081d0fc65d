"""The compiled part of `minhash`: bytes of many texts in, signatures and sorted hashes of their shingles out.

No Python object is made for a shingle. The tokens of a text are written out with one space between, so that a shingle
is a slice of that; 64-bit hashes of the tokens, combined in a rolling way, find the distinct shingles; only these are
hashed as bytes, shortest first, since branches on their length are then foreseen; and the permutations are a plain loop
over unsigned 32-bit values, which becomes vector instructions.

Only what is called from outside is cached on disk, with all it calls; and all of that is in this one file, since the
cache notices a change of a function's own file alone. Signed and unsigned 64-bit integers together give floats in
numba, and 32-bit ones widen: hence the many conversions. An index of 64 bits without a sign cannot count from the
end, which saves the check in the inner loops and lets four loads of a byte become one of a word.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

if TYPE_CHECKING:
    from numba.core.dispatcher import Dispatcher

F = TypeVar("F", bound=Callable[..., Any])

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Hashes32 = npt.NDArray[np.uint32]
Hashes64 = npt.NDArray[np.uint64]

_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", np.uint8)
_IS_WORD = np.zeros(256, np.int64)
_IS_WORD[_LETTERS] = 1
_WRITTEN = np.full(256, 32, np.uint8)  # what stands for a byte between and in tokens
_WRITTEN[_LETTERS] = _LETTERS
_WHOLE = np.frombuffer(b"whole\0", np.uint8)
_PADDING = 64  # bytes past a text that may be read, and hashes past its own that may be written
_BLOCK = 4096  # hashes that all permutations run over before the next ones, so that they stay in the first cache
_LANES = 32  # messages that SHA1 runs over at a time: 21 kB of state, in the first cache too
_LENGTHS = 1024  # shingles of this many bytes and more are not sorted by length any further


def _entry(signature: str) -> "Callable[[F], Dispatcher[F]]":
    """Compiles a function at import, or loads it from numba's cache; it runs without the interpreter's lock.

    The cache is NUMBA_CACHE_DIR, else beside this file, else in the user's cache folder. Where nothing can be written
    numba refuses to cache, and every process compiles for itself.
    """

    def compiled(function: F) -> "Dispatcher[F]":
        try:
            return njit(signature, cache=True, nogil=True)(function)
        except RuntimeError:
            return njit(signature, nogil=True)(function)

    return compiled


@njit()
def _load32(data: Bytes, at: int) -> np.uint32:
    """Four bytes from anywhere, little-endian."""
    place = np.uint64(at)
    return np.uint32(
        np.uint32(data[place])
        | (np.uint32(data[place + np.uint64(1)]) << np.uint32(8))
        | (np.uint32(data[place + np.uint64(2)]) << np.uint32(16))
        | (np.uint32(data[place + np.uint64(3)]) << np.uint32(24))
    )


@njit()
def _rotate32(value: np.uint32, by: int) -> np.uint32:
    return np.uint32((value << np.uint32(by)) | (value >> np.uint32(32 - by)))


@njit()
def _mix32(h: np.uint32) -> np.uint32:
    """MurmurHash3's finaliser, which datasketch applies to every hash before it permutes."""
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    return np.uint32(h ^ (h >> np.uint32(16)))


@njit()
def _mix64(h: np.uint64) -> np.uint64:
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@njit()
def _xxh32(data: Bytes, start: int, stop: int) -> np.uint32:
    """xxh32 with seed 0 of data[start:stop]."""
    p1, p2, p3 = np.uint32(2654435761), np.uint32(2246822519), np.uint32(3266489917)
    p4, p5 = np.uint32(668265263), np.uint32(374761393)
    at = start
    h = p5
    if stop - start >= 16:
        v1, v2, v3, v4 = np.uint32(606290984), p2, np.uint32(0), np.uint32(1640531535)
        while at + 16 <= stop:
            v1 = np.uint32(_rotate32(np.uint32(v1 + _load32(data, at) * p2), 13) * p1)
            v2 = np.uint32(_rotate32(np.uint32(v2 + _load32(data, at + 4) * p2), 13) * p1)
            v3 = np.uint32(_rotate32(np.uint32(v3 + _load32(data, at + 8) * p2), 13) * p1)
            v4 = np.uint32(_rotate32(np.uint32(v4 + _load32(data, at + 12) * p2), 13) * p1)
            at += 16
        h = np.uint32(_rotate32(v1, 1) + _rotate32(v2, 7) + _rotate32(v3, 12) + _rotate32(v4, 18))
    h = np.uint32(h + np.uint32(stop - start))
    while at + 4 <= stop:
        h = np.uint32(_rotate32(np.uint32(h + _load32(data, at) * p3), 17) * p4)
        at += 4
    while at < stop:
        h = np.uint32(_rotate32(np.uint32(h + np.uint32(data[at]) * p5), 11) * p1)
        at += 1
    h = np.uint32((h ^ (h >> np.uint32(15))) * p2)
    h = np.uint32((h ^ (h >> np.uint32(13))) * p3)
    return np.uint32(h ^ (h >> np.uint32(16)))


@njit()
def _swap32(value: np.uint32) -> np.uint32:
    """The four bytes in the opposite order."""
    value = np.uint32(
        ((value & np.uint32(0x00FF00FF)) << np.uint32(8)) | ((value >> np.uint32(8)) & np.uint32(0x00FF00FF))
    )
    return _rotate32(value, 16)


@njit()
def _sha1_inputs(state: Hashes32, k: int) -> tuple[np.uint32, np.uint32, np.uint32]:
    return state[k + 3 * _LANES], _rotate32(state[k + 2 * _LANES], 30), _rotate32(state[k + _LANES], 30)


@njit()
def _sha1_round(state: Hashes32, k: int, mixed: np.uint32) -> None:
    word = state[k + 85 * _LANES]
    state[k + 5 * _LANES] = np.uint32(_rotate32(state[k + 4 * _LANES], 5) + mixed + _rotate32(state[k], 30) + word)


@njit()
def _sha1_rounds(state: Hashes32) -> None:
    """80 rounds of SHA1 on one block of each lane.

    Rows of one value a lane: what the variable a was before each round, the first five being e, d, c, b and a of the
    beginning, then the words of the schedule, of which the first 16 are the block. All in one array, so that the
    compiler sees that no two rows overlap, and makes vector instructions of the inner loops.
    """
    schedule = 85 * _LANES
    for at in range(schedule + 16 * _LANES, schedule + 80 * _LANES, _LANES):
        for k in range(at, at + _LANES):
            word = state[k - 3 * _LANES] ^ state[k - 8 * _LANES] ^ state[k - 14 * _LANES] ^ state[k - 16 * _LANES]
            state[k] = _rotate32(np.uint32(word), 1)
    for at in range(0, 20 * _LANES, _LANES):
        for k in range(at, at + _LANES):
            b, c, d = _sha1_inputs(state, k)
            _sha1_round(state, k, np.uint32((d ^ (b & (c ^ d))) + np.uint32(0x5A827999)))
    for at in range(20 * _LANES, 40 * _LANES, _LANES):
        for k in range(at, at + _LANES):
            b, c, d = _sha1_inputs(state, k)
            _sha1_round(state, k, np.uint32((b ^ c ^ d) + np.uint32(0x6ED9EBA1)))
    for at in range(40 * _LANES, 60 * _LANES, _LANES):
        for k in range(at, at + _LANES):
            b, c, d = _sha1_inputs(state, k)
            _sha1_round(state, k, np.uint32(((b & c) | (d & (b | c))) + np.uint32(0x8F1BBCDC)))
    for at in range(60 * _LANES, 80 * _LANES, _LANES):
        for k in range(at, at + _LANES):
            b, c, d = _sha1_inputs(state, k)
            _sha1_round(state, k, np.uint32((b ^ c ^ d) + np.uint32(0xCA62C1D6)))


@njit()
def _sha1_block(data: Bytes, start: int, stop: int, block: int, state: Hashes32, lane: int) -> None:
    """Puts one block of the padded message data[start:stop] into a lane."""
    at = start + 64 * block
    place = 85 * _LANES + lane
    whole = max(0, min(16, (stop - at) // 4))
    for word in range(whole):
        state[place + word * _LANES] = _swap32(_load32(data, at + 4 * word))
    for word in range(whole, 16):
        state[place + word * _LANES] = 0
    left = stop - at - 4 * whole
    if whole < 16 and left >= 0:  # the message ends in this word: a bit that is set follows it
        bits = np.uint32(8 * left)
        tail = _load32(data, at + 4 * whole) & np.uint32((np.uint32(1) << bits) - np.uint32(1))
        state[place + whole * _LANES] = _swap32(np.uint32(tail | (np.uint32(0x80) << bits)))
    if block == (stop - start + 8) // 64:
        state[place + 14 * _LANES] = np.uint32((stop - start) >> 29)
        state[place + 15 * _LANES] = np.uint32((stop - start) << 3)


@njit()
def _sha1(text: Bytes, starts: Ints, width: int, ordered: Ints, found: int, state: Hashes32, hashes: Hashes32) -> None:
    """The first four bytes, little-endian, of SHA1 of each shingle; 32 at a time, of about the same length."""
    before = np.empty(5 * _LANES, np.uint32)  # e, d, c, b, a of each lane
    first = (
        np.uint32(0xC3D2E1F0),
        np.uint32(0x10325476),
        np.uint32(0x98BADCFE),
        np.uint32(0xEFCDAB89),
        np.uint32(0x67452301),
    )
    for begin in range(0, found, _LANES):
        blocks = 0
        for row in range(5):
            for lane in range(_LANES):
                before[row * _LANES + lane] = first[row]
        for lane in range(_LANES):
            own = ordered[min(begin + lane, found - 1)]
            blocks = int(max(blocks, (starts[own + width] - 1 - starts[own] + 8) // 64 + 1))
        for block in range(blocks):
            for lane in range(_LANES):
                own = ordered[min(begin + lane, found - 1)]
                _sha1_block(text, starts[own], starts[own + width] - 1, block, state, lane)
            for k in range(5 * _LANES):  # the rounds turn e, d and c by 30 bits when they use them
                state[k] = before[k] if k >= 3 * _LANES else _rotate32(before[k], 2)
            _sha1_rounds(state)
            for k in range(5 * _LANES):
                after = state[80 * _LANES + k]
                before[k] = np.uint32(before[k] + (after if k >= 3 * _LANES else _rotate32(after, 30)))
            for lane in range(min(_LANES, found - begin)):
                own = ordered[begin + lane]
                if block == (starts[own + width] - 1 - starts[own] + 8) // 64:
                    hashes[begin + lane] = _swap32(before[4 * _LANES + lane])


@njit()
def _hash_token(data: Bytes, start: int, stop: int) -> np.uint64:
    """64-bit hash of data[start:stop]; tokens of one length up to 8 bytes never share one."""
    h = np.uint64(stop - start)
    at = start
    while True:
        low, high = np.uint64(_load32(data, at)), np.uint64(_load32(data, at + 4))
        value = low | (high << np.uint64(32))
        left = stop - at
        if left <= 8:
            mask = np.uint64(0) if left == 0 else np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - 8 * left)
            return _mix64(np.uint64((h * np.uint64(0x9E3779B97F4A7C15)) ^ (value & mask)))
        h = _mix64(np.uint64((h * np.uint64(0x9E3779B97F4A7C15)) ^ value))
        at += 8


@njit()
def _words(data: Bytes, start: int, stop: int, out: Bytes, starts: Ints) -> int:
    """Number of words of data[start:stop], which go to `out` with one space between.

    Word i is out[starts[i] : starts[i + 1] - 1]. Without a branch, since where words end is what no processor foresees.
    """
    size, count, before = 0, 0, 0
    for at in range(start, stop):
        byte = data[np.uint64(at)]
        is_word = int(_IS_WORD[byte])
        out[np.uint64(size)] = _WRITTEN[byte]
        starts[np.uint64(count)] = size
        count += is_word & (before ^ 1)
        size += is_word | before
        before = is_word
    starts[count] = size + before
    return count


@njit()
def _split(data: Bytes, start: int, stop: int, out: Bytes, starts: Ints) -> int:
    """As `_words`, but every character that is none of a word ends a token, also an empty one."""
    size, count, before = 0, 1, 1
    starts[0] = 0
    for at in range(start, stop):
        byte = data[np.uint64(at)]
        is_word = int(_IS_WORD[byte])
        inside = int((byte & 0xC0) == 0x80 and before == 0)  # of a character of several bytes
        out[np.uint64(size)] = _WRITTEN[byte]
        size += 1 - inside
        starts[np.uint64(count)] = size
        count += 1 - (is_word | inside)
        before = is_word
    starts[count] = size + 1
    return count


@njit()
def _space(data: Bytes, at: int, stop: int) -> int:
    """Length in bytes of the white space character at a place, as str.isspace knows it; 0 for any other."""
    byte = data[at]
    if byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31:
        return 1
    if byte == 0xC2 and at + 1 < stop and (data[at + 1] == 0x85 or data[at + 1] == 0xA0):
        return 2
    if at + 2 < stop and 0xE1 <= byte <= 0xE3:
        second, third = data[at + 1], data[at + 2]
        if byte == 0xE1 and second == 0x9A and third == 0x80:  # U+1680
            return 3
        if byte == 0xE2 and second == 0x80:  # U+2000 to U+200A, U+2028, U+2029, U+202F
            if 0x80 <= third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF:
                return 3
        if byte == 0xE2 and second == 0x81 and third == 0x9F:  # U+205F
            return 3
        if byte == 0xE3 and second == 0x80 and third == 0x80:  # U+3000
            return 3
    return 0


@njit()
def _whole(data: Bytes, start: int, stop: int, out: Bytes) -> int:
    """Length of what stands for a text shorter than a shingle: a mark, and the text with its white space made one."""
    for i in range(_WHOLE.size):
        out[i] = _WHOLE[i]
    size, at, pending = _WHOLE.size, start, False
    while at < stop:
        width = _space(data, at, stop)
        if width:
            pending = size > _WHOLE.size
            at += width
            continue
        if pending:
            out[size] = 32
            size += 1
            pending = False
        out[size] = data[at]
        size += 1
        at += 1
    return size


@njit()
def _distinct(
    out: Bytes,
    starts: Ints,
    count: int,
    shingle: int,
    tokens: Hashes64,
    table: Hashes64,
    shift: np.uint64,
    begins: Ints,
) -> int:
    """Number of distinct shingles; their first tokens go to `begins`, their hashes to `table`.

    The table is open, zero where empty, and its places are in the order of the hashes but for neighbours, so that a
    walk through it is nearly sorted.
    """
    power = np.uint64(1)
    for _ in range(shingle):
        power = power * np.uint64(0x9E3779B97F4A7C15)
    rolling, found = np.uint64(0), 0
    for i in range(count):
        tokens[i] = _hash_token(out, starts[i], starts[i + 1] - 1)
    for i in range(count):
        rolling = rolling * np.uint64(0x9E3779B97F4A7C15) + tokens[i]
        if i >= shingle:
            rolling -= power * tokens[i - shingle]
        if i + 1 >= shingle:
            h = _mix64(rolling)
            h = h if h else np.uint64(1)
            place = h >> shift
            while table[place] != 0 and table[place] != h:
                place += np.uint64(1)
            begins[np.uint64(found)] = i + 1 - shingle
            found += int(table[place] == 0)
            table[place] = h
    return found


@njit()
def _shortest_first(starts: Ints, shingle: int, begins: Ints, found: int, ordered: Ints) -> None:
    """`begins` in the order of the shingles' lengths in bytes, in `ordered`."""
    places = np.zeros(_LENGTHS + 1, np.int64)
    for i in range(found):
        length = int(min(starts[begins[i] + shingle] - starts[begins[i]], _LENGTHS - 1))
        places[length + 1] += 1
    for length in range(_LENGTHS):
        places[length + 1] += places[length]
    for i in range(found):
        length = int(min(starts[begins[i] + shingle] - starts[begins[i]], _LENGTHS - 1))
        ordered[places[length]] = begins[i]
        places[length] += 1


@njit()
def _permute(hashes: Hashes32, found: int, a: Hashes32, b: Hashes32, signature: Hashes32) -> None:
    """The least value of a * hash + b of each permutation, modulo 2^32. Fills `hashes` up to a whole vector."""
    padded = (found + _PADDING - 1) // _PADDING * _PADDING
    for i in range(found, padded):
        hashes[i] = hashes[0]
    for k in range(a.size):
        signature[k] = np.uint32(0xFFFFFFFF)
    for begin in range(0, padded, _BLOCK):
        block = hashes[begin : min(begin + _BLOCK, padded)]
        for k in range(a.size):
            factor, add, least = a[k], b[k], signature[k]
            for i in range(block.size):
                value = np.uint32(factor * block[i] + add)
                least = value if value < least else least
            signature[k] = least


@njit()
def _in_order(table: Hashes64, size: int, out: Hashes64, filled: int) -> int:
    """Moves the hashes of a table to `out`, sorted, and empties it. Returns the new end of `out`."""
    begin = filled
    for place in range(size):
        h = table[place]
        if h != 0:
            table[place] = 0
            at = filled
            while at > begin and out[at - 1] > h:
                out[at] = out[at - 1]
                at -= 1
            out[at] = h
            filled += 1
    return filled


@_entry(
    "Tuple((int64[::1], uint64[::1]))"
    "(Array(uint8, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True), int64, boolean, boolean, boolean, "
    "uint32[::1], uint32[::1], uint32[:, ::1])"
)
def sketch(
    data: Bytes,
    offsets: Ints,
    shingle: int,
    split: bool,
    sha1: bool,
    keep: bool,
    a: Hashes32,
    b: Hashes32,
    signatures: Hashes32,
) -> tuple[Ints, Hashes64]:
    """Fills signatures [N, P], and gives offsets [N + 1] and hashes of the texts data[offsets[i] : offsets[i + 1]].

    With no permutations there are no signatures; without `keep` the hashes are empty.
    """
    texts = offsets.size - 1
    longest = 0
    for i in range(texts):
        longest = max(longest, offsets[i + 1] - offsets[i])
    most = longest + 2  # tokens, and one
    text = np.zeros(longest + _PADDING, np.uint8)
    starts = np.empty(most + 1, np.int64)
    begins = np.empty(most, np.int64)
    ordered = np.empty(most, np.int64)
    tokens = np.empty(most, np.uint64)
    hashes = np.empty(most + _PADDING, np.uint32)
    table = np.zeros(1, np.uint64)
    state = np.empty(165 * _LANES, np.uint32)
    ends = np.zeros(texts + 1, np.int64)
    kept = np.empty((offsets[texts] - offsets[0]) // 8 + 16 if keep else 0, np.uint64)
    filled = 0
    for n in range(texts):
        start, stop = offsets[n], offsets[n + 1]
        count = _split(data, start, stop, text, starts) if split else _words(data, start, stop, text, starts)
        if count < shingle:
            found, size, width = 1, 1, 1
            length = _whole(data, start, stop, text)
            h = np.uint64(1)
            for at in range(0, length, 8):
                h = _hash_token(text, at, min(at + 8, length)) + h * np.uint64(0xC4CEB9FE1A85EC53)
            table[0] = max(_mix64(h), np.uint64(1))
            begins[0], starts[0], starts[1] = 0, 0, length + 1
        else:
            bits = 1
            while (1 << bits) < 2 * count:
                bits += 1
            size = (1 << bits) + count  # places past the last one instead of a way round to the first
            if table.size < size:
                table = np.zeros(size, np.uint64)
            found = _distinct(text, starts, count, shingle, tokens, table, np.uint64(64 - bits), begins)
            width = shingle
        if a.size:
            _shortest_first(starts, width, begins, found, ordered)
            if sha1:
                _sha1(text, starts, width, ordered, found, state, hashes)
            else:
                for i in range(found):
                    hashes[i] = _xxh32(text, starts[ordered[i]], starts[ordered[i] + width] - 1)
            for i in range(found):
                hashes[i] = _mix32(hashes[i])
            _permute(hashes, found, a, b, signatures[n])
        if keep:
            if kept.size < filled + found:
                more = np.empty(2 * (filled + found), np.uint64)
                for i in range(filled):  # assigning a slice takes the compiler seconds
                    more[i] = kept[i]
                kept = more
            filled = _in_order(table, size, kept, filled)
        else:
            for i in range(size):
                table[i] = 0
        ends[n + 1] = filled
    return ends, kept[:filled].copy()


_HASHES = (
    "Array(int64, 1, 'C', readonly=True), Array(uint64, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True)"
)


@_entry(f"float64[::1]({_HASHES}, {_HASHES})")
def jaccard(
    offsets_a: Ints, hashes_a: Hashes64, a: Ints, offsets_b: Ints, hashes_b: Hashes64, b: Ints
) -> npt.NDArray[np.float64]:
    similar = np.ones(a.size, np.float64)
    for n in range(a.size):
        i, end_i = offsets_a[a[n]], offsets_a[a[n] + 1]
        j, end_j = offsets_b[b[n]], offsets_b[b[n] + 1]
        both = (end_i - i) + (end_j - j)
        common = 0
        while i < end_i and j < end_j:
            one, other = hashes_a[i], hashes_b[j]
            common += int(one == other)
            i += int(one <= other)
            j += int(other <= one)
        if both:
            similar[n] = common / (both - common)
    return similar


@_entry("uint64[:, ::1](Array(uint32, 2, 'C', readonly=True), int64, int64)")
def band_keys(signatures: Hashes32, bands: int, rows: int) -> Hashes64:
    keys = np.empty((signatures.shape[0], bands), np.uint64)
    for n in range(signatures.shape[0]):
        for band in range(bands):
            h = np.uint64(band + 1)
            for row in range(band * rows, (band + 1) * rows):
                h = _mix64(np.uint64((h * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(signatures[n, row])))
            keys[n, band] = h
    return keys
