"""Build backend (PEP 517) that packs the folder foretell/ into a wheel with the standard library alone."""

import base64
import hashlib
import pathlib
import re
import zipfile

HERE = pathlib.Path(__file__).parent
FIELDS = dict(re.findall(r'^([a-z-]+) = "(.*)"$', (HERE / "pyproject.toml").read_text(), re.MULTILINE))
INFO = f"{FIELDS['name']}-{FIELDS['version']}.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = {path.relative_to(HERE).as_posix(): path.read_bytes() for path in sorted((HERE / "foretell").iterdir())
             if path.is_file()}
    files[f"{INFO}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {FIELDS['name']}\nVersion: {FIELDS['version']}\n"
        f"Summary: {FIELDS['description']}\nRequires-Python: {FIELDS['requires-python']}\nLicense: MIT\n").encode()
    files[f"{INFO}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: foretell\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{name},sha256={digest},{len(data)}\n")
    record.append(f"{INFO}/RECORD,,\n")
    files[f"{INFO}/RECORD"] = "".join(record).encode()

    wheel = f"{FIELDS['name']}-{FIELDS['version']}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return wheel
