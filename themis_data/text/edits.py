"""One number for an edit of a file, so that an edit and its undoing can be found without looking at contents."""


def edit_key(old_blob: str, new_blob: str) -> int:
    """63 bits for the edit that turns one blob into the other.

    All bits but the lowest depend on the two blobs without their order; the lowest is the direction. So A to B and B to
    A differ in the lowest bit alone. Two unrelated edits share the others once in 2^59 pairs.
    """
    a, b = int(old_blob[:15], 16), int(new_blob[:15], 16)
    return (a ^ b) << 1 | (a < b)
