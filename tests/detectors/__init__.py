"""Tests of the plug-in door. Each detector's own test lies in its own folder."""
