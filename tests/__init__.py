"""The tests. Where Python keeps no bytecode, one folder keeps it for the processes of this run.

Without it each of some hundred services and workers compiles the same modules, for seconds.
"""

import atexit
import os
import shutil
import sys
import tempfile

if sys.dont_write_bytecode and "PYTHONPYCACHEPREFIX" not in os.environ:
    _folder = tempfile.mkdtemp(prefix="bytecode-")
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = _folder
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
