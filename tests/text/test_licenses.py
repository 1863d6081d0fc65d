"""Which texts are a licence and which are not."""

import time

import pyarrow as pa
import pytest
from identify.vendor.licenses import LICENSES

from themis_data.text.licenses import is_vendored, license_class, paper_licenses, recognise_license, spdx_header

TEXTS = dict(LICENSES)
MIT, APACHE, BSD2, BSD3, ISC = (TEXTS[name] for name in ("MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC"))
NOTICE = APACHE[APACHE.index('   Licensed under the Apache License, Version 2.0 (the "License")') :]


BSD3_OF_AUTHOR = BSD3.replace("COPYRIGHT HOLDERS AND CONTRIBUTORS", "AUTHOR").replace(
    "COPYRIGHT HOLDER OR", "AUTHOR OR"
)
THIRD_CLAUSE = "Neither the name of the copyright holder nor the names of its\n   contributors may be used"


@pytest.mark.parametrize("name", TEXTS)
def test_every_known_text_is_its_licence(name):
    assert name == recognise_license(TEXTS[name])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MIT.upper(), "MIT"),
        (MIT.replace("\n", "\r\n"), "MIT"),
        (" ".join(MIT.split()), "MIT"),
        ("My Project\n==========\n\n" + MIT, "MIT"),
        (MIT + "\nThe logo was drawn by A. Person and is in the public domain.\n", "MIT"),
        (MIT.partition("\n\n")[2], "MIT"),  # without its title
        (MIT.replace("[year]", "2020-2024").replace("[fullname]", "A. Person and B. Person"), "MIT"),
        (NOTICE, "Apache-2.0"),
        ("Copyright 2020 A. Person\n\n" + NOTICE.replace("http:", "https:"), "Apache-2.0"),
        (BSD3_OF_AUTHOR, "BSD-3-Clause"),
        (
            BSD3.replace(
                THIRD_CLAUSE, "Neither the name of Example Corporation nor the names of its contributors may be used"
            ),
            "BSD-3-Clause",
        ),
        (BSD3.replace(THIRD_CLAUSE, "The names of the contributors may not be used"), "BSD-3-Clause"),
        (BSD3.replace("HOLDER OR", "OWNER OR"), "BSD-3-Clause"),
    ],
)
def test_copies_that_say_the_same_are_recognised(text, expected):
    assert expected == recognise_license(text)


FOURTH_CLAUSE = """
All advertising materials mentioning features or use of this software must display the following acknowledgement: This
product includes software developed by Example Corporation.
"""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MIT",
        "http://www.apache.org/licenses/LICENSE-2.0",
        "All rights reserved.",
        MIT[: len(MIT) // 2],
        MIT + "\n\n" + ISC,
        MIT + "\n\n" + NOTICE,
        BSD3 + "\n\n" + ISC,
        BSD3_OF_AUTHOR + "\n\n" + ISC,
        BSD2 + FOURTH_CLAUSE,
        BSD3 + FOURTH_CLAUSE,
        BSD2 + "\nProducts derived from this software may not be called Example without prior written permission.\n",
        MIT + "\nThe Software shall be used for Good, not Evil.\n",
        MIT + '\n"Commons Clause" License Condition v1.0\n\nThe grant of rights will not include the right to sell.\n',
        MIT + "\nNon-commercial use only.\n",
        MIT + "\nThe files in contrib/ are under the GNU General Public License.\n",
        APACHE + "\nYou may not use the Software to provide a service to others.\n",
        MIT + "\nThird-party notices: " + " ".join(f"word{n}" for n in range(400)),
    ],
)
def test_what_is_not_one_licence_alone_is_not_recognised(text):
    assert recognise_license(text) is None


def test_the_licence_that_holds_another_is_meant():
    assert recognise_license(BSD2) == "BSD-2-Clause"
    assert recognise_license(BSD3) == "BSD-3-Clause"
    assert recognise_license(BSD2 + "\n\n" + BSD3) == "BSD-3-Clause"


@pytest.mark.parametrize(
    "word", ["x", "x ", "the name ", "provided by ", "in no event shall ", "neither the name ", "\n", "may not "]
)
def test_a_long_text_takes_a_short_time(word):
    started = time.process_time()
    recognise_license(word * (1024 * 1024 // len(word)))

    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", "permissive"),
        ("MPL-2.0", "weak_copyleft"),
        ("GPL-3.0", "copyleft"),
        ("AGPL-3.0", "network_copyleft"),
        ("Apache-2.0 AND MIT", "permissive"),
        ("BSD-3-Clause AND GPL-2.0", "copyleft"),
        ("AGPL-3.0 AND GPL-3.0 AND MIT", "network_copyleft"),
        ("LicenseRef-unheard-of", "other"),
        ("AGPL-3.0 AND LicenseRef-unheard-of", "other"),
        ("NOASSERTION", "unknown"),
    ],
)
def test_the_class_of_an_expression_is_that_of_its_strictest_part(expression, expected):
    assert expected == license_class(expression)


def test_the_licences_of_the_paper_can_all_be_recognised():
    assert 12 == len(paper_licenses())
    assert set(paper_licenses()) <= set(TEXTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("int x; // see SPDX-License-Identifier: MIT\n", None),
        ("# SPDX-License-Identifier: MIT\n", "MIT"),
        ("/* SPDX-License-Identifier: GPL-2.0-only */", "GPL-2.0"),
        ("<!-- SPDX-License-Identifier: 0BSD -->\n", "0BSD"),
        ("#!/bin/sh\n#\n# SPDX-License-Identifier: (GPL-2.0+ OR BSD-3-Clause)\n", "BSD-3-Clause"),
        (" * SPDX-License-Identifier: MIT AND Apache-2.0\r\n", "Apache-2.0 AND MIT"),
        ("// SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note\n", "GPL-2.0 WITH Linux-syscall-note"),
        ("# SPDX-License-Identifier:\n", "NOASSERTION"),
        ("# SPDX-License-Identifier: MIT AND (ISC OR GPL-2.0)\n", "NOASSERTION"),
    ],
)
def test_what_the_header_of_a_file_says_of_its_licence(text, expected):
    assert expected == spdx_header(text)


def test_folders_of_other_peoples_code_are_known_at_any_depth():
    paths = {
        "vendor/a.go": True, "src/third_party/b/c.cc": True, "deps/lua/src/l.c": True, "web/Node_Modules/x.js": True,
        "src/vendor.c": False, "vendors.py": False, "src/external_api/a.py": False, "a.c": False,
    }  # fmt: skip

    assert [*paths.values(), False] == is_vendored(pa.chunked_array([[*paths, None]], pa.string())).to_pylist()
