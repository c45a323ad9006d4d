"""The worklist: cases of a site or a reader, kept without names, so that a reload or another day finds them again.

What is kept: a pseudonym (a keyed hash), clinical values, the prediction with its set and checks, and, where the site
allows it, the de-identified pixels in the site's own folder. Never a name, a birth date or a file name.
"""

from mmxai_core.worklist.case import PRIORITIES, SITE, STATES, Analysed, Priority, Source, Status, WorklistCase
from mmxai_core.worklist.query import Query, neighbours, select
from mmxai_core.worklist.store import NewCase, WorklistStore

__all__ = [
    "PRIORITIES",
    "SITE",
    "STATES",
    "Analysed",
    "NewCase",
    "Priority",
    "Query",
    "Source",
    "Status",
    "WorklistCase",
    "WorklistStore",
    "neighbours",
    "select",
]
