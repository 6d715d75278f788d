"""What the tests of the store write."""


def fill(writer, ids):
    """Two images of each video: its letter thrice, and an x."""
    for id in ids:
        writer.add(id, {"rgb": [id.encode() * 3, b"x"]})
