"""A certificate authority of a test's own, and what it signs: made by the `openssl` command, in PEM."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_DAYS = "2"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """Two files."""

    certificate: Path
    key: Path

    @property
    def both(self) -> str:
        """The text of both, as Kafka and opensearch-py also take it."""
        return self.key.read_text() + self.certificate.read_text()


class Authority:
    """Signs certificates; everything is in `folder`."""

    def __init__(self, folder: Path, name: str = "test") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._made = Certificate(folder / f"{name}-ca.pem", folder / f"{name}-ca.key")
        self._openssl(
            *("req", "-x509", *_KEY, "-subj", f"/CN={name} authority", "-days", _DAYS),
            *("-keyout", self._made.key, "-out", self._made.certificate),
        )

    @property
    def file(self) -> Path:
        """The certificate of the authority itself."""
        return self._made.certificate

    def issue(self, name: str, of: str = "DNS:localhost,IP:127.0.0.1") -> Certificate:
        """A certificate for `CN=name` on this machine, or on another, of a server or of a client."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request = self._folder / f"{name}.csr"
        self._openssl(
            "req", "-new", *_KEY, "-subj", f"/CN={name}", "-keyout", made.key, "-out", request
        )
        extensions = self._folder / "extensions"
        extensions.write_text(f"subjectAltName={of}\n")
        self._openssl(
            *("x509", "-req", "-in", request, "-days", _DAYS, "-extfile", extensions),
            *(
                "-CA",
                self.file,
                "-CAkey",
                self._made.key,
                "-CAcreateserial",
                "-out",
                made.certificate,
            ),
        )
        made.key.chmod(0o600)
        return made

    def server_context(self, certificate: Certificate, *, verify: bool = False) -> ssl.SSLContext:
        """What a server in Python needs; with `verify` it asks clients for a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        if verify:
            context.load_verify_locations(self.file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    @staticmethod
    def _openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
