"""Prints the name of each file given that is no Python; nothing is run. An argument is a file's name."""

import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    try:
        compile(Path(name).read_bytes(), name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        print(f"{name}:0: error: {type(error).__name__}", flush=True)
