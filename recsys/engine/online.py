"""The engine's own online store: what the lake holds, once, and then what the engine observes."""

import json
import shutil
import tempfile
import weakref
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.catalogue import Catalogue
from recsys.features.history import History
from recsys.features.memory import MemoryStore

if TYPE_CHECKING:
    from store import Workspace

FOLDER = Path("models") / "online"
READ = ("events", "items", "prices", "friendships", "users")


def kept_store(workspace: "Workspace") -> Path:
    """The folder of a store that has seen what the lake holds now and nothing else; built where it is not there.

    Building takes more memory than all that an engine keeps: do it before anything is loaded.
    """
    versions = {table: version for table, version in workspace.lake.versions().items() if table in READ}
    name = blake2b(json.dumps(versions, sort_keys=True).encode(), digest_size=8).hexdigest()
    kept = workspace.path / FOLDER / name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        for old in kept.parent.iterdir():
            shutil.rmtree(old, ignore_errors=True)
        MemoryStore.build(kept, History.read(workspace))
    return kept


def opened_store(workspace: "Workspace", catalogue: Catalogue) -> MemoryStore:
    """A store that has seen what the lake holds now and nothing else, of this process alone.

    One store is built for each state of the lake and kept in the workspace; the engine works on a copy, so that two
    processes never write to one and what was observed before is not counted again once it is in the lake.
    """
    kept = kept_store(workspace)
    own = Path(tempfile.mkdtemp(prefix="holdout-online-"))
    shutil.copytree(kept, own / kept.name)
    store = MemoryStore.open(own / kept.name, catalogue)
    weakref.finalize(store, shutil.rmtree, own, ignore_errors=True)
    return store
