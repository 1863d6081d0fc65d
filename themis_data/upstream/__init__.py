"""Data sets of others: a recipe for each in `manifests/sources/`, and one reader for all of them.

A recipe says where a data set is, at which revision, under which licence, which columns it must have and what a row
becomes. What nobody could find out is a gap: a field without a value and a sentence of what to supply.
"""

from themis_data.upstream.read import check, read_items
from themis_data.upstream.recipes import Recipe, known_recipes, recipe

__all__ = ["Recipe", "check", "known_recipes", "read_items", "recipe"]
