"""An index on disk: files named by what they hold, and one small file, replaced last, that names them."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError
from recsys.files import whole_file
from recsys.retrieval.contents import Bulk, Contents
from recsys.retrieval.scan import Lists, library

NAMES = "index.json"
FORMAT = 1
ARRAYS = ("ids", "vectors", "alive", "fresh", "fresh_ids", "fresh_alive")


def write(folder: Path, contents: Contents, exact_up_to: int) -> None:
    """As `Index.save` says; files of the index that was there before are removed last."""
    folder.mkdir(parents=True, exist_ok=True)
    version = uuid4().hex[:12]
    alive = np.ones(len(contents.bulk.ids), np.bool_) if contents.alive is None else contents.alive
    count = contents.count
    arrays: dict[str, NDArray[Any]] = {
        "ids": contents.bulk.ids,
        "vectors": contents.bulk.vectors,
        "alive": alive,
        "fresh": contents.fresh[:count],
    }
    arrays |= {"fresh_ids": contents.fresh_ids[:count], "fresh_alive": contents.fresh_alive}
    for name in ARRAYS:
        np.save(folder / f"{version}.{name}.npy", arrays[name])
    if isinstance(contents.bulk.scan, Lists):
        library().write_index(contents.bulk.scan.lists, str(folder / f"{version}.lists"))
    content = {"format": FORMAT, "version": version, "exact": contents.bulk.exact, "exact_up_to": exact_up_to}
    with whole_file(folder / NAMES) as beside:
        beside.write_text(json.dumps(content), "utf-8")
    for file in folder.iterdir():
        if file.name != NAMES and not file.name.startswith(version):
            file.unlink()


def read(folder: Path) -> tuple[Contents, int]:
    """As `Index.load` says."""
    try:
        content = json.loads((folder / NAMES).read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} holds no index ({NAMES} is missing). Build one and save it there.") from None
    if content.get("format") != FORMAT:
        raise ModelError(f"the index in {folder} has format {content.get('format')}, must be {FORMAT}. Build it anew.")
    version = content["version"]
    try:
        mapped = {name: np.load(folder / f"{version}.{name}.npy", mmap_mode="r") for name in ARRAYS}
        lists = None if content["exact"] else Lists(library().read_index(str(folder / f"{version}.lists")))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"the index in {folder} is not whole: {str(error).splitlines()[0]}. Build it anew.") from None
    array = {name: np.array(mapped[name]) for name in ARRAYS if name != "vectors"}
    bulk = Bulk.of(array["ids"], mapped["vectors"], lists)
    alive = None if array["alive"].all() else array["alive"]
    contents = Contents(bulk, alive, array["fresh"], array["fresh_ids"], array["fresh_alive"])
    return contents, int(content["exact_up_to"])
