"""What keeps a child safe before anything has happened: defaults by age band, gates on contact and recommendation, deterrence,
help and material for families.

What may live here: rules that a service asks before it connects, recommends or shows, as pure functions over `core` types, and the
words of messages that a child, a parent or a sender reads. Nothing here scans content, and no text blames a child.

The room holds no code yet: messages are named by key in a decision, and what a service shows under a key is its own until this
room's catalogue fills them.
"""
