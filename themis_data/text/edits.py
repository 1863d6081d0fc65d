"""One number for an edit of a file, so that an edit and its undoing can be found without looking at contents."""


def edit_key(old_blob: str, new_blob: str) -> int:
    """61 bits for the edit that turns one blob (a git object id, hex) into the other.

    The lowest bit is the direction, the others are the same both ways: A to B and B to A differ in the lowest bit
    alone. Two unrelated edits share the others once in 2^60 pairs.
    """
    a, b = int(old_blob[:15], 16), int(new_blob[:15], 16)
    return (a ^ b) << 1 | (a < b)
