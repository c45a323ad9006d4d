"""What must be the same for a result to be computed again: the bundle's meaning, and the machine's arithmetic."""

from __future__ import annotations

import hashlib
import json
import platform
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

import mmxai_core
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.bundle_format import MODEL_CARD, RESULTS
from mmxai_core.types import Json

#: Entries of `metadata.json` and files that no result depends on: their words may change.
_WORDS = frozenset({"intended_use", "training_data", "written_by"})
_WORD_FILES = frozenset({MODEL_CARD, RESULTS})


def bundle_seal(bundle: Bundle) -> str:
    """Hex sha256 of everything in a bundle that a result depends on: weights, reference, schema, calibration.

    A new model card or new results leave it as it is; a new threshold does not.

    Args:
        bundle: A checked bundle.
    """
    kept = {k: v for k, v in bundle.metadata.items() if k not in _WORDS}
    kept["files"] = {k: v for k, v in bundle.metadata["files"].items() if k not in _WORD_FILES}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


#: What of this package a result's numbers depend on; pages, reports and training may change.
_COMPUTING = ("clinical.py", "preprocess.py", "predict.py", "study.py", "io", "model", "explain")


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Hex sha256 over the sources that compute a result: two versions of the program may carry one number."""
    root, digest = Path(mmxai_core.__file__).parent, hashlib.sha256()
    for name in _COMPUTING:
        for path in sorted((root / name).rglob("*.py")) if (root / name).is_dir() else [root / name]:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def machine_facts(device: str) -> Json:
    """What a result's last digits may depend on.

    Args:
        device: Label of the device the network runs on.
    """
    return {
        "device": device, "threads": torch.get_num_threads(), "mmxai": mmxai_core.__version__,
        "code": code_sha256()[:16],
        "torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version(),
        "processor": platform.machine(), "system": platform.system(),
    }  # fmt: skip
