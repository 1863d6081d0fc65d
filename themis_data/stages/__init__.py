"""The steps: one a file, named by what it does."""
