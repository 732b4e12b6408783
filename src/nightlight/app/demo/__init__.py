"""The demo: an evening on an invented game called Lanternfall, as a service would send it.

What may live here: the world that the demo plays (`world`), the conversations it is made of (`benign.jsonl`, written for it and in
the corpus format that `kit` reads; `stories.toml`, the shapes of risk) and its pictures (`pictures`). Everything is invented and
harmless; one seed gives one evening, to the byte.
"""

from nightlight.app.demo.pictures import Picture, banked
from nightlight.app.demo.world import DemoStep, Send, Upload, evening

__all__ = ["DemoStep", "Picture", "Send", "Upload", "banked", "evening"]
