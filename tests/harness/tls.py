"""A certificate authority of our own, a server certificate for 'localhost', and an authority that signed nothing."""
import os
import subprocess


def _openssl(*argv):
    subprocess.run(["openssl", *argv], check=True, stdin=subprocess.DEVNULL, capture_output=True)


def authority(directory, name):
    """Self-signed CA; returns (certificate, key)."""
    cert, key = os.path.join(directory, f"{name}.crt"), os.path.join(directory, f"{name}.key")
    if not os.path.exists(cert):
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", key, "-out", cert, "-days", "30", "-subj", f"/CN={name} test authority")
        os.chmod(cert, 0o644)
    return cert, key


def server_certificate(directory):
    """For host 'localhost' only, so that 127.0.0.1 does not verify. Returns (certificate, key)."""
    cert, key = os.path.join(directory, "server.crt"), os.path.join(directory, "server.key")
    if not os.path.exists(cert):
        ca_cert, ca_key = authority(directory, "good-ca")
        request, ext = os.path.join(directory, "server.csr"), os.path.join(directory, "server.ext")
        with open(ext, "w") as f:
            f.write("subjectAltName=DNS:localhost\n")
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", key, "-out", request, "-subj", "/CN=localhost")
        _openssl("x509", "-req", "-in", request, "-CA", ca_cert, "-CAkey", ca_key, "-CAcreateserial",
                 "-out", cert, "-days", "30", "-extfile", ext)
    return cert, key


def good_ca(directory):
    return authority(directory, "good-ca")[0]


def other_ca(directory):
    return authority(directory, "other-ca")[0]
