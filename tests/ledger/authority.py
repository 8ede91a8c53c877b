"""A time-stamp authority on loopback: `openssl ts` under a root that was made for it."""

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from tests.ledger.servers import Told
from tests.programs import need

_CONFIGURATION = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
[extensions]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
"""


class LocalAuthority:
    """The authority; `answer` is what it says to a query, `root` the certificate to trust."""

    def __init__(self, folder: Path) -> None:
        self._openssl, self._folder, self._lock = need("openssl"), folder, threading.Lock()
        folder.mkdir()
        (folder / "tsa.conf").write_text(_CONFIGURATION.format(folder=folder))
        self.root = folder / "root.pem"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self._run(
            "req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=root", "-days", "9"
        )
        self._run("req", "-new", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=time")
        signed = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "9"]
        extended = ["-extfile", "tsa.conf", "-extensions", "extensions"]
        self._run("x509", "-req", "-in", "tsa.csr", *signed, *extended, "-out", "tsa.pem")
        (folder / "serial").write_text("01\n")

    def answer(self, query: bytes) -> Told:
        with self._lock:
            (self._folder / "query").write_bytes(query)
            self._run("ts", "-reply", "-config", "tsa.conf", "-queryfile", "query", "-out", "reply")
            return Told(200, (self._folder / "reply").read_bytes(), "application/timestamp-reply")

    def changed(self, change: Callable[[bytes], bytes]) -> Callable[[bytes], Told]:
        """Return an authority that answers another query than it is asked."""
        return lambda query: self.answer(change(query))

    def _run(self, *arguments: str) -> None:
        subprocess.run(
            [self._openssl, *arguments], cwd=self._folder, check=True, capture_output=True, timeout=60
        )
