"""Source code as such: languages, their grammars, and what a syntax tree says about a file."""
