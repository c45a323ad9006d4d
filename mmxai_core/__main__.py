"""`python -m mmxai_core COMMAND`: see `mmxai_core.cli`."""

from __future__ import annotations

import sys

from mmxai_core.cli.main import main, say_defect

if __name__ == "__main__":
    sys.excepthook = say_defect
    raise SystemExit(main())
