"""`python -m dataspace` is the `dataspace` command."""

from dataspace.cli import main

if __name__ == "__main__":
    main()
