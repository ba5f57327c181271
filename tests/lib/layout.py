# SPDX-License-Identifier: Apache-2.0
"""Writes OCI layouts and the tar archives of their layers, right and wrong ones."""
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile

PREFIX = "application/vnd.oci.image."
MTIME = 1700000000


def put_blob(layout, data, media_type):
    """Put a blob into a layout; return its descriptor."""
    digest = hashlib.sha256(data).hexdigest()
    folder = os.path.join(layout, "blobs", "sha256")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, digest), "wb") as file:
        file.write(data)
    return {"mediaType": PREFIX + media_type, "digest": "sha256:" + digest, "size": len(data)}


def blob_path(layout, descriptor):
    return os.path.join(layout, "blobs", *descriptor["digest"].split(":"))


def read_json(layout, descriptor):
    with open(blob_path(layout, descriptor), encoding="utf-8") as file:
        return json.load(file)


def write_index(layout, manifest, tag="latest"):
    """Make the manifest, a document, the layout's only one; return its descriptor."""
    entry = put_blob(layout, json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as file:
        json.dump({"schemaVersion": 2, "manifests": [entry]}, file)
    with open(os.path.join(layout, "oci-layout"), "w", encoding="utf-8") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)
    return entry


def read_manifest(layout):
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
        return read_json(layout, json.load(file)["manifests"][0])


def derive(base, layout, layers=(), config=None, compress=False, **fields):
    """Make a layout of another's layers and more on top, each the bytes of a tar archive.

    config: members of the image config's "config" to set; fields: members of the image config itself. Return the
    manifest.
    """
    shutil.copytree(base, layout)
    manifest = read_manifest(layout)
    image = read_json(layout, manifest["config"])
    image["config"] = dict(image.get("config") or {}, **(config or {}))
    image.update(fields)
    image.pop("history", None)
    for data in layers:
        image["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(data).hexdigest())
        if compress:
            manifest["layers"].append(put_blob(layout, gzip.compress(data, 1, mtime=0), "layer.v1.tar+gzip"))
        else:
            manifest["layers"].append(put_blob(layout, data, "layer.v1.tar"))
    manifest["config"] = put_blob(layout, json.dumps(image).encode(), "config.v1+json")
    write_index(layout, manifest)
    return manifest


def entry(name, kind=tarfile.REGTYPE, data=b"", mode=None, **fields):
    """One member of an archive: fields are TarInfo's, such as linkname, uid, devmajor, pax_headers."""
    info = tarfile.TarInfo()
    # Past the constructor, which would tidy the name.
    info.name = name
    info.type = kind
    info.size = len(data)
    info.mtime = MTIME
    info.mode = mode if mode is not None else 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def folder(name, **fields):
    return entry(name, tarfile.DIRTYPE, **fields)


def symlink(name, target):
    return entry(name, tarfile.SYMTYPE, linkname=target, mode=0o777)


def hardlink(name, target):
    return entry(name, tarfile.LNKTYPE, linkname=target)


def archive(*entries):
    """The bytes of a tar archive of entries, in their order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
