"""`python -m nightlight` is `nightlight`."""

from nightlight.app.cli import main

if __name__ == "__main__":
    main()
