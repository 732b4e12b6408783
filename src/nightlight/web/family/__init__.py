"""Pages for children, young people and parents: plain words, nothing stored, a quick way out.

`protect.py` is `/protect-my-picture`; its words lie in `words/`, one file a language. Scripts and styles are in `static/`. Nothing here
may set a cookie, log an address, or send a byte of a picture anywhere.
"""
