"""Pages for children, young people and parents: plain words, nothing stored, a quick way out.

`pages.py` is what all of them share: the layout `templates/base.html`, the style tokens of `static/family.css`, the way out
(`static/leave.js`), the language, the headers. `routes.py` lists them. `protect.py` is `/protect-my-picture`, `hub.py` is `/family`. Words
lie in `words/`, one file a page and language. Nothing here may set a cookie, log an address, or send a byte of a picture anywhere.
"""
