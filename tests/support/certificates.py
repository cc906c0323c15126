"""Certificates for tests, made by the openssl command: an authority, one below it, and what those sign."""

import subprocess

ROOT, BELOW = "/O=Cutwater tests/CN=root", "/O=Cutwater tests/CN=below"


def openssl(*arguments, text=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Authority:
    """NAME.pem and NAME.key of each certificate are in `folder`; `root` and `below` sign others."""

    def __init__(self, folder):
        self.folder = folder
        self.make("root", ROOT, authority=True)
        self.make("below", BELOW, signer="root", authority=True)

    def make(self, name, subject, signer=None, authority=False, hosts=("localhost",)):
        """A certificate and its key, signed by itself unless there is a signer."""
        folder = self.folder
        signed_by = ("-CA", folder / f"{signer}.pem", "-CAkey", folder / f"{signer}.key") if signer else ()
        hosts = ",".join(f"DNS:{host}" for host in hosts)
        extensions = "basicConstraints=critical,CA:true" if authority else f"subjectAltName={hosts},IP:127.0.0.1"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-utf8",
                "-subj", subject, "-addext", extensions, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", *signed_by)
        (folder / f"{name}.key").chmod(0o644)  # a web server's worker or another user may want it

    def text(self, name):
        return (self.folder / f"{name}.pem").read_text()

    def bundle(self, name, *parts):
        """A file of several certificates, as one shows that is not signed by a root. -> its path"""
        path = self.folder / f"{name}.bundle"
        path.write_text("".join(map(self.text, parts)))
        return path
