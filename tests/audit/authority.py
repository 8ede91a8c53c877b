"""A time-stamping authority made with openssl: its own root, and a certificate for time-stamping under it."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dataspace.audit.source import TimeToken
from tests.programs import need

_CONFIG = """\
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.3.6.1.4.1.57264.2
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
[stamp]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
"""


@dataclass(frozen=True)
class Authority:
    """An authority in a folder; `roots` is what an auditor trusts, in PEM."""

    folder: Path

    @property
    def roots(self) -> bytes:
        return (self.folder / "root.pem").read_bytes()

    def token(self, text: str, digest: str = "sha256") -> TimeToken:
        """Return the response over a text."""
        imprint = hashlib.new(digest, text.encode()).hexdigest()
        query, reply = self.folder / "query", self.folder / "reply"
        self.run("ts", "-query", "-digest", imprint, f"-{digest}", "-cert", "-out", str(query))
        signed = ["-inkey", "stamp.key", "-signer", "stamp.pem"]
        self.run("ts", "-reply", "-config", "config", "-queryfile", "query", *signed, "-out", "reply")
        return TimeToken("a test", reply.read_bytes())

    def run(self, *arguments: str) -> None:
        subprocess.run([need("openssl"), *arguments], cwd=self.folder, check=True, capture_output=True)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def authority(folder: Path) -> Authority:
    """Make an authority in a new folder."""
    folder.mkdir()
    (folder / "config").write_text(_CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    made = Authority(folder)
    root = ["-x509", *_KEY, "-keyout", "root.key", "-out", "root.pem", "-days", "365", "-subj", "/CN=root"]
    made.run("req", *root, "-config", "/dev/null", "-addext", "keyUsage=critical,keyCertSign")
    made.run("req", *_KEY, "-keyout", "stamp.key", "-subj", "/CN=stamp", "-out", "request")
    issued = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "30"]
    extended = ["-extfile", "config", "-extensions", "stamp"]
    made.run("x509", "-req", "-in", "request", *issued, *extended, "-out", "stamp.pem")
    return made
