"""Measures of text that need no parser: what changed between two versions, shingles, signatures, n-grams."""
