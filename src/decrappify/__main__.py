"""``python -m decrappify``: the command line."""

from decrappify.cli import main

if __name__ == "__main__":
    main(prog_name="decrappify")
