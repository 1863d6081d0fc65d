"""Keywords of version control are the same on both sides afterwards, and nothing else is touched."""

import pytest
from builds import changes

from themis_data.stages.collapse_keywords import CollapseKeywords


def collapsed(old: str, new: str = "x\n") -> str:
    return CollapseKeywords().collapse(changes({"old_contents": old, "new_contents": new}))["old_contents"][0].as_py()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/* $Id: list.c,v 1.8 2004/08/28 09:21:05 name Exp $ */", "/* $Id$ */"),
        ("# $Revision: 1.2 $ of $Date: 2004-01-01 $", "# $Revision$ of $Date$"),
        ("/* $OpenBSD: ssh.c,v 1.600 2024/01/11 01:45:36 djm Exp $ */", "/* $OpenBSD$ */"),
        ("$Id$", "$Id$"),
        ("echo $Id: $other", "echo $Id: $other".replace("$Id: $", "$Id$")),
        ("price = '$5: cheap $'", "price = '$5: cheap $'"),
        ("$id: not one $", "$id: not one $"),
        ("$Idea: no $", "$Idea: no $"),
        ("$Id: not\n closed $", "$Id: not\n closed $"),
    ],
)
def test_a_keyword_loses_what_it_was_expanded_to(line, expected):
    assert expected == collapsed(line)


def test_a_change_of_nothing_else_is_dropped():
    stage = CollapseKeywords()
    rows = changes(
        {"old_contents": "// $Id: a 1 $\nx\n", "new_contents": "// $Id: a 2 $\nx\n"},
        {"old_contents": "// $Id: a 1 $\nx\n", "new_contents": "// $Id: a 2 $\ny\n"},
    )
    table = stage.collapse(rows)

    assert ["only_keywords", None] == stage.drop_reason(table).to_pylist()
    assert ["// $Id$\nx\n", "// $Id$\ny\n"] == table["new_contents"].to_pylist()


def test_what_has_no_keyword_stays_to_the_byte():
    rows = changes({"old_contents": "cost$: 1\r\n$\n", "new_contents": "\t$Id\n"})

    assert rows.equals(CollapseKeywords().collapse(rows))
