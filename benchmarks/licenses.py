"""Which licence a licence file holds: ours beside askalono's, over a folder of real licence files.

    python benchmarks/licenses.py FOLDER [--min-score 0.8]

askalono is installed by `pip install pyaskalono`. Printed are what each says where they differ, to be read, and the
processor time of either. A score of askalono's lies between 0 and 1.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

from themis_data.text.licenses import recognise_license


def askalono(text: str, min_score: float) -> str | None:
    from askalono import identify

    found = identify(text)
    if found is None or found.score < min_score:
        return None
    return str(found.name).removesuffix("-only").removesuffix("-or-later")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--min-score", type=float, default=0.8)
    given = parser.parse_args()
    texts = {path: path.read_text("utf-8", "replace") for path in sorted(given.folder.rglob("*")) if path.is_file()}
    recognise_license("")  # reads the known texts
    started = time.process_time()
    ours = {path: recognise_license(text) for path, text in texts.items()}
    between = time.process_time()
    theirs = {path: askalono(text, given.min_score) for path, text in texts.items()}
    ended = time.process_time()
    verdicts = Counter[str]()
    for path in texts:
        is_alike = ours[path] == theirs[path]
        verdicts["differ" if not is_alike else "neither names one" if ours[path] is None else "alike"] += 1
        if not is_alike:
            print(f"{ours[path] or '-':16} {theirs[path] or '-':24} {path}")
    print(f"{len(texts)} files: {dict(verdicts)}; ours {between - started:.2f} s, askalono {ended - between:.2f} s")


if __name__ == "__main__":
    main()
