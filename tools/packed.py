"""The program inside a pack (see ``pack_recipes.py``): unpack it into ``pack/``, then train its recipes."""

import json
import os
import sys
import zipfile
from pathlib import Path

UNPACKED = Path("pack")


def main() -> None:
    """Train the given recipes, or all in the pack."""
    ready = UNPACKED / "ready"
    if not ready.exists():
        with zipfile.ZipFile(sys.argv[0]) as pack:
            pack.extractall(UNPACKED)
        for wheel in (UNPACKED / "wheels").glob("*.whl"):
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(UNPACKED / "site")
        ready.touch()
    os.environ["COLORLAB_REAL_DATA"] = str(UNPACKED / "data")
    sys.path[0] = str(UNPACKED)
    sys.path.append(str(UNPACKED / "site"))  # last, so that this machine's own packages come first
    from recipes import learn

    for name in sys.argv[1:] or json.loads((UNPACKED / "names.json").read_text(encoding="utf-8")):
        print(f"{name}: {learn(name)}")


if __name__ == "__main__":
    main()
