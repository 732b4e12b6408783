"""Fits the heads of the text sense and the weights of a fold over its cues, on lines and conversations that an operator may use.

`lines.py` reads authored lines and fills their slots; `heads.py` fits one linear head a cue and sets its range on lines it has not
seen; `weights.py` fits what each cue is worth in a conversation. Needs SciPy (the extra `train`); nothing here runs in the service.
"""
