"""The one room that knows all others: settings, the object graph, the order of the pipeline, the command line, the library door.

Nothing here decides anything about risk; it wires what the rooms decide.
"""
