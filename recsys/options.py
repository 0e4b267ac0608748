"""Options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="HOLDOUT_WORKSPACE", help="The workspace folder.")
]
