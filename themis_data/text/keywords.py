"""What version control once wrote into files."""

import re

# The keywords of RCS, CVS and Subversion, and those that the BSDs gave their own trees.
_NAMES = (
    "Author|CVSHeader|Date|DragonFly|FreeBSD|HeadURL|Header|Id|LastChangedBy|LastChangedDate|LastChangedRevision|Locker|"
    "Log|MirOS|Name|NetBSD|OpenBSD|RCSfile|Rev|Revision|Source|State|URL|Xorg"
)
EXPANDED = re.compile(rf"\$({_NAMES}):[^$\n]*\$")  # with its value, such as `$Id: list.c,v 1.8 2004/08/28 name Exp $`
