"""Web components that a service puts into its own pages: plain JavaScript modules in `static/`, their words in `words/`.

Nothing here may send or keep what a person does, but for a report that they themselves send; nothing may need a build step or another
host. `pages.py` serves the files and the page that shows them.
"""
