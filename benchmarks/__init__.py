"""`make bench`: runs the measurements of `nightlight bench` and prints the tables that docs/benchmarks.md quotes."""
