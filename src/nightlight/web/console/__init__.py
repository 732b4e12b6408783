"""The console: the pages on which reviewers work. Server-rendered, one style sheet, htmx where a part of a page changes.

A route lets nobody in unless it names the roles it is for; `access.py` reads them. A page asks the desk of cases, which asks again
whether the role may, and records it. Nothing here knows an engine.
"""
